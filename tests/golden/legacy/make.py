#!/usr/bin/env python3
"""Makes data/: legacy streams and plain pickles by a real PyTorch, and data/expected.txt, what is in them.

Run once with each PyTorch: make.py 113, then make.py 213. Storage keys are addresses, so the bytes differ from run
to run; what they mean does not. Each line of expected.txt: file, name, dtype, shape, strides, requires_grad, SHA-256
of the contiguous bytes, separated by tabs.
"""

import collections
import hashlib
import pickle
import sys
import warnings
from pathlib import Path

import torch

warnings.filterwarnings("ignore")
DATA = Path(__file__).resolve().parent / "data"
DTYPES = ["bool", "uint8", "int8", "int16", "int32", "int64", "float16", "bfloat16", "float32", "float64",
          "complex64", "complex128"]


def contents(tensor):
    tensor = tensor.detach()
    if tensor.is_quantized:
        tensor = tensor.int_repr()
    tensor = tensor.contiguous().reshape(-1)
    return tensor.view(torch.uint8).numpy().tobytes() if tensor.numel() else b""


def dtypes():
    out = {name: torch.arange(6).reshape(2, 3).to(getattr(torch, name)) for name in DTYPES}
    source = torch.arange(6.0).reshape(2, 3)
    for name in ("qint8", "quint8", "qint32"):
        out[name] = torch.quantize_per_tensor(source, 0.5, 1, getattr(torch, name))
    return out


def views():
    base = torch.arange(12.0).reshape(3, 4)
    tied = torch.arange(3)
    return {"base": base, "transposed": base.t(), "row": base[1], "column": base[:, 2], "step": base[::2, 1::3],
            "tied": [tied, tied], "scalar": torch.tensor(7.0), "empty": torch.empty(0, 3),
            "leaf": torch.ones(2, requires_grad=True), "parameter": torch.nn.Parameter(torch.ones(2))}


def training():
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    model(torch.ones(2, 3)).sum().backward()
    optimizer.step()
    return {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": 3}


def flatten(value, name=""):
    if isinstance(value, torch.Tensor):
        yield name, value
    elif isinstance(value, (dict, list, tuple)):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from flatten(item, f"{name}.{key}" if name else str(key))


def main(tag):
    lines = []

    def put(name, value, write):
        with open(DATA / name, "wb") as file:
            write(value, file)
        for key, tensor in flatten(value):
            dims = lambda numbers: ",".join(map(str, numbers))  # noqa: E731
            lines.append("\t".join([name, key, str(tensor.dtype)[6:], dims(tensor.shape), dims(tensor.stride()),
                                    str(tensor.requires_grad), hashlib.sha256(contents(tensor)).hexdigest()]))

    def stream(protocol):
        return lambda value, file: torch.save(value, file, _use_new_zipfile_serialization=False,
                                              pickle_protocol=protocol)

    def plain(protocol):
        return lambda value, file: pickle.dump(value, file, protocol=protocol)

    put(f"dtypes_{tag}.pt", dtypes(), stream(2))
    put(f"views_{tag}.pt", views(), stream(2))
    put(f"training_{tag}.pt", training(), stream(2))
    for protocol in (1, 3, 4, 5):
        put(f"protocol{protocol}_{tag}.pt", {"w": torch.arange(6.0).reshape(2, 3), "n": collections.OrderedDict(a=torch.ones(2))},
            stream(protocol))
    for protocol in range(6):
        value = {"w": torch.arange(6.0).reshape(2, 3), "p": torch.nn.Parameter(torch.ones(2)), "n": 1}
        put(f"plain{protocol}_{tag}.pkl", value, plain(protocol))
    torch.save({"w": torch.ones(2)}, DATA / f"protocol0_{tag}.pt", _use_new_zipfile_serialization=False, pickle_protocol=0)

    path = DATA / "expected.txt"
    others = [line for line in (path.read_text().splitlines() if path.exists() else []) if f"_{tag}." not in line]
    path.write_text("\n".join(sorted(others + lines)) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
