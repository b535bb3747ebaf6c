"""Small checkpoint files for tests of the command, made without PyTorch."""

import json
import math
import struct

DTYPES = {"F32": ("f", 4), "I64": ("q", 8), "F64": ("d", 8)}


def safetensors(tensors):
    """Bytes of a file: {name: (dtype, shape, [numbers])}, or {name: [numbers]} for float32 vectors."""
    header, data = {}, b""
    for name, value in tensors.items():
        dtype, shape, numbers = value if isinstance(value, tuple) else ("F32", [len(value)], value)
        assert len(numbers) == math.prod(shape), name
        raw = struct.pack(f"<{len(numbers)}{DTYPES[dtype][0]}", *numbers)
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + data


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
