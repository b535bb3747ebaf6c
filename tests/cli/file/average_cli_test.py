#!/usr/bin/env python3
"""sconce average as a user meets it."""

import json
import os
import unittest

from checkpoint_files import hollow_safetensors, read_safetensors, safetensors
from command import CommandTest, peak_memory, sconce


class AverageTest(CommandTest):
    def setUp(self):
        super().setUp()
        self.out = self.folder / "out.safetensors"
        self.files = [self.file(f"{i}.safetensors", {"w": [i, 10.0 * i], "n": ("I64", [], [i])}) for i in (1, 2, 6)]

    def file(self, name, tensors):
        path = self.folder / name
        path.write_bytes(safetensors(tensors))
        return path

    def averaged(self, *options):
        result = sconce("average", *self.files, self.out, "--force", *options)
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        return read_safetensors(self.out)["w"][2]

    def test_kinds_of_average(self):
        self.assertEqual(self.averaged(), [3, 30])
        self.assertEqual(self.averaged("--weights", "0.5,0.25,0.25"), [2.5, 25])
        self.assertEqual(self.averaged("--weights", "2,1,1"), [2.5, 25])
        self.assertEqual(self.averaged("--ema", "0.5"), [3.75, 37.5])
        self.assertEqual(read_safetensors(self.out)["n"], ("I64", [], [6]))

    def test_text_and_json(self):
        result = sconce("average", *self.files, self.out)
        self.assertEqual(result.returncode, 0)
        self.assertIn("averaged 1 tensors of 3 files", result.stdout)
        report = json.loads(sconce("average", *self.files, self.out, "--force", "--json").stdout)
        self.assertEqual((report["averaged"], report["taken_from_last"], len(report["inputs"])), (1, 1, 3))

    def test_the_output_is_safe(self):
        self.out.write_bytes(b"precious")
        result = sconce("average", *self.files, self.out)
        self.assertEqual((result.returncode, result.stdout), (2, ""))
        self.assertEqual(self.out.read_bytes(), b"precious")
        self.assertEqual(sconce("average", *self.files, self.files[0], "--force").returncode, 0)
        self.assertEqual(read_safetensors(self.files[0])["w"][2], [3, 30])

    def test_trouble(self):
        other = self.file("other.safetensors", {"weight": [1, 2], "n": ("I64", [], [1])})
        for words, say in (([self.files[0]], "output"), ([], "--help"), ([self.files[0], other, self.out], "no 'w'"),
                           ([*self.files, self.out, "--weights", "1,2"], "3 weights"),
                           ([*self.files, self.out, "--ema", "2"], "decay"),
                           ([self.files[0], self.folder / "none.pt", self.out], "none.pt")):
            result = sconce("average", *words)
            self.assertEqual((result.returncode, result.stdout, result.stderr.count("\n")), (2, "", 1), result.stderr)
            self.assertIn(say, result.stderr)
        self.assertFalse(self.out.exists())

    @unittest.skipIf("SCONCE_SANITIZED" in os.environ, "memory is not the product's own")
    def test_memory_is_that_of_one_file_and_a_tensor(self):
        mebibytes, count = 4, 8
        paths = [hollow_safetensors(self.folder / f"{name}.safetensors", count, mebibytes << 20) for name in "abcdefgh"]
        status, peak = peak_memory("average", *paths, self.out)
        self.assertEqual(status, 0)
        # The result, a sum in float64, an input's tensor; all inputs would be 256 MiB.
        self.assertLess(peak, (count * mebibytes + 6 * mebibytes + 32) << 20)

    def test_help(self):
        self.assertIn("Example: sconce average", sconce("average", "--help").stdout)


if __name__ == "__main__":
    unittest.main(verbosity=2)
