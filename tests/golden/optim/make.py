"""Writes sgd.txt, state.txt and step_lr.txt: what PyTorch's optimizers do. Run with PyTorch 2.13: python make.py"""
import hashlib
import pathlib

import torch
from torch import nn, optim

folder = pathlib.Path(__file__).parent


def digest(tensor):
    return hashlib.sha256(tensor.detach().contiguous().numpy().tobytes()).hexdigest()


def describe(value):
    """A value on one line: dicts and lists as Python writes them, tensors by dtype, shape and digest."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{describe(k)}: {describe(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(describe(v) for v in value) + "]"
    if isinstance(value, torch.Tensor):
        return f"tensor({value.dtype}, {list(value.shape)}, {digest(value)[:16]})"
    return repr(value)


def write(name, lines):
    (folder / name).write_text("".join(line + "\n" for line in lines))


# SGD: 12 steps of 1009 elements; parameter and gradients are drawn uniformly in [-1, 1) from seed 5.
# Line: dtype lr momentum dampening weight_decay nesterov maximize, then after steps 1 and 12 the digests of the
# parameter and of the momentum buffer ("-" for none).
def sgd_lines():
    cases = [
        (0.1, 0, 0, 0, False, False),
        (0.1, 0, 0, 0.01, False, False),
        (0.1, 0, 0, 0, False, True),
        (0.001, 0.9, 0, 0, False, False),
        (0.05, 0.9, 0.3, 0, False, False),
        (0.05, 0.9, 0, 0.0005, True, False),
        (0.03, 0.95, 0.1, 0.02, False, True),
        (1.0, 0.5, 0, 1.0, True, True),
        (0.01, 0.9, 1.0, 0.1, False, False),
    ]
    lines = []
    for dtype in (torch.float32, torch.float64):
        for lr, momentum, dampening, weight_decay, nesterov, maximize in cases:
            torch.manual_seed(5)
            parameter = nn.Parameter(torch.empty(1009, dtype=dtype).uniform_(-1, 1))
            optimizer = optim.SGD([parameter], lr=lr, momentum=momentum, dampening=dampening,
                                  weight_decay=weight_decay, nesterov=nesterov, maximize=maximize)
            words = [str(dtype).removeprefix("torch."), lr, momentum, dampening, weight_decay, int(nesterov),
                     int(maximize)]
            for step in range(1, 13):
                parameter.grad = torch.empty(1009, dtype=dtype).uniform_(-1, 1)
                optimizer.step()
                if step in (1, 12):
                    buffer = optimizer.state[parameter].get("momentum_buffer")
                    words += [digest(parameter), "-" if buffer is None else digest(buffer)]
            lines.append(" ".join(map(str, words)))
    return lines


# Line: name of a case, then the described state_dict or the text of the optimizer (its lines joined by "|").
def state_lines():
    def parameters():
        return [nn.Parameter(torch.full((2,), 1.0)), nn.Parameter(torch.full((3,), 2.0)),
                nn.Parameter(torch.full((2, 2), 3.0))]

    def step(tensors):
        for tensor in tensors:
            tensor.grad = torch.full_like(tensor, 0.5)

    lines = []

    def add(name, optimizer):
        lines.append(f"{name} {describe(optimizer.state_dict())}")
        if isinstance(optimizer, optim.Optimizer):
            lines.append(f"{name}_text {repr(optimizer)}".replace("\n", "|"))

    a, b, c = parameters()
    add("defaults", optim.SGD([a, b, c]))
    optimizer = optim.SGD([a, b, c], lr=0.001, momentum=0.9, weight_decay=1e-5)
    add("fresh", optimizer)
    step([b])
    optimizer.step()
    step([a])
    optimizer.step()
    add("stepped", optimizer)
    a, b, c = parameters()
    optimizer = optim.SGD([{"params": [a], "lr": 0.25}, {"params": [b, c], "momentum": 0.5, "nesterov": True}],
                          lr=1e16, maximize=True)
    step([c])
    optimizer.step()
    add("groups", optimizer)
    a, b, c = parameters()
    add("named", optim.SGD([("a", a), ("b", b)], lr=0.1))
    optimizer = optim.SGD([a, b], lr=0.1)
    scheduler = optim.lr_scheduler.StepLR(optimizer, 2, gamma=0.5)
    add("scheduled", optimizer)
    add("scheduler", scheduler)
    for _ in range(3):
        optimizer.step()
        scheduler.step()
    add("scheduled_later", optimizer)
    add("scheduler_later", scheduler)
    return lines


# Line: step_size gamma, then the learning rates of two groups (from 0.1 and 0.05) in epochs 0 to 60, as hex.
def step_lr_lines():
    lines = []
    for step_size, gamma in ((7, 0.3), (1, 0.97), (30, 0.1)):
        a, b = nn.Parameter(torch.zeros(1)), nn.Parameter(torch.zeros(1))
        optimizer = optim.SGD([{"params": [a]}, {"params": [b], "lr": 0.05}], lr=0.1)
        scheduler = optim.lr_scheduler.StepLR(optimizer, step_size, gamma)
        words = [str(step_size), str(gamma)]
        for _ in range(61):
            words += [group["lr"].hex() for group in optimizer.param_groups]
            optimizer.step()
            scheduler.step()
        lines.append(" ".join(words))
    return lines


write("sgd.txt", sgd_lines())
write("state.txt", state_lines())
write("step_lr.txt", step_lr_lines())
