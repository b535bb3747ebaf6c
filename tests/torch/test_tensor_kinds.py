"""Tensors of every kind that stand in checkpoints: read, written back and loaded by PyTorch, which judges."""

import hashlib
import itertools
import json
import os
import pathlib
import random
import subprocess
import sys
import unittest

import numpy
import torch
from torch import nn

from object_case import Case, Rebuilt, bits, Subclass, load, parts, untyped, with_records
from sconce_torch import SEED, TORCH_VERSION, digest, needs_torch, run_probe, run_sconce, tensor_bytes


class Dtypes(Case):
    NAMES = ["uint8", "int8", "int16", "int32", "int64", "float16", "bfloat16", "float32", "float64", "complex32", "bcomplex32",
             "complex64", "complex128", "bool", "uint16", "uint32", "uint64", "float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz",
             "float8_e5m2fnuz", "float8_e8m0fnu", "float4_e2m1fn_x2", "bits8", "bits1x8", "bits2x4", "bits4x2", "bits16"]

    def test_tensors(self):
        for name in self.NAMES:
            dtype = getattr(torch, name, None)
            if dtype is None or (TORCH_VERSION < (2, 3) and name == "complex32"):
                continue
            with self.subTest(name):
                raw = torch.randint(0, 2 if name == "bool" else 256, (48,), dtype=torch.uint8)
                tensor = raw.view(dtype)
                self.assertGreater(tensor.numel(), 2)
                path, _ = self.check({"all": tensor, "part": tensor[2:]})
                listing = json.loads(run_probe("list", path).stdout)["tensors"]
                self.assertEqual([name, name], [item["dtype"] for item in listing])
                self.assertEqual(hashlib.sha256(bits(tensor)).hexdigest(), listing[0]["sha256"])

    def test_objects(self):
        names = [name for name in self.NAMES if hasattr(torch, name)]
        if TORCH_VERSION >= (2, 3):
            names += ["quint8", "qint8", "qint32"]
        value = {"dtypes": [getattr(torch, name) for name in names], "size": torch.Size([2, 3]), "none": torch.Size([]),
                 "layouts": [torch.strided, torch.sparse_coo], "devices": [torch.device("cpu"), torch.device("cuda:1")]}
        self.check(value)

    def test_classes_alone(self):
        self.kept({"a": 1, "schemes": [torch.per_tensor_affine], "class": [int, list]}, {"a": 1, "schemes": [torch.per_tensor_affine], "class": [None, None]})


def odd_sparse_tensors():
    """(key, function that makes the tensor with or without a check), the same ones for a seed."""
    torch.manual_seed(SEED)
    rng = random.Random(SEED)
    layouts = {"csr": torch.sparse_csr, "csc": torch.sparse_csc, "bsr": torch.sparse_bsr, "bsc": torch.sparse_bsc}
    for number in range(300):
        batch, dense = [2] * rng.randrange(3), [3] * rng.randrange(2)
        shape = (*batch, 2 * rng.randrange(3), 2 * rng.randrange(3), *dense)
        mask = (torch.rand(shape[len(batch):len(batch) + 2]) < 0.5).view(*[1] * len(batch), *shape[len(batch):len(batch) + 2], *[1] * len(dense))
        full = torch.where(mask, torch.rand(shape) + 1, torch.zeros(()))
        name = rng.choice(["coo", *layouts])
        block = {"blocksize": (rng.randrange(1, 3), rng.randrange(1, 3))} if name.startswith("b") else {}
        try:
            made = (full.to_sparse(len(batch) + 2) if name == "coo" else
                    full.to_sparse(layout=layouts[name], dense_dim=len(dense), **block))
        except RuntimeError:  # an empty one of blocks
            continue
        if name == "coo":
            indices = [made.indices().clone()]
        else:
            names = ("crow_indices", "col_indices") if name in ("csr", "bsr") else ("ccol_indices", "row_indices")
            indices = [getattr(made, part)().to(rng.choice([torch.int32, torch.int64])) for part in names[:1]]
            indices.append(getattr(made, names[1])().to(indices[0].dtype))
        # Without rows PyTorch looks at nothing.
        for _ in range(0 if 0 in shape else rng.randrange(3)):
            part = rng.choice(indices).view(-1)
            if part.numel():
                part[rng.randrange(part.numel())] += rng.choice([-3, -1, 1, 2])

        def make(check, name=name, indices=indices, values=made.values(), shape=shape):
            if name == "coo":
                return torch.sparse_coo_tensor(*indices, values, shape, check_invariants=check)
            return torch.sparse_compressed_tensor(*indices, values, shape, layout=layouts[name], check_invariants=check)

        yield f"{number} {name} {tuple(shape)}", make


def print_verdicts(first):
    for _, make in itertools.islice(odd_sparse_tensors(), first, None):
        try:
            make(True)
            print("good", flush=True)
        except RuntimeError as error:
            print("unsorted" if "sorted" in str(error) else "bad", flush=True)


def verdicts_of_pytorch(count):
    """What its check says of each tensor, asked in another process: 2.13 reads before it has checked where, and may
    crash, which is a verdict, too."""
    out = []
    while len(out) < count:
        script = f"import test_tensor_kinds; test_tensor_kinds.print_verdicts({len(out)})"
        result = subprocess.run([sys.executable, "-W", "ignore", "-c", script], stdout=subprocess.PIPE, text=True,
                                cwd=pathlib.Path(__file__).parent, env={**os.environ, "SCONCE_SEED": str(SEED)})
        out += result.stdout.split()
        if result.returncode < 0:
            out.append("bad")
        elif result.returncode > 0:
            raise AssertionError(f"the check ends with status {result.returncode}")
    return out


class Tensors(Case):
    def test_quantized(self):
        source = torch.randn(4, 6)
        channels = torch.rand(4).double() + 0.1
        value = {"tensor": torch.quantize_per_tensor(source, 0.1, 3, torch.quint8),
                 "signed": torch.quantize_per_tensor(source, 0.1, -3, torch.qint8),
                 "wide": torch.quantize_per_tensor(source, 0.01, 0, torch.qint32).t(),
                 "channel": torch.quantize_per_channel(source, channels, torch.arange(4), 0, torch.qint8),
                 "floats": torch.quantize_per_channel(source, channels.float(), torch.rand(4), 0, torch.quint8)}
        path, _ = self.check(value)
        listing = json.loads(run_sconce("inspect", "--json", "--digest", path).stdout)["tensors"]
        digests = {(item["name"], item.get("part", "")): item["sha256"] for item in listing}
        self.assertEqual(digest(value["tensor"]), digests["tensor", ""])
        self.assertEqual(digest(value["floats"].q_per_channel_scales()), digests["floats", "scales"])

    def test_values_that_share_bytes(self):
        for dtype, count in (torch.quint4x2, 2), (torch.quint2x4, 4):
            channels = lambda rows: (torch.rand(rows) + 0.1, torch.rand(rows), 0, dtype)  # noqa: E731
            value = {"even": torch.quantize_per_channel(torch.randn(4, 8), *channels(4)),
                     "odd": torch.quantize_per_channel(torch.randn(3, 5), *channels(3)),
                     "tensor": torch.quantize_per_tensor(torch.randn(2, 3, 4), 0.1, 1, dtype)}
            if TORCH_VERSION >= (2, 0):
                value["row"] = value["even"][0]
            for options, saving in ((), {}), (("format=torch-legacy",), {"_use_new_zipfile_serialization": False}):
                path, _ = self.check(value, *options, **saving)
            listing = json.loads(run_sconce("inspect", "--json", "--digest", path).stdout)["tensors"]
            for item in listing:
                if "part" not in item:
                    tensor = value[item["name"]]
                    self.assertEqual((digest(tensor), list(tensor.shape)), (item["sha256"], item["shape"]))
            shown = json.loads(run_sconce("show", "--json", path, "odd").stdout)
            packed = value["odd"].int_repr().tolist()
            integers = [packed[i // count] >> (8 // count * (i % count)) & (2 ** (8 // count) - 1) for i in range(15)]
            self.assertEqual((torch.tensor(integers).view(3, 5).tolist(), str(dtype)), (shown["values"], f"torch.{shown['dtype']}"))
            run_sconce("convert", path, self.folder / f"dcp{count}", "--to", "dcp")
            run_sconce("convert", self.folder / f"dcp{count}", self.folder / "back.pt", "--force")
            self.assertEqual(parts(load(path)), parts(load(self.folder / "back.pt")))
            for extension in "safetensors", "npz":
                refused = run_sconce("convert", path, self.folder / f"out.{extension}", check=False)
                self.assertEqual(2, refused.returncode)
                self.assertIn(str(dtype)[6:], refused.stderr)

    def test_storages(self):
        base = torch.arange(4.0)
        value = {"floats": torch.FloatStorage([1, 2, 3]), "bools": torch.BoolStorage([True, False]), "of": base.storage(),
                 "tensor": base, "none": torch.LongStorage(), "untyped": untyped(torch.ShortStorage([1, 2]))}
        value["again"] = value["floats"]
        for options in (), ("format=torch-legacy",):
            path, out = self.check(value, *options)
            actual = load(out)
            self.assertEqual(actual["of"].data_ptr(), actual["tensor"].data_ptr())
            self.assertEqual(actual["floats"].data_ptr(), actual["again"].data_ptr())
        run_sconce("convert", path, self.folder / "dcp", "--to", "dcp")
        run_sconce("convert", self.folder / "dcp", self.folder / "back.pt")
        self.assertEqual(parts(load(path)), parts(load(self.folder / "back.pt")))
        said = run_sconce("convert", self.saved({"s": torch.FloatStorage([1, 2])}), self.folder / "out.safetensors").stderr
        self.assertIn("the storage s becomes a tensor", said)

    def test_sparse_that_points_outside_itself(self):
        sparse = torch.tensor([[0.0, 1.0], [2.0, 0.0]]).to_sparse()
        path = self.saved({"a": torch.ones(1), "s": sparse})
        wild = torch.tensor([[0, 2**40], [1, 0]])
        with_records(path, lambda data: tensor_bytes(wild) if data == tensor_bytes(sparse.indices()) else data)
        report = run_sconce("verify", "--json", path, check=False)
        self.assertEqual((1, "damaged"), (report.returncode, json.loads(report.stdout)["structure"]))
        self.assertIn("'s' points outside itself: indices[0, 1] is 1099511627776", json.loads(report.stdout)["problems"][0]["text"])
        for command in (("convert", path, self.folder / "out.pt"), ("merge", path, self.folder / "out.pt")):
            refused = run_sconce(*command, check=False)
            self.assertEqual(2, refused.returncode)
            self.assertIn(f"sconce: {path}: ", refused.stderr)  # the input is at fault
            self.assertIn("indices[0, 1]", refused.stderr)
            self.assertFalse((self.folder / "out.pt").exists())
        salvaged = json.loads(run_sconce("salvage", "--json", path, self.folder / "out.pt", check=False).stdout)
        self.assertEqual(["s"], [tensor["name"] for tensor in salvaged["lost"]])
        self.assertEqual(["a"], list(load(self.folder / "out.pt")))

    @needs_torch(2, 1)
    def test_sparse_invariants(self):
        """verify finds what PyTorch's check of invariants does, but for the order of indices."""
        tensors, expected, made = {}, {}, list(odd_sparse_tensors())
        for (key, make), verdict in zip(made, verdicts_of_pytorch(len(made)), strict=True):
            if verdict != "unsorted":  # memory does not depend on it
                expected[key], tensors[key] = verdict == "bad", make(False)
        path = self.saved(tensors)
        problems = json.loads(run_sconce("verify", "--json", path, check=False).stdout)["problems"]
        found = {problem["text"].split("'")[1] for problem in problems}
        wanted = {key for key, is_bad in expected.items() if is_bad}
        self.assertEqual(wanted, found, f"SCONCE_SEED={SEED}")
        self.assertGreater(len(wanted), 20)
        self.assertGreater(len(expected) - len(wanted), 50)

    def test_sparse(self):
        dense = torch.tensor([[0.0, 1.0, 0.0, 0.0], [2.0, 0.0, 3.0, 4.0]])
        value = {"coo": dense.to_sparse(), "twice": torch.sparse_coo_tensor([[0, 0], [1, 1]], [1.0, 2.0], (2, 4)),
                 "hybrid": torch.sparse_coo_tensor([[1]], [[1.0, 2.0]], (3, 2)), "empty": torch.zeros(2, 3).to_sparse(),
                 "parameter": nn.Parameter(dense.to_sparse()), "frozen": nn.Parameter(dense.to_sparse(), requires_grad=False)}
        if TORCH_VERSION >= (2, 0):
            value.update(csr=dense.to_sparse_csr(), csc=dense.to_sparse_csc(), bsr=dense.to_sparse_bsr((2, 2)),
                         bsc=dense.to_sparse_bsc((1, 2)), csr_parameter=nn.Parameter(dense.to_sparse_csr()))
            value["noted"] = dense.to_sparse()
            value["noted"].note = "an attribute"
        path, _ = self.check(value)
        tree = {key["str"]: item for key, item in self.tree(path)["dict"]}
        self.assertTrue(tree["parameter"]["parameter"] and tree["parameter"]["requires_grad"])
        self.assertFalse(tree["coo"]["parameter"])

    @unittest.skipIf(TORCH_VERSION >= (2, 0), "the form that 1.13 wrote")
    def test_compressed_sparse_of_1_13(self):
        dense = torch.tensor([[0.0, 1.0, 0.0, 0.0], [2.0, 0.0, 3.0, 4.0]])
        path = self.saved({"csr": dense.to_sparse_csr()})
        item = self.tree(path)["dict"][0][1]
        self.assertEqual(("sparse_csr", digest(dense.to_sparse_csr().values())), (item["sparse"], item["values"]["sha256"]))

    def test_meta(self):
        base = torch.empty(2, 3, device="meta")
        value = {"plain": base, "t": base.t(), "scalar": torch.empty((), device="meta", dtype=torch.int64),
                 "grad": torch.empty(2, device="meta", requires_grad=True), "parameter": nn.Parameter(base),
                 "frozen": nn.Parameter(base, requires_grad=False)}
        if TORCH_VERSION >= (2, 0):
            value["noted"] = torch.empty(1, device="meta")
            value["noted"].note = 1
            value["noted parameter"] = nn.Parameter(base)
            value["noted parameter"].note = 2
        if hasattr(nn, "Buffer"):
            value["buffer"] = nn.Buffer(base)
        path, _ = self.check(value)
        tree = {key["str"]: item for key, item in self.tree(path)["dict"]}
        self.assertEqual({"meta": "float32", "shape": [3, 2], "stride": [1, 3], "requires_grad": False, "parameter": False}, tree["t"])
        self.assertEqual((True, True), (tree["parameter"]["parameter"], tree["parameter"]["requires_grad"]))
        self.assertIn("meta parameter float32 (2, 3)", run_sconce("inspect", path).stdout)

    def test_storage_on_meta(self):
        path = self.saved({"a": torch.arange(6.0), "b": 1})
        text = path.read_bytes()
        self.assertEqual(text.count(b"X\x03\x00\x00\x00cpu"), 1)
        moved = with_records(path, lambda data: data.replace(b"X\x03\x00\x00\x00cpu", b"X\x04\x00\x00\x00meta"))
        expected = load(moved)
        self.assertEqual("meta", expected["a"].device.type)
        out, _ = self.resaved(moved)
        self.assertEqual(parts(expected), parts(load(out)))

    @needs_torch(2, 0)
    def test_nested(self):
        pieces = [torch.randn(2, 3), torch.randn(4, 3), torch.randn(1, 3)]
        self.check({"nested": torch.nested.nested_tensor(pieces), "again": torch.nested.nested_tensor(pieces[:1]).double()})

    @needs_torch(2, 0)
    def test_nested_beyond_its_buffer_is_left_out(self):
        long = lambda *numbers: torch.tensor(numbers)  # noqa: E731
        for sizes, strides, offsets in ([[9]], [[1]], [0]), ([[2]], [[4]], [0]), ([[1]], [[1]], [4]), ([[-1]], [[1]], [0]):
            bad = Rebuilt(torch._utils._rebuild_nested_tensor, torch.randn(4), long(*sizes), long(*strides), long(*offsets))
            out, left_out = self.resaved(self.saved({"a": 1, "bad": bad}))
            self.assertIn("_rebuild_nested_tensor at bad", left_out)
            self.assertEqual({"a": 1}, load(out))

    def test_uninitialized(self):
        self.kept({"a": 1, "p": nn.parameter.UninitializedParameter(), "b": nn.parameter.UninitializedBuffer()}, {"a": 1})

    @needs_torch(2, 6)
    def test_generator(self):
        generator = torch.Generator().manual_seed(5)
        torch.rand(3, generator=generator)
        path = self.saved({"a": 1, "generator": generator})
        self.kept({"a": 1, "generator": generator}, {"a": 1})
        out, _ = self.resaved(path, "keep-objects")
        self.assertTrue(torch.equal(torch.rand(4, generator=generator), torch.rand(4, generator=load(out)["generator"])))

    @needs_torch(2, 6)
    def test_devices_without_storage(self):
        tensor = torch.randn(2, 3)
        rebuild = torch._utils._rebuild_device_tensor_from_cpu_tensor
        value = {"xla": Rebuilt(rebuild, tensor, torch.float32, "cpu", True), "other": Rebuilt(rebuild, torch.ones(1), torch.float32, "cpu", False)}
        path, _ = self.check(value)
        self.assertEqual(["float32", "float32"], [item["dtype"] for item in json.loads(run_probe("list", path).stdout)["tensors"]])
        source = self.saved({"xla": Rebuilt(rebuild, tensor, torch.float32, "xla:0", True)})
        out, _ = self.resaved(source)
        self.assertEqual("cpu", load(out)["xla"].device.type)
        self.assertTrue(torch.equal(tensor, load(out)["xla"].detach()))
        with_tag, _ = self.resaved(source, "keep-device")
        self.assertIn(b"_rebuild_device_tensor_from_cpu_tensor", with_tag.read_bytes())
        self.assertIn(b"xla:0", with_tag.read_bytes())

    @needs_torch(2, 0)
    def test_device_tensors_from_numpy(self):
        array = numpy.arange(6, dtype=numpy.float32).reshape(2, 3)
        for name in ("_rebuild_device_tensor_from_numpy", "_rebuild_xla_tensor"):
            function = getattr(torch._utils, name, None)
            if function is None:
                continue
            value = {"a": Rebuilt(function, array, torch.float32, "cpu", False),
                     "b": Rebuilt(function, array, torch.bfloat16, "cpu", True)}
            path, _ = self.check(value)
            listing = json.loads(run_probe("list", path).stdout)["tensors"]
            self.assertEqual([("a", "float32"), ("b", "bfloat16")], [(item["name"], item["dtype"]) for item in listing])
            self.assertEqual(digest(torch.from_numpy(array)), listing[0]["sha256"])

    @needs_torch(2, 0)
    def test_conjugate_and_negative(self):
        value = torch.randn(2, 3, dtype=torch.complex64)
        for lazy in (value.conj(), value.conj().imag, torch._neg_view(value).conj(), value.t().conj()):
            out, _ = self.resaved(self.saved({"lazy": lazy}))
            actual = load(out)["lazy"]
            self.assertFalse(actual.is_conj() or actual.is_neg())
            self.assertTrue(torch.equal(lazy.resolve_conj().resolve_neg(), actual))

    @needs_torch(2, 0)
    def test_attributes(self):
        plain, parameter = torch.randn(2), nn.Parameter(torch.randn(2))
        plain.note, plain.other = "text", torch.ones(1)
        parameter.is_shared, parameter.ids = True, [1, 2]
        quantized = torch.quantize_per_tensor(torch.randn(3), 0.1, 0, torch.qint8)
        quantized.note = 1
        self.check({"plain": plain, "parameter": parameter, "again": plain, "quantized": quantized})

    @needs_torch(2, 0)
    def test_subclasses_are_written_as_tensors(self):
        value = torch.randn(3).as_subclass(Subclass)
        path = self.saved({"a": value})
        out, left_out = self.resaved(path)
        self.assertIn("Subclass", left_out)
        self.assertIs(torch.Tensor, type(load(out)["a"]))
        self.assertTrue(torch.equal(value.as_subclass(torch.Tensor), load(out)["a"]))

    @needs_torch(2, 1)
    def test_wrapper_subclasses_show_their_data(self):
        spec = ("spec", 1)
        state = {"_local": torch.arange(4.0), "_spec": spec}
        shell = (Subclass, torch.float32, (8,), (1,), 0, torch.strided, torch.device("cpu"), False)
        value = Rebuilt(torch._tensor._rebuild_from_type_v2, torch._utils._rebuild_wrapper_subclass, Subclass, shell, state)
        path = self.saved({"a": 1, "w": value})
        listing = json.loads(run_probe("list", path).stdout)["tensors"]
        self.assertEqual([digest(state["_local"])], [item["sha256"] for item in listing])
        self.assertIn("Subclass", run_sconce("inspect", path).stderr)
        out, left_out = self.resaved(path, "keep-objects")
        self.assertIn("Subclass", left_out)
        self.assertEqual({"a": 1}, load(out))

    def test_functions_of_the_file_s_choosing_are_not_written(self):
        if TORCH_VERSION < (1, 13):
            return
        evil = Rebuilt(torch._tensor._rebuild_from_type_v2, print, torch.Tensor, ("evil",), {})
        path = self.saved({"a": 1, "evil": evil, "list": [evil]})
        out, left_out = self.resaved(path, "keep-objects")
        self.assertEqual(left_out.count("left out"), 2)
        self.assertEqual({"a": 1, "list": [None]}, load(out))


class Devices(Case):
    def moved(self, value):
        """The file with every storage tagged cuda:0."""
        return with_records(self.saved(value),
                            lambda data: data.replace(b"X\x03\x00\x00\x00cpu", b"X\x06\x00\x00\x00cuda:0"))

    def test_every_form(self):
        dense = torch.tensor([[0.0, 1.0], [2.0, 0.0]])
        value = {"plain": dense, "parameter": nn.Parameter(dense.clone()), "sparse": dense.to_sparse(),
                 "quantized": torch.quantize_per_channel(dense, torch.ones(2).double(), torch.zeros(2).long(), 0, torch.qint8)}
        moved = self.moved(value)
        out, _ = self.resaved(moved)
        self.assertEqual(parts(load(moved, map_location="cpu")), parts(load(out)))
        self.assertNotIn(b"cuda:0", out.read_bytes())
        tagged, _ = self.resaved(moved, "keep-device")
        self.assertEqual(parts(load(moved, map_location="cpu")), parts(load(tagged, map_location="cpu")))
        seen = []
        load(tagged, map_location=lambda storage, location: seen.append(location) or storage)
        self.assertEqual({"cuda:0"}, set(seen))
        report = json.loads(run_sconce("inspect", "--json", moved).stdout)
        self.assertEqual({"cuda:0"}, {tensor["device"] for tensor in report["tensors"]})


if __name__ == "__main__":
    unittest.main()
