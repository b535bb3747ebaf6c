"""Writes cases.txt: what PyTorch's operations give. Run with PyTorch 2.x on x86-64 Linux: python make.py

A line is "name dtype shape how value". `how` is "exact" (the bits must agree) or "close"; `value` holds the
bytes of the contiguous result in hexadecimal, or "sha256:" and their digest where there are many. The test
holds the same table of names; operand k of a case is

    a(shape, k)[i] = ((37 i + 17 k + 11) mod 101 - 50) / 7, rounded to the dtype.
"""
import hashlib
import pathlib

import torch

torch.set_num_threads(1)
lines = []


def a(shape, k=0, dtype=torch.float32):
    count = 1
    for size in shape:
        count *= size
    i = torch.arange(count, dtype=torch.int64)
    numerator = ((37 * i + 17 * k + 11) % 101 - 50).to(dtype)
    return (numerator / 7 if dtype.is_floating_point else numerator).reshape(shape)


def record(name, how, result):
    data = bytes(result.contiguous().untyped_storage())[: result.nbytes]
    value = data.hex() if len(data) <= 600 else "sha256:" + hashlib.sha256(data).hexdigest()
    sizes = "x".join(map(str, result.shape)) or "scalar"
    lines.append(f"{name} {str(result.dtype).removeprefix('torch.')} {sizes} {how} {value or '-'}")


F32, F64, F16, BF16 = torch.float32, torch.float64, torch.float16, torch.bfloat16
I64, I32, I16, I8, U8, BOOL = torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool
NAMES = [F32, F64, F16, BF16, I64, I32, I16, I8, U8, BOOL]

for p in NAMES:
    for q in NAMES:
        tag = f"{str(p).removeprefix('torch.')}+{str(q).removeprefix('torch.')}"
        x, y = a((2, 3)).to(p), a((3,), 1).to(q)
        record(f"promote:{tag}", "exact", x + y)
        record(f"promote0:{tag}", "exact", x + y[0])
    for name, scalar in (("true", True), ("2", 2), ("1.5", 1.5)):
        record(f"scalar{name}:{str(p).removeprefix('torch.')}", "exact", a((2, 3)).to(p) * scalar)

for dtype in (F32, F64):
    d = str(dtype).removeprefix("torch.")
    x, y, z = a((4, 5), 0, dtype), a((4, 5), 1, dtype), a((5,), 2, dtype)
    positive = x.abs() + 0.5
    exact = {
        "add": x + z, "add_alpha": x.add(y, alpha=0.3), "sub": x - y, "mul": x * z, "div": x / y, "rdiv": 3.7 / x,
        "rsub": 1.1 - x, "div_scalar": x / 3, "neg": -x, "abs": x.abs(), "sign": x.sign(), "sqrt": positive.sqrt(),
        "square": x.square(), "pow2": x**2, "relu": x.relu(), "maximum": torch.maximum(x, y), "minimum": torch.minimum(x, y),
        "clamp": x.clamp(-1.5, 2), "eq": x == y, "lt": x < z, "ge": x >= 0.3, "logical_and": torch.logical_and(x, y > 0),
        "where": torch.where(x > 0, x, z), "masked_fill": x.masked_fill(x > 1, 9), "max": x.max(), "argmin": x.argmin(1),
        "max1": x.max(1)[0], "argmax": x.argmax(), "transpose": x.t(), "narrow": x.narrow(1, 1, 3), "cat": torch.cat([x, y], 1),
        "stack": torch.stack([x, y], 1), "topk": x.topk(2, 1)[0], "argsort": x.argsort(1, descending=True),
        "gather": x.gather(1, torch.tensor([[0, 4], [1, 1]])), "index_select": x.index_select(0, torch.tensor([3, 0, 3])),
        "any": (x > 7).any(0), "all": (x > -7).all(), "linspace": torch.linspace(-1, 2.3, 64, dtype=dtype),
        "arange": torch.arange(-1, 30, 0.3, dtype=dtype), "eye": torch.eye(3, 4, dtype=dtype),
    }
    close = {
        "exp": x.exp(), "log": positive.log(), "sin": x.sin(), "cos": x.cos(), "tanh": x.tanh(), "sigmoid": x.sigmoid(),
        "pow2.5": positive**2.5, "pow_tensor": torch.pow(positive, z), "var": x.var(), "var1": x.var(1, correction=0),
        "std": x.std(0), "norm": x.norm(), "norm1": x.norm(1, 1), "norm3": x.norm(3, 0), "prod": x[:, :2].prod(1),
        "mm": x @ y.t(), "bmm": a((2, 3, 4), 0, dtype) @ a((4, 2), 1, dtype), "dot": z @ z,
        "linear": torch.nn.functional.linear(x, a((3, 5), 3, dtype), a((3,), 4, dtype)),
    }
    for name, result in exact.items():
        record(f"{name}:{d}", "exact", result)
    for name, result in close.items():
        record(f"{name}:{d}", "close", result)

SUMS = [((n,), (), "dense") for n in (0, 1, 7, 8, 9, 31, 32, 33, 63, 100, 511, 4099, 20011, 32767)]
SUMS += [((70, 83), dims, layout) for dims in ((0,), (1,), (), (0, 1)) for layout in ("dense", "transposed", "strided")]
SUMS += [((3, 5, 7, 9), dims, layout) for dims in ((0, 2, 3), (1,), (0,), (3,), (1, 3), (2, 3)) for layout in ("dense", "transposed")]
SUMS += [((300, 5), (0,), "dense"), ((300, 9), (0,), "dense"), ((300, 45), (0,), "dense"), ((4, 6, 32, 32), (0, 2, 3), "dense"),
         ((1500, 3), (0,), "dense"), ((40, 3000), (1,), "dense"), ((3000, 40), (0,), "transposed"), ((128, 10), (0,), "dense")]
for shape, dims, layout in SUMS:
    x = a(shape)
    x = {"dense": x, "transposed": x.transpose(0, -1), "strided": x[..., ::3]}[layout]
    tag = f"{'x'.join(map(str, shape))}:{','.join(map(str, dims)) or 'all'}:{layout}"
    record(f"sum:{tag}", "exact", x.sum(dims) if dims else x.sum())
    record(f"mean:{tag}", "exact", x.mean(dims) if dims else x.mean())

pathlib.Path(__file__).with_name("cases.txt").write_text("\n".join(lines) + "\n")
