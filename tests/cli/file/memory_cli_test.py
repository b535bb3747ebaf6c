#!/usr/bin/env python3
"""Large damaged and hostile files: a refusal takes less than 200 MB, whatever the file's size.

The files are made here, of repeated bytes and mostly sparse. None of them is ever printed.
"""

import io
import os
import struct
import subprocess
import sys
import tarfile
import unittest
import zlib

from command import BIN, CommandTest

MOST = 200 << 20
M = 1_000_000
PROTO = b"\x80\x02"


def measured(*arguments):
    """(exit status, stderr, largest resident set in bytes). A small process starts it: what the peak counts begins with
    what the starting process had."""
    code = ("import resource, subprocess, sys; r = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL);"
            "print(r.returncode, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)")
    result = subprocess.run([sys.executable, "-S", "-c", code, str(BIN / "sconce"), *map(str, arguments)], timeout=120,
                            capture_output=True, text=True, check=True)
    status, kibibytes = map(int, result.stdout.split())
    return status, result.stderr, kibibytes << 10


def is_small(peak):
    """Under the sanitizers memory is not the product's own."""
    return peak < MOST or "SCONCE_SANITIZED" in os.environ


def zip_record(name, size, crc, offset):
    local = struct.pack("<4sHHHHHIIIHH", b"PK\3\4", 20, 0, 0, 0, 0, crc, size, size, len(name), 0) + name
    central = struct.pack("<4sHHHHHHIIIHHHHHII", b"PK\1\2", 20, 20, 0, 0, 0, 0, crc, size, size, len(name), 0, 0, 0, 0,
                          0, offset) + name
    return local, central


def zip_end(count, size, offset):
    wide = struct.pack("<4sQHHIIQQQQ", b"PK\6\6", 44, 45, 45, 0, 0, count, count, size, offset)
    locator = struct.pack("<4sIQI", b"PK\6\7", 0, offset + size, 1)
    return wide + locator + struct.pack("<4sHHHHIIH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, 2**32 - 1, 2**32 - 1, 0)


def write_zip(path, parts):
    """An archive of torch.save with this data.pkl, given as (bytes, times) each."""
    with open(path, "wb") as file:
        size = sum(len(piece) * times for piece, times in parts)
        crc = 0
        file.seek(30 + len(b"a/data.pkl"))
        for piece, times in parts:
            crc = zlib.crc32(piece * times, crc)
            if piece == b"\0":
                file.seek(times, os.SEEK_CUR)
            else:
                file.write(piece * times)
        local, central = zip_record(b"a/data.pkl", size, crc, 0)
        at = file.tell()
        version, version_central = zip_record(b"a/version", 2, zlib.crc32(b"3\n"), at)
        file.write(version + b"3\n")
        directory = file.tell()
        central += version_central
        file.write(central + zip_end(2, len(central), directory))
        file.seek(0)
        file.write(local)


def pickles():
    """name -> parts of a pickle that nobody can or should read."""
    return {
        "lists": [(PROTO, 1), (b"]", 5 * M)],
        "a list of lists": [(PROTO + b"(", 1), (b"]", 10 * M), (b"l.", 1)],
        "dicts": [(PROTO, 1), (b"}", 5 * M)],
        "dicts, few enough to be parsed at once": [(PROTO, 1), (b"}", 2 * M)],
        "tuples": [(PROTO, 1), (b")", 5 * M)],
        "None": [(PROTO, 1), (b"N", 5 * M)],
        "marks": [(PROTO, 1), (b"(", 50 * M)],
        "one value again and again": [(PROTO + b"N", 1), (b"2", 10 * M)],
        "nesting": [(PROTO + b"]", 1), (b"\x85", 5 * M)],
        "MEMOIZE": [(PROTO + b"]", 1), (b"\x94", 10 * M)],
        "memo entries far apart": [(PROTO + b"]", 1),
                                   (b"".join(b"r" + struct.pack("<I", i * 3571) for i in range(1_100_000)), 1)],
        "BINPUT": [(PROTO + b"]", 1), (b"".join(b"q" + bytes([i]) for i in range(256)), 10_000)],
        "a long string and a fault": [(PROTO + b"X" + struct.pack("<I", 60 * M), 1), (b"a", 60 * M), (b"?", 1)],
        "append to a number at the end": [(PROTO, 1), (b"]", 5 * M), (b"K\1K\1a.", 1)],
    }


class RefusalsStaySmall(CommandTest):

    def small(self, path):
        """inspect refuses it in one line, verify finds it damaged, and neither takes much."""
        for command, statuses in (("inspect", (2,)), ("verify", (1, 2))):
            status, error, peak = measured(command, path)
            self.assertIn(status, statuses, command)
            self.assertTrue(is_small(peak), f"{command} took {peak} bytes")
            self.assertLessEqual(len(error.splitlines()), 1, command)
            if command == "inspect":
                self.assertTrue(error.startswith("sconce: "), error[:200])

    def test_pickles_of_archives(self):
        for name, parts in pickles().items():
            with self.subTest(name):
                write_zip(self.folder / "a.pt", parts)
                self.small(self.folder / "a.pt")

    def test_zeros_are_refused_at_their_first_byte(self):
        path = self.folder / "a.pt"
        write_zip(path, [(b"\0", 400 * M)])
        self.assertRegex(measured("inspect", path)[1], r"\bbyte 0\b")
        self.small(path)

    def test_bare_pickles_and_streams(self):
        magic = PROTO + b"\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."
        begin = magic + PROTO + b"M\xe9\x03." + PROTO + b"}."
        for name, head in (("pickle", b""), ("stream", begin)):
            for parts in ([(PROTO, 1), (b"]", 5 * M)], [(PROTO + b"V", 1), (b"a", 50 * M)]):
                with self.subTest(name):
                    (self.folder / "a.pt").write_bytes(head + b"".join(piece * times for piece, times in parts))
                    self.small(self.folder / "a.pt")

    def test_members_of_a_tar(self):
        member = PROTO + b"K\0." + PROTO + b"]" * (5 * M)
        with tarfile.open(self.folder / "a.tar", "w") as tar:
            for name in ("storages", "tensors", "pickle"):
                info = tarfile.TarInfo(name)
                info.size = len(member)
                tar.addfile(info, io.BytesIO(member))
        self.small(self.folder / "a.tar")

    def test_metadata_of_a_distributed_checkpoint(self):
        (self.folder / ".metadata").write_bytes(PROTO + b"]" * (5 * M))
        self.small(self.folder)

    def test_headers_of_safetensors(self):
        def entry(i):
            return b'"%x":{"dtype":"I8","shape":[1],"data_offsets":[%d,%d]}' % (i, i, i + 1)

        entries = b"{" + b",".join(map(entry, range(400_000)))
        headers = {
            "bad tail": entries + b",!",
            "the last overlaps": entries + b',"z":{"dtype":"I8","shape":[1],"data_offsets":[3,4]}}',
            "the last is there": entries + b"," + entry(7) + b"}",
            "dimensions": b'{"a":{"dtype":"I8","shape":[' + b"0," * (12 * M) + b'0],"data_offsets":[0,0]}}',
            "a long name": b'{"' + b"\\u0061" * (4 * M) + b'":1}',
            "metadata": b'{"__metadata__":{' + b",".join(b'"%x":""' % i for i in range(1_100_000)) + b"}}",
        }
        for name, header in headers.items():
            with self.subTest(name):
                (self.folder / "a.safetensors").write_bytes(struct.pack("<Q", len(header)) + header)
                self.small(self.folder / "a.safetensors")

    def test_indexes(self):
        name = b'"some.layer.with.a.name.%x.weight.that.is.long":"a.safetensors"'
        entries = b'{"metadata":{},"weight_map":{' + b",".join(name % i for i in range(500_000))
        texts = {
            "bad tail": entries + b",!",
            "not a file name": entries + b',"z":"../a"}}',
            "the last is there": entries + b"," + name % 7 + b"}}",
            "no such file": entries + b"}}",
            "too many": b'{"weight_map":{' + b",".join(b'"%x":"a"' % i for i in range(1_100_000)) + b"}}",
            "lists": b'{"weight_map":[' + b"[],[]," * (5 * M),
        }
        for case, text in texts.items():
            with self.subTest(case):
                (self.folder / "a.index.json").write_bytes(text)
                self.small(self.folder / "a.index.json")

    def test_records_of_an_archive(self):
        """Many of them, the last a bad one, and a directory that is large for what it lists."""
        count = 100_000
        locals_, centrals = bytearray(), bytearray()
        for i in range(count):
            local, central = zip_record(b"array.number.%07d.npy" % i, 0, 0, len(locals_))
            locals_ += local
            centrals += central
        centrals[-len(b"array.number.0000000.npy") - 36] = 99  # its method
        end = zip_end(count, len(centrals), len(locals_))
        (self.folder / "a.npz").write_bytes(locals_ + centrals + end)
        self.small(self.folder / "a.npz")

        locals_, centrals = bytearray(), bytearray()
        for i in range(1500):
            local, central = zip_record(b"a/%d" % i + b"b" * 60_000, 0, 0, len(locals_))
            locals_ += local[:-60_000] + b"b" * 60_000
            centrals += central
        end = zip_end(1500, len(centrals), len(locals_))
        (self.folder / "a.pt").write_bytes(locals_ + centrals + end)
        self.small(self.folder / "a.pt")

    def test_the_last_of_many_tensors(self):
        """A sound list of 100,000, but for the last, which reaches beyond its storage: known when all others stand."""
        count = 100_000
        memo = (b"ctorch._utils\n_rebuild_tensor_v2\n", b"X\7\0\0\0storage", b"ctorch\nFloatStorage\n",
                b"X\3\0\0\0cpu", b"ccollections\nOrderedDict\n")
        parts = [PROTO, *(piece + b"q%c0" % i for i, piece in enumerate(memo)), b"}("]

        def word(text):
            return b"X" + struct.pack("<I", len(text)) + text

        for i in range(count):
            size = b"K\2" if i + 1 < count else b"K\3"
            parts.append(word(b"layer%d.weight" % i) + b"h\0((h\1h\2" + word(b"%d" % i) + b"h\3K\2tQK\0" + size +
                         b"\x85K\1\x85\x89h\4)RtR")
        pickle = b"".join(parts) + b"u."
        records = {b"a/data.pkl": pickle, b"a/version": b"3\n"}
        records |= {b"a/data/%d" % i: bytes(8) for i in range(count)}
        path = self.folder / "a.pt"
        centrals = []
        with open(path, "wb") as file:
            for name, data in records.items():
                local, central = zip_record(name, len(data), zlib.crc32(data), file.tell())
                file.write(local + data)
                centrals.append(central)
            directory = file.tell()
            size = sum(map(len, centrals))
            file.write(b"".join(centrals) + zip_end(len(centrals), size, directory))
        self.assertIn("reaches to element 3, its storage has 2", measured("inspect", path)[1])
        self.small(path)
        for command in (["convert", path, self.folder / "b.pt"], ["diff", path, path],
                        ["shard", path, self.folder / "b", "--size", "1MB"]):
            status, error, peak = measured(*command)
            self.assertEqual(status, 2, command)
            self.assertIn("reaches to element 3", error)
            self.assertTrue(is_small(peak), f"{command} took {peak} bytes")


if __name__ == "__main__":
    unittest.main()
