"""Cases of what is more than a plain tensor: quantized, sparse, parameters, nested, numpy's arrays (B.4, B.8), and of
pickles without torch.save (B.9)."""

import struct

from catalogue import case
from hostile import *  # noqa: F403: the words the cases are written in


def longs(key, *values, shape=None):
    """(tensor of int64, its storage's bytes) under a key."""
    shape = (len(values),) if shape is None else shape
    strides = tuple(shape[i + 1] if i + 1 < len(shape) else 1 for i in range(len(shape)))
    return (tensor(pid(key, len(values), "LongStorage"), sizes=shape, strides=strides), {key: struct.pack(f"<{len(values)}q", *values)})


def doubles(key, *values):
    return (tensor(pid(key, len(values), "DoubleStorage"), sizes=(len(values),), strides=(1,)),
            {key: struct.pack(f"<{len(values)}d", *values)})


def kind_case(name, body, load, list=None, sound=True, **storages):  # noqa: A002
    """`storages`: k=bytes besides the six float32 numbers of "0"."""
    case(name, "torch-zip", torch_zip(pickled(dict_of([("w", body)])), {"0": NUMBERS, **storages}), load, list, sound=sound)


# ---- quantized


def quantized(qparams, storage=None, sizes=(2, 3), strides=(3, 1)):
    storage = pid("q", 6, "QInt8Storage") if storage is None else storage
    return call("torch._utils", "_rebuild_qtensor", storage, integer(0), ints(*sizes), ints(*strides), qparams, NEWFALSE, ORDERED)


def channels(scales, zeros, axis=0):
    return tuple_of(name("torch", "per_channel_affine"), scales, zeros, integer(axis))


SCALE = b"G" + struct.pack(">d", 0.5)
PER_TENSOR = tuple_of(name("torch", "per_tensor_affine"), SCALE, integer(3))
Q = bytes(6)


def channel_case(label, load, scales=2, zeros=2, axis=0):
    one, one_bytes = doubles("s", *[0.5] * scales)
    two, two_bytes = longs("z", *[0] * zeros)
    kind_case(f"quantized_{label}", quantized(channels(one, two, axis)), load, q=Q, **one_bytes, **two_bytes)


kind_case("quantized", quantized(PER_TENSOR), "ok", q=Q)
channel_case("per_channel", "ok")
channel_case("scales_too_few", "corrupt", scales=1)
channel_case("scales_too_many", "corrupt", scales=3)
channel_case("zero_points_too_few", "corrupt", zeros=1)
channel_case("zero_points_too_many", "corrupt", zeros=200)
channel_case("axis_outside", "corrupt", axis=2)
channel_case("axis_negative", "corrupt", axis=-1)
channel_case("axis_huge", "corrupt", axis=2**62)
channel_case("axis_of_other_length", "corrupt", axis=1)
kind_case("quantized_of_floats", quantized(PER_TENSOR, pid()), "corrupt", q=Q)
kind_case("quantized_beyond_storage", quantized(PER_TENSOR, sizes=(3, 3)), "corrupt", q=Q)
kind_case("quantized_storage_cut", quantized(PER_TENSOR), "truncated", q=Q[:5])
kind_case("quantized_size_negative", quantized(PER_TENSOR, sizes=(-2, 3)), "corrupt", q=Q)
kind_case("quantized_parameters_missing", quantized(tuple_of(name("torch", "per_tensor_affine"))), "corrupt", q=Q)
kind_case("quantized_parameters_are_text", quantized(tuple_of(name("torch", "per_tensor_affine"), text("a"), text("b"))), "corrupt", q=Q)
kind_case("quantized_unknown_scheme", quantized(tuple_of(name("os", "system"), SCALE, integer(0))), "corrupt", q=Q)

# ---- sparse


def layout(word):
    return call("torch.serialization", "_get_layout", text(f"torch.{word}"))


def coo(indices, values, size):
    return call("torch._utils", "_rebuild_sparse_tensor", layout("sparse_coo"), tuple_of(indices, values, size_of(*size), NEWFALSE))


# load() reads indices that lie, since only who uses them suffers; verify looks, and nothing writes them. Parts that
# cannot belong together are refused by their descriptions alone.
def coo_case(label, sound, positions=(0, 1, 1, 0, 2, 3), rows=2, size=(2, 4), count=3, load="ok"):
    indices, data = longs("i", *positions, shape=(rows, len(positions) // rows))
    values = tensor(pid(), sizes=(count,), strides=(1,))
    kind_case(f"sparse_{label}", coo(indices, values, size), load, sound=sound, **data)


coo_case("coo", True)
coo_case("index_beyond", False, positions=(0, 1, 2, 0, 2, 3))
coo_case("index_huge", False, positions=(0, 1, 2**62, 0, 2, 3))
coo_case("index_negative", False, positions=(0, 1, 1, 0, -1, 3))
coo_case("fewer_values_than_indices", True, count=2, load="corrupt")
coo_case("more_values_than_indices", True, count=6, load="corrupt")
coo_case("rank_of_indices", True, rows=3, load="corrupt")
coo_case("size_negative", True, size=(-2, 4), load="corrupt")
coo_case("size_2_80", True, size=(2**40, 2**40))
kind_case("sparse_indices_are_floats", coo(tensor(), tensor(sizes=(3,), strides=(1,)), (2, 4)), "corrupt")
kind_case("sparse_values_missing", call("torch._utils", "_rebuild_sparse_tensor", layout("sparse_coo"), EMPTY_TUPLE), "corrupt")
kind_case("sparse_unknown_layout", call("torch._utils", "_rebuild_sparse_tensor", layout("sparse_none"), EMPTY_TUPLE), "corrupt")


def compressed_case(label, sound, word="sparse_csr", outer=(0, 1, 3), inner=(1, 0, 2), size=(2, 3), count=3, load="ok"):
    one, one_bytes = longs("c", *outer)
    two, two_bytes = longs("p", *inner)
    body = call("torch._utils", "_rebuild_sparse_tensor", layout(word),
                tuple_of(one, two, tensor(sizes=(count,), strides=(1,)), size_of(*size)))
    kind_case(f"sparse_{label}", body, load, sound=sound, **one_bytes, **two_bytes)


compressed_case("csr", True)
compressed_case("csc", True, "sparse_csc", (0, 1, 2, 3), (1, 0, 1))
compressed_case("csr_column_beyond", False, inner=(1, 0, 3))
compressed_case("csr_column_negative", False, inner=(1, 0, -2))
compressed_case("csr_rows_descend", False, outer=(0, 3, 1))
compressed_case("csr_rows_begin_late", False, outer=(1, 1, 3))
compressed_case("csr_rows_beyond_values", False, outer=(0, 1, 9))
compressed_case("csr_row_missing", True, outer=(0, 3), load="corrupt")
compressed_case("csr_fewer_values", True, count=2, load="corrupt")
compressed_case("csr_fewer_columns", True, inner=(1, 0), load="corrupt")
compressed_case("csr_size_negative", True, size=(-2, 3), load="corrupt")
compressed_case("csc_row_beyond", False, "sparse_csc", (0, 1, 2, 3), (1, 0, 2))
compressed_case("bsr_without_blocks", True, "sparse_bsr", load="corrupt")

# ---- parameters, nested and meta tensors: those that lie stay inert objects, which nothing writes

kind_case("parameter", call("torch._utils", "_rebuild_parameter", tensor(), NEWTRUE, ORDERED), "ok")
kind_case("parameter_of_text", call("torch._utils", "_rebuild_parameter", text("w"), NEWTRUE, ORDERED), "ok")
kind_case("parameter_of_nothing", call("torch._utils", "_rebuild_parameter"), "corrupt")
kind_case("parameter_beyond_storage", call("torch._utils", "_rebuild_parameter", tensor(sizes=(3, 3)), NEWTRUE, ORDERED), "corrupt")
kind_case("parameter_grad_is_text", call("torch._utils", "_rebuild_parameter", tensor(), text("yes"), ORDERED), "corrupt")
kind_case("parameter_of_itself", EMPTY_LIST + b"q\0" + call(
    "torch._utils", "_rebuild_parameter", b"h\0", NEWTRUE, ORDERED), "corrupt")
kind_case("parameter_with_state_of_a_number",
          call("torch._utils", "_rebuild_parameter_with_state", tensor(), NEWTRUE, ORDERED, integer(3)), "ok")


def nested_case(label, load, sizes=((1,), (2,)), strides=((1,), (1,)), offsets=(0, 1), list=None):  # noqa: A002
    places = {}
    arguments = [tensor(sizes=(6,), strides=(1,))]
    for key, rows in (("a", sizes), ("b", strides)):
        made, data = longs(key, *[number for row in rows for number in row], shape=(len(rows), len(rows[0])))
        arguments.append(made)
        places.update(data)
    made, data = longs("o", *offsets)
    places.update(data)
    kind_case(f"nested_{label}", call("torch._utils", "_rebuild_nested_tensor", *arguments, made), load, list, **places)


nested_case("good", "ok")
for label, options in (("size_beyond", {"sizes": ((1,), (9,))}), ("size_negative", {"sizes": ((-1,), (2,))}),
                       ("offset_beyond", {"offsets": (0, 7)}), ("offset_negative", {"offsets": (0, -1)}),
                       ("offset_missing", {"offsets": (0,)}), ("stride_beyond", {"strides": ((1,), (2**62,))}),
                       ("stride_negative", {"strides": ((1,), (-1,))}), ("rank", {"strides": ((1, 1), (1, 1))})):
    nested_case(label, "ok", **options)
for label, sizes in ("meta_size_negative", (-2, 1)), ("meta_sizes_overflow", (2**62, 2**62)):
    kind_case(label, call("torch._utils", "_rebuild_meta_tensor_no_storage", name("torch", "float32"), ints(*sizes), ints(1, 1), NEWFALSE), "ok")

# ---- numpy: the same


def dtype(code="f8"):
    return name("numpy", "dtype") + tuple_of(text(code), NEWFALSE, NEWTRUE) + REDUCE + \
        tuple_of(integer(3), text("<"), NONE, NONE, NONE, integer(-1), integer(-1), integer(0)) + BUILD


def blob(size):
    return b"B" + struct.pack("<I", size) + bytes(size)


def array(shape, data, kind=None):
    made = name("numpy.core.multiarray", "_reconstruct") + tuple_of(name("numpy", "ndarray"), ints(0), b"C\1b") + REDUCE
    return made + tuple_of(integer(1), ints(*shape), dtype() if kind is None else kind, NEWFALSE, data) + BUILD


for label, made in (("good", array((2, 3), blob(48))), ("data_short", array((2, 3), blob(40))), ("data_long", array((2, 3), blob(56))),
                    ("data_empty", array((2, 3), blob(0))), ("shape_2_40", array((2**40,), blob(48))),
                    ("shape_overflows", array((2**62, 2**62), blob(48))), ("shape_wraps_to_the_data", array((2**61 + 6, 8), blob(48))),
                    ("shape_negative", array((-2, -3), blob(48))), ("data_is_a_list", array((2, 3), EMPTY_LIST)),
                    ("objects_from_bytes", array((6,), blob(48), dtype("O8"))), ("dtype_is_text", array((6,), blob(48), text("f8"))),
                    ("from_buffer_short", call("numpy.core.numeric", "_frombuffer", blob(40), dtype(), ints(2, 3), text("C"))),
                    ("from_buffer_order", call("numpy.core.numeric", "_frombuffer", blob(48), dtype(), ints(2, 3), text("Z"))),
                    ("scalar_short", call("numpy.core.multiarray", "scalar", dtype(), blob(4))),
                    ("scalar_of_objects", call("numpy.core.multiarray", "scalar", dtype("O8"), blob(8)))):
    kind_case(f"numpy_{label}", made, "ok")

# ---- pickles without torch.save, whose storages are pickles in byte strings


def from_bytes(data):
    return call("torch.storage", "_load_from_bytes", b"B" + struct.pack("<I", len(data)) + data)


def bare_storage(depth=0):
    """A stream of one storage; with a depth the storage is another such stream."""
    if depth == 0:
        return legacy(pickled(legacy_pid()))
    return legacy(pickled(from_bytes(bare_storage(depth - 1))), keys=keys_of(), storages=b"")


def plain_case(label, load, storage, more=b""):
    case(f"plain_{label}", "torch-legacy", b"\x80\4" + dict_of([("w", tensor(from_bytes(storage)))]) + more + STOP, load)


plain_case("storage", "ok", bare_storage())
for depth in (1, 2, 200):
    plain_case(f"storage_nested_{depth}", "corrupt", bare_storage(depth))
plain_case("storage_cut", "truncated", bare_storage()[:-4])
plain_case("storage_of_a_list", "corrupt", pickled(EMPTY_LIST))
plain_case("storage_empty", "truncated", b"")
plain_case("storage_runs_code", "corrupt", pickled(name("os", "system") + tuple_of(text("touch pwned")) + REDUCE))
plain_case("storage_too_small", "corrupt", legacy(pickled(legacy_pid(numel=2)), storages=struct.pack("<Q", 2) + NUMBERS[:8]))
