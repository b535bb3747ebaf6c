"""Zips of every make that PyTorch reads, read by sconce and written by `sconce convert`, leaf by leaf: PyTorch judges."""

import argparse
import collections
import importlib.util
import json
import random
import struct
import sys
import unittest
import warnings
import zipfile

import torch

from object_case import records_of, write_records
from sconce_torch import DTYPES, NEW_DTYPES, SEED, TORCH_VERSION, digest, needs_torch, run_probe, run_sconce
from test_checkpoint import Case, load, random_tensor, random_value

LAST_PROTOCOL = 5


def sample():
    """Tensors of every dtype with a storage class, views, and a tree of everything else."""
    base = torch.randn(4, 6)
    tied = {"again": base}
    return {
        "dtypes": {str(dtype): random_tensor(dtype, (2, 3)) for dtype in DTYPES},
        "views": [base, base.t(), base[1], base[:, 2], base[::2, 1::3], base[0].expand(3, 6)],
        "tree": [{"a": (torch.ones(2), "text", 2**70, -1, 1.5, None, True)}, [], {}, tied, tied],
        "ordered": collections.OrderedDict(x=torch.arange(5), y=torch.zeros(0, 3)),
        "parameter": torch.nn.Parameter(torch.randn(3)), "state": torch.nn.BatchNorm1d(3).state_dict(),
    }


class Containers(Case):
    def setUp(self):
        super().setUp()
        warnings.simplefilter("ignore")  # of protocols that PyTorch does not know well
        self.addCleanup(warnings.resetwarnings)

    def converted(self, path, *options):
        out = self.folder / "converted.pt"
        result = run_sconce("convert", "--force", *options, path, out)
        self.assertEqual("", result.stderr)
        return out

    def check_file(self, path, weights_only=True):
        super().check_file(path, weights_only)
        self.assert_loads_alike(path, self.converted(path), self.assert_same)

    def integrity(self, path):
        return json.loads(run_sconce("verify", "--json", path).stdout)["integrity"]


class Protocols(Containers):
    def test_trees(self):
        for protocol in range(1, LAST_PROTOCOL + 1):
            with self.subTest(protocol=protocol, seed=SEED):
                self.check_file(self.save(sample(), pickle_protocol=protocol))
                self.assertEqual(bytes([0x80, protocol]) if protocol > 1 else b"}q",
                                 records_of(self.folder / "value.pt")["value/data.pkl"][:2])

    def test_random_trees(self):
        rng = random.Random(SEED)
        for protocol in range(1, LAST_PROTOCOL + 1):
            with self.subTest(protocol=protocol, seed=SEED):
                self.check_file(self.save([random_value(rng, [], 4) for _ in range(3)], pickle_protocol=protocol))

    @unittest.skipUnless(NEW_DTYPES, "this PyTorch has no further dtypes")
    def test_new_dtypes(self):
        for protocol in range(1, LAST_PROTOCOL + 1):
            with self.subTest(protocol=protocol, seed=SEED):
                self.check_file(self.save({str(dtype): random_tensor(dtype, (3, 2)) for dtype in NEW_DTYPES},
                                          pickle_protocol=protocol))

    def test_beyond_weights_only(self):
        for protocol in range(1, LAST_PROTOCOL + 1):
            with self.subTest(protocol=protocol):
                self.check_file(self.save({"bytes": b"\x00\xff\x80abc", "set": {1}, "frozen": frozenset(["a"]), "complex": 1 - 2j,
                                           "bytearray": bytearray(b"\x01\xfe"), "w": torch.ones(2)}, pickle_protocol=protocol),
                                weights_only=False)

    def test_the_text_protocol_has_no_tensors(self):
        """PyTorch writes the tuple that names a storage as its text, which nothing reads."""
        path = self.save({"w": torch.ones(2)}, pickle_protocol=0)
        with self.assertRaises(Exception):
            load(path)
        self.assertEqual(2, run_sconce("convert", path, self.folder / "out.pt", check=False).returncode)
        self.check_file(self.save({"a": [1, 2.5, "x\n\u00e9", None, True, 2**70], "b": {1: (None, (), [])}}, pickle_protocol=0))


class Layouts(Containers):
    def test_deflated(self):
        path = self.save({**sample(), "zeros": torch.zeros(10_000)})
        size = path.stat().st_size
        write_records(path, records_of(path), zipfile.ZIP_DEFLATED)
        self.assertLess(path.stat().st_size, size - 30_000)
        self.check_file(path)
        self.assertEqual("checked", self.integrity(path))

    def test_without_checksums(self):
        """CRCs of zero are of files whose writer did not reckon them, and not of damaged ones."""
        if TORCH_VERSION >= (2, 6):
            torch.serialization.set_crc32_options(False)
            self.addCleanup(torch.serialization.set_crc32_options, True)
            path = self.save(sample())
        else:
            path = without_checksums(self.save(sample()))
        with zipfile.ZipFile(path) as archive:
            numbers = {info.CRC for info in archive.infolist() if "/data/" in info.filename and info.file_size}
        self.assertEqual({0}, numbers)
        self.check_file(path)
        self.assertNotEqual("checked", self.integrity(path))
        self.assertEqual("checked", self.integrity(self.converted(path)))

    def test_first_layout(self):
        """PyTorch 1.4 and 1.5 wrote the version first, one fixed name, and no byte order."""
        for version in (b"2\n", b"3\n"):
            with self.subTest(version=version, seed=SEED):
                path = self.save(sample())
                there = {name.split("/", 1)[1]: data for name, data in records_of(path).items()}
                old = {"version": version, "data.pkl": there["data.pkl"],
                       **{name: data for name, data in there.items() if name.startswith("data/")}}
                write_records(path, {f"archive/{name}": data for name, data in old.items()})
                self.check_file(path)


def without_checksums(path):
    """Zero for each checksum of the central directory, the local headers and what follows the records."""
    data = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        entries, place = archive.infolist(), archive.start_dir
    for entry in entries:
        name, extra = struct.unpack_from("<HH", data, entry.header_offset + 26)
        behind = entry.header_offset + 30 + name + extra + entry.compress_size
        data[entry.header_offset + 14:entry.header_offset + 18] = bytes(4)
        if data[behind:behind + 4] == b"PK\x07\x08":
            data[behind + 4:behind + 8] = bytes(4)
        data[place + 16:place + 20] = bytes(4)
        place += 46 + sum(struct.unpack_from("<3H", data, place + 28))
    path.write_bytes(data)
    return path


class ByteOrder(Containers):
    def other_order(self, value):
        """The file that a machine of the other byte order would have written of other numbers: the same bytes."""
        path = self.save(value)
        swapped = {name: b"big" if name.endswith("/byteorder") else data for name, data in records_of(path).items()}
        self.assertIn(b"big", swapped.values())
        return write_records(path, swapped)

    @needs_torch(2, 1)
    def test_as_torch_reads_it(self):
        self.check_file(self.other_order(sample()))

    @needs_torch(2, 1)
    def test_quantized(self):
        # Without per-channel ones: of numbers turned around PyTorch makes scales that it then refuses.
        value = {str(dtype): torch.quantize_per_tensor(torch.randn(3, 4), 0.5, 0, dtype)
                 for dtype in (torch.quint8, torch.qint8, torch.qint32)}
        self.check_file(self.other_order(value))

    @needs_torch(2, 3)
    def test_dtypes_without_a_storage_class(self):
        """PyTorch turns a storage around by its class, and leaves the untyped ones of _rebuild_tensor_v3 as they
        are, so it cannot judge these: the numbers that were meant can."""
        for dtype in NEW_DTYPES:
            with self.subTest(dtype=str(dtype)):
                tensor = random_tensor(dtype, (6,))
                size = tensor.element_size() // (2 if dtype.is_complex else 1)
                bytes_of = tensor.view(torch.uint8).reshape(-1, size)
                path = self.other_order({"w": tensor})
                self.assertTrue(torch.equal(load(path)["w"].view(torch.uint8), tensor.view(torch.uint8)))
                listed = json.loads(run_probe("list", path).stdout)["tensors"]
                self.assertEqual([digest(bytes_of.flip(1))], [item["sha256"] for item in listed])


LIGHTNING = '''
class AttributeDict(dict):
    """As Lightning keeps hyper-parameters: a dict whose keys are attributes, too."""

    def __getattr__(self, key):
        return self[key]


class Schedule:
    def __init__(self, steps):
        self.steps = steps
'''


class Lightning(Containers):
    def checkpoint(self):
        """A Lightning-like checkpoint whose classes are gone when it is read, and what remains without them."""
        source = self.folder / "vanished_training.py"
        source.write_text(LIGHTNING)
        spec = importlib.util.spec_from_file_location("vanished_training", source)
        module = importlib.util.module_from_spec(spec)
        sys.modules["vanished_training"] = module
        self.addCleanup(sys.modules.pop, "vanished_training", None)
        spec.loader.exec_module(module)

        network = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4))
        optimizer = torch.optim.Adam(network.parameters(), lr=0.25)
        network(torch.randn(5, 3)).square().sum().backward()
        optimizer.step()
        scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 2)
        plain = {
            "epoch": 3, "global_step": 100, "pytorch-lightning_version": "2.1.0",
            "state_dict": collections.OrderedDict((f"model.{key}", item) for key, item in network.state_dict().items()),
            "loops": {"fit_loop": {"state_dict": {}, "epoch_progress": {"total": {"ready": 3}}}},
            "callbacks": {"ModelCheckpoint{'monitor': None}": {"best_model_score": torch.tensor(0.5), "dirpath": "/tmp"}},
            "optimizer_states": [optimizer.state_dict()], "lr_schedulers": [scheduler.state_dict()],
            "hparams_name": "kwargs",
        }
        namespace = argparse.Namespace(lr=0.1, layers=[1, 2], inner=argparse.Namespace(name=None))
        path = self.save({**plain, "hyper_parameters": module.AttributeDict(lr=0.1, weight=torch.arange(3.0), args=namespace),
                          "datamodule_hyper_parameters": namespace, "schedule": module.Schedule([1, 2])})
        del sys.modules["vanished_training"]
        source.unlink()
        return path, plain, namespace

    def test_classes_that_are_gone(self):
        path, plain, namespace = self.checkpoint()
        with self.assertRaisesRegex(ImportError, "vanished_training"):
            load(path)
        for options, kept in ((), {}), (("--keep-objects",), {"datamodule_hyper_parameters": namespace}):
            with self.subTest(options=options, seed=SEED):
                out = self.folder / "out.pt"
                said = run_sconce("convert", "--force", *options, path, out).stderr
                for name in ("vanished_training.AttributeDict", "vanished_training.Schedule"):
                    self.assertIn(name, said)
                self.assertEqual(not kept, "argparse.Namespace at datamodule_hyper_parameters" in said, said)
                actual = load(out)
                self.assertEqual(kept, {key: actual.pop(key) for key in list(actual) if key not in plain})
                self.assert_same(plain, actual)
                if TORCH_VERSION >= (2, 4) and not kept:
                    self.assert_same(plain, load(out, weights_only=True))

    def test_what_the_objects_hold_is_listed(self):
        path, plain, _ = self.checkpoint()
        listed = {item["name"]: item["sha256"]
                  for item in json.loads(run_sconce("inspect", "--json", "--digest", path).stdout)["tensors"]}
        self.assertEqual(digest(torch.arange(3.0)), listed["hyper_parameters.weight"])
        for name, tensor in plain["state_dict"].items():
            self.assertEqual(digest(tensor), listed[f"state_dict.{name}"])
        self.assertEqual("0.1\n", run_sconce("show", path, "hyper_parameters.lr").stdout)
        self.assertEqual("2\n", run_sconce("show", path, "hyper_parameters.args.layers.1").stdout)


if __name__ == "__main__":
    unittest.main()
