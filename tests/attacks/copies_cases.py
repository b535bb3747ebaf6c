"""Cases of what a file holds once and many values copy: a few bytes of a pickle for each copy."""

import struct

from catalogue import case
from hostile import *  # noqa: F403: the words the cases are written in

ONE = 200  # places of the memo
OTHER = 201


def kept(place, value):
    """The value in the memo, and off the stack."""
    return value + b"q" + bytes([place]) + b"0"


def recall(place):
    return b"h" + bytes([place])


def copies_case(name, before, each, count, load="limit"):
    """{"w": [each, ...]} where `each` recalls what `before` put into the memo."""
    content = pickled(before + dict_of([("w", b"](" + each * count + b"e")]))
    case(f"copies_of_{name}", "torch-zip", torch_zip(content, {"0": NUMBERS}), load)


LONG = b"](" + b"".join(b"M" + struct.pack("<H", i) for i in range(20_000)) + b"e"
copies_case("a_set", kept(ONE, LONG), call("builtins", "set", recall(ONE)), 1000)
copies_case("arguments", kept(ONE, b"(" + b"K\1" * 100_000 + b"t"), name("mine", "f") + recall(ONE) + b"R", 5000)
copies_case("channels", kept(ONE, b"](" + b"G?\xf0\0\0\0\0\0\0" * 50_000 + b"e") + kept(OTHER, b"](" + b"K\0" * 50_000 + b"e"),
            call("torch._utils", "_rebuild_qtensor", pid("0", 24, "QInt8Storage"), integer(0), ints(50_000), ints(0),
                 tuple_of(name("torch", "per_channel_affine"), recall(ONE), recall(OTHER), integer(0)), NEWFALSE, ORDERED), 2000)
copies_case("names", kept(ONE, text("m" * 100_000)) + kept(OTHER, text("f")), recall(ONE) + recall(OTHER) + b"\x93", 5000)


def attributes(count):
    return b"}(" + b"".join(text(f"a{i}") + b"K\1" for i in range(count)) + b"u"


def attributed(state):
    return call("torch._tensor", "_rebuild_from_type_v2", name("torch._utils", "_rebuild_tensor_v2"), name("torch", "Tensor"),
                tuple_of(pid("0", 6), integer(0), ints(2, 3), ints(3, 1), NEWFALSE, ORDERED), state)


copies_case("attributes", kept(ONE, attributes(999)), attributed(recall(ONE)), 5000)
# An object, whatever it is for: its attributes are not looked at.
copies_case("too_many_attributes", b"", attributed(attributes(200_000)), 1, "ok")
copies_case("too_many_attributes_of_a_dict", b"", call("collections", "OrderedDict") + attributes(200_000) + b"b", 1)



def tensors_case(name_, storage, dims, count, load, list=None, data="0"):  # noqa: A002
    """Tensors whose calls share their arguments."""
    arguments = tuple_of(storage, integer(0), ints(*[2] * dims), ints(*[0] * dims), NEWFALSE, ORDERED)
    content = pickled(kept(OTHER, name("torch._utils", "_rebuild_tensor_v2")) + kept(ONE, arguments) +
                      dict_of([("w", b"](" + (recall(OTHER) + recall(ONE) + b"R") * count + b"e")]))
    case(f"copies_of_{name_}", "torch-zip", torch_zip(content, {data: NUMBERS}), load, list)


tensors_case("shapes", pid("0", 6), 60, 200_000, "limit")
tensors_case("devices", pid("0", 6).replace(text("cpu"), text("d" * 100_000)), 1, 5000, "corrupt")
tensors_case("records", pid("k" * 60_000, 6), 1, 5000, "ok", "limit", data="k" * 60_000)


def place_of(number):
    fqn = text("w" * 100_000) + b"q" + bytes([ONE]) if number == 0 else recall(ONE)
    index = new(M, "MetadataIndex", dict_of([("fqn", fqn), ("offset", size_of(number)), ("index", NONE)]))
    return index, dcp_place("__0_0.distcp", 0, 0)


case("copies_of_dcp_names", "dcp", dcp(places=[place_of(i) for i in range(3000)]), "limit")

copies_case("tensors", kept(ONE, tensor()) + kept(OTHER, tuple_of(recall(ONE), b"\x88", ORDERED)) + kept(202, name("torch._utils", "_rebuild_parameter")),
            recall(202) + recall(OTHER) + b"R", 600_000)
