"""What tests of objects and of kinds of tensors share: values taken apart, and resaving by sconce."""

import argparse
import collections
import copyreg
import hashlib
import json
import struct
import types
import warnings
import zipfile

import numpy
import torch
from torch import nn

from sconce_torch import TORCH_VERSION, TestCase, run_probe, tensor_bytes


def load(path, **options):
    if TORCH_VERSION >= (2, 0):
        options.setdefault("weights_only", False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.load(path, **options)


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


def records_of(path):
    """{name: bytes} of a zip, in its order."""
    with zipfile.ZipFile(path) as archive:
        return {info.filename: archive.read(info) for info in archive.infolist()}


def write_records(path, records, compression=zipfile.ZIP_STORED):
    """Writes {name: bytes} as Python's zipfile does, with right checksums."""
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in records.items():
            archive.writestr(name, data)
    return path


def with_records(path, replace):
    """The zip at `path` with each record's bytes as replace(bytes) has them, and right checksums."""
    return write_records(path, {name: replace(data) for name, data in records_of(path).items()})


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


class Subclass(torch.Tensor):
    pass


class Rebuilt:
    """Pickles as a call of a function of torch with arguments."""

    def __init__(self, function, *args):
        self.call = (function, args)

    def __reduce__(self):
        return self.call


class Built:
    """Pickles as a call with a state."""

    def __init__(self, function, args, state):
        self.call = (function, args, state)

    def __reduce__(self):
        return self.call


# By hand the state goes to dtypes and arrays that pickle themselves differently.
copyreg.pickle(Built, lambda built: built.call)


def rebuild_arguments(tensor):
    """The arguments torch.save gives to _rebuild_tensor_v2."""
    return (tensor.storage(), 0, tuple(tensor.shape), tensor.stride(), False,
            collections.OrderedDict())
