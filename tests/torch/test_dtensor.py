"""DTensors of torch.distributed in torch.save's files: the part of the rank that wrote them."""

import json
import subprocess
import sys
import unittest

import torch

from sconce_torch import TestCase, digest, needs_torch, run_sconce

# In a process of its own: a process group is a global thing. Nothing is sent: each DTensor is made of its part.
SAVE = """
import sys, torch, torch.distributed as dist
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import DTensor, Partial, Replicate, Shard
from torch.testing._internal.distributed.fake_pg import FakeStore
dist.init_process_group("fake", store=FakeStore(), rank=1, world_size=4)
mesh = init_device_mesh("cpu", (2, 2))
whole = torch.arange(32.0).reshape(8, 4)
def of(part, *placements):
    return DTensor.from_local(part, mesh, placements, run_check=False)
rows = of(whole[4:].clone(), Replicate(), Shard(0))
linear = torch.nn.Linear(4, 8)
linear.weight = torch.nn.Parameter(of(whole[:4].clone(), Shard(0), Replicate()))
torch.save({"rows": rows, "again": rows, "columns": of(whole[:2, :2].contiguous(), Shard(1), Shard(0)),
            "whole": of(whole, Replicate(), Replicate()), "sum": of(whole, Replicate(), Partial()),
            "parameter": torch.nn.Parameter(rows), "plain": torch.ones(2), "epoch": 3}, sys.argv[1])
torch.save({"model": linear.state_dict(), "net": linear}, sys.argv[2])
"""


@needs_torch(2, 5)
class DTensors(TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        try:
            import torch.distributed.tensor  # noqa: F401
            from torch.testing._internal.distributed.fake_pg import FakeStore  # noqa: F401
        except ImportError as error:
            raise unittest.SkipTest(f"this PyTorch has no DTensor: {error}") from error

    def setUp(self):
        super().setUp()
        self.path, self.nets = self.folder / "rank1.pt", self.folder / "nets.pt"
        subprocess.run([sys.executable, "-W", "ignore", "-c", SAVE, str(self.path), str(self.nets)], check=True)
        whole = torch.arange(32.0).reshape(8, 4)
        self.parts = {"rows": whole[4:], "again": whole[4:], "columns": whole[:2, :2].contiguous(), "whole": whole,
                      "sum": whole, "parameter": whole[4:], "plain": torch.ones(2)}

    def test_inspect_tells_what_each_is_a_part_of(self):
        result = run_sconce("inspect", "--json", "--digest", self.path)
        tensors = {item["name"]: item for item in json.loads(result.stdout)["tensors"]}
        self.assertEqual({name: digest(part) for name, part in self.parts.items()},
                         {name: item["sha256"] for name, item in tensors.items()})
        shards = {name: item["shard_of"] for name, item in tensors.items() if "shard_of" in item}
        self.assertEqual(
            {"rows": {"shape": [8, 4], "placements": ["Replicate()", "Shard(dim=0)"]},
             "again": {"shape": [8, 4], "placements": ["Replicate()", "Shard(dim=0)"]},
             "parameter": {"shape": [8, 4], "placements": ["Replicate()", "Shard(dim=0)"]},
             "columns": {"shape": [4, 4], "placements": ["Shard(dim=1)", "Shard(dim=0)"]},
             "whole": {"shape": [8, 4], "placements": ["Replicate()", "Replicate()"]},
             "sum": {"shape": [8, 4], "placements": ["Replicate()", "Partial(reduce_op=sum)"]}}, shards)
        self.assertIn("rank that wrote the file", run_sconce("inspect", self.path).stdout + result.stderr)

    def test_convert_writes_the_parts_and_says_so(self):
        for name in ("out.pt", "out.safetensors"):
            with self.subTest(name):
                out = self.folder / name
                result = run_sconce("convert", self.path, out)
                self.assertIn("placed Replicate(), Shard(dim=0)", result.stderr)
                self.assertIn("'rows' and 2 more", result.stderr)
                if name.endswith(".pt"):
                    loaded = torch.load(out, weights_only=True)
                    self.assertEqual(3, loaded.pop("epoch"))
                else:
                    import safetensors.torch
                    loaded = safetensors.torch.load_file(out)
                tied = {"again", "sum", "parameter"}  # safetensors gets each of the tied once
                self.assertEqual(self.parts.keys() - (set() if name == "out.pt" else tied), loaded.keys())
                for key, tensor in loaded.items():
                    self.assertTrue(torch.equal(self.parts[key], tensor), key)

    def test_within_models(self):
        out = self.folder / "out.pt"
        result = run_sconce("convert", self.nets, out)
        self.assertIn("placed Shard(dim=0), Replicate()", result.stderr)
        loaded = torch.load(out, weights_only=True)
        for part in ("model", "net"):
            self.assertEqual(["weight", "bias"], list(loaded[part]))
            self.assertTrue(torch.equal(self.parts["whole"][:4], loaded[part]["weight"]))


if __name__ == "__main__":
    unittest.main()
