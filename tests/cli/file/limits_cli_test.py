#!/usr/bin/env python3
"""--limit of the commands that read checkpoints, and files whose records are deflated."""

import json
import shutil
import unittest
import zipfile

from checkpoint_files import pickled_tensor, pickled_text, safetensors, torch_zip
from command import CommandTest, fixture, sconce

NAMES = "inflated, pickle, memory, ratio, records, resolved, names, values, header"


class LimitsTest(CommandTest):
    def setUp(self):
        super().setUp()
        opcodes = b"}" + pickled_text("w") + pickled_tensor(0, 4096) + b"s"
        self.stored = torch_zip(self.folder / "stored.pt", opcodes, [bytes(1 << 14)])
        # As if somebody had unzipped it and zipped it again.
        self.deflated = torch_zip(self.folder / "zipped.pt", opcodes, [bytes(1 << 14)], zipfile.ZIP_DEFLATED)

    def commands(self, source):
        """What reads `source`, by command; outputs go where nothing is yet."""
        out = self.folder / "out"
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir()
        return {"inspect": [source], "show": [source, "w"], "diff": [source, source],
                "convert": [source, out / "c.safetensors"], "merge": [source, out / "m.pt"],
                "shard": [source, out / "s", "--size", "1MB"], "average": [source, source, out / "a.pt"],
                "repair": [source, out / "r.pt", "--like", source], "salvage": [source, out / "w.pt"]}

    def test_every_command_that_reads(self):
        for limit, status in (("inflated=1G", 0), ("inflated=1K", 2)):
            for command, words in self.commands(self.deflated).items():
                with self.subTest(command=command, limit=limit):
                    result = sconce(command, *words, "--limit", limit)
                    self.assertEqual(result.returncode, status, result.stderr)
                    if command != "salvage" and status == 2:  # salvage says of each record why it is lost
                        self.refused(result, "more than 1024 bytes", "; see --limit inflated\n")
        for command, words in self.commands(self.deflated).items():
            self.assertEqual(sconce(command, *words).returncode, 0, command)

    def test_verify_says_which_option_raises_it(self):
        result = sconce("verify", "--json", "--limit", "inflated=1K", self.deflated)
        self.assertEqual((result.returncode, result.stderr), (1, ""))
        problem = json.loads(result.stdout)["problems"][0]
        self.assertEqual((problem["code"], problem["advice"]),
                         ("limit", "a limit was reached; --limit inflated can raise it"))
        self.assertIn("--limit inflated can raise it", sconce("verify", "--limit", "inflated=1K", self.deflated).stdout)
        self.assertEqual(sconce("verify", self.deflated).returncode, 0)

    def test_every_name(self):
        tensors = self.folder / "w.safetensors"
        tensors.write_bytes(safetensors({"w": [1, 2]}))
        for limit, path in (("pickle=10", self.stored), ("names=10", self.stored),
                            ("memory=64", self.stored), ("records=2", self.stored),
                            ("inflated=10", self.deflated), ("header=10", tensors), ("values=1", self.stored),
                            ("records=1", self.index())):
            with self.subTest(limit=limit):
                name = limit.split("=")[0]
                self.refused(sconce("inspect", path, "--limit", limit), f"; see --limit {name}\n")
                raised = f"{name}=1MiB"
                self.assertEqual(sconce("inspect", path, "--limit", limit, "--limit", raised).returncode, 0)

    def index(self):
        (self.folder / "two.safetensors").write_bytes(safetensors({"a": [1], "b": [2]}))
        path = self.folder / "model.safetensors.index.json"
        path.write_text(json.dumps({"weight_map": {"a": "two.safetensors", "b": "two.safetensors"}}))
        return path

    def test_the_walk_of_every_command(self):
        """A dict of numbers beside the tensor: who goes through it keeps to the limits, and names the input."""
        opcodes = b"}" + pickled_text("w") + pickled_tensor(0, 4) + b"s"
        opcodes += b"".join(pickled_text(f"n{i}") + b"K\1s" for i in range(300))
        path = torch_zip(self.folder / "many.pt", opcodes, [bytes(16)])
        for limit in ("names=4K", "values=200"):
            name = limit.split("=")[0]
            for command, words in self.commands(path).items():
                if command == "show":
                    words = [path, "n7"]
                if command in ("merge", "salvage"):
                    words = [path, self.folder / "out" / f"{command}.safetensors"]
                with self.subTest(command=command, limit=limit):
                    result = sconce(command, *words, "--limit", limit)
                    self.refused(result, f"{path}: ", f"; see --limit {name}\n")
                    self.assertEqual(sconce(command, *words, "--limit", limit, "--limit", f"{name}=1M").returncode, 0)

    def test_more_names_than_usual(self):
        """800,000 numbers in a dict have more names than 64 MiB hold."""
        pieces = [b"}", pickled_text("w"), pickled_tensor(0, 4), b"s("]
        pieces += [b"X\7\0\0\0%07dK\1" % i for i in range(800_000)]
        path = torch_zip(self.folder / "many.pt", b"".join(pieces) + b"u", [bytes(16)])
        out = self.folder / "out.safetensors"
        self.assertEqual(sconce("show", path, "w").returncode, 0)
        for words in (["show", path, "0000007"], ["convert", path, out], ["salvage", path, out]):
            with self.subTest(words[0]):
                self.refused(sconce(*words), f"{path}: ", "; see --limit names\n")
                self.assertEqual(sconce(*words, "--limit", "names=8GiB").returncode, 0)
                out.unlink(missing_ok=True)

    def test_a_long_list_is_one_value(self):
        pieces = [b"}", pickled_text("w"), pickled_tensor(0, 4), b"s", pickled_text("ids"), b"]"]
        pieces += [b"(" + b"K\1" * 1000 + b"e"] * 600
        path = torch_zip(self.folder / "ids.pt", b"".join(pieces) + b"s", [bytes(16)])
        out = self.folder / "out.safetensors"
        self.assertEqual(sconce("show", path, "w").returncode, 0)
        self.assertEqual(sconce("show", path, "ids.599999").stdout, "1\n")
        result = sconce("convert", "--json", path, out, "--limit", "values=100")
        self.assertEqual(json.loads(result.stdout)["left_out"], [{"name": "ids", "type": "list"}])
        self.assertEqual(sconce("salvage", "--force", path, out, "--limit", "values=100").returncode, 0)

    def test_a_pickle_that_deflates_far(self):
        path = torch_zip(self.folder / "text.pt", pickled_text("a" * (33 << 20)), [], zipfile.ZIP_DEFLATED)
        self.refused(sconce("inspect", path), "in the file)", "; see --limit ratio\n")
        self.assertEqual(sconce("inspect", path, "--limit", "ratio=2000").returncode, 0)

    def test_a_view_made_real(self):
        negated = pickled_tensor(0, 2).removesuffix(b"tR") + b"}" + pickled_text("neg") + b"\x88stR"
        path = torch_zip(self.folder / "negated.pt", negated, [bytes(8)])
        words = ("inspect", "--digest", path)
        self.assertEqual(sconce(*words).returncode, 0)
        self.refused(sconce(*words, "--limit", "resolved=1"), "; see --limit resolved\n")

    def test_wrong_words(self):
        for word in ("memories=1", "inflated", "inflated=", "inflated=-1", "inflated=0", "inflated=1.5", "=1",
                     "inflated=many", "Inflated=1", "inflated=99999999999999999999"):
            with self.subTest(word=word):
                self.refused(sconce("inspect", self.stored, "--limit", word), word, NAMES, "inspect --help")
        self.refused(sconce("inspect", self.stored, "--limit"), "--limit")

    def test_no_hint_where_no_option_is(self):
        self.assertNotIn("--limit", sconce("completion", "--help").stdout)

    def test_deflated_storages_have_a_note(self):
        for command in ("inspect", "verify"):
            notes = json.loads(sconce(command, "--json", self.deflated).stdout)["notes"]
            self.assertEqual(len(notes), 1, notes)
            self.assertIn("1 of 1 storages are deflated", notes[0])
            self.assertIn(f"note: {notes[0]}\n", sconce(command, self.deflated).stdout)
            self.assertEqual(json.loads(sconce(command, "--json", self.stored).stdout)["notes"], [])

    def test_converting_stores_them(self):
        out = self.folder / "again.pt"
        self.assertEqual(sconce("convert", self.deflated, out).returncode, 0)
        self.assertEqual(json.loads(sconce("inspect", "--json", out).stdout)["notes"], [])
        self.assertEqual({info.compress_type for info in zipfile.ZipFile(out).infolist()}, {zipfile.ZIP_STORED})

    def test_deflated_code_of_torchscript_is_as_pytorch_has_it(self):
        path = fixture("jit_26.pt")
        self.assertIn(zipfile.ZIP_DEFLATED, {info.compress_type for info in zipfile.ZipFile(path).infolist()})
        self.assertNotIn("deflated", sconce("inspect", path).stdout)


if __name__ == "__main__":
    unittest.main()
