"""Builders of checkpoint files with everything under control, also what no honest writer would write."""

import pathlib
import struct
import sys
import zlib

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from pickle_parts import integer, text  # noqa: E402, F401: words of the cases, too

# ---- zip


class Zip:
    """A zip archive, record by record, laid out as PyTorch does it (formats.md A.2 to A.4) unless told otherwise."""

    def __init__(self, prefix=b""):
        self.out = bytearray(prefix)
        self.central = []

    def record(self, name, data=b"", *, local_name=None, flags=0x0808, local_flags=None, method=0,
               local_method=None, crc=None, size=None, compressed=None, local_crc=0, local_size=0,
               local_compressed=0, descriptor=None, align=64, offset=None, extra=b"", disk=0, listed=True,
               payload=None):
        """One record. `data` is its content; `payload` what is stored in its stead (deflated data, say)."""
        name = name if isinstance(name, bytes) else name.encode()
        local_name = name if local_name is None else local_name
        payload = data if payload is None else payload
        crc = zlib.crc32(data) if crc is None else crc
        size = len(data) if size is None else size
        compressed = len(payload) if compressed is None else compressed
        at = len(self.out)
        padding = (-(at + 30 + len(local_name) + 4)) % align if align else 0
        local_extra = b"FB" + struct.pack("<H", padding) + b"Z" * padding if align else b""
        self.out += struct.pack("<IHHHHHIIIHH", 0x04034B50, 0, flags if local_flags is None else local_flags,
                                method if local_method is None else local_method, 0, 0, local_crc,
                                local_compressed, local_size, len(local_name), len(local_extra))
        self.out += local_name + local_extra + payload
        if flags & 8:
            if descriptor is None:
                descriptor = struct.pack("<IIII", 0x08074B50, crc, compressed & 0xFFFFFFFF, size & 0xFFFFFFFF)
            self.out += descriptor
        if listed:
            self.list(name, flags, method, crc, compressed, size, at if offset is None else offset, extra, disk)
        return at

    def list(self, name, flags, method, crc, compressed, size, offset, extra=b"", disk=0):
        """An entry of the central directory alone."""
        name = name if isinstance(name, bytes) else name.encode()
        if size > 0xFFFFFFFF or compressed > 0xFFFFFFFF:
            extra += struct.pack("<HHQQ", 1, 16, size, compressed)
            size = compressed = 0xFFFFFFFF
        self.central.append(struct.pack("<IHHHHHHIIIHHHHHII", 0x02014B50, 0, 0, flags, method, 0, 0, crc,
                                        compressed, size, len(name), len(extra), 0, disk, 0, 0, offset) +
                            name + extra)

    def finish(self, *, zip64=True, count=None, count64=None, at=None, length=None, at64=None, comment=b"",
               comment_length=None, disk=0, disks=1, between=b"", end64_size=44, trailing=b""):
        directory = b"".join(self.central)
        begin = len(self.out) if at is None else at
        length = len(directory) if length is None else length
        count = len(self.central) if count is None else count
        self.out += directory + between
        if zip64:
            place = len(self.out)
            self.out += struct.pack("<IQHHIIQQQQ", 0x06064B50, end64_size, 798, 45, disk, disk,
                                    count if count64 is None else count64, count if count64 is None else count64,
                                    length, begin if at64 is None else at64)
            self.out += struct.pack("<IIQI", 0x07064B50, 0, place, disks)
        self.out += struct.pack("<IHHHHIIH", 0x06054B50, disk, disk, count & 0xFFFF, count & 0xFFFF, length,
                                begin & 0xFFFFFFFF, len(comment) if comment_length is None else comment_length)
        return bytes(self.out + comment + trailing)


def deflated(data, level=9):
    deflater = zlib.compressobj(level, zlib.DEFLATED, -15)
    return deflater.compress(data) + deflater.flush()


def deflated_zeros(size):
    """`size` zero bytes, deflated without ever being in memory."""
    deflater = zlib.compressobj(9, zlib.DEFLATED, -15)
    out = bytearray()
    block = bytes(1 << 20)
    for _ in range(size >> 20):
        out += deflater.compress(block)
    return bytes(out + deflater.flush())


# ---- pickle

PROTO, STOP, MARK, NONE = b"\x80\x02", b".", b"(", b"N"
EMPTY_DICT, EMPTY_LIST, EMPTY_TUPLE, TUPLE, REDUCE, BUILD = b"}", b"]", b")", b"t", b"R", b"b"
NEWFALSE, NEWTRUE, SETITEM, SETITEMS, APPEND, BINPERSID, NEWOBJ = b"\x89", b"\x88", b"s", b"u", b"a", b"Q", b"\x81"


def name(module, attribute):
    return b"c" + module.encode() + b"\n" + attribute.encode() + b"\n"


def tuple_of(*items):
    return MARK + b"".join(items) + TUPLE


def ints(*values):
    return tuple_of(*map(integer, values))


def dict_of(pairs):
    return EMPTY_DICT + MARK + b"".join(text(key) + value for key, value in pairs) + SETITEMS


def pickled(body):
    return PROTO + body + STOP


def call(module, attribute, *arguments):
    return name(module, attribute) + tuple_of(*arguments) + REDUCE


ORDERED = name("collections", "OrderedDict") + EMPTY_TUPLE + REDUCE


def pid(key="0", numel=6, kind="FloatStorage", module="torch", location="cpu", word="storage", more=b"", key_raw=None):
    return tuple_of(text(word), name(module, kind), text(key) if key_raw is None else key_raw, text(location),
                    integer(numel), *([more] if more else [])) + BINPERSID


def tensor(storage=None, offset=0, sizes=(2, 3), strides=(3, 1), grad=NEWFALSE, function="_rebuild_tensor_v2",
           more=()):
    return call("torch._utils", function, pid() if storage is None else storage, integer(offset), ints(*sizes),
                ints(*strides), grad, ORDERED, *more)


NUMBERS = struct.pack("<6f", *range(6))


def torch_zip(pickle=None, storages=None, *, extra=(), skip=(), zip_options=None, **records):
    """torch.save's zip around a pickle. `records` replaces options of single records: data_0={"crc": 1}."""
    pickle = pickled(dict_of([("w", tensor())])) if pickle is None else pickle
    storages = {"0": NUMBERS} if storages is None else storages
    archive = Zip()
    plan = [("data.pkl", pickle), ("byteorder", b"little")]
    plan += [(f"data/{key}", data) for key, data in storages.items()] + [("version", b"3\n")]
    for record, data in plan:
        if record in skip:
            continue
        options = dict(records.get(record.replace("/", "_").replace(".", "_"), {}))
        archive.record("t/" + record, options.pop("data", data), **options)
    for record, data, options in extra:
        archive.record(record, data, **options)
    return archive.finish(**(zip_options or {}))


# ---- safetensors


def safetensors(header, data=b""):
    header = header if isinstance(header, bytes) else header.encode()
    return struct.pack("<Q", len(header)) + header + data


# ---- legacy stream

MAGIC = pickled(b"\x8a\x0a" + (0x1950A86A20F9469CFC6C).to_bytes(10, "little"))
PROTOCOL = pickled(integer(1001))
SYS_INFO = pickled(dict_of([("protocol_version", integer(1001)), ("little_endian", NEWTRUE),
                            ("type_sizes", dict_of([("short", integer(2)), ("int", integer(4)),
                                                    ("long", integer(4))]))]))


def legacy_pid(key="0", numel=6, view=NONE, kind="FloatStorage"):
    return pid(key, numel, kind, more=view)


def keys_of(*keys):
    return pickled(EMPTY_LIST + MARK + b"".join(text(key) for key in keys) + b"e")


def legacy(pickle=None, keys=None, storages=None, magic=MAGIC, protocol=PROTOCOL, system=SYS_INFO, trailing=b""):
    pickle = pickled(dict_of([("w", tensor(legacy_pid()))])) if pickle is None else pickle
    keys = keys_of("0") if keys is None else keys
    storages = struct.pack("<Q", 6) + NUMBERS if storages is None else storages
    return magic + protocol + system + pickle + keys + storages + trailing


# ---- tar


def tar_member(member, data, *, kind=b"0", size=None, checksum=None, link=b""):
    header = bytearray(512)
    header[0:len(member)] = member.encode()
    header[100:108], header[108:116], header[116:124] = b"0000644\0", b"0000000\0", b"0000000\0"
    header[124:136] = b"%011o\0" % (len(data) if size is None else size)
    header[136:148] = b"00000000000\0"
    header[148:156] = b" " * 8
    header[156:157] = kind
    header[157:157 + len(link)] = link
    header[257:265] = b"ustar\x0000"
    header[148:156] = b"%06o\0 " % (sum(header) if checksum is None else checksum)
    return bytes(header) + data + bytes(-len(data) % 512)


def tar_storages(numel=6, data=NUMBERS, count=1, views=b""):
    out = pickled(integer(count)) + pickled(tuple_of(integer(1), text("cpu"), name("torch", "FloatStorage")))
    return out + struct.pack("<q", numel) + data + (views or pickled(EMPTY_LIST))


def tar_tensors(sizes=(2, 3), strides=(3, 1), offset=0, ndim=None, count=1, storage=1):
    out = pickled(integer(count)) + pickled(tuple_of(integer(2), integer(storage), name("torch", "FloatTensor")))
    return (out + struct.pack("<iI", len(sizes) if ndim is None else ndim, 0xDEADBEEF) +
            struct.pack(f"<{len(sizes)}q", *sizes) + struct.pack(f"<{len(strides)}q", *strides) +
            struct.pack("<q", offset))


def tar(pickle=None, tensors=None, storages=None, members=(), end=bytes(1024), **options):
    members = members or [
        tar_member("sys_info", pickled(dict_of([("protocol_version", integer(1000))]))),
        tar_member("pickle", pickled(dict_of([("w", text("2") + BINPERSID)])) if pickle is None else pickle),
        tar_member("tensors", tar_tensors() if tensors is None else tensors, **options.get("tensors_member", {})),
        tar_member("storages", tar_storages() if storages is None else storages,
                   **options.get("storages_member", {})),
    ]
    return b"".join(members) + end


# ---- torch.distributed.checkpoint

M = "torch.distributed.checkpoint.metadata"


def new(module, attribute, state=None):
    out = name(module, attribute) + EMPTY_TUPLE + NEWOBJ
    return out if state is None else out + state + BUILD


def size_of(*values):
    return call("torch", "Size", ints(*values))


def dcp_tensor(size=(6,), chunks=(((0,), (6,)),)):
    layout = call("torch.serialization", "_get_layout", text("torch.strided"))
    memory = name(M, "_MEM_FORMAT_ENCODING") + tuple_of(integer(0)) + REDUCE
    properties = new(M, "TensorProperties",
                     tuple_of(name("torch", "float32"), layout, NEWFALSE, memory, NEWFALSE))
    parts = [new(M, "ChunkStorageMetadata", dict_of([("offsets", size_of(*offsets)), ("sizes", size_of(*sizes))]))
             for offsets, sizes in chunks]
    return new(M, "TensorStorageMetadata", dict_of([
        ("properties", properties), ("size", size_of(*size)),
        ("chunks", EMPTY_LIST + MARK + b"".join(parts) + b"e")]))


def dcp_index(fqn, offset):
    return new(M, "MetadataIndex", dict_of([("fqn", text(fqn)), ("offset", size_of(*offset)), ("index", NONE)]))


def dcp_place(path, offset, length):
    return new("torch.distributed.checkpoint.filesystem", "_StorageInfo", dict_of([
        ("relative_path", text(path)), ("offset", integer(offset)), ("length", integer(length))]))


def dcp_metadata(tensors, places):
    """tensors: {fqn: dcp_tensor()}, places: [(dcp_index(), dcp_place())]"""
    storage = EMPTY_DICT + MARK + b"".join(key + value for key, value in places) + SETITEMS
    return pickled(new(M, "Metadata", dict_of([
        ("state_dict_metadata", dict_of(list(tensors.items()))), ("planner_data", NONE), ("storage_data", storage),
        ("storage_meta", NONE)])))


def dcp_item(numbers=NUMBERS):
    count = len(numbers) // 4
    return torch_zip(pickled(tensor(pid(numel=count), sizes=(count,), strides=(1,))), {"0": numbers})


def dcp(path="__0_0.distcp", offset=0, length=None, size=(6,), chunks=(((0,), (6,)),), item=None, files=None,
        places=None, metadata=None):
    item = dcp_item() if item is None else item
    length = len(item) if length is None else length
    places = [(dcp_index("w", chunk[0]), dcp_place(path, offset, length)) for chunk in chunks] \
        if places is None else places
    metadata = dcp_metadata({"w": dcp_tensor(size, chunks)}, places) if metadata is None else metadata
    return {".metadata": metadata, **({"__0_0.distcp": item} if files is None else files)}


# ---- npy and npz


def npy(header="{'descr': '<f4', 'fortran_order': False, 'shape': (6,), }", data=NUMBERS, version=1, length=None):
    raw = header.encode() if isinstance(header, str) else header
    raw += b" " * (-(len(raw) + 11) % 64) + b"\n"
    size = struct.pack("<H" if version == 1 else "<I", len(raw) if length is None else length)
    return b"\x93NUMPY" + bytes([version, 0]) + size + raw + data


def npz(members=None):
    archive = Zip()
    for member, data in (members or {"w.npy": npy()}).items():
        archive.record(member, data, flags=0, local_crc=zlib.crc32(data), local_size=len(data),
                       local_compressed=len(data), align=0)
    return archive.finish(zip64=False)
