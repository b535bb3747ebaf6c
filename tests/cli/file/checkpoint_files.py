"""Small checkpoint files for tests of the command, made without PyTorch."""

import io
import json
import math
import os
import struct
import unittest.mock
import zipfile
import zlib

DTYPES = {"F32": ("f", 4), "I64": ("q", 8), "F64": ("d", 8)}


def safetensors(tensors):
    """Bytes of a file, in the given order: {name: (dtype, shape, [numbers] or bytes)}, or {name: [numbers]} for float32
    vectors."""
    header, data = {}, b""
    for name, value in tensors.items():
        dtype, shape, numbers = value if isinstance(value, tuple) else ("F32", [len(value)], value)
        if isinstance(numbers, bytes):
            raw = numbers
        else:
            assert len(numbers) == math.prod(shape), name
            raw = struct.pack(f"<{len(numbers)}{DTYPES[dtype][0]}", *numbers)
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + data


def npy(numbers):
    """A float32 vector as numpy.save writes it."""
    text = f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({len(numbers)},), }}".encode()
    text += b" " * (-(10 + len(text) + 1) % 64) + b"\n"
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(text)) + text + struct.pack(f"<{len(numbers)}f", *numbers)


def npz(arrays, compression=zipfile.ZIP_STORED):
    """Bytes of a file: {name: [numbers]}, all float32 vectors."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as archive:
        for name, numbers in arrays.items():
            archive.writestr(f"{name}.npy", npy(numbers))
    return out.getvalue()


def read_safetensors(path):
    """{name: (dtype, shape, [numbers])} of a file."""
    content = path.read_bytes()
    size, = struct.unpack_from("<Q", content)
    header = json.loads(content[8:8 + size])
    header.pop("__metadata__", None)
    out = {}
    for name, entry in header.items():
        begin, end = (8 + size + offset for offset in entry["data_offsets"])
        code, width = DTYPES[entry["dtype"]]
        out[name] = (entry["dtype"], entry["shape"], list(struct.unpack(f"<{(end - begin) // width}{code}", content[begin:end])))
    return out


def hollow_safetensors(path, count, size):
    """A file of `count` float32 tensors t0, t1, ... of `size` bytes each that takes no room on disk."""
    header = {f"t{i}": {"dtype": "F32", "shape": [size // 4], "data_offsets": [i * size, (i + 1) * size]}
              for i in range(count)}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.truncate(8 + len(text) + count * size)
    return path


class Hollow(io.FileIO):
    """Leaves a hole where a piece of ZEROS is written."""

    ZEROS = bytes(1 << 20)

    def write(self, data):
        if data is self.ZEROS:
            return self.seek(len(data), os.SEEK_CUR) and len(data)
        return super().write(data)


def pickled_text(text):
    return b"X" + struct.pack("<I", len(text)) + text.encode()


def pickled_int(number):
    return b"J" + struct.pack("<i", number) if number < 1 << 31 else b"\x8a\x08" + struct.pack("<q", number)


def pickled_tensor(key, count):
    """Opcodes that make a float32 vector of the storage data/<key>."""
    return (b"ctorch._utils\n_rebuild_tensor_v2\n((X\x07\0\0\0storagectorch\nFloatStorage\n" + pickled_text(str(key)) +
            b"X\x03\0\0\0cpu" + pickled_int(count) + b"tQK\0" + pickled_int(count) + b"\x85K\x01\x85\x89ccollections\nOrderedDict\n)RtR")


def torch_zip(path, opcodes, storages, compression=zipfile.ZIP_STORED):
    """A .pt whose pickle is these opcodes, with the storages' bytes in order."""
    with zipfile.ZipFile(path, "w", compression) as zipped:
        zipped.writestr("net/data.pkl", b"\x80\x02" + opcodes + b".")
        for key, content in enumerate(storages):
            zipped.writestr(f"net/data/{key}", content)
        zipped.writestr("net/version", b"3\n")
    return path


def crc_of_what_is_there(data, crc=0):
    """Leaves holes out: of holes alone it is 0, the checksum of a writer that reckons none."""
    return crc if data is Hollow.ZEROS else zlib.crc32(data, crc)


def hollow_torch(path, count, size):
    """The same as torch.save writes it: with more than 4 GiB in zip64, and without checksums of what would take its time."""
    is_huge = count * size >= 1 << 32
    pickle = bytearray(b"\x80\x02}(")
    for i in range(count):
        pickle += pickled_text(f"t{i}") + pickled_tensor(i, size // 4)
    crc = crc_of_what_is_there if is_huge else zlib.crc32
    with Hollow(path, "w") as file, zipfile.ZipFile(file, "w") as zipped, unittest.mock.patch("zipfile.crc32", crc):
        zipped.writestr("net/data.pkl", pickle + b"u.")
        for i in range(count):
            with zipped.open(zipfile.ZipInfo(f"net/data/{i}"), "w", force_zip64=is_huge) as record:
                for begin in range(0, size, 1 << 20):
                    piece = min(size - begin, 1 << 20)
                    record.write(Hollow.ZEROS if piece == 1 << 20 else bytes(piece))
        zipped.writestr("net/version", b"3\n")
    return path
