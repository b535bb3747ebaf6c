#!/usr/bin/env python3
"""A file that would run code in Python: every command that reads it says so, and none writes it back."""

import json
import shutil
import struct
import unittest

from checkpoint_files import pickled_tensor, pickled_text, torch_zip
from command import CommandTest, fixture, sconce

SYSTEM = b"cos\nsystem\n(X\x02\x00\x00\x00hitR"
WARNING = "it names os.system (runs a shell command): loading it in Python could run code; here it stays inert"


class CodeWarnings(CommandTest):
    def setUp(self):
        super().setUp()
        # A call whose result is a value of the tree, and one whose result Python throws away.
        tensor, data = pickled_text("w") + pickled_tensor(0, 2) + b"s", [struct.pack("<2f", 1, 2)]
        self.seen = torch_zip(self.folder / "seen.pt", b"}" + tensor + pickled_text("e") + SYSTEM + b"s", data)
        self.hidden = torch_zip(self.folder / "hidden.pt", b"}" + tensor + SYSTEM + b"0", data)

    def commands(self, path):
        out = self.folder / "out"
        yield "inspect", path
        yield "show", path, "w"
        yield "diff", path, path
        yield "convert", path, out / "a.pt"
        yield "convert", "--keep-objects", path, out / "b.pt"
        yield "convert", path, out / "c.safetensors"
        yield "shard", path, out / "d.safetensors.index.json", "--size", "1MB"
        yield "merge", path, out / "h.pt"
        yield "average", path, path, out / "e.pt"
        yield "repair", path, out / "f.pt", "--like", path
        yield "salvage", path, out / "g.pt"

    def test_every_command_says_so(self):
        for path in (self.seen, self.hidden):
            for command in self.commands(path):
                with self.subTest(command=command[0], path=path.name):
                    shutil.rmtree(self.folder / "out", ignore_errors=True)
                    (self.folder / "out").mkdir()
                    result = sconce(*command)
                    self.assertEqual(result.returncode, 0, result.stderr)
                    self.assertIn(f"warning: {path}: {WARNING}\n", result.stderr)
                    for written in (self.folder / "out").glob("*.pt"):
                        self.assertEqual(json.loads(sconce("verify", "--json", written).stdout)["safe"], True)

    def test_json(self):
        report = json.loads(sconce("inspect", "--json", self.hidden).stdout)
        self.assertEqual(report["could_run_code"], [WARNING])
        out = self.folder / "x.pt"
        self.assertIn(WARNING, json.loads(sconce("convert", "--json", self.hidden, out).stdout)["warnings"])

    def test_harmless_files_are_not_warned_of(self):
        result = sconce("inspect", "--json", fixture("sd_26.pt"))
        self.assertEqual(json.loads(result.stdout)["could_run_code"], [])
        self.assertEqual(result.stderr, "")


if __name__ == "__main__":
    unittest.main()
