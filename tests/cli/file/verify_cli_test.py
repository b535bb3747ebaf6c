#!/usr/bin/env python3
"""sconce verify as a user meets it: good files, hostile pickles, every kind of damage."""

import io
import json
import os
import pathlib
import pickle
import pty
import struct
import subprocess
import tarfile
import unittest
import zipfile
import zlib

from checkpoint_files import hollow_torch, npy
from command import BIN, CommandTest, fixture, peak_memory, sconce


TENSOR = (b"ctorch._utils\n_rebuild_tensor_v2\n((X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000"
          b"X\x03\x00\x00\x00cpuK\x06tQK\x00K\x02K\x03\x86K\x03K\x01\x86\x89ccollections\nOrderedDict\n)RtR")
GOOD = b"\x80\x02}X\x01\x00\x00\x00w" + TENSOR + b"s."
SYSTEM = b"cos\nsystem\nX\x07\x00\x00\x00echo hi\x85R"


def archive(data, values=range(6), **records):
    """A .pt file: data.pkl, one storage of six floats, more records as asked."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as zipped:
        zipped.writestr("net/data.pkl", data)
        zipped.writestr("net/data/0", struct.pack("<6f", *values))
        for name, content in {"version": b"3\n", **records}.items():
            zipped.writestr(f"net/{name}", content)
    return out.getvalue()


def legacy(data, values=range(6)):
    """The same as the stream of torch.save until 1.5."""
    head = b"".join(pickle.dumps(value, 2) for value in (
        0x1950a86a20f9469cfc6c, 1001, {"protocol_version": 1001, "little_endian": True, "type_sizes": {}}))
    data = data.replace(b"K\x06tQ", b"K\x06NtQ")  # a persistent id of six items
    return head + data + pickle.dumps(["0"], 2) + struct.pack("<q6f", 6, *values)


class VerifyTest(CommandTest):
    def path(self, name, content=b""):
        path = self.folder / name
        path.write_bytes(content)
        return path

    def report(self, content, status, *options):
        """The JSON of a file with this content, or of a path; the exit status must be `status`."""
        path = content if isinstance(content, pathlib.Path) else self.path("net.pt", content)
        result = sconce("verify", "--json", *options, path)
        self.assertEqual(result.returncode, status, result.stdout + result.stderr)
        self.assertEqual(result.stderr, "")
        report = json.loads(result.stdout)
        self.assertEqual(report["ok"], status == 0)
        return report

    def unsafe(self, report):
        return {f"{use['module']}.{use['name']}" for use in report["globals"] if use["class"] == "could_run_code"}

    # ---- good files

    def test_good_file(self):
        report = self.report(fixture("sd_26.pt"), 0)
        self.assertEqual(report["format"], "torch-zip")
        self.assertEqual((report["structure"], report["integrity"], report["safe"]), ("ok", "checked", True))
        self.assertEqual((report["problems"], report["non_finite"]), ([], None))
        self.assertTrue(all(record["integrity"] == "checked" for record in report["records"]))
        self.assertTrue(all(answer["accepted"] for answer in report["weights_only"].values()))

    def test_json_has_these_keys(self):
        report = self.report(archive(GOOD), 0)
        self.assertEqual(set(report), {"path", "format", "bytes", "ok", "structure", "integrity", "safe", "problems",
                                       "weights_only", "globals", "non_finite", "pickles", "records", "notes"})
        self.assertEqual(set(report["weights_only"]), {"1.13", "2.6", "2.13"})
        for answer in report["weights_only"].values():
            self.assertEqual(set(answer), {"accepted", "reason", "record", "offset"})
        self.assertEqual(set(report["globals"][0]), {"record", "module", "name", "offset", "class", "why"})
        self.assertEqual(set(report["records"][0]), {"name", "offset", "size", "integrity"})
        self.assertEqual(set(report["pickles"][0]), {"record", "protocol", "opcodes", "complete"})
        self.assertEqual([record["name"] for record in report["records"]], ["net/data.pkl", "net/data/0", "net/version"])
        problem = self.report(archive(GOOD)[:-30], 1)["problems"][0]
        self.assertEqual(set(problem), {"code", "text", "record", "offset", "advice"})

    def test_globals_and_their_places(self):
        report = self.report(archive(GOOD), 0)
        names = {use["name"]: use for use in report["globals"]}
        self.assertEqual(set(names), {"_rebuild_tensor_v2", "FloatStorage", "OrderedDict"})
        for name, use in names.items():
            self.assertEqual(use["class"], "plain")
            self.assertEqual(use["offset"], GOOD.index(b"c" + use["module"].encode() + b"\n" + name.encode()))

    def test_text_is_short_and_plain(self):
        result = sconce("verify", self.path("net.pt", archive(GOOD)))
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        self.assertIn("nothing wrong found", result.stdout)
        self.assertIn("PyTorch 1.13, 2.6, 2.13: yes", result.stdout)
        self.assertNotIn("\033", result.stdout)
        self.assertLess(result.stdout.count("\n"), 8)

    def test_help_has_an_example(self):
        result = sconce("verify", "--help")
        self.assertEqual(result.returncode, 0)
        self.assertIn("Example: sconce verify", result.stdout)

    def test_colours_on_a_terminal_only(self):
        path = self.path("net.pt", archive(b"\x80\x02" + SYSTEM + b"."))
        for no_color, coloured in (("", True), ("1", False)):
            leader, follower = pty.openpty()
            environment = {**os.environ, "TERM": "xterm", "NO_COLOR": no_color}
            process = subprocess.Popen([BIN / "sconce", "verify", path], stdout=follower, stdin=subprocess.DEVNULL,
                                       env=environment)
            os.close(follower)
            text = b""
            try:
                while chunk := os.read(leader, 65536):
                    text += chunk
            except OSError:  # the other end is closed
                pass
            os.close(leader)
            self.assertEqual(process.wait(), 1)
            self.assertEqual(b"\033[31m" in text, coloured, text)

    # ---- what is no checkpoint

    def test_trouble(self):
        for path in (self.folder / "missing.pt", self.path("empty.pt"), self.path("a.txt", b"hello\n"),
                     self.path("page.pt", b"<!DOCTYPE html><html>"), self.path("x.gz", b"\x1f\x8b" + bytes(40))):
            result = sconce("verify", path)
            self.assertEqual((result.returncode, result.stdout), (2, ""), path)
            self.assertEqual(result.stderr.count("\n"), 1, result.stderr)
        other = io.BytesIO()
        with zipfile.ZipFile(other, "w") as zipped:
            zipped.writestr("word/document.xml", "<xml/>")
        self.assertEqual(sconce("verify", self.path("a.docx", other.getvalue())).returncode, 2)

    def test_a_checkpoint_with_a_fault_is_reported(self):
        """Whether something unsafe stands beside the fault does not decide whether there is a report."""
        tensor = GOOD[len(b"\x80\x02}X\x01\x00\x00\x00w"):-2]
        metadata = b"\x80\x02" + tensor[:-len(b"tR")] + b"}X\x06\x00\x00\x00hiddenK\x01stR."
        stream = legacy(GOOD).replace(pickle.dumps(1001, 2), pickle.dumps(1002, 2))
        header = json.dumps({"w": {"dtype": "F31", "shape": [6], "data_offsets": [0, 24]}}).encode()
        tar = io.BytesIO()
        with tarfile.open(fileobj=tar, mode="w", format=tarfile.USTAR_FORMAT) as members:
            members.addfile(tarfile.TarInfo("pickle"))
        for name, content, words in (
                ("byteorder", archive(GOOD, byteorder=b"middle"), "unknown byte order 'middle'"),
                ("version", archive(GOOD, version=b"11"), "the archive version '11'"),
                ("no version", archive(GOOD).replace(b"net/version", b"net/virsion"), "no record 'version'"),
                ("no pickle", archive(GOOD).replace(b"net/data.pkl", b"net/data.pkk"), "no record 'net/data.pkl'"),
                ("script", archive(GOOD, **{"constants.pkl": GOOD}).replace(b"net/data.pkl", b"net/data.pkk"), "TorchScript"),
                ("metadata", archive(metadata), "unknown tensor metadata 'hidden'"),
                ("stream", stream, "protocol version 1002"),
                ("safetensors", struct.pack("<Q", len(header)) + header + bytes(24), "dtype 'F31'"),
                ("tar", tar.getvalue(), "no member 'storages'")):
            with self.subTest(name):
                report = self.report(content, 1)
                self.assertTrue(report["safe"])
                self.assertEqual(report["structure"], "damaged")
                self.assertIn(words, report["problems"][0]["text"])

    def test_objects_of_numpy_are_pickles(self):
        evil = b"\x80\x02" + SYSTEM + b"."
        for descr in ("'|O'", "[('a', '|O')]", "\"|O\""):
            for pickled in (evil, b"cos\nsystem\n(S'echo hi'\ntR."):
                text = f"{{'descr': {descr}, 'fortran_order': False, 'shape': (1,), }}\n".encode()
                array = b"\x93NUMPY\1\0" + struct.pack("<H", len(text)) + text + pickled
                out = io.BytesIO()
                with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as zipped:
                    zipped.writestr("a.npy", npy([1, 2]))
                    zipped.writestr("w.npy", array)
                for content, record in ((array, ""), (out.getvalue(), "w.npy")):
                    report = self.report(content, 1)
                    self.assertEqual((report["format"], self.unsafe(report)), ("npz", {"os.system"}))
                    self.assertEqual(report["globals"][0]["record"], record)
                    self.assertIn("which no tensor can hold", report["problems"][0]["text"])

    # ---- hostile pickles

    def test_dangerous_globals(self):
        for module, name, words in (("os", "system", "shell"), ("posix", "system", "shell"), ("builtins", "eval", "code"),
                                    ("builtins", "exec", "code"), ("__builtin__", "eval", "code"), ("builtins", "getattr", "attribute"),
                                    ("subprocess", "Popen", "programs"), ("torch.hub", "load", "downloads"),
                                    ("torch.storage", "_load_from_bytes", "pickle"), ("functools", "partial", "calls"),
                                    ("my_package.models", "Net", "not among"), ("runpy", "_run_code", "runs"),
                                    ("importlib", "import_module", "imports"), ("operator", "methodcaller", "attributes")):
            data = b"\x80\x02}X\x01\x00\x00\x00wc" + module.encode() + b"\n" + name.encode() + b"\n)Rs."
            report = self.report(archive(data), 1)
            use = report["globals"][0]
            self.assertEqual(use["class"], "could_run_code", use)
            self.assertIn(words, use["why"])
            self.assertEqual(use["offset"], 9)
            self.assertFalse(report["safe"])
            self.assertEqual(report["structure"], "ok")
            self.assertFalse(any(answer["accepted"] for answer in report["weights_only"].values()))

    def test_wherever_it_stands(self):
        inner = pickle.dumps({1: 2}, 2)[2:-1]
        places = {
            "in arguments": b"ccollections\nOrderedDict\n(](" + SYSTEM + b"etR",
            "as a value never looked at": b"}(K\x01K\x02K\x03" + SYSTEM + b"u",
            "as a key": b"}" + SYSTEM + b"K\x01s",
            "left on the stack": SYSTEM + b"K\x01",
            "popped": SYSTEM + b"0K\x01",
            "in the memo only": SYSTEM + b"q\x000K\x01",
            "as a state": b"ccollections\nOrderedDict\n)R" + SYSTEM + b"b",
            "by INST": b"(X\x02\x00\x00\x00hiios\nsystem\n",
            "by OBJ": b"(cos\nsystem\nX\x02\x00\x00\x00hio",
            "by STACK_GLOBAL": b"\x8c\x02os\x8c\x06system\x93\x8c\x02hi\x85R",
            "in a persistent id": b"(X\x07\x00\x00\x00storage" + SYSTEM + b"tQ",
            "after others": inner + b"0" + SYSTEM,
            "getattr chain": b"cbuiltins\ngetattr\n(cos\nsystem\nX\x08\x00\x00\x00__call__tR(X\x02\x00\x00\x00hitR",
        }
        for label, data in places.items():
            with self.subTest(label):
                self.assertIn("os.system", self.unsafe(self.report(archive(b"\x80\x02" + data + b"."), 1)))

    def test_payload_first_then_garbage(self):
        for label, rest in (("garbage", b"\xff\xff\xff"), ("cut", b"X\xff\x00\x00\x00ab"), ("no STOP", b""), ("bad memo", b"h\x77.")):
            with self.subTest(label):
                report = self.report(archive(b"\x80\x02" + SYSTEM + rest), 1)
                self.assertIn("os.system", self.unsafe(report))
                self.assertEqual(report["structure"], "damaged")
                self.assertFalse(report["pickles"][0]["complete"])
                self.assertEqual(report["problems"][0]["record"], "net/data.pkl")

    def test_payload_after_the_end(self):
        report = self.report(archive(GOOD + b"\x80\x02" + SYSTEM + b"."), 1)
        self.assertIn("os.system", self.unsafe(report))
        self.assertEqual(report["problems"][0]["offset"], len(GOOD))
        self.assertEqual(self.report(archive(GOOD + b"\0\0"), 1)["structure"], "damaged")

    def test_payload_in_another_record(self):
        evil = b"\x80\x02" + SYSTEM + b"."
        for name in ("extra.pkl", "data/1", "notes"):
            report = self.report(archive(GOOD, **{name: evil}), 1)
            self.assertIn("os.system", self.unsafe(report), name)
            self.assertEqual([use["record"] for use in report["globals"] if use["name"] == "system"], [f"net/{name}"])
            self.assertTrue(report["weights_only"]["2.13"]["accepted"], name)
        # Bytes of a tensor may begin like a pickle.
        self.assertEqual(self.report(archive(GOOD, **{"data/1": b"\x80\x02" + bytes(range(60))}), 0)["globals"].__len__(), 3)

    def test_a_broken_archive_still_shows_its_first_pickle(self):
        content = archive(b"\x80\x02" + SYSTEM + b".")
        report = self.report(content[:content.index(b"net/data/0")], 1)
        self.assertIn("os.system", self.unsafe(report))

    def test_salvage_is_advised_where_it_helps(self):
        """The advice names it exactly when it writes something."""
        content = archive(GOOD)
        place = content.index(struct.pack("<6f", *range(6)))
        evil = archive(b"\x80\x02" + SYSTEM + b".")
        flipped = bytearray(archive(GOOD, **{"notes": b"some notes"}))
        flipped[flipped.index(b"some notes")] ^= 1
        only = bytearray(content)
        only[place + 5] ^= 1
        for label, content, helps in (("behind the tensor", content[:-40], True), ("in the pickle", content[:60], False),
                                      ("before the tensor", content[:place], False), ("elsewhere", bytes(flipped), True),
                                      ("the only tensor", bytes(only), False), ("no tensor", evil[:-40], False)):
            with self.subTest(label):
                report = self.report(content, 1)
                self.assertEqual(any("salvage" in problem["advice"] for problem in report["problems"]), helps)
                result = sconce("salvage", "--force", self.folder / "net.pt", self.folder / "out.pt")
                self.assertEqual(result.returncode < 2, helps, result.stderr)

    def test_trusted_globals_used_oddly(self):
        forged = (b"cnumpy\ndtype\n(X\x02\x00\x00\x00O8\x89\x88tR(K\x03X\x01\x00\x00\x00|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK%ctb")
        for flags, odd in ((63, False), (0, True)):
            data = b"\x80\x02" + forged % flags + b"."
            self.assertEqual(self.unsafe(self.report(archive(data), int(odd))), {"numpy.dtype"} if odd else set())
        linear = b"ctorch.nn.modules.linear\nLinear\n"
        self.assertEqual(self.unsafe(self.report(archive(b"\x80\x02" + linear + b")\x81}b."), 0)), set())
        self.assertEqual(self.unsafe(self.report(archive(b"\x80\x02" + linear + b"(K\x01K\x02tR."), 1)),
                         {"torch.nn.modules.linear.Linear"})
        self.assertEqual(self.unsafe(self.report(archive(b"\x80\x02" + linear + b")\x81K\x01\x85R."), 1)),
                         {"torch.nn.modules.linear.Linear"})
        self.assertEqual(self.unsafe(self.report(archive(b"\x80\x02ctorch\nFloatTensor\n)RK\x00K\x01s."), 1)),
                         {"torch.FloatTensor"})

    def test_names_are_escaped(self):
        path = self.path("net.pt", archive(b"\x80\x02c\x1b[31mred\nx\ry\n."))
        result = sconce("verify", path)
        self.assertEqual(result.returncode, 1)
        self.assertNotIn("\033", result.stdout)
        self.assertNotIn("\r", result.stdout)
        self.assertIn("\\x1b[31mred", result.stdout)

    # ---- other formats

    def test_legacy_stream(self):
        report = self.report(legacy(GOOD), 0)
        self.assertEqual((report["format"], report["integrity"]), ("torch-legacy", "unchecked"))
        self.assertEqual([found["record"] for found in report["pickles"]], [f"pickle {i}" for i in range(1, 6)])
        self.assertTrue(all(answer["accepted"] for answer in report["weights_only"].values()), report["weights_only"])
        report = self.report(legacy(b"\x80\x02" + SYSTEM + b"."), 1)
        self.assertIn("os.system", self.unsafe(report))
        self.assertEqual(report["weights_only"]["2.13"]["record"], "pickle 4")

    def test_legacy_stream_cut_anywhere(self):
        content = legacy(GOOD)
        for size in range(20, len(content), 5):
            report = self.report(content[:size], 1)
            self.assertEqual(report["problems"][0]["code"], "truncated", size)

    def test_payload_before_the_break_of_a_stream(self):
        content = legacy(b"\x80\x02" + SYSTEM + b"\xff")
        self.assertIn("os.system", self.unsafe(self.report(content, 1)))
        # Python would run it: torch.load reads the first pickle of anything.
        self.assertIn("os.system", self.unsafe(self.report(b"\x80\x02" + SYSTEM + b".", 1)))
        self.assertIn("os.system", self.unsafe(self.report(b"\x80\x02" + SYSTEM, 1)))

    def test_plain_pickle(self):
        report = self.report(pickle.dumps({"a": [1, 2.5]}, 2), 0)
        self.assertFalse(any(answer["accepted"] for answer in report["weights_only"].values()))
        storage = pickle.dumps(None, 2)  # any bytes: not a storage
        evil = b"\x80\x02ctorch.storage\n_load_from_bytes\nB" + struct.pack("<I", len(storage)) + storage + b"\x85R."
        self.assertIn("torch.storage._load_from_bytes", self.unsafe(self.report(evil, 1)))

    def test_folder_of_distributed_checkpoint(self):
        folder = self.folder / "dcp"
        folder.mkdir()
        (folder / ".metadata").write_bytes(b"\x80\x02" + SYSTEM + b"\xff")
        report = self.report(folder, 1)
        self.assertIn("os.system", self.unsafe(report))
        self.assertEqual((report["format"], report["structure"]), ("dcp", "damaged"))
        (folder / ".metadata").unlink()
        self.assertEqual(sconce("verify", folder).returncode, 2)

    def test_sets_are_looked_at_file_by_file(self):
        for name, key in (("s1.bin", b"a"), ("s2.bin", b"b")):
            self.path(name, archive(GOOD.replace(b"X\x01\x00\x00\x00w", b"X\x01\x00\x00\x00" + key), notes=b"some notes"))
        index = self.path("pytorch_model.bin.index.json", json.dumps({"weight_map": {"a": "s1.bin", "b": "s2.bin"}}).encode())
        names = (index, self.folder / "s1.bin", self.folder / "s2.bin")
        for path in (index, self.folder):
            report = self.report(path, 0)
            self.assertEqual((report["format"], report["integrity"]), ("torch-index", "checked"))
            self.assertEqual(report["bytes"], sum(name.stat().st_size for name in names))
        self.assertIn("s2.bin:net/notes", [record["name"] for record in report["records"]])
        shard = self.folder / "s2.bin"
        whole = shard.read_bytes()
        for part in (struct.pack("<6f", *range(6)), b"some notes"):
            at = whole.index(part)
            shard.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1:])
            report = self.report(self.folder, 1)
            self.assertEqual((report["integrity"], len(report["problems"])), ("damaged", 1))
            self.assertTrue(report["problems"][0]["record"].startswith("s2.bin:net/"), report["problems"])
        shard.write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
        report = self.report(self.folder, 1)
        self.assertEqual([(found["code"], found["record"]) for found in report["problems"]], [("unsupported", "s2.bin")])
        self.assertEqual(report["format"], "torch-index")

    def test_the_one_checkpoint_of_a_folder(self):
        folder = self.folder / "model"
        folder.mkdir()
        (folder / "pytorch_model.bin").write_bytes(archive(GOOD))
        report = self.report(folder, 0)
        self.assertEqual(report["format"], "torch-zip")
        self.assertTrue(all(answer["accepted"] for answer in report["weights_only"].values()))
        bad = bytearray(archive(GOOD))
        bad[bad.index(struct.pack("<6f", *range(6))) + 4] ^= 1
        (folder / "pytorch_model.bin").write_bytes(bad)
        self.assertEqual(self.report(folder, 1)["problems"][0]["record"], "pytorch_model.bin:net/data/0")

    # ---- damage

    def test_every_bad_checksum_is_reported(self):
        content = bytearray(archive(GOOD, **{"data/1": bytes(50), "data/2": bytes(range(50))}))
        for data in (struct.pack("<6f", *range(6)), bytes(range(50))):
            content[content.index(data) + 4] ^= 1
        report = self.report(bytes(content), 1)
        self.assertEqual([(problem["code"], problem["record"]) for problem in report["problems"]],
                         [("checksum", "net/data/0"), ("checksum", "net/data/2")])
        self.assertEqual({record["name"]: record["integrity"] for record in report["records"]},
                         {"net/data.pkl": "checked", "net/data/0": "damaged", "net/data/1": "checked", "net/data/2": "damaged",
                          "net/version": "checked"})
        self.assertEqual(report["integrity"], "damaged")

    def test_a_record_that_is_no_tensor_is_checked_too(self):
        content = bytearray(archive(GOOD, **{"notes.txt": b"some notes"}))
        content[content.index(b"some notes")] ^= 1
        self.assertEqual(self.report(bytes(content), 1)["problems"][0]["record"], "net/notes.txt")

    def test_a_bad_checksum_of_the_pickle_hides_nothing(self):
        content = bytearray(archive(b"\x80\x02" + SYSTEM + b"."))
        content[content.index(b"echo hi")] ^= 1
        report = self.report(bytes(content), 1)
        self.assertIn("os.system", self.unsafe(report))
        self.assertEqual(report["problems"][0]["code"], "checksum")

    def test_structural_faults_of_single_records_do_not_stop_it(self):
        content = bytearray(archive(GOOD))
        place = content.rindex(b"net/data/0")
        content[place:place + 10] = b"net//ata/0"
        content[content.rindex(b"net/version") + 4] ^= 0x20  # the local name says something else
        report = self.report(bytes(content), 1)
        self.assertGreaterEqual(len(report["problems"]), 2, report["problems"])
        self.assertIn("OrderedDict", {use["name"] for use in report["globals"]})

    def test_no_checksum_means_unchecked(self):
        report = self.report(fixture("nocrc.pt"), 0)
        self.assertEqual(report["integrity"], "unchecked")
        header = json.dumps({"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}).encode()
        safetensors = struct.pack("<Q", len(header)) + header + bytes(8)
        report = self.report(self.path("w.safetensors", safetensors), 0)
        self.assertEqual((report["format"], report["integrity"]), ("safetensors", "unchecked"))
        self.assertEqual(report["pickles"], [])
        self.assertTrue(report["weights_only"]["2.13"]["accepted"])
        self.assertFalse(report["weights_only"]["1.13"]["accepted"])
        self.report(self.path("w.safetensors", safetensors[:-1]), 1)

    def test_formats_are_told_by_what_readers_tell_them_by(self):
        """Header lengths of safetensors that begin like pickles, and tensors that are zip archives."""
        for length in (384, 640, 896, 1152, 1408, 65536 + 384):
            header = json.dumps({"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}).encode()
            content = struct.pack("<Q", length) + header.ljust(length) + bytes(8)
            report = self.report(content, 0)
            self.assertEqual((report["format"], report["problems"], report["pickles"]), ("safetensors", [], []), length)
        inner = archive(GOOD)
        header = json.dumps({"w": {"dtype": "U8", "shape": [len(inner)], "data_offsets": [0, len(inner)]}}).encode()
        report = self.report(struct.pack("<Q", len(header)) + header + inner, 0)
        self.assertEqual(report["format"], "safetensors")
        report = self.report(legacy(GOOD)[:-22] + b"PK\5\6" + bytes(18), 0)
        self.assertEqual(report["format"], "torch-legacy")
        # What has lost its first bytes is known by its end.
        report = self.report(b"X" + archive(GOOD)[1:], 1)
        self.assertEqual(report["format"], "torch-zip")

    def test_lying_descriptions(self):
        small = GOOD.replace(b"K\x06tQ", b"K\x07tQ")
        self.assertEqual(self.report(archive(small), 1)["problems"][0]["code"], "truncated")
        outside = GOOD.replace(b"K\x02K\x03\x86", b"K\x03K\x03\x86")
        self.assertEqual(self.report(archive(outside), 1)["problems"][0]["code"], "corrupt")
        missing = GOOD.replace(b"X\x01\x00\x00\x000", b"X\x01\x00\x00\x007")
        self.assertEqual(self.report(archive(missing), 1)["problems"][0]["code"], "not_found")

    def test_finite(self):
        self.assertEqual(self.report(archive(GOOD), 0, "--finite")["non_finite"], [])
        bad = archive(GOOD, (1, float("nan"), 2, float("inf"), float("-inf"), 0))
        self.assertEqual(self.report(bad, 1, "--finite")["non_finite"], [{"name": "w", "nan": 1, "inf": 2}])
        self.assertIsNone(self.report(bad, 0)["non_finite"])

    def test_every_flipped_byte(self):
        """No flip anywhere makes another tensor that verify calls fine."""
        for content in (fixture("w_26.pt").read_bytes(), archive(GOOD)):
            good = json.loads(sconce("inspect", "--json", "--digest", self.path("good.pt", content)).stdout)["tensors"]
            fine = 0
            for place in range(len(content)):
                flipped = bytearray(content)
                flipped[place] ^= 0x10
                path = self.path("flipped.pt", bytes(flipped))
                result = sconce("verify", "--json", path)
                self.assertIn(result.returncode, (0, 1), f"byte {place}: {result.stderr}")
                if result.returncode == 1:
                    continue
                fine += 1
                read = json.loads(sconce("inspect", "--json", "--digest", path).stdout)["tensors"]
                same = all(read[i][key] == good[i][key] for i in range(len(good))
                           for key in ("name", "dtype", "shape", "stride", "sha256"))
                unchecked = json.loads(result.stdout)["integrity"] == "unchecked"
                self.assertTrue(same or unchecked, f"byte {place} makes another tensor that is called fine")
            # Padding, times and version numbers carry no meaning; everything else must be noticed.
            self.assertLess(fine, len(content) // 2, len(content))

    def test_every_truncation(self):
        content = archive(GOOD)
        for size in range(4, len(content), 7):
            result = sconce("verify", "--json", self.path("cut.pt", content[:size]))
            self.assertEqual(result.returncode, 1, f"{size} bytes: {result.stderr}")
            self.assertFalse(json.loads(result.stdout)["ok"])

    def test_deflated_records_are_checked(self):
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as zipped:
            zipped.writestr("net/data.pkl", GOOD)
            zipped.writestr("net/data/0", struct.pack("<6f", *range(6)))
            zipped.writestr("net/version", b"3\n")
        self.assertEqual(self.report(out.getvalue(), 0)["integrity"], "checked")
        wrong = out.getvalue().replace(struct.pack("<I", zlib.crc32(struct.pack("<6f", *range(6)))), b"abcd")
        self.assertEqual([problem["code"] for problem in self.report(wrong, 1)["problems"]], ["checksum"])

    @unittest.skipIf("SCONCE_SANITIZED" in os.environ, "memory is not the product's own")
    def test_memory_does_not_grow_with_the_file(self):
        path = hollow_torch(self.folder / "large.pt", 3, 100 << 20)
        status, peak = peak_memory("verify", path)
        self.assertEqual(status, 0)
        self.assertLess(peak, 64 << 20)


if __name__ == "__main__":
    unittest.main()
