#!/usr/bin/env python3
"""sconce repair as a user meets it: what it explains, what it writes, and what it does not dare."""

import json
import os
import pty
import unittest

from checkpoint_files import read_safetensors, safetensors
from command import BIN, CommandTest, sconce


def numbers(first, count):
    return [float(first + i) for i in range(count)]


class RepairTest(CommandTest):
    def setUp(self):
        super().setUp()
        self.out = self.folder / "out.safetensors"
        self.like = self.file("like.safetensors", {
            "fc.weight": ("F32", [2, 3], [0.0] * 6), "fc.bias": [0, 0], "bn.running_mean": [0, 0],
            "bn.num_batches_tracked": ("I64", [], [0])})
        self.ddp = self.file("ddp.safetensors", {
            "module.fc.weight": ("F32", [2, 3], numbers(1, 6)), "module.fc.bias": [7, 8],
            "module.bn.running_mean": [9, 10], "module.aux": [5, 5, 5, 5, 5]})

    def file(self, name, tensors):
        path = self.folder / name
        path.write_bytes(safetensors(tensors))
        return path

    def test_prefix_counter_and_extra(self):
        result = sconce("repair", self.ddp, "--like", self.like, self.out)
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        self.assertRegex(result.stdout, r"fc\.weight +float32 \(2, 3\) +module\.fc\.weight +a prefix or wrapper apart")
        self.assertRegex(result.stdout, r"bn\.num_batches_tracked +int64 \(\) +0 +absent, filled with 0")
        self.assertIn("not wanted, left out\n  module.aux  float32 (5,)", result.stdout)
        self.assertNotIn("\033", result.stdout)
        written = read_safetensors(self.out)
        self.assertEqual(written, {"fc.weight": ("F32", [2, 3], numbers(1, 6)), "fc.bias": ("F32", [2], [7, 8]),
                                   "bn.running_mean": ("F32", [2], [9, 10]),
                                   "bn.num_batches_tracked": ("I64", [], [0])})

    def test_dry_run_writes_nothing(self):
        result = sconce("repair", self.ddp, "--like", self.like, "--dry-run")
        self.assertEqual(result.returncode, 0)
        self.assertIn("nothing was written", result.stdout)
        self.assertEqual(sconce("repair", self.ddp, "--like", self.like, self.out, "--dry-run").returncode, 0)
        self.assertFalse(self.out.exists())
        self.assertEqual(sconce("repair", self.ddp, "--like", self.like).returncode, 2)  # where to?

    def test_json(self):
        report = json.loads(sconce("repair", self.ddp, "--like", self.like, self.out, "--json").stdout)
        self.assertTrue(report["complete"])
        self.assertFalse(report["identity"])
        self.assertEqual(report["output"], str(self.out))
        rules = {match["target"]: (match["source"], match["rule"]) for match in report["matches"]}
        self.assertEqual(rules["fc.bias"], ("module.fc.bias", "prefix"))
        self.assertEqual(rules["bn.num_batches_tracked"], (None, "filled"))
        self.assertEqual([extra["name"] for extra in report["extra"]], ["module.aux"])

    def test_nothing_to_do(self):
        result = sconce("repair", self.like, "--like", self.like, self.out)
        self.assertEqual(result.returncode, 0)
        self.assertIn("nothing to repair", result.stdout)
        self.assertEqual(read_safetensors(self.out), read_safetensors(self.like))

    def test_an_output_is_replaced_only_with_force_and_may_be_the_input(self):
        self.out.write_bytes(b"precious")
        result = sconce("repair", self.ddp, "--like", self.like, self.out)
        self.assertEqual((result.returncode, result.stdout), (2, ""))
        self.assertIn("--force", result.stderr)
        self.assertEqual(self.out.read_bytes(), b"precious")
        self.assertEqual(sconce("repair", self.ddp, "--like", self.like, self.ddp, "--force").returncode, 0)
        self.assertIn("fc.weight", read_safetensors(self.ddp))

    def unclear(self):
        like = self.file("like2.safetensors", {"same": [0, 0, 0], "key.weight": ("F32", [2, 2], [0.0] * 4),
                                               "query.weight": ("F32", [2, 2], [0.0] * 4)})
        source = self.file("in2.safetensors", {"same": [1, 2, 3], "a.weight": ("F32", [2, 2], numbers(1, 4)),
                                               "b.weight": ("F32", [2, 2], numbers(5, 4))})
        return source, like

    def test_what_is_unclear_is_asked_for_by_way_of_the_map(self):
        source, like = self.unclear()
        names = self.folder / "names.json"
        result = sconce("repair", source, "--like", like, self.out, "--map", names)
        self.assertEqual(result.returncode, 1, result.stderr)
        self.assertRegex(result.stdout, r"key\.weight +float32 \(2, 2\) +several might be it[^\n]*a\.weight, b\.weight")
        self.assertFalse(self.out.exists())
        mapping = json.loads(names.read_text())
        self.assertEqual(mapping["map"], {"same": "same", "key.weight": None, "query.weight": None})
        self.assertEqual(mapping["candidates"]["key.weight"], ["a.weight", "b.weight"])

        mapping["map"]["key.weight"] = "b.weight"
        names.write_text(json.dumps(mapping))
        result = sconce("repair", source, "--like", like, self.out, "--map", names)
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        self.assertEqual(read_safetensors(self.out)["key.weight"][2], numbers(5, 4))
        self.assertEqual(read_safetensors(self.out)["query.weight"][2], numbers(1, 4))
        self.assertEqual(json.loads(names.read_text()), mapping)  # only read

    def test_bad_maps(self):
        source, like = self.unclear()
        names = self.folder / "names.json"
        for text in ("", "{", '{"sconce_map": 1, "map": {"nothing": "same"}}', '{"sconce_map": 1, "map": {"same": "key"}}'):
            names.write_text(text)
            result = sconce("repair", source, "--like", like, self.out, "--map", names)
            self.assertEqual((result.returncode, result.stderr.count("\n")), (2, 1), result.stderr)

    def test_partial(self):
        source, like = self.unclear()
        self.assertEqual(sconce("repair", source, "--like", like, self.out).returncode, 1)
        self.assertFalse(self.out.exists())
        result = sconce("repair", source, "--like", like, self.out, "--partial")
        self.assertEqual(result.returncode, 1)
        self.assertEqual(list(read_safetensors(self.out)), ["same"])

    def test_transposed_is_offered_only(self):
        source = self.file("t.safetensors", {"w": ("F32", [2, 3], numbers(1, 6))})
        like = self.file("tl.safetensors", {"w": ("F32", [3, 2], [0.0] * 6)})
        result = sconce("repair", source, "--like", like, self.out)
        self.assertEqual(result.returncode, 1)
        self.assertIn("--allow-transpose", result.stdout)
        self.assertEqual(sconce("repair", source, "--like", like, self.out, "--allow-transpose").returncode, 0)
        self.assertEqual(read_safetensors(self.out)["w"], ("F32", [3, 2], [1, 4, 2, 5, 3, 6]))

    def test_kept_extra(self):
        self.assertEqual(sconce("repair", self.ddp, "--like", self.like, self.out, "--keep-extra").returncode, 0)
        self.assertIn("aux", read_safetensors(self.out))

    def test_unclear_prefix(self):
        like = self.file("l.safetensors", {"w": [0, 0]})
        source = self.file("s.safetensors", {"student.w": [1, 2], "teacher.w": [3, 4]})
        result = sconce("repair", source, "--like", like, self.out)
        self.assertEqual(result.returncode, 1)
        self.assertIn("--state-dict", result.stdout)
        self.assertEqual(sconce("repair", source, "--like", like, self.out, "--state-dict", "teacher").returncode, 0)
        self.assertEqual(read_safetensors(self.out)["w"][2], [3, 4])

    def test_trouble(self):
        for words in ([self.ddp, self.out], [self.ddp, "--like", self.folder / "none.pt", self.out],
                      [self.folder / "none.pt", "--like", self.like, self.out],
                      [self.ddp, "--like", self.like, self.folder / "no/such/folder.pt"]):
            result = sconce("repair", *words)
            self.assertEqual(result.returncode, 2, words)
            self.assertEqual(result.stderr.count("\n"), 1, result.stderr)

    @unittest.skipIf((BIN / "sconce-nn").exists(), "sconce-nn is there")
    def test_a_model_of_the_zoo_needs_the_other_half(self):
        result = sconce("repair", self.ddp, "--like", "lenet", self.out)
        self.assertEqual((result.returncode, result.stderr.count("\n")), (2, 1))
        self.assertIn("sconce-nn", result.stderr)

    @unittest.skipUnless((BIN / "sconce-nn").exists(), "no sconce-nn")
    def test_a_model_of_the_zoo(self):
        report = json.loads(sconce("repair", self.ddp, "--like", "lenet", "--dry-run", "--json").stdout)
        self.assertIn("conv1.weight", [key["name"] for key in report["missing"]])
        result = sconce("repair", self.ddp, "--like", "nonesuch", self.out)
        self.assertEqual((result.returncode, result.stderr.count("\n")), (2, 1), result.stderr)
        self.assertIn("nonesuch", result.stderr)

    def on_terminal(self, answer, *arguments):
        """Status and screen of a run on a terminal whose user types `answer`."""
        child, terminal = pty.fork()
        if child == 0:
            try:
                os.execv(str(BIN / "sconce"), ["sconce", *map(str, arguments)])
            finally:
                os._exit(127)
        os.write(terminal, answer)
        screen = b""
        try:
            while chunk := os.read(terminal, 4096):
                screen += chunk
        except OSError:
            pass  # the terminal closes with its program
        os.close(terminal)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), screen.decode()

    def test_a_person_is_asked_first(self):
        words = ("repair", self.ddp, "--like", self.like, self.out)
        status, screen = self.on_terminal(b"n\n", *words)
        self.assertEqual(status, 1, screen)
        self.assertIn("[y/N]", screen)
        self.assertFalse(self.out.exists())
        self.assertEqual(self.on_terminal(b"y\n", *words)[0], 0)
        self.assertTrue(self.out.exists())
        status, screen = self.on_terminal(b"", *words, "--force", "--yes")
        self.assertEqual(status, 0)
        self.assertNotIn("[y/N]", screen)

    def test_help(self):
        result = sconce("repair", "--help")
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        self.assertIn("Example: sconce repair", result.stdout)


if __name__ == "__main__":
    unittest.main(verbosity=2)
