"""Objects of every kind that stand in checkpoints: read, written back and loaded by PyTorch, which judges."""

import argparse
import collections
import copyreg
import dataclasses
import datetime
import decimal
import enum
import fractions
import functools
import hashlib
import io
import json
import pathlib
import pickle
import random
import struct
import types
import unittest
import uuid
import warnings
import zipfile

import numpy
import torch
from torch import nn

from sconce_torch import SEED, TORCH_VERSION, TestCase, digest, needs_torch, run_probe, run_sconce, tensor_bytes


def load(path, **options):
    if TORCH_VERSION >= (2, 0):
        options.setdefault("weights_only", False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.load(path, **options)


class Colour(enum.Enum):
    RED = 1


@dataclasses.dataclass
class Settings:
    lr: float
    layers: list


Point = collections.namedtuple("Point", "x y")


def tensor_parts(tensor):
    """Everything a tensor is, as plain values."""
    out = [type(tensor).__name__, str(tensor.dtype), str(tensor.layout), str(tensor.device), tensor.requires_grad,
           {key: repr(value) for key, value in vars(tensor).items() if not key.startswith("_backward")}]
    if isinstance(tensor, (nn.parameter.UninitializedParameter, nn.parameter.UninitializedBuffer)):
        return out
    if tensor.is_sparse:
        if tensor.requires_grad:
            tensor = tensor.detach()
        return out + [tuple(tensor.shape), tensor.is_coalesced(), tensor_parts(tensor._indices()), tensor_parts(tensor._values())]
    if tensor.layout != torch.strided:
        tensor = tensor.detach()
        names = (("crow_indices", "col_indices") if tensor.layout in (torch.sparse_csr, getattr(torch, "sparse_bsr", None))
                 else ("ccol_indices", "row_indices"))
        return out + [tuple(tensor.shape)] + [tensor_parts(getattr(tensor, name)()) for name in (*names, "values")]
    if tensor.is_nested:
        return out + [tensor_parts(part) for part in tensor.unbind()]
    out += [tuple(tensor.shape), tensor.stride()]
    if tensor.device.type == "meta":
        return out
    if tensor.is_quantized:
        out.append(str(tensor.qscheme()))
        if "tensor" in str(tensor.qscheme()):
            out += [tensor.q_scale(), tensor.q_zero_point()]
        else:
            out += [tensor_parts(tensor.q_per_channel_scales()), tensor_parts(tensor.q_per_channel_zero_points()),
                    tensor.q_per_channel_axis()]
    return out + [tensor.storage_offset(), hashlib.sha256(bits(tensor)).hexdigest()]


def bits(tensor):
    """Contiguous bytes, also of dtypes that PyTorch cannot copy."""
    if tensor.is_quantized or not hasattr(tensor, "untyped_storage"):
        return tensor_bytes(tensor)
    whole = torch.empty(0, dtype=torch.uint8).set_(tensor.untyped_storage())
    size = tensor.element_size()
    if not tensor.is_contiguous():
        return tensor_bytes(tensor)
    begin = tensor.storage_offset() * size
    return whole[begin:begin + tensor.numel() * size].numpy().tobytes()


def untyped(storage):
    """The bytes of a typed storage."""
    return storage._untyped_storage if hasattr(storage, "_untyped_storage") else storage._storage


def with_records(path, replace):
    """The zip at `path` with each record's bytes as replace(bytes) has them, and right checksums."""
    with zipfile.ZipFile(path) as archive:
        records = {info.filename: archive.read(info) for info in archive.infolist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in records.items():
            archive.writestr(name, replace(data))
    return path


def parts(value):
    """A value as plain Python that == compares in full: types, order, attributes, bits."""
    if isinstance(value, torch.Tensor):
        return tensor_parts(value)
    if isinstance(value, numpy.ma.MaskedArray):
        return ["masked", parts(value.data), parts(numpy.array(value.mask)), repr(value.fill_value)]
    if isinstance(value, numpy.ndarray):
        order = (value.flags.c_contiguous, value.flags.f_contiguous)
        content = [parts(item) for item in value.ravel()] if value.dtype.hasobject else value.tobytes()
        return [type(value).__name__, value.dtype.str, repr(value.dtype), value.shape, order, content]
    if isinstance(value, numpy.generic):
        return [type(value).__name__, value.dtype.str, value.tobytes()]
    if isinstance(value, torch.Generator):
        return ["generator", value.initial_seed(), value.device.type, parts(value.get_state())]
    if isinstance(value, torch.UntypedStorage):
        return ["untyped storage", bytes(value.tolist())]
    if isinstance(value, torch.storage.TypedStorage):
        return ["typed storage", str(value.dtype), bytes(untyped(value).tolist())]
    name = type(value).__name__
    if isinstance(value, collections.defaultdict):
        return [name, value.default_factory, [(parts(k), parts(v)) for k, v in value.items()]]
    if isinstance(value, dict):
        return [name, [(parts(k), parts(v)) for k, v in value.items()], parts(vars(value)) if hasattr(value, "__dict__") else None]
    if isinstance(value, collections.deque):
        return [name, value.maxlen, [parts(v) for v in value]]
    if isinstance(value, (set, frozenset)):
        return [name, sorted(map(repr, value))]
    if isinstance(value, (list, tuple)):
        return [name, [parts(v) for v in value]]
    if isinstance(value, (argparse.Namespace, types.SimpleNamespace)):
        return [name, parts(vars(value))]
    if isinstance(value, float):
        return [name, struct.pack("<d", value)]
    return [name, repr(value)]


class Case(TestCase):
    def setUp(self):
        super().setUp()
        warnings.simplefilter("ignore")
        self.addCleanup(warnings.resetwarnings)

    def saved(self, value, **options):
        path = self.folder / "value.pt"
        torch.save(value, path, **options)
        return path

    def resaved(self, path, *options):
        """The file sconce makes of it, and what it left out."""
        out = self.folder / "resaved.pt"
        left_out = run_probe("resave", path, out, *options).stdout
        again = self.folder / "again" / out.name
        again.parent.mkdir(exist_ok=True)
        run_probe("resave", out, again, *options)
        self.assertEqual(hashlib.sha256(out.read_bytes()).digest(), hashlib.sha256(again.read_bytes()).digest(),
                         "written by us, read and written again")
        return out, left_out

    def check(self, value, *options, weights_only=TORCH_VERSION >= (2, 0), **saving):
        """PyTorch -> sconce -> PyTorch gives the same value, and nothing is left out."""
        path = self.saved(value, **saving)
        expected = load(path)
        out, left_out = self.resaved(path, *options)
        self.assertEqual("", left_out)
        self.assertEqual(parts(expected), parts(load(out)))
        if weights_only:
            self.assertEqual(parts(expected), parts(load(out, weights_only=True)))
        return path, out

    def dropped(self, value, remaining, *words):
        """Without keep-objects the objects in it are left out by name, with it too: they may run code."""
        for options in ((), ("keep-objects",)):
            out, left_out = self.resaved(self.saved(value), *options)
            self.assertEqual(parts(remaining), parts(load(out)))
            for word in words:
                self.assertIn(word, left_out)

    def kept(self, value, remaining):
        """Left out by name unless asked for; then the same again."""
        path = self.saved(value)
        out, left_out = self.resaved(path)
        self.assertIn("left out", left_out)
        self.assertEqual(parts(remaining), parts(load(out)))
        out, left_out = self.resaved(path, "keep-objects")
        self.assertEqual("", left_out)
        self.assertEqual(parts(load(path)), parts(load(out)))

    def tree(self, path):
        return json.loads(run_probe("tree", path).stdout)


class Rebuilt:
    """Pickles as a call of a function of torch with arguments."""

    def __init__(self, function, *args):
        self.call = (function, args)

    def __reduce__(self):
        return self.call


class Dtypes(Case):
    NAMES = ["uint8", "int8", "int16", "int32", "int64", "float16", "bfloat16", "float32", "float64", "complex32", "complex64",
             "complex128", "bool", "uint16", "uint32", "uint64", "float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz",
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
        refused = run_sconce("convert", path, self.folder / "out.pt", check=False)
        self.assertEqual(2, refused.returncode)
        self.assertIn("indices[0, 1]", refused.stderr)
        self.assertFalse((self.folder / "out.pt").exists())
        salvaged = json.loads(run_sconce("salvage", "--json", path, self.folder / "out.pt", check=False).stdout)
        self.assertEqual(["s"], [tensor["name"] for tensor in salvaged["lost"]])
        self.assertEqual(["a"], list(load(self.folder / "out.pt")))

    @needs_torch(2, 1)
    def test_sparse_invariants(self):
        """verify finds what PyTorch's check of invariants does, but for the order of indices."""
        rng, tensors, expected = random.Random(SEED), {}, {}
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
            for change in range(0 if 0 in shape else rng.randrange(3)):
                part = rng.choice(indices).view(-1)
                if part.numel():
                    part[rng.randrange(part.numel())] += rng.choice([-3, -1, 1, 2])
            key = f"{number} {name} {tuple(shape)}"

            def make(check):
                if name == "coo":
                    return torch.sparse_coo_tensor(*indices, made.values(), shape, check_invariants=check)
                return torch.sparse_compressed_tensor(*indices, made.values(), shape, layout=layouts[name], check_invariants=check)

            try:
                make(True)
                expected[key] = False
            except RuntimeError as error:
                if "sorted" in str(error):  # memory does not depend on it
                    continue
                expected[key] = True
            tensors[key] = make(False)
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
        raw = io.BytesIO(text)
        import zipfile
        with zipfile.ZipFile(raw) as archive:
            records = {info.filename: archive.read(info) for info in archive.infolist()}
        moved = self.folder / "moved.pt"
        with zipfile.ZipFile(moved, "w") as archive:
            for name, data in records.items():
                archive.writestr(name, data.replace(b"X\x03\x00\x00\x00cpu", b"X\x04\x00\x00\x00meta"))
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


class Subclass(torch.Tensor):
    pass


class Built:
    """Pickles as a call with a state."""

    def __init__(self, function, args, state):
        self.call = (function, args, state)

    def __reduce__(self):
        return self.call


# By hand the state goes to dtypes and arrays that pickle themselves differently.
copyreg.pickle(Built, lambda built: built.call)


class Python(Case):
    def test_taken_by_weights_only(self):
        self.check({"counter": collections.Counter("abca"), "size": torch.Size([1])}, weights_only=TORCH_VERSION >= (2, 4))

    def test_kept_when_asked(self):
        default = collections.defaultdict(list, {"a": [1]})
        made = {
            "default": default, "ints": collections.defaultdict(int), "no factory": collections.defaultdict(None, {1: 2}),
            "deque": collections.deque([1, [2]], maxlen=3), "endless": collections.deque("ab"),
            "namespace": argparse.Namespace(lr=0.1, layers=[1, 2], inner=argparse.Namespace(x=None)),
            "simple": types.SimpleNamespace(a=1), "datetime": datetime.datetime(2020, 1, 2, 3, 4, 5, 6),
            "aware": datetime.datetime(2020, 1, 2, tzinfo=datetime.timezone.utc), "date": datetime.date(2020, 1, 2),
            "time": datetime.time(1, 2, 3), "delta": datetime.timedelta(1, 2, 3),
            "zone": datetime.timezone(datetime.timedelta(hours=2)), "decimal": decimal.Decimal("1.50"),
            "fraction": fractions.Fraction(3, -4), "uuid": uuid.UUID(int=5), "path": pathlib.Path("/data/x"),
            "pure": pathlib.PureWindowsPath("c:/x"), "slice": slice(1, None, 2), "range": range(1, 9, 2),
            "shared": default,
        }
        self.kept(dict(made, one=1), {"one": 1})
        out, _ = self.resaved(self.saved(made), "keep-objects")
        actual = load(out)
        self.assertIs(actual["default"], actual["shared"])

    def test_never_written(self):
        for name, value in {
            "Colour": Colour.RED, "Settings": Settings(0.1, [1]), "Point": Point(1, 2), "partial": functools.partial(print, 1),
            "Subclass": torch.ones(1).as_subclass(Subclass).__class__, "print": print, "Thing": Thing(), "ListThing": ListThing([1, 2]),
        }.items():
            with self.subTest(name):
                self.dropped({"a": 1, "x": value, "l": [value, 2]}, {"a": 1, "l": [None, 2]}, name if name != "print" else "builtins")

    def test_what_they_hold_is_listed(self):
        path = self.saved({"args": argparse.Namespace(weights=torch.arange(3.0)), "thing": Thing()})
        listing = json.loads(run_probe("list", path).stdout)["tensors"]
        self.assertEqual([digest(torch.arange(3.0)), digest(torch.ones(2))], [item["sha256"] for item in listing])

    def test_namespace_loses_only_what_is_unknown(self):
        path = self.saved({"n": argparse.Namespace(lr=1, colour=Colour.RED)})
        out, left_out = self.resaved(path, "keep-objects")
        self.assertIn("Colour", left_out)
        self.assertEqual({"n": argparse.Namespace(lr=1)}, load(out))

    def test_harmless_names_are_not_harmless_calls(self):
        for value in (Rebuilt(list, range(10**12)), Rebuilt(torch.Tensor, 3), Rebuilt(int, "9" * 10), Rebuilt(str, b"x", "rot13"),
                      Rebuilt(collections.defaultdict, print), Rebuilt(collections.defaultdict, torch.Tensor),
                      Rebuilt(fractions.Fraction, "1e99"), Rebuilt(collections.Counter, range(10**12)),
                      Built(argparse.Namespace, (), (None, {"__class__": argparse.Namespace})),
                      Built(argparse.Namespace, (), {"__class__": argparse.Namespace}),
                      Built(datetime.date, (2020, 1, 1), {"a": 1})):
            pickled = pickle.dumps(value, 2)  # it can be pickled; what it would do is another matter
            self.assertGreater(len(pickled), 10)
            out, left_out = self.resaved(self.saved({"a": 1, "x": value}), "keep-objects")
            self.assertIn("at x", left_out)
            self.assertEqual({"a": 1}, load(out))

    @needs_torch(2, 0)
    def test_attributes_that_python_looks_up_are_not_written(self):
        rebuild, from_type = torch._utils._rebuild_tensor_v2, torch._tensor._rebuild_from_type_v2
        args = rebuild_arguments(torch.arange(3.0))
        for state in ({"__class__": argparse.Namespace}, (None, {"__class__": argparse.Namespace}), {"__reduce_ex__": print}):
            path = self.saved({"a": 1, "t": Rebuilt(from_type, rebuild, torch.Tensor, args, state)})
            out, left_out = self.resaved(path, "keep-objects")
            self.assertIn("at t", left_out)
            self.assertEqual({"a": 1}, load(out))
            listing = json.loads(run_probe("list", path).stdout)["tensors"]
            self.assertEqual([digest(torch.arange(3.0))], [item["sha256"] for item in listing])


def rebuild_arguments(tensor):
    """The arguments torch.save gives to _rebuild_tensor_v2."""
    return (tensor.storage(), 0, tuple(tensor.shape), tensor.stride(), False,
            collections.OrderedDict())


class Thing:
    def __init__(self):
        self.weights = torch.ones(2)


class ListThing(list):
    pass


class Devices(Case):
    def moved(self, value):
        """The file with every storage tagged cuda:0."""
        import zipfile
        source = self.saved(value)
        moved = self.folder / "moved.pt"
        with zipfile.ZipFile(source) as archive, zipfile.ZipFile(moved, "w") as out:
            for info in archive.infolist():
                data = archive.read(info)
                out.writestr(info.filename, data.replace(b"X\x03\x00\x00\x00cpu", b"X\x06\x00\x00\x00cuda:0"))
        return moved

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
