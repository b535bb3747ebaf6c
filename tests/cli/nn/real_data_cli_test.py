#!/usr/bin/env python3
"""Drives `sconce eval` over real pictures with real weights (tests/support/real_data.py says where they come from)."""

import json
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "support"))
import real_data  # noqa: E402

SKIPPED = 77
WEIGHTS = "resnet20-12fca82f.th"
# Of 10,000, as PyTorch 1.13.1 counts. Pictures that lie within rounding of two classes may fall to either.
CORRECT, LEEWAY = 8103, 3
RECORD_BYTES = 3073
os.environ.setdefault("OMP_WAIT_POLICY", "passive")


def run_eval(*arguments):
    command = [str(real_data.BIN_DIR / "sconce"), "eval", *map(str, arguments)]
    return subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          timeout=500)


class ResNet20(unittest.TestCase):
    """A file of 2018: a legacy stream with {'best_prec1', 'state_dict'}, names of DataParallel, no batch counts."""

    @classmethod
    def setUpClass(cls):
        cls.weights = real_data.path(WEIGHTS)
        cls.cifar = real_data.cifar()

    def test_finds_as_many_as_pytorch(self):
        result = run_eval("--arch", "resnet20", "--weights", self.weights, "--data", self.cifar, "--json")
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        found = json.loads(result.stdout)
        self.assertEqual(found["total"], 10_000)
        self.assertLessEqual(abs(found["correct"] - CORRECT), LEEWAY, found["correct"])
        self.assertEqual((found["weights_entry"], found["stripped_prefix"]), ("state_dict", "module."))
        self.assertEqual(sum(row[i] for i, row in enumerate(found["confusion"])), found["correct"])
        self.assertTrue(found["correct"] < found["top5_correct"] < 10_000)

    def test_other_pixels_do_worse(self):
        """The model's own mean and deviation are used, and they matter."""
        with tempfile.TemporaryDirectory(prefix="sconce-cli-") as folder:
            some = (self.cifar / "test_batch.bin").read_bytes()[: 1000 * RECORD_BYTES]
            (Path(folder) / "test_batch.bin").write_bytes(some)
            correct = []
            for pixels in ([], ["--mean", "0", "--std", "1"]):
                result = run_eval("--arch", "resnet20", "--weights", self.weights, "--data", folder, *pixels,
                                  "--json")
                self.assertEqual(result.returncode, 0, result.stderr)
                correct.append(json.loads(result.stdout)["correct"])
        self.assertLess(correct[1], correct[0] - 50)

    def test_another_network_is_refused(self):
        result = run_eval("--arch", "resnet32", "--weights", self.weights, "--data", self.cifar)
        self.assertEqual((result.returncode, result.stdout), (2, ""))
        self.assertIn("'module.' taken off", result.stderr)
        self.assertIn('Missing key(s) in state_dict: "layer1.3.conv1.weight"', result.stderr)


if __name__ == "__main__":
    program = unittest.main(exit=False)
    result = program.result
    if result.wasSuccessful() and (result.skipped and result.testsRun <= len(result.skipped)):
        print("skipped: " + "; ".join(sorted({reason for _, reason in result.skipped})))
        sys.exit(SKIPPED)
    sys.exit(not result.wasSuccessful())
