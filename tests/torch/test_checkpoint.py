"""Files of PyTorch read by sconce, and files of sconce read by PyTorch, leaf by leaf."""

import hashlib
import json
import random
import struct
import unittest
import zipfile
from collections import OrderedDict
from pathlib import Path

import torch

from sconce_torch import (DTYPES, NEW_DTYPES, SEED, TORCH_VERSION, TestCase, digest, has_memory, needs_torch,
                          run_probe, storage_id, tensor_bytes)


def load(path, **options):
    if TORCH_VERSION >= (2, 0):
        options.setdefault("weights_only", False)
    return torch.load(path, **options)


def random_tensor(dtype, shape):
    """Any bits at all, NaN and infinity among them."""
    count = 1
    for size in shape:
        count *= size
    itemsize = torch.empty(0, dtype=dtype).element_size()
    raw = torch.randint(0, 256, (count * itemsize,), dtype=torch.uint8)
    if dtype == torch.bool:
        raw %= 2
    if count == 0:
        return torch.empty(shape, dtype=dtype)
    return raw.view(dtype).reshape(shape)


def float_bits(value):
    return struct.pack("<d", value).hex()


def expected_tree(value, storages=None):
    """What `sconce_probe tree` prints for a value."""
    storages = {} if storages is None else storages
    again = lambda item: expected_tree(item, storages)  # noqa: E731
    if value is None:
        return {"none": None}
    if isinstance(value, bool):
        return {"bool": value}
    if isinstance(value, int):
        if -(2**63) <= value < 2**63:
            return {"int": value}
        return {"bigint": value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True).hex()}
    if isinstance(value, float):
        return {"float": float_bits(value)}
    if isinstance(value, complex):
        return {"complex": [float_bits(value.real), float_bits(value.imag)]}
    if isinstance(value, str):
        return {"str": value}
    if isinstance(value, (bytes, bytearray)):
        return {type(value).__name__: value.hex()}
    if isinstance(value, torch.Size):
        return {"object": "torch.Size", "args": {"tuple": [{"tuple": [again(int(v)) for v in value]}]}}
    if isinstance(value, torch.dtype):
        return {"object": str(value), "args": None}
    if isinstance(value, torch.device):
        return {"object": "torch.device", "args": {"tuple": [{"str": value.type}]}}
    if isinstance(value, torch.Tensor):
        return expected_tensor(value, storages)
    if isinstance(value, dict):
        name = "OrderedDict" if isinstance(value, OrderedDict) else "dict"
        out = {name: [[again(key), again(item)] for key, item in value.items()]}
        if hasattr(value, "_metadata"):
            out["_metadata"] = again(value._metadata)
        return out
    return {type(value).__name__: [again(item) for item in value]}


def aligned(actual, expected, storages=None):
    """`actual` with its storages numbered anew, leaving out those that `expected` has no number for."""
    storages = {} if storages is None else storages
    if isinstance(actual, list) and isinstance(expected, list) and len(actual) == len(expected):
        return [aligned(a, e, storages) for a, e in zip(actual, expected)]
    if not isinstance(actual, dict) or not isinstance(expected, dict):
        return actual
    out = {key: aligned(item, expected.get(key), storages) for key, item in actual.items()}
    if "tensor" in out and "storage" in out:
        empty = "storage" in expected and expected["storage"] is None
        out["storage"] = None if empty else storages.setdefault(out["storage"], len(storages))
    return out


def expected_array(tensor, storages):
    tensor = tensor.detach()
    return {
        "tensor": str(tensor.dtype).replace("torch.", ""),
        "shape": list(tensor.shape),
        "stride": list(tensor.stride()),
        "offset": tensor.storage_offset(),
        "storage": storages.setdefault(storage_id(tensor), len(storages)) if has_memory(tensor) else None,
        "sha256": digest(tensor),
    }


def expected_tensor(tensor, storages):
    out = expected_array(tensor, storages)
    out["requires_grad"] = tensor.requires_grad
    out["parameter"] = isinstance(tensor, torch.nn.Parameter)
    if tensor.is_quantized:
        per_tensor = tensor.qscheme() in (torch.per_tensor_affine, torch.per_tensor_symmetric)
        out["scale"] = float_bits(tensor.q_scale() if per_tensor else 1.0)
        out["zero_point"] = tensor.q_zero_point() if per_tensor else 0
    return out


class Case(TestCase):
    def probe_tree(self, path):
        return json.loads(run_probe("tree", path).stdout)

    def resave(self, path, *options, suffix=".pt"):
        out = self.folder / f"resaved{suffix}"
        run_probe("resave", path, out, *options)
        return out

    def save(self, value, **options):
        path = self.folder / "value.pt"
        torch.save(value, path, **options)
        return path

    def check(self, value, weights_only=True):
        """PyTorch -> sconce -> PyTorch, and what sconce saw in between."""
        self.check_file(self.save(value), weights_only)

    def check_file(self, path, weights_only=True):
        """The same of a file that is there."""
        expected = load(path)
        tree = expected_tree(expected)
        self.assertEqual(tree, aligned(self.probe_tree(path), tree), f"SCONCE_SEED={SEED}")
        out = self.resave(path)
        self.assert_same(expected, load(out))
        self.assertIsNone(zipfile.ZipFile(out).testzip())
        self.assert_same(expected, load(self.resave(path, "map")))
        if TORCH_VERSION >= (2, 1):
            if weights_only:
                self.assert_same(expected, load(out, weights_only=True))
            self.assert_same(expected, load(out, mmap=True))
        # A second pass gives the same bytes.
        self.assertEqual(self.digest_file(out), self.digest_file(self.second(out)))

    def second(self, path):
        out = self.folder / "again" / path.name
        out.parent.mkdir(exist_ok=True)
        run_probe("resave", path, out)
        return out

    def digest_file(self, path):
        return hashlib.sha256(path.read_bytes()).hexdigest()


class PlainTensors(Case):
    def test_every_dtype(self):
        self.check({str(dtype): random_tensor(dtype, (2, 3)) for dtype in DTYPES})

    @needs_torch(2, 3)
    def test_every_new_dtype(self):
        self.check({str(dtype): random_tensor(dtype, (2, 3)) for dtype in NEW_DTYPES})

    def test_shapes(self):
        shapes = [(), (0,), (1,), (0, 3), (2, 0, 4), (1, 1, 1, 1, 1, 1, 1, 1), (5, 7)]
        self.check([random_tensor(torch.float32, shape) for shape in shapes])

    def test_views(self):
        base = torch.randn(4, 6)
        self.check({"whole": base, "transposed": base.t(), "row": base[1], "column": base[:, 2],
                    "step": base[::2, 1::3], "expanded": base[0].expand(5, 6), "permuted": torch.randn(2, 3, 4).permute(2, 0, 1)})

    def test_shared_and_tied(self):
        tied = torch.randn(3)
        self.check({"a": tied, "b": tied, "c": tied.view(3, 1), "d": torch.randn(3)})

    def test_requires_grad_and_parameters(self):
        self.check({"leaf": torch.randn(3, requires_grad=True), "parameter": torch.nn.Parameter(torch.randn(2, 2)),
                    "frozen": torch.nn.Parameter(torch.randn(2), requires_grad=False)})

    def test_bare_tensor(self):
        self.check(torch.randn(3, 4))

    @needs_torch(2, 0)
    def test_conjugate_and_negative_views_are_resolved(self):
        value = torch.randn(3, 2, dtype=torch.complex64)
        for lazy in (value.conj(), value.conj().imag, value.t().conj()):
            self.assertTrue(lazy.is_conj() or lazy.is_neg())
            path = self.save({"lazy": lazy})
            for actual in (load(self.resave(path))["lazy"], load(self.resave(path, "map"))["lazy"]):
                self.assertTrue(torch.equal(lazy.resolve_conj().resolve_neg(), actual))
                self.assertFalse(actual.is_conj() or actual.is_neg())
            listing = json.loads(run_probe("list", path).stdout)
            self.assertEqual(listing["tensors"][0]["sha256"], digest(lazy))

    @needs_torch(2, 5)
    def test_buffers_keep_their_attributes(self):
        path = self.save({"b": torch.nn.Buffer(torch.randn(3), persistent=True)})
        actual = load(self.resave(path), weights_only=True)["b"]
        self.assertIsInstance(actual, torch.nn.Buffer)
        self.assertTrue(actual.persistent)
        self.assertTrue(torch.equal(load(path)["b"], actual))

    def test_quantized(self):
        source = torch.randn(4, 3)
        value = {"tensor": torch.quantize_per_tensor(source, 0.1, 3, torch.quint8),
                 "wide": torch.quantize_per_tensor(source, 0.01, 0, torch.qint32),
                 "channel": torch.quantize_per_channel(source, torch.rand(4).double() + 0.1,
                                                       torch.arange(4), 0, torch.qint8)}
        path = self.save(value)
        expected, actual = load(path), load(self.resave(path))
        for name in value:
            self.assertEqual(expected[name].qscheme(), actual[name].qscheme())
            self.assertEqual(expected[name].dtype, actual[name].dtype)
            self.assertEqual(tensor_bytes(expected[name]), tensor_bytes(actual[name]))
            self.assertTrue(torch.equal(expected[name].dequantize(), actual[name].dequantize()))

    def test_sparse(self):
        dense = torch.tensor([[0.0, 1.0, 0.0], [2.0, 0.0, 3.0]])
        value = {"coo": dense.to_sparse(), "csr": dense.to_sparse_csr()}
        path = self.save(value)
        actual = load(self.resave(path)) if TORCH_VERSION >= (2, 0) else None
        tree = self.probe_tree(path)["dict"]
        self.assertEqual([item[1]["sparse"] for item in tree], ["sparse_coo", "sparse_csr"])
        self.assertEqual(tree[0][1]["values"]["sha256"], digest(torch.tensor([1.0, 2.0, 3.0])))
        if actual:
            for name, tensor in value.items():
                self.assertEqual(actual[name].layout, tensor.layout)
                self.assertTrue(torch.equal(actual[name].to_dense(), dense))


def random_value(rng, tensors, depth):
    kind = rng.randrange(12 if depth > 0 else 8)
    if kind < 3:
        tensor = random_tensor(rng.choice(DTYPES), [rng.randrange(4) for _ in range(rng.randrange(4))])
        tensors.append(tensor)
        return tensor
    if kind == 3 and tensors:
        tensor = rng.choice(tensors)
        return rng.choice([tensor, tensor.reshape(-1), tensor.t() if tensor.dim() == 2 else tensor])
    if kind < 8:
        return rng.choice([None, True, rng.randrange(-(2**70), 2**70), rng.random(), f"text {rng.random()}", "lr"])
    items = [random_value(rng, tensors, depth - 1) for _ in range(rng.randrange(5))]
    if kind == 8:
        return items
    if kind == 9:
        return tuple(items)
    keys = rng.sample(["a", "weight", "b.c", 0, 7, 2.5, False, "\u00fc", ("t", 3)], len(items))
    return (dict if kind == 10 else OrderedDict)(zip(keys, items))


class Trees(Case):
    def test_python_values(self):
        self.check({"none": None, "true": True, "int": -5, "big": 2**200, "edge": [-(2**63), 2**63, 2**31, -(2**31), 255, 256, 65536],
                    "float": [0.0, -0.0, 1e300, float("inf"), float("nan")], "text": "\u00e9\u4e2d\n", "tuple": (1, (2,), ()),
                    "nested": [[], {}, [{"a": [1]}]], 0: "int key", (1, "x"): "tuple key", 1.5: "float key", None: 0})

    def test_python_values_beyond_weights_only(self):
        self.check({"set": {1}, "frozen": frozenset(["a"]), "bytes": b"\x00\xff\x80abc", "empty": b"", "bytearray": bytearray(b"\x01\xfe"),
                    "no bytes": bytearray(), "complex": 1.5 - 2j}, weights_only=False)

    def test_torch_values(self):
        self.check({"size": torch.Size([2, 3]), "dtype": torch.float16, "device": torch.device("cpu")}, weights_only=TORCH_VERSION >= (2, 0))

    def test_long_containers(self):
        for count in (999, 1000, 1001, 2001):
            self.check({"list": list(range(count)), "dict": {str(i): i for i in range(count)},
                        "ordered": OrderedDict((str(i), i) for i in range(count))})

    def test_shared_containers_and_cycles(self):
        shared = [1, 2]
        path = self.save({"a": shared, "b": shared})
        actual = load(self.resave(path))
        self.assertIs(actual["a"], actual["b"])
        cycle = []
        cycle.append(cycle)
        actual = load(self.resave(self.save(cycle)))
        self.assertIs(actual, actual[0])

    def test_model_and_optimizer(self):
        model = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.Flatten(),
                                    torch.nn.Linear(4, 2))
        for make in (lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9), torch.optim.Adam):
            optimizer = make(model.parameters())
            for parameter in model.parameters():
                parameter.grad = torch.randn_like(parameter)
            optimizer.step()
            self.check({"model": model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": 3})

    def test_pickle_of_model_and_optimizer_is_torch_s_own(self):
        model = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.BatchNorm1d(3))
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
        for parameter in model.parameters():
            parameter.grad = torch.randn_like(parameter)
        optimizer.step()
        path = self.save({"model": model.state_dict(), "optimizer": optimizer.state_dict()})
        ours = zipfile.ZipFile(self.resave(path)).read("resaved/data.pkl")
        self.assertEqual(zipfile.ZipFile(path).read("value/data.pkl"), ours)

    def test_unknown_objects_are_left_out_by_name(self):
        path = self.save({"good": 1, "path": Path("/data"), "list": [Path("x")]})
        result = run_probe("resave", path, self.folder / "out.pt")
        self.assertEqual(result.stdout.count("left out"), 2)
        self.assertEqual(load(self.folder / "out.pt"), {"good": 1, "list": [None]})
        run_probe("resave", path, self.folder / "out.pt", "keep-objects")
        self.assertEqual(load(self.folder / "out.pt"), load(path))

    def test_random_trees(self):
        rng = random.Random(SEED)
        for _ in range(12):
            self.check([random_value(rng, [], 4) for _ in range(3)])


class Listings(Case):
    def test_names_and_aliases(self):
        tied = torch.randn(2, 3)
        path = self.save({"model": {"conv1.weight": tied, "tied": tied.t()}, "optimizer": {"state": {0: {"momentum_buffer": torch.ones(2)}}}})
        listing = json.loads(run_probe("list", path).stdout)
        self.assertEqual(listing["format"], "torch-zip")
        names = [tensor["name"] for tensor in listing["tensors"]]
        self.assertEqual(names, ["model.conv1.weight", "model.tied", "optimizer.state.0.momentum_buffer"])
        self.assertEqual([tensor["alias_of"] for tensor in listing["tensors"]], [None, 0, None])
        self.assertEqual(listing["tensors"][1]["sha256"], digest(tied.t()))

    def test_random_tensors(self):
        value = {f"{dtype}-{i}": random_tensor(dtype, (i, 3)) for dtype in DTYPES for i in range(3)}
        listing = json.loads(run_probe("list", self.save(value)).stdout)
        self.assertEqual({tensor["name"]: tensor["sha256"] for tensor in listing["tensors"]},
                         {name: digest(tensor) for name, tensor in value.items()})


class Safetensors(Case):
    def setUp(self):
        super().setUp()
        try:
            import safetensors.torch
        except ImportError:
            raise unittest.SkipTest("needs the safetensors package")
        self.safetensors = safetensors

    # Everything the package writes; it cannot read the last two back.
    NAMES = ("bool uint8 int8 int16 int32 int64 float16 bfloat16 float32 float64 complex64 uint16 uint32 uint64 "
             "float8_e4m3fn float8_e5m2 float8_e4m3fnuz float8_e5m2fnuz float8_e8m0fnu float4_e2m1fn_x2").split()

    def tensors(self, names):
        dtypes = [getattr(torch, name) for name in names if hasattr(torch, name)]
        return {f"{str(dtype)}.{i}": random_tensor(dtype, shape)
                for dtype in dtypes for i, shape in enumerate([(2, 4), (6,), (0, 2)])}

    def test_theirs_here(self):
        value = self.tensors(self.NAMES)
        path = self.folder / "value.safetensors"
        self.safetensors.torch.save_file(value, path, metadata={"format": "pt", "note": "a \"b\" \u00e9"})
        actual = load(self.resave(path))
        self.assertEqual(set(actual), set(value))
        for name, tensor in value.items():
            self.assertEqual((actual[name].dtype, actual[name].shape), (tensor.dtype, tensor.shape), name)
            self.assertEqual(tensor_bytes(actual[name]), tensor_bytes(tensor), name)
        again = self.resave(path, suffix=".safetensors")
        with self.safetensors.safe_open(again, "pt") as file:
            self.assertEqual(file.metadata(), {"format": "pt", "note": "a \"b\" \u00e9"})
        self.assertEqual(again.stat().st_size, path.stat().st_size)

    def test_ours_there(self):
        value = self.tensors(self.NAMES[:-2])
        value["scalar"] = torch.randn(())
        value["view"] = torch.randn(3, 4).t()
        out = self.resave(self.save({"model": value}), suffix=".safetensors")
        actual = self.safetensors.torch.load_file(out)
        self.assertEqual(set(actual), {f"model.{name}" for name in value})
        for name, tensor in value.items():
            self.assertEqual(tensor_bytes(actual[f"model.{name}"]), tensor_bytes(tensor), name)

    def test_shared_memory_is_written_once_or_refused(self):
        tied = torch.randn(3)
        path = self.save({"a": tied, "b": tied})
        out = self.folder / "x.safetensors"
        self.assertEqual(run_probe("resave", path, out, "no-aliases", check=False).returncode, 2)
        self.assertFalse(out.exists())
        run_probe("resave", path, out)
        with self.safetensors.safe_open(out, "pt") as file:
            self.assertEqual(list(file.keys()), ["a"])
            self.assertEqual(file.metadata()["b"], "a")
        self.assert_same({"a": tied, "b": tied}, load(self.resave(out)))

    def test_save_model_of_tied_weights(self):
        class Tied(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.encoder = torch.nn.Linear(3, 3)
                self.decoder = torch.nn.Linear(3, 3)
                self.decoder.weight = self.encoder.weight

        model = Tied()
        path = self.folder / "model.safetensors"
        self.safetensors.torch.save_model(model, path, metadata={"format": "pt", "note": "x"})
        actual = load(self.resave(path))
        self.assertEqual(set(actual), set(model.state_dict()))
        self.assertEqual(storage_id(actual["decoder.weight"]), storage_id(actual["encoder.weight"]))
        self.assertEqual(tensor_bytes(actual["decoder.weight"]), tensor_bytes(model.decoder.weight))
        # And what we write of it loads into the model.
        torch.save(model.state_dict(), self.folder / "state.pt")
        ours = self.resave(self.folder / "state.pt", suffix=".safetensors")
        other = Tied()
        self.safetensors.torch.load_model(other, ours)
        self.assert_same(model.state_dict(), other.state_dict())
