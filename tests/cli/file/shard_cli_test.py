#!/usr/bin/env python3
"""sconce shard and sconce merge as a user meets them."""

import json
import signal
import subprocess
import time
import unittest

from checkpoint_files import hollow_safetensors, safetensors
from command import BIN, FORMATS, SOURCE, CommandTest, sconce


def digests(path):
    report = json.loads(sconce("inspect", "--json", "--digest", path).stdout)
    return {tensor["name"]: tensor["sha256"] for tensor in report["tensors"]}


class ShardTest(CommandTest):
    def setUp(self):
        super().setUp()
        self.model = self.folder / "model.safetensors"
        self.tensors = {f"layer{i}": [float(i)] * 100 for i in range(5)}
        self.model.write_bytes(safetensors(self.tensors))

    def fine(self, result):
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        return result.stdout

    def test_there_and_back(self):
        out = self.folder / "out"
        report = json.loads(self.fine(sconce("shard", self.model, out, "--size", "800B", "--json")))
        self.assertEqual(report["format"], "safetensors-index")
        self.assertEqual(report["tensors"], 5)
        self.assertEqual([file["name"] for file in report["files"]],
                         [f"model-0000{i}-of-00003.safetensors" for i in (1, 2, 3)] + ["model.safetensors.index.json"])
        for file in report["files"]:
            self.assertEqual((out / file["name"]).stat().st_size, file["bytes"])
        self.assertEqual(digests(out), digests(self.model))
        text = self.fine(sconce("merge", out, self.folder / "merged.pt"))
        self.assertIn("5 tensors", text)
        self.assertEqual(digests(self.folder / "merged.pt"), digests(self.model))
        again = json.loads(self.fine(sconce("merge", out / "model.safetensors.index.json", self.folder / "again.safetensors",
                                            "--json")))
        self.assertEqual((again["input_format"], again["format"]), ("safetensors-index", "safetensors"))
        self.assertEqual(digests(self.folder / "again.safetensors"), digests(self.model))

    def test_torch_shards(self):
        out = self.folder / "out"
        self.fine(sconce("shard", self.model, out, "--size", "1KB", "--to", "torch"))
        self.assertTrue((out / "pytorch_model.bin.index.json").exists())
        self.assertEqual(json.loads(sconce("inspect", "--json", out).stdout)["format"], "torch-index")
        self.assertEqual(digests(out), digests(self.model))

    def test_whole_modules_become_state_dicts(self):
        golden = SOURCE / "tests/golden/recover"
        for name in ("module_213.pt", "within_213.pt"):
            report = json.loads(sconce("merge", "--json", golden / name, self.folder / name).stdout)
            clean = self.folder / f"clean_{name}"
            self.assertEqual(sconce("convert", golden / name, clean).returncode, 0)
            self.assertEqual(digests(self.folder / name), digests(clean))
            self.assertEqual(report["tensors"], len(json.loads(sconce("inspect", "--json", clean).stdout)["tensors"]))
        out = self.folder / "out"
        result = sconce("shard", golden / "module_213.pt", out, "--size", "1KB")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(digests(out), digests(self.folder / "clean_module_213.pt"))

    def test_an_output_is_replaced_only_by_force(self):
        out = self.folder / "out"
        self.fine(sconce("shard", self.model, out, "--size", "800B"))
        before = sorted(path.name for path in out.iterdir())
        self.refused(sconce("shard", self.model, out, "--size", "400B"), "exists")
        self.assertEqual(sorted(path.name for path in out.iterdir()), before)
        self.fine(sconce("shard", self.model, out, "--size", "400B", "--force"))
        self.assertEqual(len(list(out.iterdir())), 6)
        # From the set into itself.
        self.fine(sconce("shard", out, out, "--size", "800B", "--force"))
        self.assertEqual(sorted(path.name for path in out.iterdir()), before)
        self.assertEqual(digests(out), digests(self.model))
        self.refused(sconce("merge", out, self.model), "exists")
        self.fine(sconce("merge", out, self.model, "--force"))
        self.assertEqual(len(digests(self.model)), 5)

    def test_sizes(self):
        for size, count in [("400", 5), ("0.8kb", 3), ("1KiB", 3), ("1 KB", 3), ("2GB", 1), ("1g", 1)]:
            report = json.loads(self.fine(sconce("shard", self.model, self.folder / f"out {size}", "--size", size, "--json")))
            self.assertEqual(len(report["files"]), count + 1, size)
        for size in ["", "0", "GB", "-1", "1.5", "1.5B", "2 gigabytes", "1e9", "9999999999TB", "1,5GB", "0x10",
                     "1..5GB", "12345678901234567890B"]:
            self.refused(sconce("shard", self.model, self.folder / "bad", "--size", size))
        self.assertFalse((self.folder / "bad").exists())

    def test_what_is_wrong_is_said(self):
        out = self.folder / "out"
        self.fine(sconce("shard", self.model, out, "--size", "800B"))
        (out / "model-00002-of-00003.safetensors").unlink()
        self.refused(sconce("merge", out, self.folder / "x.pt"), "model-00002-of-00003.safetensors", "missing")
        self.assertFalse((self.folder / "x.pt").exists())
        self.refused(sconce("shard", self.folder / "none.pt", self.folder / "new", "--size", "1KB"), "No such file")
        self.assertFalse((self.folder / "new").exists())
        self.refused(sconce("shard", self.model, self.folder / "no" / "new", "--size", "1KB"), "No such file")
        self.refused(sconce("shard", self.model, self.model, "--size", "1KB"), "model.safetensors")
        self.refused(sconce("shard", self.model, out), "--size")
        self.refused(sconce("merge", self.model, self.folder / "x.index.json"), "one file")
        self.refused(sconce("merge", self.model, self.folder / "x", "--to", "gguf"), "gguf")

    def test_tensors_outside_the_index_are_named(self):
        out = self.folder / "out"
        self.fine(sconce("shard", self.model, out, "--size", "800B"))
        index = out / "model.safetensors.index.json"
        content = json.loads(index.read_text())
        del content["weight_map"]["layer1"]
        index.write_text(json.dumps(content))
        result = sconce("merge", out, self.folder / "merged.safetensors")
        self.assertEqual(result.returncode, 0)
        self.assertIn("'layer1' is not in the index", result.stderr)
        self.assertEqual(len(digests(self.folder / "merged.safetensors")), 5)

    def test_values_without_a_place_are_named(self):
        out = self.folder / "out"
        result = sconce("shard", next(FORMATS.rglob("sd_26.pt")), out, "--size", "1MB")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(len(digests(out)), len(digests(next(FORMATS.rglob("sd_26.pt")))))

    def test_help_has_an_example(self):
        for command in ("merge", "shard"):
            self.assertIn(f"Example: sconce {command} ", self.fine(sconce(command, "--help")))

    def test_a_stop_leaves_nothing(self):
        big = hollow_safetensors(self.folder / "big.safetensors", 1, 1 << 30)
        out = self.folder / "out"
        process = subprocess.Popen([str(BIN / "sconce"), "shard", str(big), str(out), "--size", "100MB"],
                                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        time.sleep(0.2)
        process.send_signal(signal.SIGTERM)
        self.assertIn(process.wait(timeout=60), (143, 0))  # 0: it was done before
        process.stderr.close()
        if process.returncode == 143:
            self.assertFalse(out.exists())


if __name__ == "__main__":
    unittest.main(verbosity=2)
