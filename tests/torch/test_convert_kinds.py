"""`sconce convert` of the values beyond plain tensors: what PyTorch loads of the output equals what it loads of the input."""

import collections
import json
import unittest

import numpy
import torch
from torch import nn

from object_case import Case, load, parts
from sconce_torch import TORCH_VERSION, aliases, needs_torch, run_sconce


class Kinds(Case):
    def check(self, value, *options, safe=True):
        """Nothing is left out, and the value survives whichever way it is loaded."""
        source, out = self.saved(value), self.folder / "out.pt"
        report = run_sconce("convert", "--json", "--force", *options, source, out)
        self.assertEqual(("", []), (report.stderr, json.loads(report.stdout)["warnings"]))
        self.assert_loads_alike(source, out, self.assert_same_parts, safe)

    def assert_same_parts(self, expected, actual):
        self.assertEqual(parts(expected), parts(actual))

    def kept(self, value, remaining):
        """Without --keep-objects left out, by name; with it the same again."""
        source, out = self.saved({**value, **remaining}), self.folder / "out.pt"
        report = run_sconce("convert", "--json", "--force", source, out)
        left_out = {text.rsplit(" at ", 1)[1] for text in json.loads(report.stdout)["warnings"]}
        self.assertEqual(set(value), left_out)
        self.assert_loads_alike(out, out, lambda _, actual: self.assert_same_parts(remaining, actual))
        self.check({**value, **remaining}, "--keep-objects")


class Numpy(Kinds):
    def test_arrays(self):
        made = {str(dtype): numpy.frombuffer(bytes(range(64)) * 2, dtype=dtype)[:4].reshape(2, 2).copy()
                for dtype in ("<f4", ">f4", "<f8", "<i8", ">i2", "u1", "i1", "<u2", "<u4", ">u8", "<c8", ">c16", "<f2")}
        made.update(bools=numpy.array([[True, False]]), scalar=numpy.array(2.5), empty=numpy.zeros((0, 3)),
                    fortran=numpy.asfortranarray(numpy.arange(6.0).reshape(2, 3)), steps=numpy.arange(12)[::3],
                    text=numpy.array(["a", "\u00e9\u4e2d"]), date=numpy.array(["2020-01-01"], "M8[ns]"),
                    masked=numpy.ma.array([1.0, 2.0], mask=[True, False]), objects=numpy.array(["a", None], dtype=object))
        self.kept(made, {"one": 1, "w": torch.randn(2, 3)})

    def test_scalars(self):
        made = {"f8": numpy.float64(0.5), "f4": numpy.float32(-1), "i8": numpy.int64(-3), "u8": numpy.uint64(2**64 - 1),
                "b": numpy.bool_(True), "c": numpy.complex64(1 + 2j), "date": numpy.datetime64("2020-01-01")}
        self.kept(made, {"one": 1})

    def test_within_trees(self):
        array = numpy.arange(6.0).reshape(2, 3)
        self.check({"run": [{"best": numpy.float64(0.25), "history": array}, (array, torch.ones(2))]}, "--keep-objects")
        loaded = load(self.folder / "out.pt")["run"]
        self.assertIs(loaded[0]["history"], loaded[1][0])


class Sparse(Kinds):
    @needs_torch(2, 0)
    def test_compressed(self):
        dense = torch.tensor([[0.0, 1.0, 0.0, 0.0], [2.0, 0.0, 3.0, 4.0]])
        batch = torch.stack([dense, dense * 2])
        value = {"csr": dense.to_sparse_csr(), "csc": dense.to_sparse_csc(), "bsr": dense.to_sparse_bsr((2, 2)),
                 "bsc": dense.to_sparse_bsc((1, 2)), "batch": batch.to_sparse_csc(), "batch of blocks": batch.to_sparse_bsr((1, 2)),
                 "empty": torch.zeros(2, 4).to_sparse_csc(), "double": dense.double().to_sparse_bsc((2, 1)),
                 "parameter": nn.Parameter(dense.to_sparse_csr())}
        self.check(value)

    def test_coordinates(self):
        dense = torch.tensor([[0.0, 1.0], [2.0, 0.0]])
        self.check({"coo": dense.to_sparse(), "twice": torch.sparse_coo_tensor([[0, 0], [1, 1]], [1.0, 2.0], (2, 4)),
                    "parameter": nn.Parameter(dense.to_sparse())})


class Tensors(Kinds):
    def test_meta(self):
        base = torch.empty(2, 3, device="meta")
        value = {"plain": base, "t": base.t(), "scalar": torch.empty((), device="meta", dtype=torch.int64),
                 "grad": torch.empty(2, device="meta", requires_grad=True), "parameter": nn.Parameter(base),
                 "frozen": nn.Parameter(base, requires_grad=False), "real": torch.randn(2)}
        if hasattr(nn, "Buffer"):
            value["buffer"] = nn.Buffer(base)
        self.check(value)

    @needs_torch(2, 0)
    def test_nested(self):
        pieces = [torch.randn(2, 3), torch.randn(4, 3), torch.randn(1, 3)]
        self.check({"nested": torch.nested.nested_tensor(pieces), "one": torch.nested.nested_tensor(pieces[:1]).double(),
                    "beside": pieces[0]})

    @needs_torch(2, 0)
    def test_attributes(self):
        plain, parameter = torch.randn(2), nn.Parameter(torch.randn(2))
        plain.note, plain.other, plain.more = "text", torch.ones(1), collections.OrderedDict(a=[1])
        parameter.is_shared, parameter.ids = True, [1, 2]
        quantized = torch.quantize_per_tensor(torch.randn(3), 0.1, 0, torch.qint8)
        quantized.note = 1
        sparse = torch.eye(2).to_sparse()
        sparse.note = (1, 2)
        self.check({"plain": plain, "parameter": parameter, "again": plain, "quantized": quantized, "sparse": sparse})
        self.assertIs((loaded := load(self.folder / "out.pt"))["plain"], loaded["again"])

    def test_quantized_per_channel(self):
        source = torch.randn(4, 6)
        self.check({"channel": torch.quantize_per_channel(source, torch.rand(4).double() + 0.1, torch.arange(4), 0, torch.qint8),
                    "floats": torch.quantize_per_channel(source, torch.rand(6) + 0.1, torch.rand(6), 1, torch.quint8)})

    def test_storages_alone(self):
        base = torch.arange(4.0)
        self.check({"floats": torch.FloatStorage([1, 2, 3]), "of": base.storage(), "tensor": base}, safe=TORCH_VERSION >= (2, 0))
        loaded = load(self.folder / "out.pt")
        self.assertEqual(loaded["of"].data_ptr(), loaded["tensor"].data_ptr())
        self.assertEqual({"root['tensor']": "root['tensor']"}, aliases(loaded))


if __name__ == "__main__":
    unittest.main()
