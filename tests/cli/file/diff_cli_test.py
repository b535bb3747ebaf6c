#!/usr/bin/env python3
"""sconce diff as a user meets it: statuses, text and JSON, tolerance, memory, and inside git."""

import json
import os
import shutil
import struct
import subprocess
import unittest
import unittest.mock

from checkpoint_files import hollow_safetensors, safetensors
from command import BIN, CommandTest, FORMATS, peak_memory, sconce


class DiffTest(CommandTest):
    def file(self, name, tensors):
        path = self.folder / name
        path.write_bytes(safetensors(tensors))
        return path

    def pair(self):
        return (self.file("a.safetensors", {"fc.weight": [1, 2, 3], "fc.bias": [4], "gone": [5, 6, 7, 8]}),
                self.file("b.safetensors", {"fc.weight": [1, 2.5, 3], "fc.bias": [4], "new": [9, 9]}))

    def test_statuses(self):
        a, b = self.pair()
        self.assertEqual(sconce("diff", a, a).returncode, 0)
        self.assertEqual(sconce("diff", a, b).returncode, 1)
        for words in ([a], [a, b, a], [], [a, "--frobnicate", b], [a, b, "--atol", "-1"], [a, b, "--atol", "x"]):
            result = sconce("diff", *words)
            self.assertEqual((result.returncode, result.stdout), (2, ""), words)
            self.assertEqual(result.stderr.count("\n"), 1, result.stderr)
        missing = sconce("diff", a, self.folder / "none.pt")
        self.assertEqual(missing.returncode, 2)
        self.assertIn("none.pt", missing.stderr)

    def test_text(self):
        a, b = self.pair()
        text = sconce("diff", a, b).stdout
        self.assertNotIn("\033", text)
        self.assertRegex(text, r"only in A\n  gone  float32 \(4,\)\n")
        self.assertRegex(text, r"only in B\n  new  float32 \(2,\)\n")
        self.assertRegex(text, r"fc\.weight +float32 +\(3,\) +different +1/3 +0\.5 +0\.2 +2097152 +0\.99")
        self.assertRegex(text, r"fc\.bias +float32 +\(1,\) +equal")
        self.assertTrue(text.endswith("tensors: 1 equal, 1 different, 1 only in A, 1 only in B\nthey differ\n"), text)
        self.assertNotIn("fc.bias", sconce("diff", "--only-changed", a, b).stdout)
        self.assertEqual(len(sconce("diff", "--stat", a, b).stdout.splitlines()), 4)

    def test_json(self):
        a, b = self.pair()
        report = json.loads(sconce("diff", "--json", a, b).stdout)
        self.assertFalse(report["same"])
        self.assertEqual(report["counts"], {"equal": 1, "near": 0, "different": 1, "renamed": 0, "ambiguous": 0,
                                            "only_a": 1, "only_b": 1, "values_equal": 0, "values_near": 0,
                                            "values_different": 0, "structure": 0})
        weight = next(tensor for tensor in report["tensors"] if tensor["name"] == "fc.weight")
        self.assertEqual(weight["status"], "different")
        self.assertEqual((weight["difference"]["max_abs"], weight["difference"]["worst"]), (0.5, [1]))
        self.assertEqual(report["only_a"], [{"name": "gone", "dtype": "float32", "shape": [4]}])
        self.assertNotIn("tensors", json.loads(sconce("diff", "--json", "--stat", a, b).stdout))

    def test_json_has_no_infinities(self):
        a = self.file("a.safetensors", {"x": [float("nan"), float("inf"), 1]})
        b = self.file("b.safetensors", {"x": [0, 1, 3.4e38]})
        report = json.loads(sconce("diff", "--json", a, b).stdout, parse_constant=self.fail)
        self.assertEqual(report["tensors"][0]["difference"]["non_finite"], 2)

    def test_tolerance(self):
        a = self.file("a.safetensors", {"x": [1, 0.0]})
        b = self.file("b.safetensors", {"x": [1.001, -0.0]})
        self.assertEqual(sconce("diff", a, b).returncode, 1)
        near = sconce("diff", "--atol", "0.01", a, b)
        self.assertEqual(near.returncode, 0)
        self.assertIn("1 within tolerance", near.stdout)
        self.assertEqual(sconce("diff", "--rtol", "1e-5", a, b).returncode, 1)
        self.assertEqual(json.loads(sconce("diff", "--json", "--rtol", "0.01", a, b).stdout)["counts"]["near"], 1)

    def test_renames(self):
        a = self.file("a.safetensors", {"fc.weight": [1, 2, 3], "fc.bias": [0], "x.bias": [0]})
        b = self.file("b.safetensors", {"head.weight": [1, 2, 3], "head.bias": [0], "y.bias": [0]})
        result = sconce("diff", a, b)
        self.assertEqual(result.returncode, 1)
        self.assertIn("fc.weight -> head.weight\n", result.stdout)
        self.assertIn("fc.bias -> head.bias", result.stdout)
        self.assertIn("x.bias -> y.bias", result.stdout)
        report = json.loads(sconce("diff", "--json", a, b).stdout)
        self.assertEqual({tensor["name_b"]: tensor["renamed_by"] for tensor in report["tensors"]},
                         {"head.weight": "content", "head.bias": "content-and-name", "y.bias": "content-and-name"})
        apart = json.loads(sconce("diff", "--json", "--no-renames", a, b).stdout)
        self.assertEqual((apart["counts"]["only_a"], apart["counts"]["only_b"]), (3, 3))

    def test_unclear_renames(self):
        a = self.file("a.safetensors", {"p": [0, 0], "q": [0, 0]})
        b = self.file("b.safetensors", {"r": [0, 0], "s": [0, 0]})
        self.assertIn("{p, q} -> {r, s}", sconce("diff", a, b).stdout)

    def test_torch_files(self):
        state = next(FORMATS.rglob("sd_26.pt"))
        other = next(FORMATS.rglob("sd_113.pt"))
        self.assertEqual(sconce("diff", "--strict", state, state).returncode, 0)
        self.assertIn(sconce("diff", state, other).returncode, (0, 1))

    def test_unknown_objects_are_warned_of(self):
        module = next(FORMATS.rglob("mod_26.pt"))
        result = sconce("diff", module, module)
        self.assertEqual(result.returncode, 0)
        self.assertRegex(result.stderr, r"warning: .*mod_26\.pt: the object is of class \S+, kept inert\n")

    def test_names_are_escaped(self):
        a = self.file("a.safetensors", {"x\x1b[31m": [1]})
        b = self.file("b.safetensors", {"y": [1, 2]})
        self.assertNotIn("\x1b", sconce("diff", a, b).stdout)

    def test_damage_is_trouble(self):
        good = next(FORMATS.rglob("w_26.pt"))
        data = bytearray(good.read_bytes())
        data[data.index(struct.pack("<6f", *range(6))) + 9] ^= 0x10
        bad = self.folder / "bad.pt"
        bad.write_bytes(bytes(data))
        result = sconce("diff", good, bad)
        self.assertEqual((result.returncode, result.stdout), (2, ""))
        self.assertIn("CRC", result.stderr)

    def test_textconv_says_nothing_of_the_place(self):
        a = self.file("a.safetensors", {"x": [1, 2], "y": [3]})
        b = self.file("b.safetensors", {"x": [1, 2], "y": [4]})
        lines_a, lines_b = (sconce("diff", "--textconv", path).stdout.splitlines() for path in (a, b))
        self.assertEqual(lines_a[:2], lines_b[:2])
        self.assertNotEqual(lines_a[2], lines_b[2])
        self.assertIn("mean 1.5", lines_a[1])
        self.assertEqual(sconce("diff", "--textconv", a, b).returncode, 2)

    @unittest.skipIf("SCONCE_SANITIZED" in os.environ, "memory is not the product's own")
    def test_memory_is_that_of_two_tensors(self):
        mebibytes, count = 8, 12
        paths = [hollow_safetensors(self.folder / f"{name}.safetensors", count, mebibytes << 20) for name in "ab"]
        # Tensors freed go back at once: what the allocator keeps of them depends on where small pieces happen to lie.
        with unittest.mock.patch.dict(os.environ, {"MALLOC_MMAP_THRESHOLD_": str(1 << 20)}):
            status, peak = peak_memory("diff", *paths)
        self.assertEqual(status, 0)
        self.assertLess(peak, (4 * mebibytes + 32) << 20)

    def test_help(self):
        result = sconce("diff", "--help")
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        self.assertIn("Example: sconce diff", result.stdout)


@unittest.skipUnless(shutil.which("git"), "no git")
class GitTest(CommandTest):
    def setUp(self):
        super().setUp()
        self.git("init", "-q")
        self.net = self.folder / "net.safetensors"
        self.net.write_bytes(safetensors({"w": [1, 2], "b": [3]}))
        (self.folder / ".gitattributes").write_text("*.safetensors diff=sconce\n")
        self.git("add", ".")
        self.git("commit", "-qm", "first")
        self.net.write_bytes(safetensors({"w": [1, 7], "b": [3]}))

    def git(self, *arguments, check=True):
        environment = {"PATH": f"{BIN}:{os.environ.get('PATH', '')}", "HOME": str(self.folder), "LC_ALL": "C",
                       "GIT_CONFIG_NOSYSTEM": "1"}
        for who in ("AUTHOR", "COMMITTER"):
            environment.update({f"GIT_{who}_NAME": "A", f"GIT_{who}_EMAIL": "a@example.org"})
        result = subprocess.run(["git", "--no-pager", *arguments], cwd=self.folder, env=environment,
                                capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
        if check:
            self.assertEqual(result.returncode, 0, result.stderr)
        return result.stdout

    def test_difftool(self):
        text = self.git("difftool", "-y", "-x", "sconce diff")
        self.assertRegex(text, r"w +float32 +\(2,\) +different +1/2 +5 ")
        self.assertIn("they differ", text)

    def test_external_diff_driver(self):
        self.git("config", "diff.sconce.command", "sconce diff --only-changed")
        text = self.git("diff")
        self.assertIn("sconce diff a/net.safetensors b/net.safetensors\n", text)
        self.assertRegex(text, r"w +float32 +\(2,\) +different")
        # A new file, a file that is gone, and one that is no checkpoint at all: git goes on to the next.
        self.git("add", "-A")
        self.git("commit", "-qm", "second")
        (self.folder / "aaa.safetensors").write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
        (self.folder / "new.safetensors").write_bytes(safetensors({"n": [1]}))
        self.net.unlink()
        self.git("add", "-A")
        text = self.git("diff", "--cached")
        self.assertRegex(text, r"aaa\.safetensors\nthese versions cannot be compared: .*LFS")
        self.assertRegex(text, r"--- /dev/null[^\n]*\n\+\+\+ b/new\.safetensors")
        self.assertIn("only in B\n  n  float32 (1,)\n", text)
        self.assertRegex(text, r"--- a/net\.safetensors[^\n]*\n\+\+\+ /dev/null")

    def test_renamed_file_in_the_driver(self):
        self.git("config", "diff.sconce.command", "sconce diff")
        self.git("checkout", "-q", ".")
        self.git("mv", "net.safetensors", "moved.safetensors")
        text = self.git("diff", "--cached", "-M")
        if "sconce diff" in text:  # git passes an exact rename to the driver, or names it itself
            self.assertIn("b/moved.safetensors", text)
        else:
            self.assertIn("rename to moved.safetensors", text)

    def test_textconv(self):
        self.git("config", "diff.sconce.textconv", "sconce diff --textconv")
        text = self.git("diff")
        changed = [line for line in text.splitlines() if line[:1] in "+-" and line[:3] not in ("+++", "---")]
        self.assertEqual(len(changed), 2, text)
        self.assertTrue(changed[0].startswith("-w  float32 (2,)  mean 1.5"), changed)
        self.assertTrue(changed[1].startswith("+w  float32 (2,)  mean 4"), changed)


if __name__ == "__main__":
    unittest.main(verbosity=2)
