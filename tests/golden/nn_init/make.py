"""Writes init.txt: digests of what torch.nn.init draws from seed 11. Run with PyTorch 2.13: python make.py

Line: function, argument (bound, mean, gain or slope), mode, shape, SHA-256 of the float32 values.
"""
import hashlib
import pathlib

import torch
from torch.nn import init

FUNCTIONS = {
    "uniform": lambda x, a, mode: init.uniform_(x, -a, a),
    "normal": lambda x, a, mode: init.normal_(x, a, 0.5),
    "xavier_uniform": lambda x, a, mode: init.xavier_uniform_(x, a),
    "xavier_normal": lambda x, a, mode: init.xavier_normal_(x, a),
    "kaiming_uniform": lambda x, a, mode: init.kaiming_uniform_(x, a, mode),
    "kaiming_normal": lambda x, a, mode: init.kaiming_normal_(x, a, mode),
    "kaiming_uniform_relu": lambda x, a, mode: init.kaiming_uniform_(x, 0, mode, "relu"),
    "kaiming_normal_relu": lambda x, a, mode: init.kaiming_normal_(x, 0, mode, "relu"),
}

lines = []
for name, function in FUNCTIONS.items():
    for argument in (0.3, 5**0.5):
        for shape in ((20, 30), (6, 4, 3, 5), (3, 4)):
            for mode in ("fan_in", "fan_out") if "kaiming" in name else ("fan_in",):
                torch.manual_seed(11)
                tensor = torch.empty(shape)
                function(tensor, argument, mode)
                digest = hashlib.sha256(tensor.numpy().tobytes()).hexdigest()
                lines.append(f"{name} {argument!r} {mode} {'x'.join(map(str, shape))} {digest}\n")
pathlib.Path(__file__).with_name("init.txt").write_text("".join(lines))
