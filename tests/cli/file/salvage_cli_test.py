#!/usr/bin/env python3
"""sconce salvage as a user meets it: cut and damaged files, what is written, exit statuses, and who points to it."""

import io
import json
import random
import struct
import unittest
import zipfile

from checkpoint_files import npz
from command import CommandTest, fixture, sconce


def digests(path):
    report = json.loads(sconce("inspect", "--json", "--digest", path).stdout)
    return {tensor["name"]: tensor["sha256"] for tensor in report["tensors"]}


def payload_of(content, record):
    """Where the record's bytes begin and how many they are."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        info = next(info for info in archive.infolist() if info.filename.endswith(record))
    name, extra = struct.unpack_from("<HH", content, info.header_offset + 26)
    return info.header_offset + 30 + name + extra, info.compress_size


class SalvageTest(CommandTest):
    def setUp(self):
        super().setUp()
        self.good = fixture("sd_26.pt").read_bytes()
        self.good_path = self.path("good.pt", self.good)

    def path(self, name, content):
        (self.folder / name).write_bytes(content)
        return self.folder / name

    def salvage(self, content, *options, out="out.pt"):
        self.path("bad.pt", content)
        result = sconce("salvage", "--json", self.folder / "bad.pt", self.folder / out, *options)
        return result, json.loads(result.stdout) if result.stdout else None

    def test_a_whole_file_is_recovered_whole(self):
        result, report = self.salvage(self.good)
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        self.assertEqual(report["format"], "torch-zip")
        self.assertEqual((report["lost"], report["unchecked"], report["notes"]), ([], [], []))
        self.assertEqual(digests(self.folder / "out.pt"), digests(self.good_path))
        self.assertEqual(report["recovered"], list(digests(self.good_path)))

    def test_a_cut_file_gives_what_is_before_the_cut(self):
        begin, size = payload_of(self.good, "data/1")
        result, report = self.salvage(self.good[:begin + size - 1])
        self.assertEqual((result.returncode, result.stderr), (1, ""))
        whole = digests(self.good_path)
        self.assertEqual(digests(self.folder / "out.pt"), {name: whole[name] for name in report["recovered"]})
        self.assertEqual(set(report["recovered"]) | {lost["name"] for lost in report["lost"]}, set(whole))
        self.assertTrue(report["recovered"])
        self.assertTrue(all(lost["reason"] for lost in report["lost"]))
        self.assertEqual(report["unchecked"], [])
        text = sconce("salvage", self.folder / "bad.pt", self.folder / "out2.pt").stdout
        self.assertIn("lost", text)
        self.assertIn(str(report["lost"][0]["name"]), text)
        self.assertNotIn("\033", text)

    def test_a_flipped_bit_costs_its_record_only(self):
        begin, _ = payload_of(self.good, "data/0")
        bad = bytearray(self.good)
        bad[begin] ^= 4
        result, report = self.salvage(bytes(bad))
        self.assertEqual(result.returncode, 1)
        self.assertEqual(len(report["lost"]), 1)
        self.assertIn("CRC", report["lost"][0]["reason"])
        self.assertEqual(report["notes"], [])

    def test_npz_record_by_record(self):
        arrays = {"a": [1.0] * 50, "b": [2.0] * 60, "c": [3.0] * 70}
        for compression in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            with self.subTest(compression=compression):
                whole = npz(arrays, compression)
                result, report = self.salvage(whole, "--force")
                self.assertEqual((result.returncode, report["format"]), (0, "npz"))
                self.assertEqual((report["recovered"], report["unchecked"], report["lost"]), ([*arrays], [], []))
                good = digests(self.folder / "out.pt")
                begin, size = payload_of(whole, "b.npy")
                flipped = bytearray(whole)
                flipped[begin + size - 5] ^= 1
                result, report = self.salvage(bytes(flipped), "--force")
                self.assertEqual(result.returncode, 1, result.stderr)
                self.assertEqual((report["recovered"], report["unchecked"]), (["a", "c"], []))
                self.assertEqual([lost["name"] for lost in report["lost"]], ["b"])
                self.assertEqual(digests(self.folder / "out.pt"), {name: good[name] for name in ("a", "c")})
                # Without the directory nothing confirms the names.
                result, report = self.salvage(whole[:begin + size], "--force")
                self.assertEqual(result.returncode, 1, result.stderr)
                self.assertEqual((report["recovered"], report["unchecked"]), (["a", "b"], ["a", "b"]))
                self.assertEqual([lost["name"] for lost in report["lost"]], [""])
        verified = json.loads(sconce("verify", "--json", self.folder / "bad.pt").stdout)
        self.assertEqual((verified["format"], verified["structure"]), ("npz", "damaged"))
        self.assertIn("salvage", verified["problems"][0]["advice"])
        self.refused(sconce("inspect", self.folder / "bad.pt"), "try 'sconce salvage'")

    def test_nothing_can_be_named_without_the_pickle(self):
        begin, size = payload_of(self.good, "data.pkl")
        bad = bytearray(self.good)
        bad[begin + size // 2] ^= 1
        result, _ = self.salvage(bytes(bad))
        self.refused(result, "data.pkl", "named")
        self.assertFalse((self.folder / "out.pt").exists())
        result, _ = self.salvage(self.good[:begin + size - 1])
        self.refused(result, "data.pkl", "named")

    def test_no_tensor_left_writes_nothing(self):
        begin, _ = payload_of(self.good, "data/0")
        result, report = self.salvage(self.good[:begin + 1])
        self.assertEqual(result.returncode, 2)  # and the report, which tells of each tensor
        self.assertRegex(result.stderr, r"\Asconce: .*none of the tensors.*\n\Z")
        self.assertEqual(report["recovered"], [])
        self.assertIsNone(report["output"])
        self.assertFalse((self.folder / "out.pt").exists())

    def test_an_output_is_replaced_only_by_force_and_may_be_the_input(self):
        cut = self.path("cut.pt", self.good[:-100])
        kept = self.path("out.pt", b"mine")
        self.refused(sconce("salvage", cut, kept), "out.pt", "exists")
        self.assertEqual(kept.read_bytes(), b"mine")
        self.refused(sconce("salvage", cut, cut), "exists")
        self.assertEqual(sconce("salvage", "--force", cut, cut).returncode, 0)
        self.assertEqual(digests(cut), digests(self.good_path))
        self.assertEqual(sorted(path.name for path in self.folder.iterdir()), ["cut.pt", "good.pt", "out.pt"])

    def test_output_in_another_format(self):
        result, report = self.salvage(self.good[:-100], out="out.safetensors")
        self.assertEqual(result.returncode, 0)
        self.assertEqual(digests(self.folder / "out.safetensors"), digests(self.good_path))
        result, _ = self.salvage(self.good[:-100], "--to", "safetensors", out="other.pt")
        listing = json.loads(sconce("inspect", "--json", self.folder / "other.pt").stdout)
        self.assertEqual(listing["format"], "safetensors")

    def test_safetensors_are_unchecked(self):
        header = b'{"a":{"dtype":"U8","shape":[3],"data_offsets":[0,3]},"b":{"dtype":"U8","shape":[3],"data_offsets":[3,6]}}'
        content = struct.pack("<Q", len(header)) + header + b"abcdef"
        result, report = self.salvage(content[:-1])
        self.assertEqual(result.returncode, 1)
        self.assertEqual((report["recovered"], report["unchecked"]), (["a"], ["a"]))
        self.assertEqual([lost["name"] for lost in report["lost"]], ["b"])
        self.refused(self.salvage(content[:40], out="x.pt")[0])

    def rezipped(self, method):
        out = io.BytesIO()
        with zipfile.ZipFile(io.BytesIO(self.good)) as source, zipfile.ZipFile(out, "w", method) as target:
            for info in source.infolist():
                target.writestr(info.filename, source.read(info))
        return out.getvalue()

    def test_archives_zipped_again_by_others(self):
        whole = digests(self.good_path)
        for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            content = self.rezipped(method)
            directory = content.index(b"PK\1\2")
            for end in range(0, len(content), 5):
                if (self.folder / "out.pt").exists():
                    (self.folder / "out.pt").unlink()
                result, report = self.salvage(content[:end])
                if result.returncode == 2:
                    self.assertLess(end, directory)
                    continue
                recovered = digests(self.folder / "out.pt")
                self.assertEqual(recovered, {name: whole[name] for name in recovered})
                self.assertEqual(list(recovered), report["recovered"])
                if end >= directory:
                    self.assertEqual(recovered, whole)

    def test_streamed_archives(self):
        """Deflated records whose sizes stand behind them, as `zip` writes them into a pipe."""
        class Pipe(io.RawIOBase):
            def __init__(self):
                super().__init__()
                self.data = bytearray()

            def writable(self):
                return True

            def write(self, data):
                self.data += data
                return len(data)

        whole = digests(self.good_path)
        for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            pipe = Pipe()
            with zipfile.ZipFile(io.BytesIO(self.good)) as source, zipfile.ZipFile(pipe, "w", method) as target:
                for info in source.infolist():
                    target.writestr(info.filename, source.read(info))
            content = bytes(pipe.data)
            result, report = self.salvage(content[:content.index(b"PK\1\2")], "--force")
            self.assertEqual(result.returncode, 0, result.stderr)
            self.assertEqual(digests(self.folder / "out.pt"), whole)
            self.assertEqual(report["unchecked"], [])

    def test_a_record_in_the_wrong_place_is_not_called_checked(self):
        """Without a directory only PyTorch's order confirms the names of records."""
        out = io.BytesIO()
        with zipfile.ZipFile(io.BytesIO(self.good)) as source, zipfile.ZipFile(out, "w") as target:
            infos = source.infolist()
            storages = [info for info in infos if "/data/" in info.filename]
            for info in [info for info in infos if info not in storages] + storages[::-1]:
                target.writestr(info.filename, source.read(info))
        content = out.getvalue()
        result, report = self.salvage(content[:content.index(b"PK\1\2")])
        self.assertEqual(result.returncode, 0)
        self.assertEqual(report["unchecked"], report["recovered"])
        self.assertEqual(digests(self.folder / "out.pt"), digests(self.good_path))

    def test_other_commands_point_to_salvage_exactly_when_it_helps(self):
        begin, size = payload_of(self.good, "data.pkl")
        first, _ = payload_of(self.good, "data/0")
        for end in [*random.sample(range(len(self.good)), 60), begin + size, first, len(self.good) - 1]:
            cut = self.path("cut.pt", self.good[:end])
            error = sconce("inspect", cut).stderr
            helps = sconce("salvage", cut, self.folder / "out.pt", "--force").returncode != 2
            self.assertEqual("try 'sconce salvage'" in error, helps, f"cut at {end}: {error}")
        bad = bytearray(self.good)
        bad[first] ^= 1
        self.assertIn("try 'sconce salvage'", sconce("inspect", "--digest", self.path("bad.pt", bytes(bad))).stderr)
        self.assertNotIn("salvage", sconce("inspect", self.path("text.pt", b"hello\n" * 9)).stderr)
        self.assertNotIn("salvage", sconce("inspect", self.folder / "none.pt").stderr)

    def test_files_that_are_no_checkpoints(self):
        self.refused(sconce("salvage", self.folder / "none.pt", self.folder / "o.pt"), "none.pt")
        self.refused(sconce("salvage", self.folder, self.folder / "o.pt"))
        self.refused(sconce("salvage", self.path("x.pt", b"hello\n" * 9), self.folder / "o.pt"))
        self.refused(sconce("salvage", self.path("y.pt", b""), self.folder / "o.pt"))

    def test_usage(self):
        self.refused(sconce("salvage", self.good_path), "--help")
        self.refused(sconce("salvage", self.good_path, self.folder / "o.pt", "--to", "hdf5"), "--help")
        text = sconce("salvage", "--help").stdout
        self.assertIn("Example: sconce salvage", text)


if __name__ == "__main__":
    unittest.main()
