#!/usr/bin/env python3
"""Writes small checkpoints with whole modules, TorchScript and objects, and what PyTorch says is in them.

    python make.py VERSION     e.g. 213, once with each PyTorch; files are named kind_VERSION.pt

VERSION.txt has one line for each tensor: file, name, dtype, shape, SHA-256 of its contiguous bytes; for numpy the same
of the array. The values are fixed, so that the files differ between versions of PyTorch only in form.
"""

import argparse
import hashlib
import sys
import warnings
import zipfile
from collections import OrderedDict
from pathlib import Path

import numpy
import torch
from torch import nn

HERE = Path(__file__).resolve().parent


def fill(module):
    for number, tensor in enumerate([*module.parameters(), *module.buffers()]):
        with torch.no_grad():
            tensor.copy_((torch.arange(tensor.numel()).reshape(tensor.shape) + number) % 7)
    return module


class Inner(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_parameter("absent", None)
        self.register_buffer("scratch", torch.zeros(2), persistent=False)
        self.register_buffer("kept", torch.zeros(3))
        self.weight = nn.Parameter(torch.zeros(2, 3))
        self.plain = torch.zeros(1)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(2, 3)
        self.bn = nn.BatchNorm1d(3)
        self.tied = nn.Linear(2, 3, bias=False)
        self.tied.weight = self.linear.weight
        self.inner = Inner()
        self.none = None
        self.lstm = nn.LSTM(2, 1)
        self.norm = nn.utils.spectral_norm(nn.Linear(2, 2))
        self.list = nn.ParameterList([nn.Parameter(torch.zeros(1))])
        self.seq = nn.Sequential(nn.Linear(1, 1), nn.ReLU())


class Script(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(2, 2)
        self.bn = nn.BatchNorm1d(2)
        self.register_buffer("scratch", torch.zeros(2), persistent=False)
        self.plain = torch.zeros(2)

    def forward(self, x):
        return self.bn(self.first(x)) + self.scratch + self.plain


def digest(tensor):
    if isinstance(tensor, numpy.ndarray):
        return hashlib.sha256(numpy.ascontiguousarray(tensor).tobytes()).hexdigest()
    tensor = tensor.detach().contiguous()
    return hashlib.sha256(tensor.reshape(-1).view(torch.uint8).numpy().tobytes() if tensor.numel() else b"").hexdigest()


def line(file, name, tensor):
    dtype = str(tensor.dtype).replace("torch.", "")
    shape = ",".join(map(str, tensor.shape)) or "-"
    return f"{file} {name or '-'} {dtype} {shape} {digest(tensor)}\n"


def without_sources(path):
    """The archive without the records that name the source files of this machine."""
    with zipfile.ZipFile(path) as archive:
        records = [(info, archive.read(info)) for info in archive.infolist() if not info.filename.endswith("debug_pkl")]
    with zipfile.ZipFile(path, "w") as archive:
        for info, data in records:
            archive.writestr(zipfile.ZipInfo(info.filename), data, info.compress_type)


def main():
    version = sys.argv[1]
    warnings.simplefilter("ignore")
    sys.modules["golden"] = sys.modules["__main__"]  # the module that the pickles name
    for cls in (Inner, Net, Script):
        cls.__module__ = "golden"
    out = []

    def save(kind, value, expected, **options):
        name = f"{kind}_{version}.pt"
        torch.save(value, HERE / name, **options)
        out.extend(line(name, key, tensor) for key, tensor in expected.items())

    net = fill(Net())
    save("module", net, net.state_dict())
    parallel = nn.DataParallel(net)
    within = {f"net.{key}": tensor for key, tensor in parallel.state_dict().items()}
    save("within", {"net": parallel, "list": [net.seq], "args": argparse.Namespace(lr=0.1)},
         {**within, **{f"list.0.{key}": tensor for key, tensor in net.seq.state_dict().items()}})
    arrays = OrderedDict(f=numpy.asfortranarray(numpy.arange(6.0).reshape(2, 3)), i=numpy.arange(3), s=numpy.array(2.5, "f4"))
    save("numpy", arrays, arrays)
    script = torch.jit.script(fill(Script().eval()))
    torch.jit.save(script, str(HERE / f"script_{version}.pt"))
    without_sources(HERE / f"script_{version}.pt")
    loaded = torch.jit.load(str(HERE / f"script_{version}.pt")).state_dict()
    out.extend(line(f"script_{version}.pt", key, tensor) for key, tensor in loaded.items())
    (HERE / f"{version}.txt").write_text("".join(out))


if __name__ == "__main__":
    main()
