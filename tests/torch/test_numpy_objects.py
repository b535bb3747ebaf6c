"""Arrays, scalars and dtypes of numpy in checkpoints: read, written back, and refused where they are forged."""

import collections
import hashlib
import json

import numpy
import torch

from sconce_torch import TORCH_VERSION, digest, run_probe, run_sconce
from object_case import Built, Case, Rebuilt, load, parts


class Numpy(Case):
    def test_arrays(self):
        made = {str(dtype): numpy.frombuffer(bytes(range(64)) * 2, dtype=dtype)[:4].reshape(2, 2).copy()
                for dtype in ("<f4", ">f4", "<f8", "<i8", ">i2", "u1", "i1", "<u2", "<u4", ">u8", "<c8", ">c16", "<f2")}
        made["bool"] = numpy.array([[True, False]])
        made["scalar array"] = numpy.array(2.5)
        made["empty"] = numpy.zeros((0, 3))
        made["fortran"] = numpy.asfortranarray(numpy.arange(6.0).reshape(2, 3))
        self.kept(dict(made, one=1), {"one": 1})
        path = self.saved(made)
        for key, item in self.tree(path)["dict"]:
            array = made[key["str"]]
            native = numpy.ascontiguousarray(array).astype(array.dtype.newbyteorder("="))
            self.assertEqual((array.dtype.name, list(array.shape)), (item["numpy"], item["shape"]), key)
            self.assertEqual(hashlib.sha256(native.tobytes()).hexdigest(), item["sha256"], key)
        self.assertEqual([1, 2], dict((k["str"], v) for k, v in self.tree(path)["dict"])["fortran"]["stride"])
        text = run_sconce("inspect", path).stdout
        self.assertIn("fortran = numpy.ndarray float64 (2, 3)", text)
        values = json.loads(run_sconce("inspect", "--json", path).stdout)
        self.assertEqual("numpy.ndarray float64 (2, 3)", values["values"]["fortran"])
        self.assertEqual("numpy.ndarray", values["objects"]["fortran"])

    def test_shown(self):
        array = numpy.asfortranarray(numpy.arange(6.0).reshape(2, 3))
        path = self.saved({"a": array, "s": numpy.int64(-3), "m": torch.empty(2, device="meta")})
        self.assertEqual("numpy.ndarray float64 (2, 3)\n[[0., 1., 2.],\n [3., 4., 5.]]\n", run_sconce("show", path, "a").stdout)
        self.assertEqual("numpy.ndarray float64 (2, 3)\n[5., 2.]\n", run_sconce("show", path, "a[::-1, 2]").stdout)
        report = json.loads(run_sconce("show", "--json", path, "a").stdout)
        self.assertEqual((array.tolist(), "float64", "numpy.ndarray", [2, 3]),
                         tuple(report[key] for key in ("values", "dtype", "type", "shape")))
        self.assertEqual("numpy.int64 -3\n", run_sconce("show", path, "s").stdout)
        self.assertEqual("meta tensor float32 (2,)\n", run_sconce("show", path, "m").stdout)

    def test_other_dtypes(self):
        made = {"text": numpy.array(["a", "\u00e9\u4e2d"]), "bytes": numpy.array([b"a", b"bc"]), "void": numpy.zeros(2, "V3"),
                "date": numpy.array(["2020-01-01"], "M8[ns]"), "delta": numpy.array([5], "m8[s]"),
                "long": numpy.zeros(2, "g"),
                "object": numpy.array(["a", None, {"k": 1}], dtype=object), "matrix": numpy.matrix([[1, 2]])}
        self.kept(dict(made, one=1), {"one": 1})

    def test_records_are_shown_and_left_out(self):
        made = {"record": numpy.array([(1, 2.5)], dtype=[("a", "i2"), ("b", ">f8")]),
                "aligned": numpy.zeros(1, numpy.dtype([("a", "i1"), ("b", "f8")], align=True)),
                "nested": numpy.zeros((2, 1), [("r", [("x", "f4"), ("t", "U2")])])}
        self.dropped(dict(made, one=1), {"one": 1}, "numpy.ndarray")
        self.assertIn("nested = numpy.ndarray record (2, 1)", run_sconce("inspect", self.saved(made)).stdout)

    def test_scalars(self):
        made = {"f8": numpy.float64(0.5), "f4": numpy.float32(-1), "i8": numpy.int64(-3), "u8": numpy.uint64(2**64 - 1),
                "b": numpy.bool_(True), "c": numpy.complex64(1 + 2j), "date": numpy.datetime64("2020-01-01"), "s": numpy.str_("x")}
        self.kept(dict(made, one=1), {"one": 1})
        values = json.loads(run_sconce("inspect", "--json", self.saved(made)).stdout)["values"]
        self.assertEqual("numpy.float64 0.5", values["f8"])
        self.assertEqual("numpy.int64 -3", values["i8"])
        self.assertEqual(f"numpy.uint64 {2**64 - 1}", values["u8"])

    def test_dtypes_alone(self):
        self.kept({"a": 1, "d": numpy.dtype("f4"), "e": numpy.dtype("U3")}, {"a": 1})

    def test_masked(self):
        masked = numpy.ma.array(numpy.arange(6.0).reshape(2, 3), mask=[[0, 1, 0], [0, 0, 1]])
        filled = numpy.ma.array([1, 2], mask=[True, False], fill_value=7)
        self.kept({"a": 1, "m": masked, "f": filled}, {"a": 1})

    def test_protocols(self):
        value = {"a": numpy.arange(6.0).reshape(2, 3), "f": numpy.asfortranarray(numpy.arange(6).reshape(2, 3)), "s": numpy.float32(1)}
        for protocol in (3, 4, 5):
            path = self.saved(value, pickle_protocol=protocol)
            out, left_out = self.resaved(path, "keep-objects")
            self.assertEqual("", left_out)
            self.assertEqual(parts(load(path)), parts(load(out)))
            self.assertEqual(["numpy"] * 3, [next(iter(item)) for _, item in self.tree(path)["dict"]])

    def test_shared_and_cyclic(self):
        array = numpy.arange(3)
        loop = numpy.array([None, 1], dtype=object)
        loop[0] = [loop]
        path = self.saved({"a": array, "b": array, "loop": loop})
        out, left_out = self.resaved(path, "keep-objects")
        self.assertEqual("", left_out)
        actual = load(out)
        self.assertIs(actual["a"], actual["b"])
        self.assertIs(actual["loop"], actual["loop"][0][0])

    def test_tensors_in_object_arrays(self):
        held = numpy.array([torch.arange(3.0), None], dtype=object)
        path = self.saved({"held": held})
        self.assertEqual([digest(torch.arange(3.0))], [item["sha256"] for item in json.loads(run_probe("list", path).stdout)["tensors"]])
        self.kept({"held": held, "one": 1}, {"one": 1})

    def test_random_states_are_left_out(self):
        self.dropped({"a": 1, "r": numpy.random.RandomState(0)}, {"a": 1}, "numpy.random")


class Forged(Case):
    """What numpy would take as raw memory is never written, whatever file it came from."""

    def refused(self, value):
        out, left_out = self.resaved(self.saved({"a": 1, "bad": value}), "keep-objects")
        self.assertIn("at bad", left_out)
        self.assertEqual({"a": 1}, load(out, weights_only=True) if TORCH_VERSION >= (2, 0) else load(out))

    def array(self, state, *args):
        reconstruct = numpy.arange(1).__reduce__()[0]
        return Built(reconstruct, args or (numpy.ndarray, (0,), b"b"), state)

    def test_arrays(self):
        f8 = numpy.dtype("f8")
        good = (1, (2,), f8, False, bytes(16))
        out, left_out = self.resaved(self.saved({"good": self.array(good)}), "keep-objects")
        self.assertEqual("", left_out)
        self.assertEqual(parts({"good": numpy.zeros(2)}), parts(load(out)))
        self.refused(self.array((1, (3,), f8, False, bytes(16))))
        self.refused(self.array((1, (-1,), f8, False, bytes(16))))
        self.refused(self.array((1, (2**62, 2**62), f8, False, bytes(16))))
        self.refused(self.array((2, (2,), f8, False, bytes(16))))
        self.refused(self.array((1, (2,), "f8", False, bytes(16))))
        self.refused(self.array((1, (3,), numpy.dtype("O"), False, [1, 2])))  # read beyond the list
        self.refused(self.array((1, (1,), numpy.dtype("O"), False, bytes(8))))
        self.refused(self.array(good, numpy.ndarray, (10**12,), b"b"))
        self.refused(self.array(good, collections.OrderedDict, (0,), b"b"))

    def test_dtypes(self):
        def dtype(code, *state):
            return self.array((1, (1,), Built(numpy.dtype, (code, False, True), state), False, bytes(8)))

        self.resaved(self.saved(dtype("f8", 3, "<", None, None, None, -1, -1, 0)), "keep-objects")
        inner = numpy.dtype("O")
        record = numpy.dtype("f8")
        self.refused(dtype("V8", 3, "|", None, ("a",), {"a": (inner, 0)}, 8, 1, 0))  # bytes as pointers
        self.refused(dtype("V8", 3, "|", None, ("a",), {"a": (inner, 0)}, 8, 1, 27))
        self.refused(dtype("V8", 3, "|", None, ("a",), {"a": (record, 4)}, 8, 1, 16))  # beyond the record
        self.refused(dtype("V8", 3, "|", None, ("a",), {"a": (record, -8)}, 8, 1, 16))
        self.refused(dtype("V8", 3, "|", None, ("b",), {"a": (record, 0)}, 8, 1, 16))
        self.refused(dtype("f8", 3, "<", None, None, None, -1, -1, 63))
        self.refused(dtype("f8", 3, "<", None, None, None, 1, 1, 0))
        self.refused(dtype("V8", 3, "|", None, None, None, 4, 1, 0))
        self.refused(dtype("f8", 3, "<", (record, (1,)), None, None, -1, -1, 0))
        self.refused(dtype("i3", 3, "<", None, None, None, -1, -1, 0))

    def test_scalars(self):
        scalar = numpy.float64(1).__reduce__()[0]
        self.refused(Rebuilt(scalar, numpy.dtype("f8"), bytes(4)))
        self.refused(Rebuilt(scalar, numpy.dtype("O"), "anything"))
