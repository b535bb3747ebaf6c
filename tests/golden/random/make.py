"""Writes cases.txt: what PyTorch draws. Run with PyTorch 2.7 or later on x86-64 Linux with AVX2: python make.py

A line is "operation dtype shape layout seed arguments... sha256-of-values sha256-of-state". Values are the
bytes of the contiguous result; the state is the generator's after the call. Layouts: dense; transposed (the
fill goes through x.transpose(0, -1)); strided (through x[..., ::3]).
"""
import hashlib
import pathlib

import torch

torch.set_num_threads(1)
lines = []


def sha(tensor):
    data = tensor.contiguous()
    return hashlib.sha256(bytes(data.untyped_storage())[: data.nbytes]).hexdigest()


def record(operation, dtype, shape, layout, seed, arguments, result):
    sizes = "x".join(str(size) for size in shape) or "scalar"
    words = [operation, str(dtype).removeprefix("torch."), sizes, layout, str(seed), *map(str, arguments)]
    lines.append(" ".join(words + [sha(result), sha(torch.get_rng_state())]))


def fill(operation, dtype, shape, arguments, layout="dense", seed=0):
    torch.manual_seed(seed)
    x = torch.zeros(shape, dtype=dtype)
    view = {"dense": x, "transposed": x.transpose(0, -1) if x.dim() else x, "strided": x[..., ::3] if x.dim() else x}[layout]
    if operation == "uniform":
        view.uniform_(*arguments)
    elif operation == "normal":
        view.normal_(*arguments)
    elif operation == "exponential":
        view.exponential_(*arguments)
    elif operation == "bernoulli":
        view.bernoulli_(*arguments)
    elif operation == "randint":
        view.random_(*arguments)
    elif operation == "trunc_normal":
        torch.nn.init.trunc_normal_(view, *arguments)
    record(operation, dtype, shape, layout, seed, arguments, x)


FLOATS = (torch.float32, torch.float64, torch.float16, torch.bfloat16)
for dtype in FLOATS:
    for bounds in ((0.0, 1.0), (-0.1, 0.1), (-0.2041241452319315, 0.2041241452319315), (3.0, 3.0), (-7.5, 100.0)):
        fill("uniform", dtype, (1003,), bounds)
    for shape in ((), (1,), (15,), (16,), (17,), (20,), (31,), (32,), (33,), (100,), (4, 5, 6), (70000,)):
        fill("normal", dtype, shape, (0.0, 1.0))
    for moments in ((0.5, 2.0), (0.0, 0.02), (-3.0, 0.0)):
        fill("normal", dtype, (50,), moments)
        fill("normal", dtype, (7,), moments)
    for layout in ("transposed", "strided"):
        for shape in ((30, 40), (2, 9), (5, 3, 4)):
            fill("uniform", dtype, shape, (-0.1, 0.1), layout)
            fill("normal", dtype, shape, (0.0, 1.0), layout)
    fill("exponential", dtype, (101,), (1.0,))
    fill("exponential", dtype, (101,), (2.5,))
    fill("exponential", dtype, (6, 7), (0.3,), "transposed")
for dtype in (*FLOATS, torch.bool, torch.uint8, torch.int64):
    fill("bernoulli", dtype, (101,), (0.3,))
    fill("bernoulli", dtype, (5, 8), (0.75,), "transposed")
for p in (0.0, 1.0):
    fill("bernoulli", torch.float32, (20,), (p,))
for seed in (0, 1, 123, 2**32 + 5, 2**63, 2**64 - 1):
    fill("uniform", torch.float32, (700,), (0.0, 1.0), seed=seed)
for dtype in (torch.int64, torch.int32, torch.uint8, torch.int8, torch.float32, torch.float64, torch.bfloat16, torch.float16):
    fill("randint", dtype, (100,), (0, 10))
    fill("randint", dtype, (4, 7), (3, 100), "transposed")
fill("randint", torch.bool, (100,), (0, 2))
for low, high in ((0, 2**28 - 1), (0, 2**28), (-5, 2**28 - 5), (-(2**30), 2**30)):
    fill("randint", torch.int64, (100,), (low, high))
    fill("randint", torch.int32, (100,), (low, high))
    fill("randint", torch.float64, (100,), (low, high))
for low, high in ((0, 2**32 - 1), (0, 2**40), (-(2**62), 2**62 + 1), (-(2**63), 2**63 - 1)):
    fill("randint", torch.int64, (100,), (low, high))
for dtype in (torch.float32, torch.float64):
    for arguments in ((0.0, 0.02, -2.0, 2.0), (0.0, 1.0, -1.0, 1.0), (0.0, 1.0, 2.0, 3.0), (0.5, 2.0, 5.0, 7.0), (0.5, 2.0, -5.0, 7.0)):
        fill("trunc_normal", dtype, (30, 40), arguments)
        fill("trunc_normal", dtype, (5,), arguments)
for n in (0, 1, 2, 10, 1000, 60000):
    torch.manual_seed(0)
    record("randperm", torch.int64, (n,), "dense", 0, (), torch.randperm(n))

# Element i of the probabilities is (i * 7 % 11) / 11 in float32.
for dtype in (torch.float32, torch.float64):
    chances = ((torch.arange(60) * 7 % 11).float() / 11).to(dtype)
    torch.manual_seed(0)
    record("bernoulli_of", dtype, (60,), "dense", 0, (), torch.zeros(60).bernoulli_(chances))
    torch.manual_seed(0)
    x = torch.zeros(6, 10)
    x.t().bernoulli_(chances.reshape(6, 10).t())
    record("bernoulli_of", dtype, (6, 10), "transposed", 0, (), x)
    for count, replacement in ((1, 0), (1, 1), (20, 0), (54, 0), (200, 1)):
        torch.manual_seed(0)
        drawn = torch.multinomial(chances, count, bool(replacement))
        record("multinomial", dtype, (60,), "dense", 0, (count, replacement), drawn)

# Scalar normals leave a value behind that the next scalar normal takes, whatever is drawn in between.
torch.manual_seed(0)
parts = [torch.randn(3), torch.randn(20), torch.randn(2, dtype=torch.float64).float(), torch.rand(5), torch.randn(1)]
record("mixture", torch.float32, (31,), "dense", 0, (), torch.cat(parts))

here = pathlib.Path(__file__).parent
(here / "cases.txt").write_text("\n".join(lines) + "\n")
