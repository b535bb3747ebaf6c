"""Writes cifar_resnet.txt: what a PyTorch script of the networks begins with from seed 0. Run with PyTorch 2.13.

Line: network, entries of its state_dict, SHA-256 of all their bytes one after the other.
"""
import hashlib
import pathlib
import sys

import torch

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "torch"))
from test_resnet import BLOCKS, ResNet  # noqa: E402

lines = []
for name, blocks in BLOCKS.items():
    torch.manual_seed(0)
    state = ResNet(blocks).state_dict()
    digest = hashlib.sha256(b"".join(tensor.numpy().tobytes() for tensor in state.values())).hexdigest()
    lines.append(f"{name} {len(state)} {digest}\n")
pathlib.Path(__file__).with_name("cifar_resnet.txt").write_text("".join(lines))
