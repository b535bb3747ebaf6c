"""`sconce verify` says yes exactly when torch.load(weights_only=True) of this PyTorch does, for every file whose
structure it calls sound."""

import argparse
import collections
import concurrent.futures
import datetime
import decimal
import enum
import functools
import io
import itertools
import json
import pathlib
import pickle
import random
import struct
import sys
import types
import uuid
import warnings
import zipfile

import torch

from sconce_torch import SEED, TORCH_VERSION, TestCase, run_sconce

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from pickle_parts import (  # noqa: E402
    COMPLEX, FALSE, INTS, NONE, ORDERED, PARAMETER, PLAIN, STORAGES, TRUE, build, call, dct, glob, integer, lst,
    new, pid, proto, real, tensor, text, tup)

PYTORCH = "1.13" if TORCH_VERSION < (2, 0) else "2.6" if TORCH_VERSION < (2, 10) else "2.13"
IS_OLD = PYTORCH == "1.13"


# The predictions are for a PyTorch without a GPU; one that is built for it takes more, even where none is in sight.
HAS_GPU_BUILD = bool(torch.version.cuda or getattr(torch.version, "hip", None))


def zip_file(data, storages=STORAGES, **extra):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("archive/data.pkl", data)
        for key, content in storages.items():
            archive.writestr(f"archive/data/{key}", content)
        for name, content in {"version": b"3\n", **extra}.items():
            if content is not None:
                archive.writestr(f"archive/{name}", content)
    return out.getvalue()


def saved(value, **options):
    out = io.BytesIO()
    torch.save(value, out, **options)
    return out.getvalue()


# ---- the two opinions

def verify(path):
    result = run_sconce("verify", "--json", path, check=False)
    if result.returncode == 2:
        return {"structure": "refused", "error": result.stderr}
    return json.loads(result.stdout)


def torch_takes(path):
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.load(path, map_location="cpu", weights_only=True)
        return True, ""
    except Exception as error:  # whatever it is, it is a no
        return False, f"{type(error).__name__}: {str(error)[-300:]}"


class Colour(enum.Enum):
    RED = 1


class Level(enum.IntEnum):
    LOW = 3


class Plain:
    def __init__(self):
        self.x = 1


class Slots:
    __slots__ = ("a",)

    def __init__(self):
        self.a = 2


Point = collections.namedtuple("Point", "x y")


class PredictionTest(TestCase):
    def setUp(self):
        super().setUp()
        self.random = random.Random(SEED)

    def judge(self, files, least_sound):
        """files: (label, bytes). All of them to sconce, and those that it calls sound to PyTorch."""
        paths = []
        for number, (_, content) in enumerate(files):
            path = self.folder / f"{number}.pt"
            path.write_bytes(content)
            paths.append(path)
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            reports = list(pool.map(verify, paths))
        wrong, sound, yes = [], 0, 0
        for (label, _), path, report in zip(files, paths, reports):
            if report["structure"] != "ok":
                continue
            sound += 1
            answer = report["weights_only"][PYTORCH]
            takes, why = torch_takes(path)
            yes += takes
            if takes and HAS_GPU_BUILD and "needs a GPU" in (answer.get("reason") or ""):
                continue
            if takes != answer["accepted"]:
                wrong.append(f"{label}: PyTorch says {'yes' if takes else 'no'} {why}; sconce {answer}")
        print(f"[{len(files)} files, {sound} sound, {yes} taken, {len(wrong)} wrong] ", end="", flush=True)
        self.assertFalse(wrong, f"(SCONCE_SEED={SEED})\n" + "\n".join(wrong[:40]))
        self.assertGreaterEqual(sound, least_sound, f"of {len(files)} files")
        return yes

    # ---- what torch.save writes

    def values(self):
        """(label, value) of many kinds; only what this PyTorch can save."""
        t = torch.arange(12.0).reshape(3, 4)
        net = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4), torch.nn.ReLU())
        values = {
            "tensor": t, "view": t[1:, ::2], "transposed": t.t(), "expanded": t[:, :1].expand(3, 5),
            "empty": torch.empty(0, 3), "scalar": torch.tensor(3.0), "requires grad": t.clone().requires_grad_(),
            "parameter": torch.nn.Parameter(t), "frozen parameter": torch.nn.Parameter(t, False),
            "integer parameter": torch.nn.Parameter(t.int(), False),
            "state_dict": net.state_dict(), "module": net, "module in dict": {"net": net},
            "int": 3, "big int": 1 << 300, "negative": -5, "minus big": -(1 << 80), "bool": True, "none": None,
            "float": 1.5, "float in tuple": (1, (2.0,)), "string": "weights", "empty string": "", "unicode": "h\u00e9\U0001f525",
            "surrogate": "\ud800", "bytes": b"ab\xff", "no bytes": b"", "bytearray": bytearray(b"ab"),
            "complex": 1 + 2j, "set": {1, "a"}, "no set": set(), "frozenset": frozenset({1}), "slice": slice(1, 2),
            "range": range(5), "ellipsis": ..., "list": [1, [2, []]], "tuple": (1, (), ((),)), "dict": {"a": {1: "b"}},
            "keys": {1: 1, "1": 2, (1, "x"): 3, None: 4, True: 5, b"k": 6}, "float key": {1.5: 1},
            "ordered": collections.OrderedDict(a=1, b=t), "counter": collections.Counter("abca"),
            "defaultdict": collections.defaultdict(list, a=[1]), "deque": collections.deque([1], 3),
            "size": t.shape, "empty size": torch.Size(()), "dtype": torch.float32, "bool dtype": torch.bool,
            "bfloat16 dtype": torch.bfloat16, "uint8 dtype": torch.uint8, "device": torch.device("cpu"),
            "cuda device": torch.device("cuda:1"), "layout": torch.sparse_coo, "qscheme": torch.per_tensor_affine,
            "storage": t.storage(), "class": torch.nn.Linear, "function": torch.relu, "builtin": len,
            "enum": Colour.RED, "int enum": Level.LOW, "object": Plain(), "slots": Slots(), "point": Point(1, 2),
            "namespace": argparse.Namespace(lr=1, arch="x"), "simple namespace": types.SimpleNamespace(a=1),
            "partial": functools.partial(int, base=2), "date": datetime.datetime(2020, 1, 2),
            "decimal": decimal.Decimal("1.5"), "uuid": uuid.UUID(int=5), "path": pathlib.PurePosixPath("/a/b"),
            "shared": [t, t[0], t], "tied": {"a": t, "b": t}, "many": list(range(1500)),
            "wide dict": {f"k{i}": i for i in range(1100)},
        }
        loop = [1]
        loop.append(loop)
        values["loop"] = loop
        for dtype in ("uint8", "int8", "int16", "int32", "int64", "float16", "bfloat16", "float64", "bool", "complex64",
                      "complex128", "complex32", "uint16", "uint32", "uint64", "float8_e4m3fn", "float8_e5m2",
                      "float8_e4m3fnuz", "float8_e5m2fnuz", "float8_e8m0fnu"):
            if hasattr(torch, dtype):
                made = getattr(torch, dtype)
                values[f"dtype {dtype}"] = {"d": made}
                try:
                    values[f"tensor {dtype}"] = torch.ones(4).to(made)
                except RuntimeError:
                    pass
        try:
            import numpy
            values.update({"array": numpy.arange(6.0), "numpy scalar": numpy.float64(3), "numpy dtype": numpy.dtype("f4"),
                           "numpy int": numpy.int64(3), "in dict": {"step": numpy.int32(4), "w": t}})
        except ImportError:
            pass
        quantized = torch.quantize_per_tensor(t, 0.1, 3, torch.quint8)
        channels = torch.quantize_per_channel(t, torch.ones(3) / 9, torch.zeros(3, dtype=torch.int64), 0, torch.qint8)
        values.update({"quantized": quantized, "per channel": channels, "qint32": torch.quantize_per_tensor(t, 1.0, 0, torch.qint32)})
        values.update({"sparse": t.to_sparse(), "coalesced": t.to_sparse().coalesce(), "csr": t.to_sparse_csr()})
        if hasattr(t, "to_sparse_csc"):
            values.update({"csc": t.to_sparse_csc(), "bsr": t[:2].to_sparse_bsr((1, 2)), "bsc": t[:2].to_sparse_bsc((1, 2))})
        values["conj"] = torch.ones(3, dtype=torch.complex64).conj()
        values["neg"] = torch.ones(3, dtype=torch.complex64).conj().imag
        values["meta"] = torch.empty(3, 4, device="meta")
        attributed = torch.nn.Parameter(t)
        attributed.note = "mine"
        values["parameter with attribute"] = attributed
        noted = t.clone()
        noted.note = [1]
        values["tensor with attribute"] = noted
        if hasattr(torch.nn, "Buffer"):
            values["buffer"] = torch.nn.Buffer(t)
        if not IS_OLD:
            values["nested"] = torch.nested.nested_tensor([torch.ones(2), torch.ones(3)])
        values["generator state"] = torch.get_rng_state()
        values.update(self.optimizers())
        return values

    def optimizers(self):
        out = {}
        for name in ("SGD", "Adam", "AdamW", "Adamax", "Adagrad", "Adadelta", "RMSprop", "Rprop", "ASGD", "NAdam", "RAdam",
                     "LBFGS"):
            net = torch.nn.Linear(2, 2)
            optimizer = getattr(torch.optim, name)(net.parameters(), lr=1 if name == "SGD" else 0.1)

            def closure():
                optimizer.zero_grad()
                loss = net(torch.ones(1, 2)).sum()
                loss.backward()
                return loss

            optimizer.step(closure)
            out[f"optimizer {name}"] = optimizer.state_dict()
        scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 3)
        out["scheduler"] = scheduler.state_dict()
        return out

    def test_saved_values(self):
        files = []
        for label, value in self.values().items():
            for options in ({}, {"_use_new_zipfile_serialization": False}):
                # A legacy stream's storages are filled last: PyTorch makes a nested tensor of sizes that are not there
                # yet, and takes it or not by what the memory holds.
                if label == "nested" and options:
                    continue
                try:
                    files.append((f"{label} {options}", saved(value, **options)))
                except Exception:  # this PyTorch cannot save it
                    continue
        yes = self.judge(files, 90)
        self.assertGreater(yes, 30)

    def test_protocols(self):
        files = []
        values = self.values()
        for label in ("tensor", "state_dict", "int", "big int", "float", "bytes", "bytearray", "set", "frozenset", "tuple",
                      "ordered", "string", "object", "none", "list", "parameter", "many", "complex"):
            for number in range(6):
                for zipped in (True, False):
                    try:
                        content = saved(values[label], pickle_protocol=number, _use_new_zipfile_serialization=zipped)
                    except Exception:
                        continue
                    files.append((f"{label} protocol {number} zip {zipped}", content))
        self.judge(files, 60)

    def test_random_trees(self):
        rng = self.random
        leaves = [lambda: rng.randrange(-10**6, 10**6), lambda: rng.random() < 0.5, lambda: None, lambda: "x" * rng.randrange(9),
                  lambda: torch.rand(rng.randrange(4), 2), lambda: torch.nn.Parameter(torch.rand(2)), lambda: 1 << rng.randrange(90),
                  lambda: torch.Size([rng.randrange(5)]), lambda: torch.float32]
        rare = [lambda: rng.random(), lambda: b"raw", lambda: {rng.randrange(9)}, lambda: Plain(), lambda: Colour.RED,
                lambda: 1j, lambda: torch.bool, lambda: torch.device("cpu"), lambda: range(3), lambda: torch.nn.ReLU(),
                lambda: collections.Counter("ab"), lambda: bytearray(b"x"), lambda: frozenset("a"),
                lambda: torch.quantize_per_tensor(torch.rand(2), 1.0, 0, torch.qint8), lambda: torch.rand(2, 2).to_sparse()]

        def tree(depth):
            roll = rng.random()
            if depth == 0 or roll < 0.3:
                return rng.choice(rare if rng.random() < 0.06 else leaves)()
            items = [tree(depth - 1) for _ in range(rng.randrange(5))]
            keys = [rng.choice([f"k{i}", i]) for i in range(len(items))]
            return rng.choice([items, tuple(items), dict(zip(keys, items)), collections.OrderedDict(zip(keys, items))])

        files = [(f"tree {i}", saved(tree(4), pickle_protocol=rng.choice([2, 2, 2, 3, 4]))) for i in range(150)]
        yes = self.judge(files, 120)
        self.assertGreater(yes, 20)

    # ---- globals

    def test_every_allowed_global_and_its_neighbours(self):
        from torch import _weights_only_unpickler
        names = {tuple(name.rsplit(".", 1)) for name in _weights_only_unpickler._get_allowed_globals()}
        self.assertGreater(len(names), 80)
        for name in dir(torch):
            if name.endswith(("Storage", "Tensor")) or isinstance(getattr(torch, name), torch.dtype):
                names.add(("torch", name))
        for module in (torch._utils, torch._tensor, torch.storage, torch.nn.parameter, torch.serialization, collections):
            for name in dir(module):
                if not name.startswith("__"):
                    names.add((module.__name__, name))
        for name in ("set", "frozenset", "bytearray", "bytes", "complex", "int", "eval", "dict", "list", "object", "long", "unicode"):
            names.update({("builtins", name), ("__builtin__", name)})
        names.update({("_codecs", "encode"), ("_codecs", "decode"), ("os", "system"), ("posix", "system"), ("sys", "exit"),
                      ("torch.tensor", "_rebuild_from_type_v2"), ("torch", "_utils._rebuild_tensor_v2"),
                      ("torch._tensor", "_rebuild_from_type_v2"), ("UserDict", "UserDict"), ("torch.cuda.sparse", "BoolTensor"),
                      ("torch", "storage.UntypedStorage"), ("torch.nn", "Parameter"), ("torch.nn", "parameter.Parameter")})
        files = [(f"GLOBAL {module} {name}", zip_file(proto() + glob(module, name) + b".")) for module, name in sorted(names)]
        self.judge(files, len(files) * 9 // 10)

    def arguments(self):
        """Pieces of pickles that may be arguments."""
        return [NONE, TRUE, FALSE, integer(0), integer(1), integer(2), integer(300), integer(-1), integer(1 << 70),
                text("a"), text(""), text("latin1"), text("cpu"), text("cuda:1"), text("torch.sparse_coo"), text("torch.jagged"),
                tup(), tup(integer(1)), tup(integer(2), integer(3)), tup(integer(3), integer(1)), lst(), lst(integer(1), integer(2)),
                lst(tup(text("a"), integer(1))), dct(), dct(text("a"), integer(1)), dct(integer(1), integer(2)), ORDERED, PLAIN,
                INTS, COMPLEX, PARAMETER, pid(), glob("torch", "float32"), glob("torch", "int64"), glob("torch", "Tensor"),
                glob("torch.nn.parameter", "Parameter"), call(glob("torch", "Size"), tup(integer(2), integer(3))),
                call(glob("torch", "Size"), tup(integer(6))), lst(PLAIN), tup(lst()), real(0.5) if not IS_OLD else integer(7)]

    def callees(self):
        from torch import _weights_only_unpickler
        return [tuple(name.rsplit(".", 1)) for name in sorted(_weights_only_unpickler._get_allowed_globals())]

    def test_calls_with_random_arguments(self):
        rng = self.random
        pool = self.arguments()
        files = []
        for module, name in self.callees():
            for form in (call, new):
                for count in (0, 1, 1, 1, 2, 2, 3):
                    args = [rng.choice(pool) for _ in range(count)]
                    data = proto() + form(glob(module, name), *args) + b"."
                    files.append((f"{form.__name__} {module}.{name} {data!r}", zip_file(data)))
        # As many as pass in a minute; which, the seed decides.
        self.judge(rng.sample(files, min(len(files), 900)), 300)

    def test_tensors_of_storages(self):
        """torch.FloatTensor(storage) and its like."""
        files = []
        kinds = [(name, pid("2", f"{name}Storage", 48 // size)) for name, size in (
            ("Float", 4), ("Double", 8), ("Half", 2), ("BFloat16", 2), ("Int", 4), ("Bool", 1), ("QInt8", 1))]
        kinds.append(("Untyped", pid("2", "UntypedStorage", 48, module="torch.storage")))
        for module, name in self.callees():
            if not name.endswith("Tensor") or name.startswith("_rebuild"):
                continue
            for form in (call, new):
                for kind, argument in kinds:
                    data = proto() + form(glob(module, name), argument) + b"."
                    files.append((f"{form.__name__} {module}.{name} of {kind}", zip_file(data)))
        # Most classes are read without arguments only: no pickler writes others.
        self.judge(files, 16)

    def test_every_argument_to_the_small_classes(self):
        files = []
        for module, name in self.callees():
            if name.startswith("_rebuild") or name.endswith(("Tensor", "Storage")) or hasattr(torch, name) and isinstance(
                    getattr(torch, name), torch.dtype):
                continue
            for form in (call, new):
                for argument in self.arguments():
                    data = proto() + form(glob(module, name), argument) + b"."
                    files.append((f"{form.__name__} {module}.{name} {data!r}", zip_file(data)))
        self.judge(files, len(files) // 2)

    def test_devices(self):
        """One or two arguments: a name that has an index takes none beside it, not even None."""
        names = ["cpu", "cuda", "meta", "mps", "cuda:0", "cuda:1", "cuda:01", "cuda:-1", "cuda:", "cpu:0", "CUDA", "gpu", "", ":"]
        second = [integer(0), integer(3), integer(-1), NONE, TRUE, text("1"), real(1)]
        files = []
        for name in names:
            for rest in [[]] + [[argument] for argument in second]:
                data = proto() + call(glob("torch", "device"), text(name), *rest) + b"."
                files.append((f"device {name!r} {data!r}", zip_file(data)))
        self.judge(files, 20)

    def test_rebuild_functions(self):
        """Calls that are right but for one argument."""
        u = functools.partial(glob, "torch._utils")
        sizes, strides, zero = tup(integer(2), integer(3)), tup(integer(3), integer(1)), integer(0)
        bytes_pid = pid("2", "UntypedStorage", 48, module="torch.storage")
        f32, layout = glob("torch", "float32"), functools.partial(call, glob("torch.serialization", "_get_layout"))
        indices = tensor("1", "LongStorage", 6, (1, 3), (3, 1))
        values = tensor(shape=(3,), strides=(1,))
        quantized = pid("2", "QInt8Storage", 48)
        scheme = functools.partial(glob, "torch")
        right = {
            "_rebuild_tensor": [pid(), zero, sizes, strides],
            "_rebuild_tensor_v2": [pid(), zero, sizes, strides, FALSE, ORDERED],
            "_rebuild_tensor_v2 flags": [pid("2", "ComplexFloatStorage"), zero, sizes, strides, TRUE, ORDERED, dct(text("conj"), TRUE)],
            "_rebuild_tensor_v3": [bytes_pid, zero, sizes, strides, FALSE, ORDERED, f32],
            "_rebuild_tensor_v3 flags": [bytes_pid, zero, sizes, strides, FALSE, NONE, f32, dct(text("neg"), TRUE)],
            "_rebuild_parameter": [PLAIN, TRUE, ORDERED],
            "_rebuild_parameter_with_state": [PLAIN, TRUE, ORDERED, dct(text("note"), integer(1))],
            "_rebuild_sparse_tensor": [layout(text("torch.sparse_coo")), tup(indices, values, tup(integer(9)))],
            "_rebuild_sparse_tensor coalesced": [layout(text("torch.sparse_coo")), tup(indices, values, tup(integer(9)), FALSE)],
            "_rebuild_meta_tensor_no_storage": [f32, sizes, strides, FALSE],
            "_rebuild_qtensor": [quantized, zero, sizes, strides, tup(scheme("per_tensor_affine"), real(0.5), zero), FALSE, ORDERED],
            "_rebuild_qtensor channels": [quantized, zero, sizes, strides, tup(scheme("per_channel_affine"), lst(real(1), real(2)),
                                                                              lst(zero, zero), zero), FALSE, ORDERED],
            "_rebuild_device_tensor_from_cpu_tensor": [PLAIN, f32, text("cpu"), FALSE],
            "_rebuild_device_tensor_from_numpy": [PLAIN, f32, text("cpu"), FALSE],
            "_rebuild_wrapper_subclass": [glob("torch", "Tensor"), f32, sizes, strides, zero, layout(text("torch.strided")),
                                          text("cpu"), FALSE],
        }
        other = [NONE, TRUE, FALSE, integer(0), integer(1), integer(-1), text("a"), tup(), lst(), dct(), sizes, strides,
                 lst(integer(2), integer(3)), PLAIN, INTS, pid(), pid("1", "LongStorage"), f32, ORDERED, tup(NONE, NONE),
                 dct(text("shape"), integer(1)), dct(integer(1), integer(1)), dct(text("requires_grad"), FALSE),
                 dct(text("grad"), NONE), tup(dct(text("a"), integer(1)), dct(text("b"), integer(1))),
                 call(glob("torch", "Size"), sizes), glob("torch", "bool"), glob("torch", "float16")]
        files = []
        for name, args in right.items():
            function = u(name.split()[0])
            variants = [args, args[:-1], args + [NONE]]
            variants += [args[:i] + [value] + args[i + 1:] for i in range(len(args)) for value in other]
            for variant in variants:
                data = proto() + call(function, *variant) + b"."
                files.append((f"{name} {data!r}", zip_file(data)))
        state = functools.partial(call, glob("torch._tensor", "_rebuild_from_type_v2"))
        plain_args = tup(pid(), zero, sizes, strides, FALSE, ORDERED)
        for function, cls, args, attributes in itertools.product(
                [u("_rebuild_tensor_v2"), glob("collections", "OrderedDict"), NONE], [glob("torch", "Tensor"),
                glob("torch.nn.parameter", "Parameter"), f32], [plain_args, tup()],
                [dct(text("a"), integer(1)), NONE, tup(NONE, dct(text("a"), NONE)), dct(text("T"), NONE), integer(3)]):
            data = proto() + state(function, cls, args, attributes) + b"."
            files.append((f"_rebuild_from_type_v2 {data!r}", zip_file(data)))
        self.judge(self.random.sample(files, 900), 150)

    # ---- opcodes

    def test_every_opcode(self):
        one = integer(1)
        pieces = {
            "PROTO 3": proto(3) + one, "PROTO 5": proto(5) + one, "none": one, "PROTO twice": proto() + proto() + one,
            "MARK POP": b"(0" + one, "POP": one + one + b"0", "POP_MARK": one + b"(" + one + b"1", "DUP": one + b"2",
            "NONE": NONE, "NEWTRUE": TRUE, "BININT2": b"M\x01\x02", "LONG1": b"\x8a\x02\x01\x02", "LONG1 empty": b"\x8a\x00",
            "LONG4": b"\x8b\x01\x00\x00\x00\x05", "INT": b"I5\n", "INT bool": b"I01\n", "LONG": b"L5L\n", "BINFLOAT": real(2.5),
            "FLOAT": b"F2.5\n", "SHORT_BINUNICODE": b"\x8c\x01a", "BINUNICODE8": b"\x8d" + struct.pack("<Q", 1) + b"a",
            "UNICODE": b"Vab\n", "SHORT_BINSTRING": b"U\x02ab", "SHORT_BINSTRING latin": b"U\x01\xff",
            "BINSTRING": b"T\x01\x00\x00\x00a", "STRING": b"S'a'\n", "SHORT_BINBYTES": b"C\x01a",
            "BINBYTES": b"B\x01\x00\x00\x00a", "BINBYTES8": b"\x8e" + struct.pack("<Q", 1) + b"a",
            "BYTEARRAY8": b"\x96" + struct.pack("<Q", 1) + b"a", "EMPTY_TUPLE": b")", "TUPLE1": one + b"\x85",
            "TUPLE2": one + one + b"\x86", "TUPLE3": one + one + one + b"\x87", "TUPLE": b"(" + one + b"t", "LIST": b"(" + one + b"l",
            "APPEND": b"]" + one + b"a", "APPENDS": b"](" + one + b"e", "DICT": b"(" + one + one + b"d", "SETITEM": b"}" + one + one + b"s",
            "SETITEMS": b"}(" + one + one + b"u", "SETITEMS none": b"}(u", "APPENDS none": b"](e", "EMPTY_SET": b"\x8f",
            "ADDITEMS": b"\x8f(" + one + b"\x90", "FROZENSET": b"(" + one + b"\x91",
            "STACK_GLOBAL": text("collections") + text("OrderedDict") + b"\x93", "NEWOBJ_EX": glob("collections", "OrderedDict") + b")}\x92",
            "OBJ": b"(" + glob("collections", "OrderedDict") + b"o", "INST": b"(icollections\nOrderedDict\n",
            "PUT": one + b"p0\n", "BINPUT": one + b"q\x05h\x05\x86", "LONG_BINPUT": one + b"r\x05\x00\x00\x01j\x05\x00\x00\x01\x86",
            "MEMOIZE": one + b"\x94", "GET": one + b"q\x00g0\n\x86", "redefined": one + b"q\x00" + NONE + b"q\x00h\x00\x87",
            "FRAME": b"\x95" + struct.pack("<Q", 3) + one, "left over": one + NONE, "open mark": b"(" + one,
            "PERSID": b"P0\n", "BINPERSID": pid(), "bytes behind": one + b"." + b"junk", "surrogate": b"X\x03\x00\x00\x00\xed\xa0\x80",
        }
        files = []
        for (label, piece), header in itertools.product(pieces.items(), (proto(), b"")):
            files.append((f"{label} {header!r}", zip_file(header + piece + b".")))
        self.judge(files, 60)

    def test_random_programs(self):
        """Random pickles that mostly run: a stack is kept on the side."""
        rng = self.random
        pool = self.arguments()

        def program():
            out, depth = proto(), 0
            memo = []
            for _ in range(rng.randrange(3, 25)):
                choice = rng.random()
                if choice < 0.45 or depth == 0:
                    out += rng.choice(pool)
                    depth += 1
                elif choice < 0.55:
                    key = rng.randrange(4)
                    out += b"q" + bytes([key])
                    memo.append(key)
                elif choice < 0.65 and memo:
                    out += b"h" + bytes([rng.choice(memo)])
                    depth += 1
                elif choice < 0.8:
                    n = min(depth, rng.randrange(1, 4))
                    out += bytes([0x84 + n])
                    depth -= n - 1
                elif choice < 0.9:
                    items = b"".join(rng.choice(pool) for _ in range(rng.randrange(4)))
                    out += b"](" + items + b"e"
                    depth += 1
                else:
                    out += b"}(" + b"".join(rng.choice(pool) for _ in range(2 * rng.randrange(3))) + b"u"
                    depth += 1
            return out + b"."

        files = [(f"program {data!r}", zip_file(data)) for data in (program() for _ in range(300))]
        self.judge(files, 150)

    def test_build_and_item_targets(self):
        targets = self.arguments() + [call(glob("collections", "Counter")), call(glob("builtins", "set")), b"\x8f",
                                      call(glob("builtins", "bytearray")), call(glob("torch", "device"), text("cpu")),
                                      call(glob("torch", "FloatTensor")), call(glob("torch", "Size"), tup())]
        states = [NONE, dct(), dct(text("a"), integer(1)), dct(integer(1), integer(2)), tup(), tup(NONE, NONE), lst(),
                  tup(NONE, dct(text("a"), integer(1))), tup(pid(), integer(0), tup(integer(2)), tup(integer(1))),
                  tup(TRUE, FALSE, ORDERED), tup(PLAIN, NONE, ORDERED, TRUE, FALSE), integer(5), text("x"),
                  dct(text("_metadata"), ORDERED), lst(tup(text("a"), integer(1)))]
        files = []
        for target in targets:
            for state in states:
                files.append((f"BUILD {target!r} {state!r}", zip_file(proto() + build(target, state) + b".")))
            for key in (integer(0), integer(9), integer(-1), text("a"), NONE, tup(integer(1), text("a")), lst(), dct(), PLAIN,
                        tup(lst()), b"\x8f", glob("torch", "float32")):
                files.append((f"SETITEM {target!r} {key!r}", zip_file(proto() + target + key + integer(1) + b"s.")))
            files.append((f"SETITEMS {target!r}", zip_file(proto() + target + b"(u.")))
            files.append((f"APPEND {target!r}", zip_file(proto() + target + integer(1) + b"a.")))
            files.append((f"APPENDS {target!r}", zip_file(proto() + target + b"(" + integer(1) + b"e.")))
        self.judge(files, 60)

    # ---- persistent ids and records

    def test_persistent_ids(self):
        storage, cls = text("storage"), glob("torch", "FloatStorage")
        good = [storage, cls, text("0"), text("cpu"), integer(6)]
        others = [NONE, integer(0), integer(6), text("cpu"), text("module"), b"U\x07storage", glob("torch", "FloatTensor"),
                  glob("torch.cuda", "FloatStorage"), glob("torch.storage", "UntypedStorage"), glob("torch.storage", "TypedStorage"),
                  glob("torch", "float32"), glob("torch.nn.parameter", "Parameter"), text("1"), text("../0"), lst(), tup(),
                  text("cuda:0"), text("elsewhere"), integer(-1), TRUE]
        pids = [tup(*good), lst(*good), tup(*good[:4]), tup(*good, NONE), integer(0), text("0"), tup(), NONE, dct()]
        pids += [tup(*good[:i], other, *good[i + 1:]) for i in range(5) for other in others]
        files = [(f"PID {data!r}", zip_file(proto() + data + b"Q.")) for data in pids]
        self.judge(files, 8)

    def test_records(self):
        data = proto() + dct(text("w"), PLAIN) + b"."
        cases = {
            "plain": {}, "little": {"byteorder": b"little"}, "big": {"byteorder": b"big"}, "format": {".format_version": b"1"},
            "alignment": {".storage_alignment": b"64"}, "odd alignment": {".storage_alignment": b"x"},
            "alignment line": {".storage_alignment": b"64\n"}, "id": {".data/serialization_id": b"0" * 40},
            "version 1": {"version": b"1"}, "version 10": {"version": b"10\n"}, "data version": {"version": None, ".data/version": b"3\n"},
            "unknown record": {"notes.txt": b"hello"}, "second pickle": {"other.pkl": proto() + glob("os", "system") + b"."},
        }
        files = [(label, zip_file(data, **extra)) for label, extra in cases.items()]
        self.judge(files, 11)

    def test_torchscript(self):
        path = self.folder / "script.pt"
        torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), str(path))
        answers = verify(path)
        if answers["structure"] == "refused":
            self.skipTest(answers["error"])
        self.assertEqual(answers["weights_only"][PYTORCH]["accepted"], torch_takes(path)[0])

    def test_the_reason_is_the_first(self):
        """PyTorch stops at the first opcode that it does not like; so does the reason."""
        first = glob("os", "system")
        data = proto() + lst(integer(1), first, glob("builtins", "eval"), real(1.0)) + b"."
        path = self.folder / "first.pt"
        path.write_bytes(zip_file(data))
        for answer in verify(path)["weights_only"].values():
            self.assertFalse(answer["accepted"])
            self.assertIn("os.system", answer["reason"])
            self.assertEqual(answer["offset"], data.index(first))
            self.assertEqual(answer["record"], "archive/data.pkl")
