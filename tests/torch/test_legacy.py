"""Files of old PyTorch: legacy streams both ways, tar archives and plain pickles read, leaf by leaf."""

import collections
import io
import json
import pickle
import pickletools
import random
import struct
import tarfile

import torch
from torch import nn

from sconce_torch import DTYPES, SEED, TORCH_VERSION, digest, has_memory, needs_torch, run_probe, run_sconce, tensor_bytes
from test_checkpoint import Case, aligned, expected_tree, load, random_tensor, random_value

STORAGES = ["Bool", "Byte", "Char", "Short", "Int", "Long", "Half", "BFloat16", "Float", "Double", "ComplexFloat",
            "ComplexDouble", "QInt8", "QUInt8", "QInt32", "QUInt4x2", "QUInt2x4"]
STREAM = {"_use_new_zipfile_serialization": False}


def stored(file):
    """The five pickles of a legacy stream as (begin, end)."""
    begin, out = 0, []
    for _ in range(5):
        file.seek(begin)
        collections.deque(pickletools.genops(file), maxlen=0)
        out.append((begin, file.tell()))
        begin = file.tell()
    return out


def object_opcodes(path):
    """The opcodes of the object in a legacy stream, its storage keys numbered in order of first mention."""
    data = path.read_bytes()
    places = stored(io.BytesIO(data))
    keys = {}
    for key in pickle.loads(data[slice(*places[4])]):
        keys[key] = None
    out = []
    classes = set()  # memo indices of globals
    after_class = False  # where a persistent id has its key
    for opcode, argument, _ in pickletools.genops(data[slice(*places[3])]):
        if opcode.name in ("BINPUT", "LONG_BINPUT"):
            if out[-1][0] == "GLOBAL":
                classes.add(argument)
        elif after_class and isinstance(argument, str) and argument in keys:
            if keys[argument] is None:
                keys[argument] = sum(number is not None for number in keys.values())
            argument = ("storage", keys[argument])
        after_class = opcode.name == "GLOBAL" or (opcode.name in ("BINGET", "LONG_BINGET") and argument in classes) or \
            (after_class and opcode.name in ("BINPUT", "LONG_BINPUT"))
        out.append((opcode.name, argument))
    return out


class Legacy(Case):
    def stream(self, value, name="value.pt", **options):
        path = self.folder / name
        torch.save(value, path, **STREAM, **options)
        return path

    def as_legacy(self, path, *options):
        out = self.folder / "legacy.pt"
        run_probe("resave", path, out, "format=torch-legacy", *options)
        return out

    def loads_everywhere(self, expected, path, weights_only=True):
        self.assert_same(expected, load(path))
        if TORCH_VERSION >= (2, 0) and weights_only:
            self.assert_same(expected, load(path, weights_only=True))

    def check(self, value, weights_only=True, **options):
        """PyTorch -> sconce -> PyTorch by way of both containers, and what sconce saw in between."""
        path = self.stream(value, **options)
        expected = load(path)
        tree = expected_tree(expected)
        self.assertEqual(tree, aligned(self.probe_tree(path), tree), f"SCONCE_SEED={SEED}")
        ours = self.as_legacy(path)
        self.loads_everywhere(expected, ours, weights_only)
        self.loads_everywhere(expected, self.resave(path), weights_only)
        self.loads_everywhere(expected, self.resave(path, "map"), weights_only)
        # Read and written again it is the same bytes.
        again = self.folder / "again.pt"
        run_probe("resave", ours, again, "format=torch-legacy")
        self.assertEqual(ours.read_bytes(), again.read_bytes())

    def listing(self, path):
        return json.loads(run_probe("list", path).stdout)


class Streams(Legacy):
    def test_every_dtype(self):
        self.check({str(dtype): random_tensor(dtype, (2, 3)) for dtype in DTYPES})

    def test_every_storage_class(self):
        for name in STORAGES:
            cls = getattr(torch, f"{name}Storage")
            dtype = cls.dtype if hasattr(cls, "dtype") else cls._dtype
            raw = torch.randint(0, 2 if name == "Bool" else 256, (48,), dtype=torch.uint8)
            untyped = raw.untyped_storage() if hasattr(raw, "untyped_storage") else raw.storage()._storage
            path = self.stream([torch.storage.TypedStorage(wrap_storage=untyped, dtype=dtype)])
            tensor = self.listing(path)["tensors"][0]
            self.assertEqual(tensor["dtype"], str(dtype)[6:])
            self.assertEqual(tensor["bytes"], 48)
            self.assertEqual(tensor["sha256"], digest(raw), name)

    def test_quantized(self):
        source = torch.randn(4, 3)
        value = {"tensor": torch.quantize_per_tensor(source, 0.1, 3, torch.quint8),
                 "signed": torch.quantize_per_tensor(source, 0.1, 0, torch.qint8),
                 "wide": torch.quantize_per_tensor(source, 0.01, 0, torch.qint32),
                 "channel": torch.quantize_per_channel(source, torch.rand(4).double() + 0.1, torch.arange(4), 0, torch.qint8)}
        actual = load(self.as_legacy(self.stream(value)))
        for name, expected in value.items():
            self.assertEqual(expected.qscheme(), actual[name].qscheme())
            self.assertEqual(tensor_bytes(expected), tensor_bytes(actual[name]))
            self.assertTrue(torch.equal(expected.dequantize(), actual[name].dequantize()))

    def test_protocols(self):
        value = {"w": torch.randn(3, 4), "nested": [{"a": (torch.ones(2), "text", 2**70)}],
                 "ordered": collections.OrderedDict(x=torch.arange(5), y=1.5), "list": list(range(1500))}
        for protocol in (1, 2, 3, 4, 5):
            with self.subTest(protocol=protocol):
                self.check(value, pickle_protocol=protocol)

    def test_protocol_zero_is_refused_as_pytorch_does(self):
        path = self.stream({"w": torch.ones(2)}, pickle_protocol=0)
        with self.assertRaises(AssertionError):
            load(path)
        self.assertEqual(run_probe("tree", path, check=False).returncode, 2)

    def test_views_ties_and_parameters(self):
        base, tied = torch.randn(4, 6), torch.randn(3)
        self.check({"whole": base, "transposed": base.t(), "row": base[1], "column": base[:, 2], "step": base[::2, 1::3],
                    "expanded": base[0].expand(5, 6), "tied": [tied, tied, tied.view(3, 1)], "scalar": torch.tensor(3.0),
                    "leaf": torch.randn(3, requires_grad=True), "parameter": nn.Parameter(torch.randn(2, 2)),
                    "empty": torch.empty(0, 3)})

    def test_models_and_optimizers(self):
        model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4, 2))
        for make in (lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9), torch.optim.Adam, torch.optim.RMSprop,
                     torch.optim.Adagrad, torch.optim.LBFGS):
            optimizer = make(model.parameters())
            for parameter in model.parameters():
                parameter.grad = torch.randn_like(parameter)
            optimizer.step(lambda: torch.tensor(1.0))
            value = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": 3}
            self.check(value)
            # The pickle is PyTorch's own, opcode by opcode.
            path = self.stream(value)
            self.assertEqual(object_opcodes(path), object_opcodes(self.as_legacy(path)))

    def test_random_trees(self):
        rng = random.Random(SEED)
        for _ in range(8):
            self.check([random_value(rng, [], 4) for _ in range(3)], pickle_protocol=rng.choice([2, 2, 3, 4]))

    def test_whole_modules(self):
        model = nn.Sequential(nn.Linear(3, 2), nn.Sequential(nn.BatchNorm1d(2), nn.Linear(2, 2)))
        path = self.stream({"net": model, "epoch": 1})
        listing = self.listing(path)
        self.assertEqual({tensor["name"]: tensor["sha256"] for tensor in listing["tensors"]},
                         {f"net.{name}": digest(tensor) for name, tensor in model.state_dict().items()})
        # The source text that PyTorch put beside the classes is in no tree.
        self.assertNotIn("def forward", run_probe("tree", path).stdout)
        run_probe("resave", path, self.folder / "state.pt", "recover", "format=torch-legacy")
        actual = load(self.folder / "state.pt", **({"weights_only": True} if TORCH_VERSION >= (2, 0) else {}))
        self.assert_same(model.state_dict(), actual["net"])

    def test_dtypes_without_a_storage_class_are_refused(self):
        if not hasattr(torch, "float8_e5m2"):
            self.skipTest("needs float8")
        path = self.save({"model": {"w": torch.zeros(2).to(torch.float8_e5m2)}})
        result = run_probe("resave", path, self.folder / "out.pt", "format=torch-legacy", check=False)
        self.assertEqual(result.returncode, 2)
        self.assertIn("model.w", result.stderr)
        self.assertFalse((self.folder / "out.pt").exists())

    @needs_torch(2, 0)
    def test_nested_tensors_are_refused(self):
        """PyTorch itself makes them of memory that it has not read yet."""
        path = self.save({"n": torch.nested.nested_tensor([torch.ones(2), torch.ones(3)])})
        result = run_probe("resave", path, self.folder / "out.pt", "format=torch-legacy", check=False)
        self.assertEqual(result.returncode, 2)
        self.assertIn("nested", result.stderr)
        self.assertFalse((self.folder / "out.pt").exists())
        report = json.loads(run_sconce("verify", "--json", self.stream(load(path))).stdout)
        self.assertEqual([False], [answer["accepted"] for version, answer in report["weights_only"].items() if version == "2.13"])

    def test_cut_anywhere(self):
        path = self.stream({"w": torch.randn(50, 20), "v": torch.arange(40)})
        data = path.read_bytes()
        for size in random.Random(SEED).sample(range(len(data)), 20):
            path.write_bytes(data[:size])
            with self.assertRaises(Exception):
                load(path)
            self.assertEqual(run_probe("list", path, check=False).returncode, 2, f"{size} SCONCE_SEED={SEED}")


class Ids(pickle.Pickler):
    """Writes stand-ins as whatever persistent id they carry."""

    class Id:
        def __init__(self, *pid):
            self.pid = pid[0] if len(pid) == 1 else pid

    class Call:
        def __init__(self, function, *args):
            self.function, self.args = function, args

        def __reduce__(self):
            return self.function, self.args

    def persistent_id(self, thing):
        return thing.pid if isinstance(thing, Ids.Id) else None


def pickled(value, protocol=2):
    out = io.BytesIO()
    Ids(out, protocol).dump(value)
    return out.getvalue()


class Handmade(Legacy):
    """Forms that PyTorch reads and no longer writes."""

    def test_views_of_storages(self):
        rng = random.Random(SEED)
        numbers = torch.randn(40)
        views = {}

        def tensor():
            if rng.random() < 0.3:
                pid, numel = Ids.Id("storage", torch.FloatStorage, "root", "cpu", 40, None), 40
            else:
                key = f"view{rng.randrange(6)}"
                begin, end = sorted(rng.sample(range(41), 2))
                views.setdefault(key, (key, begin, end - begin))
                pid = Ids.Id("storage", torch.FloatStorage, "root", "cpu", 40, views[key])
                numel = views[key][2]
            size = rng.randrange(numel + 1)
            return Ids.Call(torch._utils._rebuild_tensor, pid, rng.randrange(numel - size + 1), (size,), (1,))

        for protocol in (2, 3, 4):
            value = {str(i): tensor() for i in range(12)}
            path = self.folder / "views.pt"
            path.write_bytes(b"".join(pickled(part, protocol) for part in (0x1950A86A20F9469CFC6C, 1001, {}, value, ["root"])) +
                             struct.pack("<q", 40) + tensor_bytes(numbers))
            expected = load(path)
            ours = load(self.as_legacy(path))
            self.assertEqual(list(expected), list(ours))
            owner = {tensor.data_ptr() for tensor in ours.values() if has_memory(tensor)}
            for name in expected:
                self.assertTrue(torch.equal(expected[name], ours[name]), f"{name} SCONCE_SEED={SEED}")
            # All stand on one storage of 40 numbers, as they do in PyTorch.
            roots = {tensor.storage().data_ptr() for tensor in ours.values() if tensor.numel()}
            self.assertLessEqual(len(roots), 1 if owner else 0)

    def test_old_tensor_classes(self):
        path = self.folder / "old.pt"
        numbers = torch.arange(6.0)

        class Set(Ids.Call):
            def __reduce__(self):
                return self.function, (), self.args

        pid = Ids.Id("storage", torch.FloatStorage, "0", "cpu", 6, None)
        value = {"dense": Set(torch.FloatTensor, pid, 1, (2, 2), (2, 1))}
        for protocol in (1, 2, 3, 4):
            path.write_bytes(b"".join(pickled(part, protocol) for part in (0x1950A86A20F9469CFC6C, 1001, {}, value, ["0"])) +
                             struct.pack("<q", 6) + tensor_bytes(numbers))
            self.assert_same(load(path), load(self.resave(path)))

    def tar(self, rng, alpha=False):
        """A tar archive of 0.1 with several storages, views of them and tensors over both."""
        storages, views, tensors = {}, [], {}
        for key in rng.sample(range(100, 200), 3):
            dtype = rng.choice([torch.float32, torch.int64, torch.uint8, torch.float64])
            storages[key] = random_tensor(dtype, (rng.randrange(8, 20),))
        sizes = {key: (key, numbers.dtype, len(numbers)) for key, numbers in storages.items()}
        for key in range(200, 200 if alpha else 203):
            root = rng.choice(list(storages))
            begin, end = sorted(rng.sample(range(len(storages[root]) + 1), 2))
            views.append((key, root, begin, end - begin))
            sizes[key] = (root, storages[root].dtype, end - begin)
        for key in range(300, 308):
            storage = rng.choice(list(sizes))
            numel = sizes[storage][2]
            rows = rng.randrange(1, 4)
            columns = numel // rows
            tensors[key] = (storage, (rows, columns), rng.choice([(columns, 1), (1, rows)]), numel - rows * columns)

        def classes(dtype):
            name = {torch.float32: "Float", torch.int64: "Long", torch.uint8: "Byte", torch.float64: "Double"}[dtype]
            return getattr(torch, f"{name}Storage"), getattr(torch, f"{name}Tensor")

        parts = {"sys_info": pickled({"protocol_version": 1000, "little_endian": True})}
        parts["pickle"] = pickled({"t": [Ids.Id(str(key)) for key in tensors], "again": Ids.Id("300")})
        parts["tensors"] = pickled(len(tensors))
        for key, (storage, shape, strides, offset) in tensors.items():
            cls = classes(sizes[storage][1])[1]
            parts["tensors"] += pickled((key, cls, storage) if alpha else (key, storage, cls))
            parts["tensors"] += struct.pack("<iI5q", 2, rng.getrandbits(32), *shape, *strides, offset)
        parts["storages"] = pickled(len(storages))
        for key, numbers in storages.items():
            cls = classes(numbers.dtype)[0]
            parts["storages"] += pickled((key, cls) if alpha else (key, "cpu", cls))
            parts["storages"] += struct.pack("<q", len(numbers)) + tensor_bytes(numbers)
        if not alpha:
            parts["storages"] += pickled(views)
        path = self.folder / "old.tar"
        with tarfile.open(path, "w:", format=tarfile.PAX_FORMAT) as archive:
            for name, data in parts.items():
                info = tarfile.TarInfo(name)
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
        return path, {key: (storages[sizes[s][0]], s, shape, strides, offset) for key, (s, shape, strides, offset) in tensors.items()}

    def test_tar_archives(self):
        rng = random.Random(SEED)
        for _ in range(5):
            path, _ = self.tar(rng)
            expected = load(path)
            ours = load(self.resave(path))
            self.assertEqual(self.listing(path)["format"], "torch-tar")
            self.assertIs(ours["again"], ours["t"][0])
            for mine, theirs in zip(ours["t"], expected["t"]):
                self.assertEqual((mine.dtype, mine.shape, mine.stride()), (theirs.dtype, theirs.shape, theirs.stride()))
                self.assertEqual(tensor_bytes(mine), tensor_bytes(theirs), f"SCONCE_SEED={SEED}")

    def test_tar_archives_of_alpha_versions(self):
        path, tensors = self.tar(random.Random(SEED), alpha=True)
        ours = load(self.resave(path))
        for mine, (numbers, _, shape, strides, offset) in zip(ours["t"], tensors.values()):
            self.assertEqual(tensor_bytes(mine), tensor_bytes(numbers.as_strided(shape, strides, offset)))


class PlainPickles(Legacy):
    def test_every_protocol(self):
        base = torch.randn(2, 3)
        value = {"w": base, "nested": [{"a": (torch.ones(2, dtype=torch.int16), "text")}], "p": nn.Parameter(torch.randn(2)),
                 "state": nn.Linear(2, 3).state_dict(), "n": 2**70, "none": None}
        for protocol in range(6):
            with self.subTest(protocol=protocol):
                path = self.folder / "plain.pkl"
                path.write_bytes(pickle.dumps(value, protocol=protocol))
                expected = pickle.loads(path.read_bytes())
                tree = expected_tree(expected)
                self.assertEqual(tree, aligned(self.probe_tree(path), tree), f"SCONCE_SEED={SEED}")
                self.assert_same(expected, load(self.as_legacy(path)))
                listing = self.listing(path)
                self.assertEqual(listing["format"], "torch-legacy")
                self.assertEqual(listing["tensors"][0]["sha256"], digest(base))

    def test_without_tensors(self):
        for protocol in range(6):
            path = self.folder / "plain.pkl"
            path.write_bytes(pickle.dumps({"a": [1, 2.5, "x"], "b": {1: (None, True)}}, protocol=protocol))
            self.assertEqual(load(self.resave(path)), {"a": [1, 2.5, "x"], "b": {1: (None, True)}})
