"""`sconce convert` between torch.save and torch.load: the loaded object equals the original."""

import json
import unittest
from collections import OrderedDict

import torch

from sconce_torch import (DTYPES, NEW_DTYPES, SEED, TORCH_VERSION, TestCase, run_sconce, tensor_bytes, tensors,
                          ways_to_load)


def random_tensor(dtype, shape):
    count = 1
    for size in shape:
        count *= size
    raw = torch.randint(0, 256, (count * torch.empty(0, dtype=dtype).element_size(),), dtype=torch.uint8)
    if dtype == torch.bool:
        raw %= 2
    return raw.view(dtype).reshape(shape) if count else torch.empty(shape, dtype=dtype)


class Case(TestCase):
    def converted(self, value, *options, suffix=".pt", legacy=False, warnings=r"\Z"):
        source, out = self.folder / "source.pt", self.folder / f"out{suffix}"
        torch.save(value, source, _use_new_zipfile_serialization=not legacy)
        result = run_sconce("convert", "--force", *options, source, out)
        self.assertRegex(result.stderr, r"\A" + warnings)
        return out

    def check(self, value, safe=True):
        """The object survives. `safe`: False where this PyTorch's weights_only refuses its own file, too."""
        out = self.converted(value)
        self.assert_loads_alike(self.folder / "source.pt", out, self.assert_same_parts, safe)

    def assert_same_parts(self, expected, actual):
        self.assert_same(*map(split_sparse, (expected, actual)))


def split_sparse(tree):
    """Sparse tensors as dicts of their parts, quantized ones beside their parameters."""
    if isinstance(tree, torch.Tensor):
        if tree.layout == torch.sparse_coo:
            return {"indices": tree._indices(), "values": tree._values(), "size": tuple(tree.shape),
                    "coalesced": tree.is_coalesced()}
        if tree.layout == torch.sparse_csr:
            return {"crow": tree.crow_indices(), "col": tree.col_indices(), "values": tree.values(),
                    "size": tuple(tree.shape)}
        if tree.is_quantized:
            per_tensor = tree.qscheme() == torch.per_tensor_affine
            parameters = ((tree.q_scale(), tree.q_zero_point()) if per_tensor else
                          (tree.q_per_channel_scales(), tree.q_per_channel_zero_points(), tree.q_per_channel_axis()))
            return {"tensor": tree, "parameters": parameters}
        return tree
    if isinstance(tree, OrderedDict):
        out = OrderedDict((key, split_sparse(value)) for key, value in tree.items())
        if hasattr(tree, "_metadata"):
            out._metadata = tree._metadata
        return out
    if type(tree) is dict:
        return {key: split_sparse(value) for key, value in tree.items()}
    if type(tree) in (list, tuple):
        return type(tree)(split_sparse(value) for value in tree)
    return tree


class Network(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.features = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.ReLU())
        self.head = torch.nn.Linear(4, 5)
        self.tied = torch.nn.Linear(4, 5)
        self.tied.weight = self.head.weight
        self.register_buffer("kept", torch.randn(2))
        self.register_buffer("dropped", torch.randn(2), persistent=False)

    def forward(self, x):
        return self.head(self.features(x).mean((2, 3)))


class Plain(Case):
    def test_every_dtype(self):
        self.check({str(dtype): random_tensor(dtype, (3, 5)) for dtype in DTYPES})

    @unittest.skipUnless(NEW_DTYPES, "this PyTorch has no further dtypes")
    def test_new_dtypes(self):
        self.check({str(dtype): random_tensor(dtype, (3, 5)) for dtype in NEW_DTYPES})

    def test_shapes(self):
        self.check([torch.randn(shape) for shape in ((), (0,), (1,), (3, 0, 2), (2, 3, 4, 5), (1,) * 9)])

    def test_bare_tensor(self):
        self.check(torch.randn(3, 4))

    def test_views_and_shared_storages(self):
        base = torch.randn(6, 8)
        self.check({"base": base, "t": base.t(), "row": base[2], "column": base[:, 3], "steps": base[::2, 1::3],
                    "expanded": torch.randn(1, 4).expand(3, 4), "same": base, "tail": torch.randn(100)[90:],
                    "channels_last": torch.randn(2, 3, 4, 4).contiguous(memory_format=torch.channels_last)})

    def test_one_object_in_two_places(self):
        shared = {"w": torch.randn(2)}
        out = self.converted({"a": shared, "b": shared, "c": [shared["w"]]})
        loaded = torch.load(out)
        self.assertIs(loaded["a"], loaded["b"])
        self.assertIs(loaded["a"]["w"], loaded["c"][0])

    def test_conjugated_and_negated(self):
        x, y = torch.randn(3, dtype=torch.complex64), torch.randn(3)
        loaded = torch.load(self.converted({"conj": x.conj(), "neg": torch._neg_view(y)}))
        original = torch.load(self.folder / "source.pt")  # 1.13 loses the bits when it saves
        for name in ("conj", "neg"):
            self.assertEqual(tensor_bytes(original[name]), tensor_bytes(loaded[name]))

    def test_requires_grad_and_parameters(self):
        self.check({"leaf": torch.randn(2, requires_grad=True), "parameter": torch.nn.Parameter(torch.randn(3)),
                    "frozen": torch.nn.Parameter(torch.randn(3), requires_grad=False)})

    def test_nested_containers(self):
        self.check({"a": [1, (2.5, None, "text", True, -(2**70)), {"b": {3: torch.randn(2), (4, "x"): 1e300}}],
                    "empty": [{}, [], ()], "ordered": OrderedDict(z=1, a=torch.randn(1)), 0: "zero",
                    "size": torch.Size([2, 3]), "unicode": "\u00e9\u4e2d\U0001f600"})

    def test_sparse(self):
        indices = torch.tensor([[0, 1, 1], [2, 0, 2]])
        coo = torch.sparse_coo_tensor(indices, torch.randn(3), (2, 4))
        self.check({"coo": coo, "coalesced": coo.coalesce(), "hybrid": torch.sparse_coo_tensor(
            indices, torch.randn(3, 5), (2, 4, 5))})
        if TORCH_VERSION >= (2, 0):  # 1.13 has another call for it, which 2.x no longer has
            self.check({"csr": torch.randn(3, 4).relu().to_sparse_csr()})

    def test_quantized(self):
        x = torch.randn(4, 3)
        self.check({str(dtype): torch.quantize_per_tensor(x, 0.1, 3 if dtype != torch.qint32 else 0, dtype)
                    for dtype in (torch.qint8, torch.quint8, torch.qint32)})
        self.check({"channels": torch.quantize_per_channel(x, torch.rand(4) + 0.1, torch.zeros(4), 0, torch.qint8)})

    def test_legacy_files(self):
        value = {"w": torch.randn(3, 4), "n": 1, "list": [torch.arange(5)]}
        loaded = torch.load(self.converted(value, legacy=True))
        self.assert_same(value, loaded)


class Modules(Case):
    def test_state_dict(self):
        self.check(Network().state_dict())

    def test_data_parallel_prefix(self):
        network = Network()
        wrapped = torch.nn.DataParallel(network)
        loaded = torch.load(self.converted(wrapped.state_dict(), "--strip-prefix", "module."))
        self.assert_same(network.state_dict(), loaded)
        loaded = torch.load(self.converted(network.state_dict(), "--add-prefix", "module."))
        self.assertEqual(list(wrapped.state_dict()), list(loaded))
        wrapped.load_state_dict(loaded)

    def test_renamed_modules_load(self):
        class Other(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.backbone = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4))
                self.head = torch.nn.Linear(4, 5)

        network = Network()
        loaded = torch.load(self.converted(network.state_dict(), "--rename", r"^features\.(\d+)=backbone.\1",
                                           "--exclude", "tied.*", "--exclude", "kept"))
        Other().load_state_dict(loaded)
        self.assertEqual(loaded._metadata["backbone.1"], network.state_dict()._metadata["features.1"])

    def test_whole_module_becomes_a_state_dict(self):
        network = Network()
        for options in ways_to_load():
            loaded = torch.load(self.converted(
                network, warnings=r"sconce: warning: \S+: it names \w+\.Network \(not among .*\n\Z"), **options)
            self.assertEqual(list(network.state_dict()), list(loaded))
            Network().load_state_dict(loaded)
            self.assertEqual([tensor_bytes(value) for value in network.state_dict().values()],
                             [tensor_bytes(value) for value in loaded.values()])

    def test_part_of_a_checkpoint(self):
        network = Network()
        value = {"state_dict": network.state_dict(), "epoch": 3, "best": 0.5}
        self.assert_same(network.state_dict(), torch.load(self.converted(value, "--state-dict", "state_dict")))

    def test_selection_keeps_the_tree(self):
        network = Network()
        value = {"model": network.state_dict(), "epoch": 3, "list": [torch.randn(2), torch.randn(3)]}
        loaded = torch.load(self.converted(value, "--select", "model.head.*", "--select", "list.1"))
        self.assertEqual(list(loaded), ["model", "list"])
        self.assertEqual(list(loaded["model"]), ["head.weight", "head.bias"])
        self.assertIsNone(loaded["list"][0])
        self.assert_same(value["list"][1], loaded["list"][1])


class Optimizers(Case):
    def optimizers(self):
        for name in sorted(dir(torch.optim)):
            kind = getattr(torch.optim, name)
            if isinstance(kind, type) and issubclass(kind, torch.optim.Optimizer) and kind is not torch.optim.Optimizer:
                yield name, kind

    def trained(self, kind):
        network = torch.nn.Linear(3, 2)
        if kind.__name__ == "SparseAdam":
            network = torch.nn.Embedding(5, 3, sparse=True)
            inputs = torch.tensor([1, 3])
        else:
            inputs = torch.randn(4, 3)
        parameters = list(network.parameters())
        if kind.__name__ == "Muon":
            parameters = [network.weight]
        optimizer = kind(parameters, lr=0.01)

        def closure():
            optimizer.zero_grad()
            loss = network(inputs).square().sum()
            loss.backward()
            return loss

        for _ in range(2):
            optimizer.step(closure)
        return network, optimizer

    def test_every_class(self):
        seen = 0
        for name, kind in self.optimizers():
            with self.subTest(optimizer=name, seed=SEED):
                network, optimizer = self.trained(kind)
                self.check({"model": network.state_dict(), "optimizer": optimizer.state_dict(), "epoch": 1})
                loaded = torch.load(self.folder / "out.pt")
                optimizer.load_state_dict(loaded["optimizer"])
                seen += 1
        self.assertGreater(seen, 8)


class DTypes(Case):
    def test_casts_are_those_of_torch(self):
        value = {"w": torch.randn(50, 7) * 300, "edge": torch.tensor([65504.0, 65520.0, 1e-8, -0.0, 3e38, float("nan")]),
                 "n": torch.arange(3), "double": torch.randn(5, dtype=torch.float64)}
        words = {"f16": torch.float16, "bf16": torch.bfloat16, "f32": torch.float32, "f64": torch.float64}
        for word, dtype in words.items():
            source, out = self.folder / "source.pt", self.folder / "out.pt"
            torch.save(value, source)
            run_sconce("convert", "--force", "--dtype", word, source, out)
            expected = {key: item.to(dtype) if item.is_floating_point() else item for key, item in value.items()}
            self.assert_same_numbers(expected, torch.load(out))

    def assert_same_numbers(self, expected, actual):
        for (path, mine), (_, theirs) in zip(tensors(expected), tensors(actual)):
            self.assertEqual(mine.dtype, theirs.dtype, path)
            self.assertTrue(torch.equal(torch.nan_to_num(mine.double(), 12345.0),
                                        torch.nan_to_num(theirs.double(), 12345.0)), path)
            # The sign of a NaN differs between PyTorch's own loops.
            signs = [torch.signbit(x.double())[~x.isnan()].tolist() for x in (mine, theirs)]
            self.assertEqual(*signs, path)

    def test_overflow_is_counted(self):
        source, out = self.folder / "source.pt", self.folder / "out.safetensors"
        values = torch.randn(1000) * 60000
        torch.save({"w": values}, source)
        report = json.loads(run_sconce("convert", "--json", "--dtype", "f16", source, out).stdout)
        self.assertEqual(report["overflowed"], int(values.half().isinf().sum()))

    def test_views_stay_views(self):
        base = torch.randn(6, 8)
        loaded = torch.load(self.converted({"base": base, "t": base.t(), "row": base[2]}, "--dtype", "f64"))
        self.assert_same({"base": (d := base.double()), "t": d.t(), "row": d[2]}, loaded)


class Safetensors(Case):
    def setUp(self):
        super().setUp()
        try:
            import safetensors.torch
        except ImportError:
            self.skipTest("needs the package safetensors")
        self.library = safetensors.torch

    def test_state_dict(self):
        state = Network().state_dict()
        out = self.folder / "out.safetensors"
        torch.save(state, self.folder / "source.pt")
        run_sconce("convert", self.folder / "source.pt", out)
        loaded = self.library.load_file(out)
        self.assertEqual(sorted(loaded), sorted(set(state) - {"tied.weight"}))
        for name, tensor in loaded.items():
            self.assert_same(state[name], tensor)
        network = Network()
        missing, unexpected = self.library.load_model(network, out)
        self.assertEqual((list(missing), list(unexpected)), ([], []))

    def test_there_and_back(self):
        lacks = (torch.complex128, torch.complex32, getattr(torch, "bcomplex32", None))
        dtypes = [dtype for dtype in DTYPES + NEW_DTYPES if dtype not in lacks]
        try:
            self.library.save({"c": torch.zeros(1, dtype=torch.complex64)})
        except (KeyError, ValueError):
            dtypes.remove(torch.complex64)
        value = {str(dtype): random_tensor(dtype, (2, 3)) for dtype in dtypes}
        torch.save(value, self.folder / "source.pt")
        run_sconce("convert", self.folder / "source.pt", self.folder / "a.safetensors")
        self.assert_same(dict(sorted(value.items())), dict(sorted(self.library.load_file(
            self.folder / "a.safetensors").items())))
        self.library.save_file(value, str(self.folder / "b.safetensors"), metadata={"format": "pt"})
        run_sconce("convert", self.folder / "b.safetensors", self.folder / "b.pt")
        self.assert_same(dict(sorted(value.items())), dict(sorted(torch.load(self.folder / "b.pt").items())))
        self.assertEqual((self.folder / "a.safetensors").read_bytes(), (self.folder / "b.safetensors").read_bytes())

    def test_what_has_no_place_is_named(self):
        torch.save({"model": {"w": torch.randn(2)}, "epoch": 3}, self.folder / "source.pt")
        result = run_sconce("convert", "--json", self.folder / "source.pt", self.folder / "o.safetensors")
        self.assertEqual(json.loads(result.stdout)["left_out"], [{"name": "epoch", "type": "int"}])
        self.assertIn("'epoch'", result.stderr)
        self.assertEqual(list(self.library.load_file(self.folder / "o.safetensors")), ["model.w"])


class Show(Case):
    def saved(self, value):
        torch.save(value, self.folder / "x.pt")
        return self.folder / "x.pt"

    def shown(self, *arguments):
        return run_sconce("show", self.folder / "x.pt", *arguments).stdout.rstrip("\n")

    def test_prints_as_torch(self):
        value = {"x": torch.randn(4, 5, 6), "long": torch.arange(5000), "tiny": torch.rand(3) * 1e-7,
                 "half": torch.randn(7).half(), "flags": torch.rand(5) > 0.5, "scalar": torch.tensor(3.25),
                 "grad": torch.randn(2, requires_grad=True)}
        self.saved(value)
        for name, tensor in value.items():
            self.assertEqual(self.shown(name), str(tensor), f"{name} (SCONCE_SEED={SEED})")
        x = value["x"]
        self.assertEqual(self.shown("x[0, :, 1:3]"), str(x[0, :, 1:3]))
        self.assertEqual(self.shown("x[..., -1]"), str(x[..., -1]))
        self.assertEqual(self.shown("x[1::2, ::-1]"), str(x[1::2].flip(1)))
        torch.set_printoptions(precision=7, threshold=10**9)
        self.addCleanup(torch.set_printoptions, profile="default")
        self.assertEqual(self.shown("x", "--full", "--precision", "7"), str(x))
        self.assertEqual(self.shown("long", "--full"), str(value["long"]))

    def test_json_has_every_bit(self):
        value = {"x": torch.randn(3, 4), "d": torch.randn(3, dtype=torch.float64), "c": torch.randn(2, dtype=torch.complex64)}
        self.saved(value)
        for name in ("x", "d"):
            numbers = json.loads(self.shown(name, "--json"))["values"]
            self.assertEqual(numbers, value[name].tolist())
        numbers = json.loads(self.shown("c", "--json"))["values"]
        self.assertEqual([complex(*pair) for pair in numbers], value["c"].tolist())

    def test_other_values(self):
        network = Network()
        optimizer = torch.optim.Adam(network.parameters(), lr=0.25)
        self.saved({"model": network, "optimizer": optimizer.state_dict(), "epoch": 3, "name": "run 1", "none": None})
        self.assertEqual(self.shown("epoch"), "3")
        self.assertEqual(self.shown("name"), "'run 1'")
        self.assertEqual(self.shown("none"), "None")
        self.assertEqual(self.shown("optimizer.param_groups.0.lr"), "0.25")
        self.assertEqual(self.shown("optimizer.param_groups.0.betas"), "(0.9, 0.999)")
        self.assertEqual(json.loads(self.shown("optimizer.param_groups", "--json"))["value"][0]["lr"], 0.25)
        self.assertEqual(self.shown("model.head.bias").split(", requires_grad")[0].rstrip(")"),
                         str(network.head.bias.detach()).rstrip(")"))

    def test_sparse_and_quantized(self):
        indices = torch.tensor([[0, 1, 1], [2, 0, 2]])
        self.saved({"s": torch.sparse_coo_tensor(indices, torch.tensor([1.0, 2.0, 3.0]), (2, 4)),
                    "q": torch.quantize_per_tensor(torch.tensor([1.0, 2.0]), 0.5, 3, torch.qint8)})
        self.assertIn("values=tensor([1., 2., 3.])", self.shown("s"))
        self.assertEqual(json.loads(self.shown("s", "--json"))["indices"], indices.tolist())
        self.assertIn("scale=0.5", self.shown("q"))
        self.assertEqual(json.loads(self.shown("q", "--json"))["values"], [5, 7])


if __name__ == "__main__":
    unittest.main()
