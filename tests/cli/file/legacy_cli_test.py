#!/usr/bin/env python3
"""sconce inspect on files of old PyTorch: streams, a tar archive, plain pickles."""

import hashlib
import json
import pathlib
import struct
import tempfile
import unittest

from command import SOURCE, CommandTest, sconce

GOLDEN = SOURCE / "tests/golden"
STREAM = GOLDEN / "formats/legacy/w_113_leg.pt"
TAR = GOLDEN / "formats/legacy/old.tar"
PLAIN = GOLDEN / "legacy/data/plain5_213.pkl"
MATRIX = hashlib.sha256(struct.pack("<6f", *range(6))).hexdigest()


def report(*arguments):
    result = sconce("inspect", "--json", *arguments)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


class Inspect(CommandTest):
    def test_digests(self):
        for path, name in ((STREAM, "torch-legacy"), (TAR, "torch-tar"), (PLAIN, "torch-legacy")):
            with self.subTest(path=path.name):
                whole = report("--digest", path)
                self.assertEqual(whole["format"], name)
                self.assertEqual(whole["crc"], "unchecked")
                tensor = whole["tensors"][0]
                self.assertEqual(tensor | {"storage": 0, "device": "cpu"}, tensor | {
                    "name": "w", "dtype": "float32", "shape": [2, 3], "stride": [3, 1], "bytes": 24, "storage": 0,
                    "offset": 0, "alias_of": None, "requires_grad": False, "path": ["w"], "device": "cpu",
                    "sha256": MATRIX})
                self.assertNotIn("sha256", report(path)["tensors"][0])

    def test_aliases_in_a_tar_archive(self):
        tensors = report("--digest", TAR)["tensors"]
        self.assertEqual([tensor["alias_of"] for tensor in tensors], [None, "w", "w"])
        self.assertEqual(tensors[1]["offset"], 3)
        self.assertEqual(tensors[1]["sha256"], hashlib.sha256(struct.pack("<3f", 3, 4, 5)).hexdigest())

    def test_no_tensors_no_checksum(self):
        whole = report("--digest", GOLDEN / "formats/legacy/py2_2.pkl")
        self.assertEqual(whole["tensors"], [])
        self.assertEqual(whole["crc"], "unchecked")
        self.assertEqual(whole["values"]["od.a"], "1")

    def test_damage(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "cut.pt"
            data = STREAM.read_bytes()
            path.write_bytes(data[:-1])
            result = sconce("inspect", path)
            self.assertEqual(result.returncode, 2)
            self.assertEqual(result.stdout, "")
            self.assertEqual(result.stderr.count("\n"), 1)
            self.assertIn("incomplete", result.stderr)
            path.write_bytes(data + b"more")
            self.assertIn("4 bytes behind the last storage, which torch.load does not look at", report(path)["notes"])


if __name__ == "__main__":
    unittest.main()
