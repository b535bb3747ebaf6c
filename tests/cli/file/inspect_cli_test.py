#!/usr/bin/env python3
"""sconce inspect as a user meets it: good files, bad files, wrong words, pipes, full disks."""

import json
import os
import pickle
import signal
import struct
import subprocess
import time
import unittest
import zipfile

from checkpoint_files import hollow_safetensors, hollow_torch
from command import BIN, CommandTest, fixture, peak_memory, sconce


class InspectTest(CommandTest):
    def path(self, name, content=b""):
        path = self.folder / name
        path.write_bytes(content)
        return path

    def test_table(self):
        result = sconce("inspect", fixture("sd_26.pt"))
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        self.assertIn("torch-zip", result.stdout)
        self.assertIn("crc: unchecked", result.stdout)
        self.assertRegex(result.stdout, r"0\.weight +float32 +\(3, 2\) +24 B")
        self.assertNotIn("\033", result.stdout)

    def test_json(self):
        report = json.loads(sconce("ls", "--json", "--digest", fixture("w_26.pt")).stdout)
        self.assertEqual(report["format"], "torch-zip")
        self.assertEqual(report["crc"], "checked")
        self.assertEqual(report["objects"], {})
        tensor = report["tensors"][0]
        import hashlib
        expected = hashlib.sha256(struct.pack("<6f", *range(6))).hexdigest()
        self.assertEqual({key: tensor[key] for key in
                          ("name", "dtype", "shape", "stride", "bytes", "storage", "offset", "alias_of",
                           "requires_grad", "sha256")},
                         {"name": "w", "dtype": "float32", "shape": [2, 3], "stride": [3, 1], "bytes": 24,
                          "storage": 0, "offset": 0, "alias_of": None, "requires_grad": False,
                          "sha256": expected})

    def test_json_without_digest_reads_nothing(self):
        report = json.loads(sconce("inspect", "--json", fixture("w_26.pt")).stdout)
        self.assertEqual(report["crc"], "unchecked")
        self.assertNotIn("sha256", report["tensors"][0])

    def test_no_checksum_means_unchecked(self):
        report = json.loads(sconce("inspect", "--json", "--digest", fixture("nocrc.pt")).stdout)
        self.assertEqual(report["crc"], "unchecked")
        header = b'{"x":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}'
        header += b" " * (-len(header) % 8)
        path = self.path("x.safetensors", struct.pack("<Q", len(header)) + header + b"\7")
        self.assertEqual(json.loads(sconce("inspect", "--json", "--digest", path).stdout)["crc"], "unchecked")

    def test_views_and_aliases(self):
        report = json.loads(sconce("inspect", "--json", fixture("views.weird.name_26.pt.tar")).stdout)
        tensors = {tensor["name"]: tensor for tensor in report["tensors"]}
        self.assertEqual(tensors["t"]["stride"], [1, 3])
        self.assertEqual(tensors["t"]["alias_of"], "w")
        self.assertEqual(tensors["t"]["storage"], tensors["w"]["storage"])
        self.assertNotEqual(tensors["p"]["storage"], tensors["w"]["storage"])
        self.assertTrue(tensors["p"]["requires_grad"])

    def test_filter_and_sort(self):
        report = json.loads(sconce("inspect", "--json", "--filter", "1.*", "--sort", "name",
                                   fixture("sd_26.pt")).stdout)
        names = [tensor["name"] for tensor in report["tensors"]]
        self.assertEqual(names, sorted(names))
        self.assertTrue(names and all(name.startswith("1.") for name in names))

    def test_stats_of_nan_are_null(self):
        name = b'{"x":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}'
        name += b" " * (-len(name) % 8)
        nan, inf = float("nan"), float("inf")
        file = self.path("x.safetensors", struct.pack("<Q", len(name)) + name + struct.pack("<4f", nan, inf, 0, 3))
        report = json.loads(sconce("inspect", "--json", "--stats", file).stdout)
        self.assertEqual(report["format"], "safetensors")
        stats = report["tensors"][0]["stats"]
        self.assertEqual((stats["nan"], stats["inf"], stats["zeros"], stats["max"], stats["mean"]),
                         (1, 1, 1, 3, 1.5))
        all_nan = self.path("n.safetensors", struct.pack("<Q", len(name)) + name + struct.pack("<4f", *[nan] * 4))
        self.assertIsNone(json.loads(sconce("inspect", "--json", "--stats", all_nan).stdout)["tensors"][0]["stats"]["min"])

    def test_names_that_fall_together_are_one_member(self):
        path = self.path("x.pkl", pickle.dumps({"1": 5, "a": 6, 1: 7}, 2))
        text = sconce("inspect", "--json", path).stdout
        self.assertEqual(text.count('"1":'), 1)
        self.assertEqual(json.loads(text)["values"], {"1": "7", "a": "6"})
        # Each stands in the list, under its exact path.
        self.assertEqual(json.loads(text)["leaves"], [{"name": "1", "path": ["1"], "value": "5"},
                                                      {"name": "a", "path": ["a"], "value": "6"},
                                                      {"name": "1", "path": [1], "value": "7"}])

    def test_keys_of_other_kinds_are_told_from_their_text(self):
        keys = [1.5, "1.5", None, "None", (1, 2), "(1, 2)", 2**70, -(2**70), str(2**70)]
        path = self.path("x.pkl", pickle.dumps({key: place for place, key in enumerate(keys)}, 2))
        leaves = json.loads(sconce("inspect", "--json", path).stdout)["leaves"]
        self.assertEqual([leaf["value"] for leaf in leaves], [str(place) for place in range(len(keys))])
        self.assertEqual([leaf["path"] for leaf in leaves],
                         [[key] if isinstance(key, str) else [{"repr": str(key)}] for key in keys])

    def test_deep_keys_of_the_tree_share_a_line(self):
        value = 7
        for level in reversed(range(40)):
            value = {f"k{level}": value}
        lines = sconce("inspect", "--tree", self.path("x.pkl", pickle.dumps(value, 2))).stdout.splitlines()
        self.assertIn(" " * 60 + "k30", lines)
        self.assertEqual(lines[-1], " " * 62 + ".".join(f"k{level}" for level in range(31, 40)) + "  7")

    def test_tree(self):
        text = sconce("inspect", "--tree", fixture("sd_26.pt")).stdout
        self.assertIn("0.weight  float32 (3, 2)", text)

    def test_unknown_objects_are_named_and_inert(self):
        result = sconce("inspect", fixture("mod_26.pt"))
        self.assertEqual(result.returncode, 0)
        self.assertIn("torch.nn.modules.linear.Linear", result.stderr)

    def test_bad_files(self):
        good = fixture("w_26.pt").read_bytes()
        self.refused(sconce("inspect", self.folder / "none.pt"), "none.pt", "No such file")
        self.refused(sconce("inspect", self.folder), "folder")
        self.refused(sconce("inspect", self.path("empty.pt")), "empty")
        self.refused(sconce("inspect", self.path("notes.pt", b"hello, world\n" * 9)), "notes.pt")
        self.refused(sconce("inspect", self.path("page.pt", b"<!DOCTYPE html><html></html>")), "HTML")
        self.refused(sconce("inspect", self.path("lfs.pt", b"version https://git-lfs.github.com/spec/v1\n")), "LFS")
        self.refused(sconce("inspect", self.path("cut.pt", good[:-30])), "cut.pt", "incomplete")
        self.refused(sconce("inspect", self.path("a.gz", b"\x1f\x8b" + bytes(40))), "gzip")

    def test_truncation_at_every_byte(self):
        good = fixture("w_26.pt").read_bytes()
        for size in range(0, len(good), 7):
            self.refused(sconce("inspect", self.path("cut.pt", good[:size])))

    def test_a_flipped_bit_is_found_by_the_checksum(self):
        good = fixture("w_26.pt").read_bytes()
        with zipfile.ZipFile(fixture("w_26.pt")) as archive:
            record = next(info for info in archive.infolist() if info.filename.endswith("data/0"))
            start = good.index(struct.pack("<6f", *range(6)), record.header_offset)
        bad = bytearray(good)
        bad[start + 9] ^= 0x10
        path = self.path("bad.pt", bytes(bad))
        self.assertEqual(sconce("inspect", path).returncode, 0)
        self.refused(sconce("inspect", "--digest", path), "data/0", "CRC")

    def test_wrong_words(self):
        self.refused(sconce("inspect"), "--help")
        self.refused(sconce("inspect", "--frobnicate", "x"), "sconce inspect --help")
        self.refused(sconce("frobnicate"), "--help")
        self.refused(sconce("inspect", "--sort", "colour", fixture("w_26.pt")), "colour")

    def test_help_and_version(self):
        for words in (["--help"], ["inspect", "--help"]):
            result = sconce(*words)
            self.assertEqual((result.returncode, result.stderr), (0, ""))
            self.assertIn("inspect", result.stdout)
        self.assertIn("Example: sconce inspect", sconce("inspect", "--help").stdout)
        self.assertRegex(sconce("--version").stdout, r"^sconce \d+\.\d+\.\d+\n$")

    def test_names_are_escaped(self):
        key = "a\x1b[31m"
        header = json.dumps({key: {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]}}).encode()
        header += b" " * (-len(header) % 8)
        path = self.path("esc.safetensors", struct.pack("<Q", len(header)) + header + b"\0")
        result = sconce("inspect", path)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertNotIn("\x1b", result.stdout)
        self.assertIn("\\x1b[31m", result.stdout)
        self.assertEqual(json.loads(sconce("inspect", "--json", path).stdout)["tensors"][0]["name"], key)

    def test_closed_pipe_ends_quietly(self):
        header = json.dumps({f"tensor{i}": {"dtype": "U8", "shape": [0], "data_offsets": [0, 0]}
                             for i in range(20000)}).encode()
        header += b" " * (-len(header) % 8)
        path = self.path("many.safetensors", struct.pack("<Q", len(header)) + header)
        process = subprocess.Popen([str(BIN / "sconce"), "inspect", str(path)], stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE)
        process.stdout.read(10)
        process.stdout.close()
        self.assertEqual(process.stderr.read(), b"")
        process.stderr.close()
        self.assertEqual(process.wait(timeout=60), 0)

    @unittest.skipUnless(os.path.exists("/dev/full"), "no /dev/full")
    def test_full_output(self):
        with open("/dev/full", "w") as full:
            result = subprocess.run([str(BIN / "sconce"), "inspect", str(fixture("w_26.pt"))], stdout=full,
                                    stderr=subprocess.PIPE, text=True, timeout=60)
        self.assertEqual(result.returncode, 2)
        self.assertIn("standard output", result.stderr)

    def check_listing(self, path, tensors, most_memory, most_seconds):
        begin = time.monotonic()
        status, peak = peak_memory("inspect", path)
        seconds = time.monotonic() - begin
        self.assertEqual(status, 0)
        self.assertEqual(len(json.loads(sconce("inspect", "--json", path).stdout)["tensors"]), tensors)
        if "SCONCE_SANITIZED" not in os.environ:
            self.assertLess(peak, most_memory)
            self.assertLess(seconds, most_seconds)  # most of it is Python's start; room for a busy machine

    def test_a_sparse_file_of_8_gb_is_listed_at_once(self):
        for make, name in ((hollow_safetensors, "huge.safetensors"), (hollow_torch, "huge.pt")):
            with self.subTest(name):
                path = make(self.folder / name, 1, 8 << 30)
                self.check_listing(path, 1, 32 << 20, 5)
                tensor = json.loads(sconce("inspect", "--json", path).stdout)["tensors"][0]
                self.assertEqual((8 << 30, [2 << 30]), (tensor["bytes"], tensor["shape"]))

    def test_a_hundred_large_tensors_are_listed_at_once(self):
        for make, name in ((hollow_safetensors, "x.safetensors"), (hollow_torch, "x.pt")):
            self.check_listing(make(self.folder / name, 100, 10 << 20), 100, 32 << 20, 5)

    def test_a_hundred_thousand_small_tensors(self):
        for make, name in ((hollow_safetensors, "x.safetensors"), (hollow_torch, "x.pt")):
            self.check_listing(make(self.folder / name, 100_000, 16), 100_000, 400 << 20, 20)

    def test_a_stop_is_prompt(self):
        path = hollow_safetensors(self.folder / "huge.safetensors", 1, 8 << 30)
        for number, status in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
            process = subprocess.Popen([str(BIN / "sconce"), "inspect", "--digest", str(path)],
                                       stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
            with self.assertRaises(subprocess.TimeoutExpired):
                process.wait(timeout=0.5)
            process.send_signal(number)
            self.assertEqual(process.wait(timeout=30), status)
            self.assertEqual(process.stderr.read(), b"")
            process.stderr.close()


if __name__ == "__main__":
    unittest.main(verbosity=2)
