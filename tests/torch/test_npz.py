"""numpy's files: theirs read by sconce, ours read by numpy, which is the judge."""

import io
import json

import numpy as np
import torch

from sconce_torch import SEED, TORCH_VERSION, TestCase, load, run_probe, tensor_bytes

TYPES = ["?", "u1", "i1", "i2", "i4", "i8", "f2", "f4", "f8", "c8", "c16"]
NEW_TYPES = ["u2", "u4", "u8"]  # which torch has since 2.3


def types():
    return TYPES + (NEW_TYPES if TORCH_VERSION >= (2, 3) else [])


class Case(TestCase):
    def setUp(self):
        super().setUp()
        self.rng = np.random.default_rng(SEED)

    def array(self, code, shape):
        """Any bits at all."""
        count = int(np.prod(shape))
        if code == "?":
            return self.rng.integers(0, 2, shape).astype(bool)
        dtype = np.dtype("<" + code)
        return np.frombuffer(self.rng.bytes(count * dtype.itemsize), dtype=dtype).reshape(shape)

    def to_torch(self, path):
        run_probe("resave", path, self.folder / "out.pt")
        return load(self.folder / "out.pt")


class Theirs(Case):
    def check(self, arrays, actual):
        self.assertEqual(list(actual), list(arrays))
        for name, array in arrays.items():
            self.assertEqual(tuple(actual[name].shape), array.shape, name)
            little = array.astype(array.dtype.newbyteorder("<"))
            self.assertEqual(tensor_bytes(actual[name]), np.ascontiguousarray(little).tobytes(), name)
            expected = str(torch.from_numpy(np.zeros(1, little.dtype)).dtype)
            self.assertEqual(str(actual[name].dtype), expected, name)

    def arrays(self):
        out = {f"{code}.{i}": self.array(code, shape)
               for code in types() for i, shape in enumerate([(3, 4), (), (0, 5), (7,)])}
        out["fortran"] = np.asfortranarray(self.array("f4", (3, 5)))
        out["big"] = self.array("f8", (4, 2)).astype(">f8")
        out["big complex"] = self.array("c8", (4,)).astype(">c8")
        out["sliced"] = self.array("i4", (6, 6))[::2, 1::2]
        out["Case"] = self.array("u1", (3,))
        out["case"] = self.array("u1", (2,))
        return out

    def test_stored_and_deflated(self):
        arrays = self.arrays()
        for write in (np.savez, np.savez_compressed):
            write(self.folder / "a.npz", **arrays)
            self.check(arrays, self.to_torch(self.folder / "a.npz"))
            listing = json.loads(run_probe("list", self.folder / "a.npz").stdout)
            self.assertEqual(listing["format"], "npz")
            self.assertEqual([tensor["name"] for tensor in listing["tensors"]], list(arrays))

    def test_one_array_in_every_version(self):
        for version in [(1, 0), (2, 0), (3, 0)]:
            array = self.array("f4", (2, 3))
            with open(self.folder / "a.npy", "wb") as file:
                np.lib.format.write_array(file, array, version=version)
            self.assertEqual(tensor_bytes(self.to_torch(self.folder / "a.npy")), array.tobytes())

    def test_what_no_tensor_can_hold(self):
        for array in (np.array([{}], dtype=object), np.zeros(2, dtype=[("a", "f4")]), np.array(["x"]),
                      np.array([b"x"]), np.zeros(2, dtype="M8[s]"), np.zeros(2, dtype=np.longdouble)):
            np.savez(self.folder / "a.npz", good=np.zeros(3), bad=array)
            result = run_probe("resave", self.folder / "a.npz", self.folder / "out.pt", check=False)
            self.assertEqual(result.returncode, 2, array.dtype)
            self.assertIn("bad.npy", result.stderr)


class Ours(Case):
    def test_every_type(self):
        value = {code: torch.from_numpy(self.array(code, (3, 4)).copy()) for code in types()}
        value.update(scalar=torch.tensor(2.5), empty=torch.empty(0, 3), transposed=torch.randn(3, 4).t(),
                     strided=torch.randn(6, 6)[::2, 1:3], nested={"w": torch.randn(2), "W": torch.randn(3)})
        torch.save(value, self.folder / "value.pt")
        run_probe("resave", self.folder / "value.pt", self.folder / "a.npz")
        nested = value.pop("nested")
        value.update({f"nested.{name}": tensor for name, tensor in nested.items()})
        with np.load(self.folder / "a.npz", allow_pickle=False) as file:
            self.assertEqual(set(file.files), set(value))
            self.assertIsNone(file.zip.testzip())
            for name, tensor in value.items():
                self.assertEqual(file[name].shape, tuple(tensor.shape), name)
                self.assertEqual(file[name].dtype, tensor.numpy().dtype, name)
                self.assertEqual(np.ascontiguousarray(file[name]).tobytes(), tensor_bytes(tensor), name)

    def test_an_array_is_the_bytes_numpy_saves(self):
        for tensor in (torch.randn(3, 4), torch.randn(3, 4).t(), torch.tensor(1), torch.zeros(0, 2),
                       torch.zeros(5, dtype=torch.bool), torch.randn(2, 3, 4).permute(2, 1, 0)):
            torch.save(tensor, self.folder / "value.pt")
            run_probe("resave", self.folder / "value.pt", self.folder / "a.npy")
            expected = io.BytesIO()
            np.save(expected, tensor.numpy(), allow_pickle=False)
            self.assertEqual((self.folder / "a.npy").read_bytes(), expected.getvalue())

    def test_types_without_a_name_in_numpy(self):
        torch.save({"w": torch.zeros(2, dtype=torch.bfloat16)}, self.folder / "value.pt")
        result = run_probe("resave", self.folder / "value.pt", self.folder / "a.npz", check=False)
        self.assertEqual(result.returncode, 2)
        self.assertIn("--dtype f32", result.stderr)
        self.assertFalse((self.folder / "a.npz").exists())
