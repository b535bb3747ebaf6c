#!/usr/bin/env python3
"""Drives `sconce bench`, and looks at how the threads of sconce-nn are told to wait."""

import json
import os
import re
import subprocess
import unittest

from train_cli_test import Case


class Bench(Case):
    QUICK = {"--seconds": "0.02", "--batch-size": "2", "--checkpoint-size": "3MB"}

    def options(self, **given):
        """Command-line options: quick ones, but for those that are given."""
        options = {**self.QUICK, "--folder": self.folder}
        options.update({f"--{name.replace('_', '-')}": value for name, value in given.items()})
        return [word for option in options.items() for word in option]

    def bench(self, **given):
        return json.loads(self.run_sconce("bench", *self.options(**given), "--json").stdout)

    def test_measures_what_was_asked(self):
        found = self.bench(arch="lenet,resnet20", batch_size="1,3", threads="1")
        self.assertEqual(list(found), ["machine", "train", "checkpoint"])
        self.assertEqual(found["machine"]["threads"], 1)
        self.assertGreater(found["machine"]["fma_gflops"], 0)
        self.assertEqual([(entry["arch"], entry["batch_size"]) for entry in found["train"]],
                         [("lenet", 1), ("lenet", 3), ("resnet20", 1), ("resnet20", 3)])
        for entry in found["train"]:
            self.assertGreaterEqual(entry["steps"], 5)
            self.assertTrue(0 < entry["best_us"] <= entry["median_us"])
            self.assertAlmostEqual(entry["images_per_second"] * entry["median_us"] / 1e6, entry["batch_size"], places=3)
        checkpoint = found["checkpoint"]
        self.assertTrue(3 << 20 < checkpoint["bytes"] < 1.1 * (3 << 20))
        for name in ("save_ms", "load_ms", "list_ms"):
            self.assertGreater(checkpoint[name], 0)
        self.assertEqual(list(self.folder.iterdir()), [])

    def test_more_work_takes_longer(self):
        found = self.bench(arch="lenet", batch_size="1,256", threads="1")
        small, large = found["train"]
        self.assertGreater(large["median_us"], 10 * small["median_us"])

    def test_without_a_checkpoint(self):
        self.assertEqual(list(self.bench(checkpoint_size="0")), ["machine", "train"])

    def test_text(self):
        text = self.run_sconce("bench", *self.options(arch="lenet")).stdout
        self.assertRegex(text, r"\Amachine: \d+ GFLOP/s")
        self.assertRegex(text, r"lenet, batch 2: \d+ us")
        self.assertRegex(text, r"checkpoint of 3\.0 MiB in 1 tensor: save ")

    def test_wrong_options(self):
        self.assert_refused("lenet", "bench", "--arch", "nothing")
        self.assert_refused("--batch-size", "bench", "--batch-size", "0")
        self.assert_refused("--checkpoint-size", "bench", "--checkpoint-size", "much")
        errors = self.run_sconce("bench", *self.options(folder=self.folder / "none"), status=2).stderr
        self.assertRegex(errors, r"\Asconce: [^\n]*none[^\n]*\n\Z")
        self.assertIn("Example", self.run_sconce("bench", "--help").stdout)


class ThreadWaits(Case):
    def spin_count(self, **given):
        """What libgomp, which says so when asked, begins with in the end."""
        environment = {name: value for name, value in os.environ.items()
                       if name not in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")}
        result = subprocess.run(self.command("models"), env={**environment, **given, "OMP_DISPLAY_ENV": "verbose"},
                                capture_output=True, text=True, timeout=60)
        self.assertEqual(result.returncode, 0)
        counts = re.findall(r"GOMP_SPINCOUNT = '(\w+)'", result.stderr)
        if not counts:
            self.skipTest("not built with libgomp")
        return counts[-1]

    def test_they_spin_briefly(self):
        self.assertEqual(self.spin_count(), "1000")

    def test_the_environment_is_obeyed(self):
        self.assertEqual(self.spin_count(GOMP_SPINCOUNT="77"), "77")
        self.assertEqual(self.spin_count(OMP_WAIT_POLICY="passive"), "0")


if __name__ == "__main__":
    unittest.main()
