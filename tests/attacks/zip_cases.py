"""Cases in the zip of torch.save: the container, the pickle in it, its storages and tensors."""

import struct
import zlib

from catalogue import DEPTH, GOOD, MEBIBYTE, case
from hostile import *  # noqa: F403: the words the cases are written in

# ---- zip: the container (A.6)

archive = Zip()
archive.record("t/data.pkl", b"x")
case("zip_no_directory", "torch-zip", bytes(archive.out), "truncated")
case("zip_end_cut", "torch-zip", GOOD[:-5], "truncated")
case("zip_cut_in_directory", "torch-zip", GOOD[:-120], "truncated")
case("zip_cut_in_first_header", "torch-zip", GOOD[:17], "truncated")
case("zip_only_magic", "torch-zip", b"PK\3\4", "truncated")
case("zip_bytes_after_end", "torch-zip", torch_zip(zip_options={"trailing": b"x" * 9}), "corrupt")
case("zip_comment_length_lies", "torch-zip", torch_zip(zip_options={"comment": b"hello", "comment_length": 9}), "corrupt")
case("zip_comment_with_end_signature", "torch-zip", torch_zip(zip_options={"comment": b"PK\5\6"}), "truncated")
case("zip_comment_with_end_record", "torch-zip",
     torch_zip(zip_options={"comment": struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, 1, 1, 46, 0, 0)}), "corrupt")
case("zip_disk_number", "torch-zip", torch_zip(zip_options={"disk": 1}), "unsupported")
case("zip_disk_number_without_zip64", "torch-zip", torch_zip(zip_options={"disk": 1, "zip64": False}), "unsupported")
case("zip_two_disks", "torch-zip", torch_zip(zip_options={"disks": 2}), "unsupported")
case("zip_entry_on_other_disk", "torch-zip", torch_zip(data_0={"disk": 1}), "unsupported")
case("zip_counts_differ", "torch-zip", torch_zip(zip_options={"count": 4, "count64": 3}), "corrupt")
case("zip_offsets_differ", "torch-zip", torch_zip(zip_options={"at64": 0}), "corrupt")
case("zip_count_too_high", "torch-zip", torch_zip(zip_options={"count": 5}), "corrupt")
case("zip_count_too_low", "torch-zip", torch_zip(zip_options={"count": 3}), "corrupt")
case("zip_count_above_the_limit", "torch-zip", torch_zip(zip_options={"count64": 2_000_000, "count": 0xFFFF}), "limit")
case("zip_directory_outside", "torch-zip", torch_zip(zip_options={"at": 1_000_000}), "corrupt")
case("zip_directory_far_outside", "torch-zip", torch_zip(zip_options={"at": 2**63, "zip64": True}), "corrupt")
case("zip_directory_length_lies", "torch-zip", torch_zip(zip_options={"length": 2**31}), "corrupt")
case("zip_bytes_between_directory_and_end", "torch-zip", torch_zip(zip_options={"between": b"PK\1\2" + bytes(60)}), "corrupt")
case("zip64_end_length_lies", "torch-zip", torch_zip(zip_options={"end64_size": 2**60}), "corrupt")
case("zip_prefix", "torch-zip", b"#!/bin/sh\n" * 7 + GOOD, "unsupported")
case("zip_prefix_that_begins_like_a_record", "torch-zip", b"PK\3\4" + bytes(60) + GOOD, "corrupt")

hidden = Zip()
hidden.record("t/evil", b"evil", listed=False)
for record, data in (("data.pkl", pickled(dict_of([("w", tensor())]))), ("data/0", NUMBERS), ("version", b"3\n")):
    hidden.record("t/" + record, data)
case("zip_unlisted_first_record", "torch-zip", hidden.finish(), "unsafe")

for label, bad in (("nul", "t/da\0ta"), ("backslash", "t\\..\\x"), ("absolute", "/etc/passwd"), ("drive", "c:/x"),
                   ("empty_component", "t//x"), ("dot", "t/./x"), ("dotdot", "t/../../x"), ("dotdot_end", "t/.."),
                   ("not_utf8", b"t/\xff\xfe"), ("empty", "")):
    case(f"zip_name_{label}", "torch-zip", torch_zip(extra=[(bad, b"x", {})]), "unsafe")
case("zip_duplicate_name", "torch-zip", torch_zip(extra=[("t/data/0", b"\1" * 24, {})]), "corrupt")
case("zip_duplicate_in_other_case", "torch-zip", torch_zip(extra=[("t/DATA/0", b"\1" * 24, {})]), "corrupt")
case("zip_duplicate_pickle_in_other_case", "torch-zip",
     torch_zip(extra=[("T/data.PKL", pickled(NONE), {})]), "corrupt")
case("zip_record_outside_top_folder", "torch-zip", torch_zip(extra=[("u/data/1", b"x", {})]), "corrupt")
case("zip_record_without_folder", "torch-zip", torch_zip(extra=[("x", b"x", {})]), "corrupt")

flat = Zip()
flat.record("data.pkl", pickled(NONE))
case("zip_without_folder", "torch-zip", flat.finish(), "unsupported")
deep = Zip()
deep.record("q/a/data.pkl", pickled(NONE))
deep.record("q/a/version", b"3\n")
case("zip_two_folders", "torch-zip", deep.finish(), "unsupported")
case("zip_empty", "torch-zip", Zip().finish(), "unsupported")

case("zip_local_signature", "torch-zip", GOOD.replace(b"PK\3\4", b"PK\3\5", 3).replace(b"PK\3\5", b"PK\3\4", 2), "corrupt")
case("zip_local_name_differs", "torch-zip", torch_zip(data_0={"local_name": b"t/data/1"}), "corrupt")
case("zip_local_name_longer", "torch-zip", torch_zip(data_0={"local_name": b"t/data/00"}), "corrupt")
case("zip_local_name_of_pickle", "torch-zip", torch_zip(data_pkl={"local_name": b"t/evil.pkl"}), "corrupt")
case("zip_local_method_differs", "torch-zip", torch_zip(data_0={"local_method": 8}), "corrupt")
case("zip_local_flags_differ", "torch-zip", torch_zip(data_0={"local_flags": 0x0800}), "corrupt")
case("zip_local_size_differs", "torch-zip", torch_zip(data_0={"local_size": 23}), "corrupt")
case("zip_local_size_differs_without_descriptor", "torch-zip",
     torch_zip(data_0={"flags": 0x0800, "local_crc": zlib.crc32(NUMBERS), "local_size": 12, "local_compressed": 12}), "corrupt")
case("zip_local_crc_differs", "torch-zip", torch_zip(data_0={"local_crc": 77}), "corrupt")
for bit in (0, 6, 13):
    case(f"zip_encryption_bit_{bit}", "torch-zip", torch_zip(data_0={"flags": 0x0808 | 1 << bit}), "unsupported")
case("zip_unknown_flag", "torch-zip", torch_zip(data_0={"flags": 0x0808 | 1 << 5}), "unsupported")
for method in (1, 12, 14, 93, 99):
    case(f"zip_method_{method}", "torch-zip", torch_zip(data_0={"method": method}), "unsupported")
case("zip_stored_with_two_sizes", "torch-zip", torch_zip(data_0={"size": 48}), "corrupt")
case("zip_stored_compressed_size_lies", "torch-zip", torch_zip(data_0={"compressed": 12}), "corrupt")
case("zip_size_beyond_the_file", "torch-zip", torch_zip(data_0={"size": 2**31, "compressed": 2**31}), "unsafe")
case("zip_size_beyond_64_bits", "torch-zip", torch_zip(data_0={"size": 2**64 - 1, "compressed": 2**64 - 1}), "unsafe")
# Inside the file, but into the central directory: the last record, whose size takes in what follows it.
tail = Zip()
for record, data in (("data.pkl", pickled(dict_of([("w", tensor())]))), ("version", b"3\n"), ("data/0", NUMBERS)):
    more = 60 if record == "data/0" else 0
    tail.record("t/" + record, data, size=len(data) + more, compressed=len(data) + more, crc=0 if more else None, flags=0x0800 if more else 0x0808,
                local_size=len(data) + more if more else 0, local_compressed=len(data) + more if more else 0)
case("zip_payload_into_the_directory", "torch-zip", tail.finish(), "unsafe")
case("zip_offset_beyond_the_file", "torch-zip", torch_zip(data_0={"offset": 0x7FFFFFFF}), "unsafe")
case("zip_header_in_the_directory", "torch-zip", torch_zip(version={"offset": len(GOOD) - 200}), "unsafe")
case("zip_zip64_field_cut", "torch-zip",
     torch_zip(data_0={"extra": struct.pack("<HHI", 1, 4, 0), "size": 0xFFFFFFFF, "compressed": 0xFFFFFFFF}), "truncated")
case("zip_zip64_field_twice", "torch-zip", torch_zip(data_0={"extra": struct.pack("<HHHH", 1, 0, 1, 0)}), "corrupt")
case("zip_extra_field_overruns", "torch-zip", torch_zip(data_0={"extra": struct.pack("<HH", 7, 99)}), "corrupt")

overlap = Zip()
overlap.record("t/data.pkl", pickled(dict_of([("a", tensor(pid("0"))), ("b", tensor(pid("1")))])))
first = overlap.record("t/data/0", NUMBERS)
overlap.list("t/data/1", 0x0808, 0, zlib.crc32(NUMBERS), 24, 24, first)
overlap.record("t/version", b"3\n")
case("zip_two_records_in_one_place", "torch-zip", overlap.finish(), "unsafe")

quoted = Zip()  # each record's bytes hold the next record: one kernel of data read again and again
kernel = bytes(MEBIBYTE)
quoted.record("t/data.pkl", pickled(NONE))
begin = len(quoted.out)
for i in range(64):
    quoted.record(f"t/data/{i}", b"", flags=0x0800, listed=False)
end = len(quoted.out) + len(kernel)
quoted.out += kernel
position = begin
for i in range(64):
    header = struct.unpack_from("<HH", quoted.out, position + 26)
    payload = position + 30 + sum(header)
    quoted.list(f"t/data/{i}", 0x0800, 0, 0, end - payload, end - payload, position)
    position = payload
case("zip_bomb_by_quoting", "torch-zip", quoted.finish(), "unsafe")

bomb = deflated_zeros(512 * MEBIBYTE)
case("zip_bomb_declared_honestly", "torch-zip",
     torch_zip(pickled(dict_of([("w", tensor(pid(numel=6)))])), {"0": NUMBERS},
               extra=[("t/x", b"", {"method": 8, "payload": bytes(6 * MEBIBYTE), "size": 5 << 30, "crc": 1})]), "limit")
case("zip_bomb_in_sum", "torch-zip",
     torch_zip(extra=[(f"t/x{i}", b"", {"method": 8, "payload": bytes(3 * MEBIBYTE), "size": 2 << 30, "crc": 1}) for i in range(3)]),
     "limit")
case("zip_bomb_declared_small", "torch-zip",
     torch_zip(data_0={"method": 8, "payload": bomb, "size": 24, "crc": 1}), "corrupt", "ok")
case("zip_bomb_as_pickle", "torch-zip",
     torch_zip(data_pkl={"method": 8, "payload": bomb, "size": 512 * MEBIBYTE, "crc": 0}), "limit")
case("zip_bomb_as_version", "torch-zip",
     torch_zip(version={"method": 8, "payload": bomb, "size": 512 * MEBIBYTE, "crc": 0}), "corrupt")
case("zip_bomb_beyond_deflate", "torch-zip",
     torch_zip(data_0={"method": 8, "payload": deflated(NUMBERS), "size": 2**32 + 5}), "corrupt")
case("zip_deflate_gives_less", "torch-zip",
     torch_zip(data_0={"method": 8, "payload": deflated(NUMBERS[:20]), "size": 24}), "corrupt", "ok")
case("zip_deflate_gives_more", "torch-zip",
     torch_zip(data_0={"method": 8, "payload": deflated(NUMBERS + b"x"), "size": 24}), "corrupt", "ok")
case("zip_deflate_garbage", "torch-zip", torch_zip(data_0={"method": 8, "payload": b"\xff" * 24, "size": 24}), "corrupt", "ok")
case("zip_deflate_cut", "torch-zip",
     torch_zip(data_0={"method": 8, "payload": deflated(NUMBERS)[:-3], "size": 24}), "corrupt", "ok")
case("zip_deflate_then_more", "torch-zip",
     torch_zip(data_0={"method": 8, "payload": deflated(NUMBERS) + b"more", "size": 24}), "corrupt", "ok")

case("zip_crc_of_storage", "torch-zip", torch_zip(data_0={"crc": 5}), "checksum", "ok")
case("zip_crc_of_pickle", "torch-zip", torch_zip(data_pkl={"crc": 5}), "checksum")
case("zip_crc_of_version", "torch-zip", torch_zip(version={"crc": 5}), "checksum")
case("zip_without_version", "torch-zip", torch_zip(skip=["version"]), "unsupported")
for label, value in (("0", b"0\n"), ("11", b"11\n"), ("text", b"three"), ("empty", b""), ("negative", b"-3"),
                     ("huge", b"9" * 60), ("space", b" 3\n")):
    case(f"zip_version_{label}", "torch-zip", torch_zip(version={"data": value}), "unsupported")
case("zip_version_of_a_megabyte", "torch-zip", torch_zip(version={"data": b"3" * MEBIBYTE}), "corrupt")
for label, value in (("newline", b"little\n"), ("other", b"middle"), ("empty", b"")):
    case(f"zip_byteorder_{label}", "torch-zip", torch_zip(byteorder={"data": value}), "unsupported")
case("zip_without_pickle", "torch-zip", torch_zip(skip=["data.pkl"]), "corrupt")
case("zip_script_without_pickle", "torch-zip",
     torch_zip(skip=["data.pkl"], extra=[("t/constants.pkl", pickled(EMPTY_TUPLE), {})]), "corrupt")
case("zip_old_torchscript", "torch-zip", torch_zip(skip=["data.pkl"], extra=[("t/model.json", b"{}", {})]), "unsupported")
case("zip_torch_package", "torch-zip",
     torch_zip(skip=["data.pkl"], extra=[("t/.data/extern_modules", b"os", {})]), "unsupported")
case("zip_torch_export", "torch-zip",
     torch_zip(skip=["data.pkl"], extra=[("t/archive_format", b"pt2", {})]), "unsupported")
case("zip_storage_missing", "torch-zip", torch_zip(storages={}), "not_found")
case("zip_storage_shorter", "torch-zip", torch_zip(storages={"0": NUMBERS[:20]}), "truncated")
case("zip_storage_longer", "torch-zip", torch_zip(storages={"0": NUMBERS + b"more"}), "corrupt")
case("zip_polyglot_safetensors", "torch-zip",
     safetensors('{"w":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}', GOOD), "corrupt")


# ---- pickles (B.1, I.2, I.3), each the data.pkl of a zip that is right otherwise


def pickle_case(name, pickle, load, list=None):  # noqa: A002
    case("pickle_" + name, "torch-zip", torch_zip(pickle), load, list)


pickle_case("empty", b"", "truncated")
pickle_case("no_stop", PROTO + NONE, "truncated")
pickle_case("only_stop", STOP, "corrupt")
pickle_case("unknown_opcode", pickled(b"\xfe"), "corrupt")
pickle_case("protocol_6", b"\x80\x06N.", "unsupported")
pickle_case("protocol_255", b"\x80\xffN.", "unsupported")
for label, body in (("append", b"a"), ("tuple1", b"\x85"), ("setitem", b"}K\1s"), ("reduce", b"R"), ("build", b"b"),
                    ("pop", b"0"), ("dup", b"2"), ("binpersid", b"Q"), ("stack_global", b"\x93"), ("put", b"q\0"),
                    ("newobj_ex", b"\x92"), ("memoize", b"\x94")):
    pickle_case(f"underflow_{label}", PROTO + body + STOP, "corrupt")
for label, body in (("tuple", b"t"), ("list", b"l"), ("appends", b"]e"), ("setitems", b"}u"), ("dict", b"d"),
                    ("pop_mark", b"1"), ("frozenset", b"\x91"), ("additems", b"\x8f\x90"), ("obj", b"o"),
                    ("inst", b"ios\nsystem\n")):
    pickle_case(f"no_mark_{label}", PROTO + body + STOP, "corrupt")
pickle_case("mark_left", PROTO + MARK + STOP, "corrupt")
pickle_case("memo_undefined", pickled(b"h\7"), "corrupt")
pickle_case("memo_undefined_long", pickled(b"j\xff\xff\xff\xff"), "corrupt")
pickle_case("memo_undefined_text", pickled(b"g99999999999999999999\n"), "corrupt")
pickle_case("memo_negative", pickled(b"g-1\n"), "corrupt")
pickle_case("memo_index_huge", pickled(NONE + b"r\xff\xff\xff\xff"), "ok")
pickle_case("memo_index_text_huge", pickled(NONE + b"p4294967296\n"), "ok")
pickle_case("memo_bomb", pickled(NONE + b"".join(b"r" + struct.pack("<I", 0xFFFFFFFF - 4096 * i) for i in range(100_000))), "ok")
for opcode in (b"\x82\1", b"\x83\1\0", b"\x84\1\0\0\0"):
    pickle_case(f"extension_{opcode[0]:02x}", pickled(opcode), "unsupported")
for opcode in (b"\x97", b"\x98"):
    pickle_case(f"buffer_{opcode[0]:02x}", pickled(opcode), "unsupported")
for label, prefix in (("binunicode", b"X\xff\xff\xff\xff"), ("binunicode8", b"\x8d" + b"\xff" * 8),
                      ("binunicode8_signed", b"\x8d" + b"\xff" * 7 + b"\x7f"), ("short_binunicode", b"\x8c\xff"),
                      ("binstring", b"T\xff\xff\xff\x7f"), ("short_binstring", b"U\xff"), ("binbytes", b"B\xff\xff\xff\xff"),
                      ("binbytes8", b"\x8e" + b"\xff" * 8), ("bytearray8", b"\x96" + b"\xff" * 8),
                      ("short_binbytes", b"C\xff"), ("long1", b"\x8a\xff")):
    pickle_case(f"length_{label}", PROTO + prefix + b"abc.", "truncated")
pickle_case("length_binstring_negative", pickled(b"T\xff\xff\xff\xff"), "corrupt")
pickle_case("length_frame", b"\x80\x04\x95" + b"\xff" * 8 + b"N.", "truncated")
pickle_case("long4_negative", pickled(b"\x8b\xff\xff\xff\xff"), "corrupt")
pickle_case("long4_length", pickled(b"\x8b\xff\xff\xff\x7f"), "limit")
pickle_case("long4_bomb", pickled(b"\x8b" + struct.pack("<i", MEBIBYTE) + b"\1" * MEBIBYTE), "limit")
pickle_case("long_text_bomb", pickled(b"L" + b"7" * MEBIBYTE + b"L\n"), "limit")
pickle_case("int_text_bomb", pickled(b"I" + b"7" * MEBIBYTE + b"\n"), "limit")
pickle_case("float_text_bomb", pickled(b"F" + b"1" * MEBIBYTE + b"\n"), "limit")
pickle_case("global_line_bomb", pickled(b"c" + b"a" * MEBIBYTE + b"\nb\n"), "limit")
pickle_case("long1_of_255_bytes", pickled(b"\x8a\xff" + b"\1" * 255), "ok")
pickle_case("long4_within_the_limit", pickled(b"\x8b" + struct.pack("<i", 1024) + b"\1" * 1024), "ok")
pickle_case("long4_beyond_the_limit", pickled(b"\x8b" + struct.pack("<i", 1025) + b"\1" * 1025), "limit")
pickle_case("many_opcodes", pickled(NONE + b"0N" * (2 * MEBIBYTE)), "ok")
pickle_case("many_memo_entries", pickled(NONE + b"\x94" * (2 * MEBIBYTE)), "ok")
pickle_case("int_text_garbage", pickled(b"I12x\n"), "corrupt")
pickle_case("float_text_garbage", pickled(b"Fone\n"), "corrupt")
pickle_case("global_line_open", PROTO + b"cos\nsystem", "truncated")
pickle_case("global_not_utf8", pickled(b"c\xff\nx\n"), "corrupt")
pickle_case("text_not_utf8", pickled(b"X\2\0\0\0\xff\xfe"), "corrupt")
pickle_case("string_quotes", pickled(b"S'open\n"), "corrupt")
pickle_case("stack_global_of_numbers", b"\x80\4K\1K\2\x93.", "corrupt")
pickle_case("list_as_key", pickled(b"}]K\1s"), "corrupt")
pickle_case("dict_as_key", pickled(b"}}K\1s"), "corrupt")
pickle_case("list_in_tuple_as_key", pickled(b"}]\x85K\1s"), "corrupt")
pickle_case("list_in_set", pickled(b"\x8f(]\x90"), "corrupt")
pickle_case("append_to_int", pickled(b"K\1K\2a"), "corrupt")
pickle_case("append_to_dict", pickled(b"}K\2a"), "corrupt")
pickle_case("setitem_on_int", pickled(b"K\1K\2K\3s"), "corrupt")
pickle_case("setitem_on_list", pickled(b"]K\2K\3s"), "corrupt")
pickle_case("setitem_on_tensor", pickled(tensor() + text("x") + integer(1) + SETITEM), "corrupt")  # CVE-2026-24747
pickle_case("setitems_on_tensor", pickled(tensor() + MARK + text("x") + integer(1) + SETITEMS), "corrupt")
pickle_case("setitems_odd", pickled(b"}(K\1u"), "corrupt")
pickle_case("build_on_int", pickled(b"K\1}b"), "corrupt")
pickle_case("build_on_list", pickled(b"]}b"), "corrupt")
pickle_case("reduce_of_int", pickled(b"K\1)R"), "corrupt")
pickle_case("reduce_without_tuple", pickled(name("os", "system") + b"K\1R"), "corrupt")
pickle_case("newobj_without_tuple", pickled(name("os", "system") + b"K\1\x81"), "corrupt")

pickle_case("deep_lists", pickled(EMPTY_LIST * DEPTH + APPEND * (DEPTH - 1)), "ok")
pickle_case("deep_tuples", pickled(EMPTY_TUPLE + b"\x85" * DEPTH), "ok")
pickle_case("deep_dicts", pickled(b"".join(EMPTY_DICT + integer(0) for _ in range(DEPTH)) + NONE + SETITEM * DEPTH), "ok")
pickle_case("deep_tuple_as_key", pickled(EMPTY_DICT + EMPTY_TUPLE + b"\x85" * DEPTH + NONE + SETITEM), "limit")
pickle_case("deep_objects", pickled(name("a", "b") + b")\x81" + b"".join(name("a", "b") + b")\x81" for _ in range(DEPTH)) + BUILD * DEPTH), "ok", "limit")
pickle_case("deep_calls", pickled(name("a", "b") + b")R" * DEPTH), "ok")
pickle_case("deep_arguments", pickled(name("a", "b") * DEPTH + EMPTY_TUPLE + b"R\x85" * (DEPTH - 1) + b"R"), "ok", "limit")
pickle_case("deep_tensors", pickled(b"".join(EMPTY_LIST for _ in range(DEPTH)) + tensor() + APPEND * DEPTH), "ok")
laughs = EMPTY_TUPLE + b"q\0" + b"".join(b"h" + bytes([i]) + b"h" + bytes([i]) + b"\x86q" + bytes([i + 1]) for i in range(60))
pickle_case("billion_laughs", pickled(laughs), "ok")
lists = b"]q\0" + b"".join(b"](h" + bytes([i]) * 1 + b"h" + bytes([i]) + b"eq" + bytes([i + 1]) for i in range(60))
pickle_case("billion_laughs_of_lists", pickled(lists), "ok")
pickle_case("billion_laughs_as_key", pickled(laughs + EMPTY_DICT + b"h\x3c" + NONE + SETITEM), "limit")
pickle_case("billion_laughs_in_sets",
            pickled(b"(\x91q\0" + b"".join(b"(h" + bytes([i]) + b"h" + bytes([i]) + b"\x85\x91q" + bytes([i + 1]) for i in range(60))), "ok")
pickle_case("billion_tensors", pickled(b"](" + tensor() + b"eq\0" + b"".join(
    b"](h" + bytes([i]) + b"h" + bytes([i]) + b"eq" + bytes([i + 1]) for i in range(40))), "ok", "limit")
pickle_case("list_in_itself", pickled(b"]q\0h\0a"), "ok")
pickle_case("dict_in_itself", pickled(b"}q\0K\1h\0s"), "ok")
pickle_case("tuple_in_itself", pickled(b"]q\0h\0\x85q\1ah\1"), "ok")
pickle_case("tensor_in_its_own_attributes",
            pickled(call("torch._tensor", "_rebuild_from_type_v2", name("torch._utils", "_rebuild_tensor_v2"),
                         name("torch", "Tensor"), tuple_of(pid(), integer(0), ints(2, 3), ints(3, 1), NEWFALSE, ORDERED),
                         dict_of([("x", NONE)]))), "ok")
pickle_case("rebuild_from_itself", pickled(call("torch._tensor", "_rebuild_from_type_v2",
                                                name("torch._tensor", "_rebuild_from_type_v2"), name("torch", "Tensor"),
                                                EMPTY_TUPLE, NONE)), "ok")

# What Python would run. Nothing runs, it is read.
for label, body in (("os_system", name("os", "system") + tuple_of(text("touch pwned")) + REDUCE),
                    ("posix_system", name("posix", "system") + tuple_of(text("touch pwned")) + REDUCE),
                    ("exec", name("__builtin__", "exec") + tuple_of(text("open('pwned','w')")) + REDUCE),
                    ("getattr", name("__builtin__", "getattr") + tuple_of(name("os", "x"), text("system")) + REDUCE),
                    ("resolve_name", name("pkgutil", "resolve_name") + tuple_of(text("os:system")) + REDUCE),
                    ("inst", MARK + text("touch pwned") + b"ios\nsystem\n"),
                    ("build_setstate", name("os", "x") + EMPTY_TUPLE + NEWOBJ + dict_of([("__setstate__", NONE)]) + BUILD)):
    pickle_case(f"runs_{label}", pickled(body), "ok")
    # The same beside a tensor, where there is something to write.
    pickle_case(f"holds_{label}", pickled(dict_of([("w", tensor()), ("x", body), ("y", EMPTY_LIST + body + APPEND)])), "ok")
pickle_case("runs_then_breaks", PROTO + name("os", "system") + tuple_of(text("touch pwned")) + REDUCE + b"\xfe", "corrupt")
pickle_case("names_with_escapes", pickled(dict_of([("\x1b]0;pwned\x07\n\r\x1b[2J", tensor())])), "ok")
pickle_case("global_with_escapes", pickled(name("a\x1b[2J", "b\x07") + EMPTY_TUPLE + REDUCE), "ok")

# ---- storages and tensors (B.2, B.4)


def tensor_case(name, body, load, list=None, **options):  # noqa: A002
    case("tensor_" + name, "torch-zip", torch_zip(pickled(dict_of([("w", body)])), **options), load, list)


def pid_of(*parts, items=TUPLE):
    return MARK + b"".join(parts) + items + BINPERSID


PARTS = (text("storage"), name("torch", "FloatStorage"), text("0"), text("cpu"), integer(6))
tensor_case("pid_is_a_list", tensor(pid_of(*PARTS, items=b"l")), "corrupt")
tensor_case("pid_of_4", tensor(pid_of(*PARTS[:4])), "corrupt")
tensor_case("pid_of_6", tensor(pid_of(*PARTS, NONE)), "corrupt")
tensor_case("pid_of_0", tensor(pid_of()), "corrupt")
tensor_case("pid_is_text", tensor(text("0") + BINPERSID), "corrupt")
tensor_case("pid_by_text_opcode", tensor(b"P0\n"), "corrupt")
tensor_case("pid_other_word", tensor(pid(word="module")), "corrupt")
tensor_case("pid_other_class", tensor(pid(kind="Tensor")), "corrupt")
tensor_case("pid_class_elsewhere", tensor(pid(module="os")), "corrupt")
tensor_case("pid_class_is_text", tensor(pid_of(PARTS[0], text("FloatStorage"), *PARTS[2:])), "corrupt")
tensor_case("pid_count_negative", tensor(pid(numel=-6)), "corrupt")
tensor_case("pid_count_is_text", tensor(pid_of(*PARTS[:4], text("6"))), "corrupt")
tensor_case("pid_count_beyond_the_record", tensor(pid(numel=8)), "truncated")  # CVE-2026-24747
tensor_case("pid_count_huge", tensor(pid(numel=2**40)), "truncated")
tensor_case("pid_count_overflows", tensor(pid(numel=2**62 + 6)), "overflow")
tensor_case("pid_count_beyond_64_bits", tensor(pid(numel=2**80)), "corrupt")
tensor_case("pid_key_leaves_folder", tensor(pid(key="../data.pkl")), "not_found")
tensor_case("pid_key_absolute", tensor(pid(key="/etc/passwd")), "not_found")
tensor_case("pid_key_missing", tensor(pid(key="7")), "not_found")
tensor_case("pid_key_is_none", tensor(pid(key_raw=NONE)), "corrupt")
for label, second in (("class", pid(kind="IntStorage")), ("size", pid(numel=3)), ("both", pid(kind="DoubleStorage", numel=3))):
    tensor_case(f"pids_disagree_{label}", tuple_of(tensor(), tensor(second, sizes=(1,), strides=(1,))), "corrupt")
tensor_case("beyond_storage", tensor(sizes=(3, 3)), "corrupt")
tensor_case("beyond_storage_by_offset", tensor(offset=1), "corrupt")
tensor_case("beyond_storage_by_stride", tensor(strides=(4, 1)), "corrupt")
tensor_case("empty_beyond_storage", tensor(offset=7, sizes=(0,), strides=(1,)), "corrupt")
tensor_case("stride_negative", tensor(strides=(-3, 1)), "corrupt")
tensor_case("stride_negative_in_range", tensor(offset=3, strides=(-3, 1)), "corrupt")
tensor_case("offset_negative", tensor(offset=-1), "corrupt")
tensor_case("size_negative", tensor(sizes=(-2, 3)), "corrupt")
tensor_case("sizes_negative_twice", tensor(sizes=(-2, -3)), "corrupt")
tensor_case("offset_overflows", tensor(offset=2**63 - 1), "overflow")
tensor_case("sizes_overflow", tensor(sizes=(2**32, 2**32)), "overflow")
tensor_case("sizes_overflow_bytes", tensor(sizes=(2**62,), strides=(0,)), "overflow")
tensor_case("sizes_overflow_behind_zero", tensor(sizes=(0, 2**62, 2**62), strides=(0, 0, 0)), "ok")
tensor_case("strides_overflow", tensor(sizes=(3, 3), strides=(2**62, 1)), "overflow")
tensor_case("size_beyond_64_bits", tensor(sizes=(2**70, 1)), "corrupt")
tensor_case("more_strides_than_sizes", tensor(strides=(3, 1, 1)), "corrupt")
tensor_case("too_many_dimensions", tensor(sizes=(1,) * 65, strides=(1,) * 65), "limit")
tensor_case("a_million_dimensions", tensor(sizes=(1,) * MEBIBYTE, strides=(1,) * MEBIBYTE), "limit")
tensor_case("expanded_to_2_40", tensor(sizes=(2**20, 2**20), strides=(0, 0)), "ok")
INDICES = tensor(pid(key="1", kind="LongStorage"))
for label, indices, values, size in (("size_negative", INDICES, (3,), (-3, 3)), ("indices_are_floats", tensor(), (3,), (3, 3)),
                                     ("fewer_values", INDICES, (2,), (3, 3)), ("more_dimensions", INDICES, (3,), (3, 3, 3, 3))):
    parts = tuple_of(indices, tensor(sizes=values, strides=(1,)), ints(*size))
    tensor_case("sparse_" + label, call("torch._utils", "_rebuild_sparse_tensor",
                                        call("torch.serialization", "_get_layout", text("torch.sparse_coo")), parts),
                "corrupt", storages={"0": NUMBERS, "1": bytes(48)})
CHANNELS = (tensor(pid(key=key, numel=2, kind=kind), sizes=(2,), strides=(1,)) for key, kind in
            (("1", "DoubleStorage"), ("2", "LongStorage")))
tensor_case("quantized_fewer_scales",
            call("torch._utils", "_rebuild_qtensor", pid(numel=24, kind="QInt8Storage"), integer(0), ints(3), ints(1),
                 tuple_of(name("torch", "per_channel_affine"), *CHANNELS, integer(0)), NEWFALSE, ORDERED),
            "corrupt", storages={"0": NUMBERS, "1": bytes(16), "2": bytes(16)})
tensor_case("grad_is_an_int", tensor(grad=integer(1)), "corrupt")
tensor_case("too_few_arguments", call("torch._utils", "_rebuild_tensor_v2", pid()), "corrupt")
tensor_case("no_arguments", call("torch._utils", "_rebuild_tensor_v2"), "corrupt")
tensor_case("storage_is_an_int", tensor(integer(5)), "corrupt")
tensor_case("sizes_are_text", call("torch._utils", "_rebuild_tensor_v2", pid(), integer(0), text("23"), ints(3, 1), NEWFALSE, ORDERED), "corrupt")
tensor_case("unknown_dtype", tensor(function="_rebuild_tensor_v3", more=(name("torch", "float128"),)), "unsupported")
tensor_case("dtype_elsewhere", tensor(function="_rebuild_tensor_v3", more=(name("os", "float32"),)), "unsupported")
tensor_case("conjugate_of_reals", tensor(more=(dict_of([("conj", NEWTRUE)]),)), "corrupt")
tensor_case("conjugate_expanded_to_2_40",
            tensor(pid(kind="ComplexFloatStorage", numel=3), sizes=(2**20, 2**20), strides=(0, 0), more=(dict_of([("conj", NEWTRUE)]),)),
            "limit", "ok")
tensor_case("unknown_metadata", tensor(more=(dict_of([("hidden", NEWTRUE)]),)), "unsupported")
