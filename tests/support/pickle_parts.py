"""Pickles by hand, for files that no pickler writes: each function gives the opcodes that leave one value on the stack."""

import pickle
import struct

NONE, TRUE, FALSE = b"N", b"\x88", b"\x89"


def proto(version=2):
    return b"\x80" + bytes([version])


def text(value):
    raw = value if isinstance(value, bytes) else value.encode("utf-8", "surrogatepass")
    return b"X" + struct.pack("<I", len(raw)) + raw


def integer(value):
    if 0 <= value < 256:
        return b"K" + bytes([value])
    if -2**31 <= value < 2**31:
        return b"J" + struct.pack("<i", value)
    raw = pickle.encode_long(value)
    return b"\x8a" + bytes([len(raw)]) + raw


def real(value):
    return b"G" + struct.pack(">d", value)


def glob(module, name):
    return b"c" + module.encode() + b"\n" + name.encode() + b"\n"


def tup(*items):
    return b"(" + b"".join(items) + b"t" if items else b")"


def lst(*items):
    return b"](" + b"".join(items) + b"e" if items else b"]"


def dct(*pairs):
    return b"}(" + b"".join(pairs) + b"u" if pairs else b"}"


def call(function, *args):
    return function + tup(*args) + b"R"


def new(cls, *args):
    return cls + tup(*args) + b"\x81"


def build(thing, state):
    return thing + state + b"b"


ORDERED = call(glob("collections", "OrderedDict"))


def pid(key="0", kind="FloatStorage", count=6, location="cpu", module="torch"):
    return tup(text("storage"), glob(module, kind), text(key), text(location), integer(count)) + b"Q"


def tensor(key="0", kind="FloatStorage", count=6, shape=(2, 3), strides=(3, 1), grad=FALSE):
    return call(glob("torch._utils", "_rebuild_tensor_v2"), pid(key, kind, count), integer(0),
                tup(*map(integer, shape)), tup(*map(integer, strides)), grad, ORDERED)


STORAGES = {"0": struct.pack("<6f", *range(6)), "1": struct.pack("<6q", 0, 1, 1, 0, 2, 1), "2": b"\1" * 48,
            "3": struct.pack("<2q", 0, 1)}
PLAIN = tensor()
INTS = tensor("1", "LongStorage")
COMPLEX = tensor("2", "ComplexFloatStorage")
PARAMETER = call(glob("torch._utils", "_rebuild_parameter"), PLAIN, TRUE, ORDERED)
