#!/usr/bin/env python3
"""sconce show as a user meets it."""

import json
import struct
import subprocess
import unittest

from checkpoint_files import safetensors
from command import BIN, CommandTest, fixture, sconce


class ShowTest(CommandTest):
    def safetensors(self, **tensors):
        """{name: (dtype, shape, bytes)}"""
        path = self.folder / "x.safetensors"
        path.write_bytes(safetensors(tensors))
        return path

    def shown(self, *arguments):
        result = sconce("show", *arguments)
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        return result.stdout

    def test_values_and_slices(self):
        path = fixture("w_26.pt")
        self.assertEqual(self.shown(path, "w"), "tensor([[0., 1., 2.],\n        [3., 4., 5.]])\n")
        self.assertEqual(self.shown(path, "w[0]"), "tensor([0., 1., 2.])\n")
        self.assertEqual(self.shown(path, "w[1, ::-2]"), "tensor([5., 3.])\n")
        self.assertEqual(self.shown(path, "w[..., 1]"), "tensor([1., 4.])\n")
        self.assertEqual(self.shown(path, "w[-1, -1]"), "tensor(5.)\n")

    def test_views_have_their_own_values(self):
        self.assertIn("tensor(", self.shown(fixture("views.weird.name_26.pt.tar"), "t[0]"))

    def test_json(self):
        nan, inf = float("nan"), float("inf")
        path = self.safetensors(x=("F32", [2, 2], struct.pack("<4f", 0.1, nan, inf, -2)),
                                b=("BOOL", [2], b"\1\0"), e=("F32", [2, 0, 3], b""),
                                u=("U64", [1], struct.pack("<Q", 2**64 - 1)), s=("F64", [], struct.pack("<d", 1e300)))
        report = json.loads(self.shown("--json", path, "x"))
        self.assertEqual(report, {"name": "x", "slice": None, "dtype": "float32", "shape": [2, 2],
                                  "values": [[struct.unpack("<f", struct.pack("<f", 0.1))[0], None], [None, -2]],
                                  "nan": 1, "inf": 1})
        self.assertEqual(json.loads(self.shown("--json", path, "x[1:]"))["values"], [[None, -2]])
        self.assertEqual(json.loads(self.shown("--json", path, "b"))["values"], [True, False])
        self.assertEqual(json.loads(self.shown("--json", path, "e"))["values"], [[], []])
        self.assertEqual(json.loads(self.shown("--json", path, "u"))["values"], [2**64 - 1])
        self.assertEqual(json.loads(self.shown("--json", path, "s"))["values"], 1e300)

    def test_summary_and_precision(self):
        path = self.safetensors(x=("F32", [2000], struct.pack("<2000f", *(i / 7 for i in range(2000)))))
        self.assertIn("...", self.shown(path, "x"))
        full = self.shown("--full", path, "x")
        self.assertNotIn("...", full)
        self.assertEqual(full.count(","), 1999)
        self.assertEqual(self.shown("--precision", "2", path, "x[1:3]"), "tensor([0.14, 0.29])\n")

    def test_other_values(self):
        names = sconce("inspect", "--tree", fixture("sd_26.pt")).stdout
        self.assertIn("0.weight", names)
        path = self.folder / "nested.pt"
        subprocess.run([str(BIN / "sconce"), "convert", str(fixture("sd_26.pt")), str(path), "--add-prefix", "m."],
                       check=True, capture_output=True)
        self.assertIn("m.0.weight", sconce("inspect", path).stdout)

    def test_wrong_names(self):
        path = fixture("sd_26.pt")
        self.refused(sconce("show", path, "0.wieght"), "0.wieght", "did you mean '0.weight'")
        self.refused(sconce("show", path, "0.wieght[0]"), "did you mean '0.weight'")
        self.refused(sconce("show", path, "zzz"), "sd_26.pt", "; 'sconce inspect' lists the names\n")  # the file is whole
        self.refused(sconce("show", path, "0.weight[9]"), "9")
        self.refused(sconce("show", path, "0.weight[None]"), "None")
        self.refused(sconce("show", path, "0.weight[a]"), "character 2")
        self.refused(sconce("show", path), "NAME")
        self.refused(sconce("show", self.folder / "no.pt", "x"), "no.pt")

    def test_reads_that_storage_only(self):
        good = fixture("sd_26.pt").read_bytes()
        report = json.loads(sconce("inspect", "--json", fixture("sd_26.pt")).stdout)
        first, second = report["tensors"][0], report["tensors"][1]
        import zipfile
        with zipfile.ZipFile(fixture("sd_26.pt")) as archive:
            info = next(i for i in archive.infolist() if i.filename.endswith(f"data/{second['storage']}"))
            content = archive.read(info)
        at = good.index(content, info.header_offset + 30)
        path = self.folder / "bad.pt"
        path.write_bytes(good[:at] + bytes([good[at] ^ 1]) + good[at + 1:])
        self.shown(path, first["name"])
        self.refused(sconce("show", path, second["name"]), "CRC")


if __name__ == "__main__":
    unittest.main()
