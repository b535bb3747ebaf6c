"""Distributed checkpoints: folders of torch.distributed.checkpoint read by sconce, and ours read by PyTorch."""

import dataclasses
import json
import os
import pickle
import subprocess
import sys
import unittest
import unittest.mock
import warnings

import torch

from sconce_torch import SEED, TORCH_VERSION, TestCase, digest, needs_torch, run_probe, run_sconce, tensor_bytes

try:
    import torch.distributed.checkpoint as dcp
except ImportError:
    dcp = None  # 1.13 keeps it under another name


def load(path):
    return torch.load(path, weights_only=False) if TORCH_VERSION >= (2, 0) else torch.load(path)


def training(steps=2):
    """A model and an optimizer with state."""
    model = torch.nn.Sequential(torch.nn.Linear(5, 4), torch.nn.BatchNorm1d(4), torch.nn.Linear(4, 2))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    for _ in range(steps):
        optimizer.zero_grad()
        model(torch.randn(6, 5)).sum().backward()
        optimizer.step()
    return model, optimizer


class Case(TestCase):
    def setUp(self):
        super().setUp()
        warnings.filterwarnings("ignore", module="torch.distributed")

    def to_torch(self, path, *options):
        out = self.folder / "out.pt"
        run_probe("resave", path, out, *options)
        return load(out)

    def to_dcp(self, value):
        torch.save(value, self.folder / "value.pt")
        out = self.folder / "ours"
        result = run_probe("resave", self.folder / "value.pt", out, "format=dcp")
        self.assertEqual(result.stdout, "")
        return out


@unittest.skipIf(dcp is None or TORCH_VERSION < (2, 3), "needs torch.distributed.checkpoint of PyTorch 2.3")
class Theirs(Case):
    def test_model_and_optimizer(self):
        model, optimizer = training()
        value = {"model": dict(model.state_dict()), "optimizer": optimizer.state_dict(), "epoch": 7, "name": "x",
                 "betas": (0.9, 0.99), "nothing": None, "plain": [1, [2]],
                 "mixed": [1, {"q": torch.randn(2)}, (1, 2)], "scalar": torch.tensor(3.5),
                 "empty": torch.empty(0, 3), "view": torch.randn(3, 4).t()}
        dcp.save(value, checkpoint_id=self.folder / "ck")
        expected = {**value, "view": value["view"].contiguous()}
        # Int keys of the optimizer's state come back; everything else is the same, order included.
        self.assert_same(expected, self.to_torch(self.folder / "ck"))
        listing = json.loads(run_probe("list", self.folder / "ck").stdout)
        self.assertEqual(listing["format"], "dcp")
        found = {tensor["name"]: tensor["sha256"] for tensor in listing["tensors"]}
        self.assertEqual(found["optimizer.state.0.exp_avg"], digest(optimizer.state_dict()["state"][0]["exp_avg"]))
        self.assertEqual(found["view"], digest(value["view"]))

    def test_every_dtype(self):
        names = ("bool uint8 int8 int16 int32 int64 float16 bfloat16 float32 float64 complex64 complex128 uint16 uint32 "
                 "uint64 float8_e4m3fn float8_e5m2").split()
        value = {name: torch.randint(0, 2, (4, 16), dtype=torch.uint8).view(getattr(torch, name)) for name in names}
        dcp.save(value, checkpoint_id=self.folder / "ck")
        self.assert_same(value, self.to_torch(self.folder / "ck"))

    def test_parts_of_several_ranks(self):
        """What FSDP leaves: every rank wrote its rows; here the metadata is made by hand."""
        from torch.distributed.checkpoint.filesystem import _StorageInfo
        from torch.distributed.checkpoint.metadata import (ChunkStorageMetadata, Metadata, MetadataIndex,
                                                           TensorProperties, TensorStorageMetadata)
        whole = torch.randn(7, 6)
        folder = self.folder / "ck"
        folder.mkdir()
        chunks, places = [], {}
        for rank, rows in enumerate([slice(0, 3), slice(3, 7)]):
            with open(folder / f"__{rank}_0.distcp", "wb") as file:
                for columns in [slice(0, 2), slice(2, 6)]:
                    part = whole[rows, columns].contiguous().clone()
                    offset = torch.Size([rows.start, columns.start])
                    begin = file.tell()
                    torch.save(part, file)
                    chunks.append(ChunkStorageMetadata(offsets=offset, sizes=part.size()))
                    places[MetadataIndex("w", offset)] = _StorageInfo(f"__{rank}_0.distcp", begin, file.tell() - begin)
        metadata = Metadata({"w": TensorStorageMetadata(TensorProperties(), whole.size(), chunks)},
                            planner_data={"w": ("w",)}, storage_data=places)
        (folder / ".metadata").write_bytes(pickle.dumps(metadata))
        judge = {"w": torch.zeros(7, 6)}
        dcp.load(judge, checkpoint_id=folder)
        self.assert_same({"w": whole}, judge)
        self.assert_same({"w": whole}, self.to_torch(folder))
        listing = json.loads(run_probe("list", folder).stdout)
        self.assertEqual(listing["tensors"][0]["sha256"], digest(whole))

    def test_a_limit_within_an_item_names_its_option(self):
        folder = self.folder / "ck"
        dcp.save({"w": torch.ones(3), "long": [i + 0.5 for i in range(5000)]}, checkpoint_id=folder)
        for limit in ["pickle=6000", "memory=60000", "records=1"]:
            result = run_sconce("inspect", "--limit", limit, folder, check=False)
            self.assertEqual(result.returncode, 2)
            self.assertTrue(result.stderr.endswith(f"; see --limit {limit.split('=')[0]}\n"), result.stderr)

    RANKS = """
import os, pathlib, sys, time, torch
import torch.distributed as dist
import torch.distributed.checkpoint as dcp
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import Replicate, Shard, distribute_tensor
rank, folder, port = int(sys.argv[1]), sys.argv[2], sys.argv[3]
dist.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=2)
torch.manual_seed(int(sys.argv[4]))
mesh = init_device_mesh("cpu", (2,))
value = {"rows": distribute_tensor(torch.randn(7, 3), mesh, [Shard(0)]),
         "columns": distribute_tensor(torch.randn(4, 5), mesh, [Shard(1)]),
         "same": distribute_tensor(torch.randn(3), mesh, [Replicate()]), "epoch": 3}
dcp.save({"model": value}, checkpoint_id=folder)
# Each leaves when both have saved, and at once: PyTorch's own threads abort one process of fifty that ends in
# the usual way ("terminate called without an active exception").
pathlib.Path(f"{folder}.{rank}").touch()
for _ in range(6000):
    if pathlib.Path(f"{folder}.{1 - rank}").exists():
        os._exit(0)
    time.sleep(0.01)
sys.exit("the other rank has not saved")
"""

    @needs_torch(2, 5)
    def test_two_processes(self):
        import socket
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        script = self.folder / "ranks.py"
        script.write_text(self.RANKS)
        processes = [subprocess.Popen([sys.executable, str(script), str(rank), str(self.folder / "ck"), str(port), str(SEED)],
                                      stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) for rank in range(2)]
        for process in processes:
            output, _ = process.communicate(timeout=300)
            self.assertEqual(process.returncode, 0, output)
        self.assertGreater(len(list((self.folder / "ck").glob("*.distcp"))), 1)
        torch.manual_seed(SEED)
        expected = {"rows": torch.randn(7, 3), "columns": torch.randn(4, 5), "same": torch.randn(3)}
        actual = self.to_torch(self.folder / "ck")["model"]
        self.assertEqual(actual.pop("epoch"), 3)
        self.assert_same(expected, {name: actual[name] for name in expected})

    @needs_torch(2, 8)
    def test_hugging_face_writer(self):
        try:
            import safetensors  # noqa: F401
            from torch.distributed.checkpoint import HuggingFaceStorageWriter
        except ImportError as error:
            self.skipTest(str(error))
        value = {"a.weight": torch.randn(4, 3), "b": torch.randn(5)}
        dcp.save(value, storage_writer=HuggingFaceStorageWriter(path=str(self.folder / "index"),
                                                                fqn_to_index_mapping={"a.weight": 1, "b": 2}))
        self.assert_same(value, self.to_torch(self.folder / "index"))
        dcp.save(value, storage_writer=HuggingFaceStorageWriter(path=str(self.folder / "parts"), save_distributed=True))
        self.assertEqual(list((self.folder / "parts").glob("*.index.json")), [])
        self.assert_same(value, self.to_torch(self.folder / "parts"))


@unittest.skipUnless(TORCH_VERSION < (2, 0), "needs the module names of PyTorch 1.13")
class Oldest(Case):
    def test_files_of_1_13(self):
        # Python 3.11 takes the defaults of these classes only when they are hashable.
        plain = dataclasses.dataclass

        def hashable(cls=None, **words):
            if cls is None:
                return lambda cls: hashable(cls, **words)
            return plain(cls, **words) if "__hash__" in vars(cls) else plain(cls, unsafe_hash=True, **words)

        with unittest.mock.patch("dataclasses.dataclass", hashable):
            from torch.distributed._shard.checkpoint import FileSystemWriter, save_state_dict
        value = {"w": torch.randn(3, 4), "b": torch.randn(2)}
        (self.folder / "ck").mkdir()
        save_state_dict(value, FileSystemWriter(str(self.folder / "ck")), no_dist=True)
        self.assert_same(value, self.to_torch(self.folder / "ck"))


@unittest.skipIf(dcp is None or TORCH_VERSION < (2, 3), "needs torch.distributed.checkpoint of PyTorch 2.3")
class Ours(Case):
    def test_load_into_a_state_dict(self):
        model, optimizer = training()
        path = self.to_dcp({"model": dict(model.state_dict()), "optimizer": optimizer.state_dict(), "epoch": 7,
                            "mixed": [1, {"q": torch.ones(2)}, (1, 2)]})
        other, other_optimizer = training(1)
        target = {"model": dict(other.state_dict()), "optimizer": other_optimizer.state_dict(), "epoch": 0,
                  "mixed": [0, {"q": torch.zeros(2)}, None]}
        dcp.load(target, checkpoint_id=path)
        self.assert_same(dict(model.state_dict()), target["model"])
        self.assert_same(optimizer.state_dict(), target["optimizer"])
        self.assertEqual(target["epoch"], 7)
        self.assertEqual(target["mixed"][2], (1, 2))
        self.assertEqual(tensor_bytes(target["mixed"][1]["q"]), tensor_bytes(torch.ones(2)))

    def test_conversion_to_a_torch_file(self):
        from torch.distributed.checkpoint.format_utils import dcp_to_torch_save
        value = {"a": {"w": torch.randn(3, 2).t(), "n": 5, "e": torch.empty(0)}, "l": [torch.randn(1), {"x": "y"}],
                 "t": (1, torch.ones(2)), "text": "\u00fc", "scalar": torch.tensor(2, dtype=torch.int16)}
        dcp_to_torch_save(self.to_dcp(value), self.folder / "theirs.pt")
        expected = {**value, "a": {**value["a"], "w": value["a"]["w"].contiguous()}}
        self.assert_same(expected, load(self.folder / "theirs.pt"))

    def test_every_dtype(self):
        names = ("bool uint8 int8 int16 int32 int64 float16 bfloat16 float32 float64 complex64 complex128 uint16 uint32 "
                 "uint64 float8_e4m3fn float8_e5m2").split()
        value = {name: torch.randint(0, 2, (4, 16), dtype=torch.uint8).view(getattr(torch, name)) for name in names}
        target = {name: torch.zeros_like(tensor) for name, tensor in value.items()}
        dcp.load(target, checkpoint_id=self.to_dcp(value))
        self.assert_same(value, target)

    def test_metadata_says_what_theirs_says(self):
        value = {"m": {"w": torch.randn(3, 2), "s": torch.tensor(1.0)}, "n": 1}
        dcp.save(value, checkpoint_id=self.folder / "theirs")
        ours = pickle.loads((self.to_dcp(value) / ".metadata").read_bytes())
        theirs = pickle.loads((self.folder / "theirs" / ".metadata").read_bytes())
        self.assertEqual(ours.state_dict_metadata, theirs.state_dict_metadata)
        self.assertEqual(ours.planner_data, theirs.planner_data)
        self.assertEqual(set(ours.storage_data), set(theirs.storage_data))
        self.assertEqual({index.index for index in ours.storage_data}, {index.index for index in theirs.storage_data})

    def test_replacing_keeps_one_whole_checkpoint(self):
        path = self.to_dcp({"a": torch.zeros(2)})
        self.to_dcp({"b": torch.ones(3)})
        self.assertEqual(sorted(os.listdir(path)), [".metadata", "__0_0.distcp"])
        target = {"b": torch.zeros(3)}
        dcp.load(target, checkpoint_id=path)
        self.assertEqual(target["b"].sum(), 3)
