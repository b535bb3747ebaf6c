"""Checkpoints in several files with an index, as Hugging Face's libraries keep them."""

import json
import unittest
from collections import OrderedDict

import torch

from sconce_torch import TestCase, load, run_probe, run_sconce, storage_id

try:
    import safetensors
    import safetensors.torch
except ImportError:
    safetensors = None


class Case(TestCase):
    def state(self):
        tied = torch.randn(6, 4)
        return OrderedDict([("embed.weight", tied), ("layer.0.weight", torch.randn(8, 8)), ("layer.0.bias", torch.randn(8)),
                            ("steps", torch.tensor(3)), ("head.weight", tied), ("half", torch.randn(5).to(torch.bfloat16))])

    def read_set(self, folder, index, read):
        """What a library does: the files that the index names, and from each the tensors it has there."""
        weight_map = json.loads((folder / index).read_text())["weight_map"]
        files = {file: read(folder / file) for file in set(weight_map.values())}
        return {name: files[file][name] for name, file in weight_map.items()}


class Ours(Case):
    def test_torch_shards(self):
        value = self.state()
        torch.save(value, self.folder / "model.pt")
        out = self.folder / "out"
        report = json.loads(run_sconce("shard", self.folder / "model.pt", out, "--size", "256B", "--to", "torch",
                                       "--json").stdout)
        index = "pytorch_model.bin.index.json"
        self.assertEqual(sorted(file["name"] for file in report["files"]), sorted(path.name for path in out.iterdir()))
        actual = self.read_set(out, index, load)
        self.assert_same(value, OrderedDict((name, actual[name]) for name in value))
        self.assertEqual(storage_id(actual["embed.weight"]), storage_id(actual["head.weight"]))
        total = json.loads((out / index).read_text())["metadata"]["total_size"]
        self.assertEqual(total, sum(t.numel() * t.element_size() for name, t in value.items() if name != "head.weight"))
        run_sconce("merge", out, self.folder / "merged.pt")
        self.assert_same(value, load(self.folder / "merged.pt"))

    @unittest.skipIf(safetensors is None, "needs the safetensors package")
    def test_safetensors_shards(self):
        value = self.state()
        torch.save(value, self.folder / "model.pt")
        out = self.folder / "out"
        run_sconce("shard", self.folder / "model.pt", out, "--size", "256B")
        actual = self.read_set(out, "model.safetensors.index.json", safetensors.torch.load_file)
        self.assertEqual(set(actual), set(value) - {"head.weight"})
        for name, tensor in actual.items():
            self.assert_same(value[name], tensor)
        for file in out.glob("*.safetensors"):
            self.assertLessEqual(sum(t.numel() * t.element_size() for t in safetensors.torch.load_file(file).values()), 256)
            with safetensors.safe_open(file, "pt") as opened:
                self.assertEqual(opened.metadata()["format"], "pt")
        run_sconce("merge", out, self.folder / "merged.pt")
        merged = load(self.folder / "merged.pt")
        self.assertEqual(storage_id(merged["head.weight"]), storage_id(merged["embed.weight"]))
        self.assert_same(dict(value), {name: merged[name] for name in value})


class Theirs(Case):
    def write_index(self, name, weight_map):
        (self.folder / name).write_text(json.dumps({"metadata": {"total_size": 1e3}, "weight_map": weight_map}))

    def test_bin_shards(self):
        value = self.state()
        names = list(value)
        for i, part in enumerate([names[:2], names[2:4], names[4:]]):
            torch.save(OrderedDict((name, value[name].clone()) for name in part), self.folder / f"s{i}.bin")
        self.write_index("pytorch_model.bin.index.json",
                         {name: f"s{0 if name in names[:2] else 1 if name in names[2:4] else 2}.bin" for name in names})
        run_probe("resave", self.folder, self.folder / "out.pt")
        expected = OrderedDict((name, tensor.clone()) for name, tensor in value.items())
        self.assert_same(expected, load(self.folder / "out.pt"))
        listing = json.loads(run_probe("list", self.folder).stdout)
        self.assertEqual(listing["format"], "torch-index")
        self.assertEqual([tensor["name"] for tensor in listing["tensors"]], names)

    @unittest.skipIf(safetensors is None, "needs the safetensors package")
    def test_safetensors_shards(self):
        value = {name: tensor.clone() for name, tensor in self.state().items()}
        names = list(value)
        safetensors.torch.save_file({name: value[name] for name in names[:3]}, self.folder / "a.safetensors")
        safetensors.torch.save_file({name: value[name] for name in names[3:]}, self.folder / "b.safetensors")
        self.write_index("model.safetensors.index.json",
                         {name: "a.safetensors" if name in names[:3] else "b.safetensors" for name in names})
        run_probe("resave", self.folder, self.folder / "out.pt")
        self.assert_same(value, load(self.folder / "out.pt"))
