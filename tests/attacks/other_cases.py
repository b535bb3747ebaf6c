"""Cases in every other format, and files that are none."""

import json
import random
import struct

from catalogue import DEPTH, MEBIBYTE, Link, case
from hostile import *  # noqa: F403: the words the cases are written in

# ---- safetensors (F.1, I.3)


def header_case(name, header, load, data=bytes(24)):
    case("safetensors_" + name, "safetensors", safetensors(header, data), load)


def entry(dtype="F32", shape="[2,3]", offsets="[0,24]", key="w"):
    return f'"{key}":{{"dtype":"{dtype}","shape":{shape},"data_offsets":{offsets}}}'


def header_of(*entries):
    return "{" + ",".join(entries) + "}"


case("safetensors_header_cut", "safetensors", safetensors(header_of(entry()), bytes(24))[:30], "truncated")
case("safetensors_header_longer_than_file", "safetensors", struct.pack("<Q", 1000) + b"{}", "truncated")
case("safetensors_header_too_large", "safetensors", struct.pack("<Q", 100_000_001) + b"{}", "limit")
case("safetensors_header_2_40", "safetensors", struct.pack("<Q", 1 << 40) + b"{}", "limit")
header_case("data_cut", header_of(entry()), "truncated", bytes(23))
header_case("data_missing", header_of(entry()), "truncated", b"")
header_case("bytes_after", header_of(entry()), "corrupt", bytes(25))
header_case("array_at_top", "[]      ", "unsupported")
header_case("space_first", " " + header_of(entry()), "unsupported")
header_case("json_cut", "{" + entry(), "truncated")
header_case("json_twice", header_of(entry()) + "{}", "corrupt")
header_case("json_nul_padding", header_of(entry()) + "\0\0", "corrupt")
header_case("json_comment", "{/* x */" + entry() + "}", "corrupt")
header_case("json_trailing_comma", "{" + entry() + ",}", "corrupt")
header_case("json_single_quotes", "{'w':1}", "corrupt")
header_case("json_not_utf8", b'{"\xff":1}', "corrupt")
header_case("json_control_character", '{"a\nb":1}', "corrupt")
header_case("json_lone_surrogate", header_of(entry(key="\\ud800")), "corrupt")
header_case("json_depth_9", '{"x":' * 9 + "1" + "}" * 9, "limit")
header_case("json_depth_bomb", '{"x":' + "[" * 1_000_000, "limit")
header_case("json_objects_bomb", '{"x":' * 200_000, "limit")
header_case("json_number_bomb", '{"x":' + "9" * MEBIBYTE + "}", "limit")
header_case("duplicate_tensor", header_of(entry(), entry()), "corrupt")
header_case("duplicate_tensor_escaped", header_of(entry(), entry(key="\\u0077")), "corrupt")
header_case("duplicate_field", header_of('"w":{"dtype":"F32","dtype":"F32","shape":[2,3],"data_offsets":[0,24]}'), "corrupt")
header_case("duplicate_metadata", header_of('"__metadata__":{}', '"__metadata__":{}', entry()), "corrupt")
header_case("metadata_of_numbers", header_of('"__metadata__":{"a":1}', entry()), "corrupt")
header_case("metadata_is_a_list", header_of('"__metadata__":[]', entry()), "corrupt")
header_case("metadata_nested", header_of('"__metadata__":{"a":{"b":"c"}}', entry()), "corrupt")
for field in ("dtype", "shape", "data_offsets"):
    fields = {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}
    del fields[field]
    header_case(f"without_{field}", json.dumps({"w": fields}), "corrupt")
header_case("entry_is_a_list", '{"w":["F32",[2,3],[0,24]]}', "corrupt")
header_case("entry_is_null", '{"w":null}', "corrupt")
for label, shape in (("fraction", "[2.0,3]"), ("exponent", "[2e0,3]"), ("negative", "[-2,-3]"), ("text", '["2","3"]'),
                     ("null", "null"), ("object", "{}"), ("plus", "[+2,3]"), ("leading_zero", "[02,3]"), ("nan", "[NaN,3]")):
    header_case(f"shape_{label}", header_of(entry(shape=shape)), "corrupt")
header_case("shape_wrong", header_of(entry(shape="[2,4]")), "corrupt")
header_case("shape_overflows", header_of(entry(shape="[4294967296,4294967296]")), "overflow")
header_case("shape_overflows_before_zero", header_of(entry(shape="[9223372036854775808,9223372036854775808,0]", offsets="[0,0]")), "overflow", b"")
header_case("shape_beyond_64_bits", header_of(entry(shape="[18446744073709551616]")), "corrupt")
header_case("shape_bytes_overflow", header_of(entry(shape="[4611686018427387904]")), "overflow")
header_case("too_many_dimensions", header_of(entry(shape="[" + "1," * 64 + "6]")), "limit")
for label, offsets in (("one", "[0]"), ("three", "[0,24,24]"), ("fraction", "[0,24.0]"), ("exponent", "[0,24e0]"),
                       ("negative", "[-24,0]"), ("backwards", "[24,0]"), ("text", '["0","24"]'), ("null", "[null,24]")):
    header_case(f"offsets_{label}", header_of(entry(offsets=offsets)), "corrupt")
header_case("offsets_beyond_the_file", header_of(entry(shape="[1099511627776]", offsets="[0,4398046511104]")), "truncated")
header_case("offsets_wrap", header_of(entry(offsets="[18446744073709551592,18446744073709551615]")), "corrupt")
header_case("hole_at_begin", header_of(entry(offsets="[8,32]")), "corrupt", bytes(32))
header_case("hole", header_of(entry(), entry(key="x", offsets="[32,56]")), "corrupt", bytes(56))
header_case("overlap", header_of(entry(), entry(key="x", offsets="[16,40]")), "corrupt", bytes(40))
header_case("same_bytes_twice", header_of(entry(), entry(key="x")), "corrupt")
header_case("many_of_the_same_bytes", header_of(*(entry(key=f"x{i}") for i in range(10_000))), "corrupt")
header_case("empty_tensor_within", header_of(entry(), entry(key="x", shape="[0]", offsets="[8,8]")), "corrupt")
for dtype in ("F31", "f32", "", "F4X", "F6", "F6_E1M4", "COMPLEX"):
    header_case(f"dtype_{dtype or 'empty'}", header_of(entry(dtype=dtype)), "unsupported")
header_case("dtype_without_torch", header_of(entry(dtype="F6_E2M3", shape="[4]", offsets="[0,3]")), "ok", bytes(3))
header_case("six_bits_beside_bytes", header_of(entry(dtype="F6_E3M2", shape="[2]", offsets="[0,2]")), "corrupt", bytes(2))
header_case("six_bits_across_rows", header_of(entry(dtype="F6_E3M2", shape="[2,2]", offsets="[0,3]")), "corrupt", bytes(3))
header_case("half_a_byte", header_of(entry(dtype="F4", shape="[3]", offsets="[0,1]")), "corrupt", bytes(1))
header_case("name_too_long", header_of(entry(key="w" * 70_000)), "limit")
header_case("name_with_escapes", header_of(entry(key="\\u001b[2J\\u0007")), "ok")

# ---- the legacy stream (D.1)

LEGACY = legacy()
for end in (3, 14, 15, 21, 60, len(LEGACY) - 40, len(LEGACY) - 1):
    case(f"legacy_cut_at_{end}", "torch-legacy", LEGACY[:end], "truncated")
case("legacy_wrong_version", "torch-legacy", legacy(protocol=pickled(integer(1002))), "unsupported")
case("legacy_version_is_text", "torch-legacy", legacy(protocol=pickled(text("1001"))), "corrupt")
case("legacy_keys_are_numbers", "torch-legacy", legacy(keys=pickled(EMPTY_LIST + integer(0) + APPEND)), "ok")
case("legacy_keys_are_a_dict", "torch-legacy", legacy(keys=pickled(EMPTY_DICT)), "corrupt")
case("legacy_key_missing", "torch-legacy", legacy(keys=keys_of(), storages=b""), "not_found")
case("legacy_key_unknown", "torch-legacy", legacy(keys=keys_of("0", "1"), storages=(struct.pack("<Q", 6) + NUMBERS) * 2), "corrupt")
case("legacy_key_twice", "torch-legacy", legacy(keys=keys_of("0", "0"), storages=(struct.pack("<Q", 6) + NUMBERS) * 2), "corrupt")
for label, numel in (("less", 5), ("more", 7), ("huge", 2**40), ("negative", 2**64 - 6), ("overflow", 2**62 + 6)):
    case(f"legacy_count_{label}", "torch-legacy", legacy(storages=struct.pack("<Q", numel) + NUMBERS), "corrupt")
case("legacy_count_huge_in_both", "torch-legacy",
     legacy(pickled(dict_of([("w", tensor(legacy_pid(numel=2**40)))])), storages=struct.pack("<Q", 2**40) + NUMBERS), "truncated")
case("legacy_data_cut", "torch-legacy", legacy(storages=struct.pack("<Q", 6) + NUMBERS[:20]), "truncated")
case("legacy_pid_of_5", "torch-legacy", legacy(pickled(dict_of([("w", tensor(pid()))]))), "corrupt")
case("legacy_pids_disagree", "torch-legacy",
     legacy(pickled(tuple_of(tensor(legacy_pid()), tensor(legacy_pid(kind="IntStorage"))))), "corrupt")
for label, view in (("outside", ints(4, 3)), ("negative", ints(-1, 3)), ("overflow", ints(2**63 - 1, 2))):
    case(f"legacy_view_{label}", "torch-legacy",
         legacy(pickled(dict_of([("w", tensor(legacy_pid(view=tuple_of(text("v"), view[1:-1])), sizes=(3,), strides=(1,)))]))), "corrupt")
case("legacy_view_is_text", "torch-legacy", legacy(pickled(dict_of([("w", tensor(legacy_pid(view=text("v"))))]))), "corrupt")
case("legacy_tensor_outside", "torch-legacy", legacy(pickled(dict_of([("w", tensor(legacy_pid(), sizes=(3, 3)))]))), "corrupt")
case("legacy_stride_negative", "torch-legacy", legacy(pickled(dict_of([("w", tensor(legacy_pid(), strides=(-3, 1)))]))), "corrupt")
case("legacy_system_bomb", "torch-legacy", legacy(system=pickled(EMPTY_LIST * DEPTH + APPEND * (DEPTH - 1))), "ok")
case("legacy_keys_run_code", "torch-legacy", legacy(keys=pickled(name("os", "system") + tuple_of(text("touch pwned")) + REDUCE)), "corrupt")

# ---- tar (D.2)

case("tar_cut", "torch-tar", tar()[:3000], "truncated")
case("tar_checksum", "torch-tar", tar(storages_member={"checksum": 1}), "corrupt")
case("tar_size_beyond_the_file", "torch-tar", tar(storages_member={"size": 1 << 30}), "truncated")
for label, kind, link in (("symlink", b"2", b"/etc/passwd"), ("hard_link", b"1", b"pickle"), ("device", b"3", b""), ("folder", b"5", b"")):
    case(f"tar_{label}", "torch-tar", tar(storages_member={"kind": kind, "link": link}), "unsafe")
case("tar_member_twice", "torch-tar", tar(end=tar_member("pickle", pickled(NONE)) + bytes(1024)), "unsafe")
for missing in range(4):  # sys_info, the first, is not used
    parts = [tar_member("sys_info", pickled(EMPTY_DICT)), tar_member("pickle", pickled(NONE)),
             tar_member("tensors", tar_tensors()), tar_member("storages", tar_storages())]
    del parts[missing]
    case(f"tar_without_member_{missing}", "torch-tar", tar(members=parts), "ok" if missing == 0 else "corrupt")
for label, numel in (("negative", -6), ("huge", 2**40), ("overflow", 2**62)):
    case(f"tar_storage_count_{label}", "torch-tar", tar(storages=tar_storages(numel)),
         {"negative": "corrupt", "huge": "truncated", "overflow": "overflow"}[label])
case("tar_storages_count_huge", "torch-tar", tar(storages=tar_storages(count=2**40)), "corrupt")
case("tar_storages_count_negative", "torch-tar", tar(storages=tar_storages(count=-1)), "corrupt")
case("tar_tensors_count_huge", "torch-tar", tar(tensors=tar_tensors(count=2**40)), "truncated")
for label, ndim in (("negative", -1), ("huge", 2**31 - 1)):
    case(f"tar_dimensions_{label}", "torch-tar", tar(tensors=tar_tensors(ndim=ndim)), "corrupt" if ndim < 0 else "limit")
case("tar_tensor_outside", "torch-tar", tar(tensors=tar_tensors(sizes=(3, 3))), "corrupt")
case("tar_stride_negative", "torch-tar", tar(tensors=tar_tensors(strides=(-3, 1))), "corrupt")
case("tar_storage_unknown", "torch-tar", tar(tensors=tar_tensors(storage=9)), "corrupt")
case("tar_tensor_unknown", "torch-tar", tar(pickled(text("77") + BINPERSID)), "not_found")
case("tar_view_outside", "torch-tar",
     tar(storages=tar_storages(views=pickled(EMPTY_LIST + ints(5, 1, 4, 9) + APPEND))), "corrupt")

# ---- torch.distributed.checkpoint (G)


def dcp_case(name, load, **options):
    case("dcp_" + name, "dcp", dcp(**options), load)


for label, path in (("parent", "../x.distcp"), ("absolute", "/etc/passwd"), ("folder", "a/b.distcp"), ("dots", ".."),
                    ("empty", ""), ("backslash", "..\\x"), ("nul", "a\0b"), ("metadata", "./.metadata")):
    dcp_case(f"path_{label}", "unsafe", path=path)
dcp_case("file_missing", "not_found", path="__9_9.distcp")
dcp_case("offset_negative", "corrupt", offset=-1)
dcp_case("length_negative", "corrupt", length=-5)
dcp_case("length_beyond_the_file", "truncated", length=1 << 40)
dcp_case("offset_beyond_the_file", "truncated", offset=1 << 40)
dcp_case("offset_overflows", "truncated", offset=2**63 - 1)
dcp_case("item_cut", "truncated", item=dcp_item()[:-30], length=len(dcp_item()) - 30)
dcp_case("size_2_40", "corrupt", size=(2**40,))
dcp_case("size_overflows", "overflow", size=(2**32, 2**32), chunks=(((0, 0), (2**32, 2**32)),))
dcp_case("size_negative", "corrupt", size=(-6,))
dcp_case("chunk_outside", "corrupt", chunks=(((3,), (6,)),))
dcp_case("chunk_negative", "corrupt", chunks=(((-3,), (6,)),))
dcp_case("chunks_overlap", "corrupt", size=(9,), chunks=(((0,), (6,)), ((3,), (6,))))
dcp_case("hole", "corrupt", size=(15,), chunks=(((0,), (6,)), ((9,), (6,))))
dcp_case("chunk_rank", "corrupt", chunks=(((0, 0), (6, 1)),))
dcp_case("chunk_size_differs_from_item", "corrupt", size=(5,), chunks=(((0,), (5,)),))
dcp_case("place_missing", "corrupt", places=[])
dcp_case("metadata_cut", "truncated", metadata=dcp()[".metadata"][:-20])
dcp_case("metadata_is_something_else", "corrupt", metadata=pickled(EMPTY_LIST))
dcp_case("metadata_runs_code", "corrupt", metadata=pickled(name("os", "system") + tuple_of(text("touch pwned")) + REDUCE))

dcp_case("link_out_of_the_folder", "unsafe", files={"__0_0.distcp": Link("../good/x.pt")})
dcp_case("link_to_a_device", "unsafe", files={"__0_0.distcp": Link("/dev/zero")})
dcp_case("link_to_nothing", "not_found", files={"__0_0.distcp": Link("gone")})
dcp_case("link_to_itself", "not_found", files={"__0_0.distcp": Link("__0_0.distcp")})
dcp_case("link_within_the_folder", "ok", files={"__0_0.distcp": Link("real.distcp"), "real.distcp": dcp_item()})

# ---- npy and npz


def npy_case(name, load, **options):
    case("npy_" + name, "npz", npz({"w.npy": npy(**options)}), load)


HEADER = "{'descr': '<f4', 'fortran_order': False, 'shape': (6,), }"
npy_case("header_longer_than_file", "truncated", length=60_000)
npy_case("version_9", "unsupported", version=9)
npy_case("objects", "unsupported", header=HEADER.replace("<f4", "|O"))
npy_case("structured", "unsupported", header=HEADER.replace("'<f4'", "[('a', '<f4')]"))
npy_case("unknown_type", "unsupported", header=HEADER.replace("<f4", "<q9"))
npy_case("shape_2_40", "truncated", header=HEADER.replace("6", str(2**40)))
npy_case("shape_overflows", "overflow", header=HEADER.replace("(6,)", f"({2**40}, {2**40})"))
npy_case("shape_negative", "corrupt", header=HEADER.replace("6", "-6"))
npy_case("shape_is_code", "corrupt", header=HEADER.replace("(6,)", "__import__('os').system('touch pwned')"))
npy_case("header_nested", "corrupt", header="(" * 50_000)
npy_case("header_without_shape", "corrupt", header="{'descr': '<f4', 'fortran_order': False}")
npy_case("key_twice", "corrupt", header=HEADER.replace("'shape'", "'descr'"))
npy_case("data_cut", "truncated", data=NUMBERS[:20])
npy_case("data_longer", "corrupt", data=NUMBERS + b"x")
case("npz_name_leaves_folder", "npz", npz({"../w.npy": npy()}), "unsafe")
case("npz_duplicate_in_other_case", "npz", npz({"w.npy": npy(), "W.npy": npy()}), "ok")

# ---- sharded sets (F.6)

SHARD = safetensors(header_of(entry()), NUMBERS)


def index_case(name, load, weight_map, files=None, raw=None):
    index = json.dumps({"metadata": {"total_size": 24}, "weight_map": weight_map}).encode() if raw is None else raw
    folder = {"model.safetensors.index.json": index, **({"a.safetensors": SHARD} if files is None else files)}
    case("index_" + name, "safetensors-index", folder, load, entry="model.safetensors.index.json")


for label, path in (("parent", "../a.safetensors"), ("absolute", "/etc/passwd"), ("folder", "x/a.safetensors"),
                    ("dots", ".."), ("empty", ""), ("backslash", "..\\a"), ("itself", "model.safetensors.index.json")):
    index_case(f"path_{label}", "unsafe", {"w": path})
for label, target, code in (("out_of_the_folder", "../good/x.pt", "unsafe"), ("absolute", "/etc/passwd", "unsafe"),
                            ("to_a_device", "/dev/zero", "unsafe"), ("to_nothing", "gone", "not_found"),
                            ("to_itself", "a.safetensors", "not_found"), ("to_the_folder_above", "..", "unsafe")):
    index_case(f"link_{label}", code, {"w": "a.safetensors"}, files={"a.safetensors": Link(target)})
index_case("link_within_the_folder", "ok", {"w": "a.safetensors"}, files={"a.safetensors": Link("b.safetensors"), "b.safetensors": SHARD})
index_case("shard_missing", "not_found", {"w": "b.safetensors"})
index_case("tensor_missing", "not_found", {"w": "a.safetensors", "x": "a.safetensors"})
index_case("map_of_numbers", "corrupt", {"w": 1})
index_case("without_map", "unsupported", {}, raw=b'{"metadata": {}}')
index_case("map_twice", "corrupt", {}, raw=b'{"weight_map": {}, "weight_map": {"w": "a.safetensors"}}')
index_case("tensor_twice", "corrupt", {}, raw=b'{"weight_map": {"w": "a.safetensors", "w": "a.safetensors"}}')
index_case("cut", "truncated", {}, raw=b'{"weight_map": {"w": "a.saf')
index_case("depth_bomb", "limit", {}, raw=b'{"weight_map": ' + b"[" * 1_000_000)
index_case("shard_cut", "truncated", {"w": "a.safetensors"}, files={"a.safetensors": SHARD[:-1]})

# ---- files of other kinds

for label, content in (("empty", b""), ("one_byte", b"P"), ("zeros", bytes(4096)), ("text", b"hello, world\n" * 99),
                       ("html", b"<!DOCTYPE html>\n<html>404</html>"),
                       ("html_behind_a_mark", b"\xef\xbb\xbf<!DOCTYPE html>"), ("xml", b"<?xml version='1.0'?><Error/>"), ("gzip", b"\x1f\x8b\x08" + bytes(99)),
                       ("7z", b"7z\xbc\xaf\x27\x1c" + bytes(99)), ("hdf5", b"\x89HDF\r\n\x1a\n" + bytes(99)),
                       ("gguf", b"GGUF\3\0\0\0" + bytes(99)),
                       ("onnx", b"\x08\x08\x12\x07pytorch" + bytes(99)), ("lfs", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n"),
                       ("preview", b"PYTORCH1" + bytes(99)), ("noise", random.Random(7).randbytes(5000))):
    case(f"other_{label}", "other", content, "unsupported")
