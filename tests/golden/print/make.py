"""Writes cases.txt: tensors and what PyTorch prints for them. Run with PyTorch 2.x: python make.py

A case is a header line "dtype shape strides offset bytes-in-hex" ("counted" in place of the bytes stands
for the numbers of counted()), then the printed lines with "| " before each.
"""
import pathlib

import torch

DTYPES = {
    "float32": torch.float32, "float64": torch.float64, "float16": torch.float16,
    "bfloat16": torch.bfloat16, "int64": torch.int64, "int32": torch.int32, "int16": torch.int16,
    "int8": torch.int8, "uint8": torch.uint8, "uint16": torch.uint16, "uint32": torch.uint32,
    "uint64": torch.uint64, "bool": torch.bool, "complex64": torch.complex64,
    "complex128": torch.complex128, "float8_e4m3fn": torch.float8_e4m3fn,
    "float8_e5m2": torch.float8_e5m2, "float8_e4m3fnuz": torch.float8_e4m3fnuz,
    "float8_e5m2fnuz": torch.float8_e5m2fnuz, "float8_e8m0fnu": torch.float8_e8m0fnu,
}
NAMES = {value: key for key, value in DTYPES.items()}
out = []


def dims(sizes):
    return "x".join(str(size) for size in sizes) if len(sizes) else "scalar"


def case(tensor):
    """One case from a tensor, which may be a strided view of its storage."""
    raw = bytes(tensor.untyped_storage().tolist())
    out.append(f"{NAMES[tensor.dtype]} {dims(tensor.shape)} {dims(tensor.stride())} {tensor.storage_offset()} {raw.hex() or '-'}")
    out.extend("| " + line for line in repr(tensor).split("\n"))


def counted(shape, dtype):
    """A large case that is not stored: element i is (i * 2654435761) % 2**32 % 20011 - 10000, scaled."""
    count = 1
    for size in shape:
        count *= size
    values = (torch.arange(count) * 2654435761) % 2**32 % 20011 - 10000
    tensor = values.to(dtype)
    if dtype.is_floating_point:
        tensor = tensor / 128
    tensor = tensor.reshape(shape)
    out.append(f"{NAMES[dtype]} {dims(shape)} {dims(tensor.stride())} 0 counted")
    out.extend("| " + line for line in repr(tensor).split("\n"))


inf, nan = float("inf"), float("nan")
torch.manual_seed(7)
for values in ([3.0], [1.0, 2.0], [0.0], [-0.0], [0.0, 0.0], [1.5, -2.25], [1e-5, 1.0], [1e9, 1.0], [123456789.0],
               [1e8], [0.1, 0.2, 0.3], [nan], [inf], [-inf, 1.0], [nan, 1.5, inf], [nan, -inf, 100.0, -0.0],
               [1000.0, 1.0], [1001.0, 1.0], [1e-4], [9.9e-5], [0.00012, 0.1], [1e38, -1e-38], [1e-45],
               [2.5, 1e4], [0.99999, 0.5], [-1.0, 2.0, nan], [99999.5, 100.5]):
    case(torch.tensor(values))
for value in (3.0, 3.25, -1e-7, nan, 1e20, 0.0):
    case(torch.tensor(value))
    case(torch.tensor(value, dtype=torch.float64))
for dtype in ("float64", "float16", "bfloat16", "float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz"):
    case((torch.randn(3, 5) * 3).to(DTYPES[dtype]))
    case(torch.tensor([1.0, 2.0, 64.0]).to(DTYPES[dtype]))
    case(torch.tensor([0.001, 200.0, nan]).to(DTYPES[dtype]))
case(torch.tensor([0, 1, 100, 127, 128, 200, 254], dtype=torch.uint8).view(torch.float8_e8m0fnu))
for dtype in ("int64", "int32", "int16", "int8", "uint8", "uint16", "uint32", "uint64"):
    case(torch.tensor([0, 1, 100]).to(DTYPES[dtype]))
    case(torch.randint(0, 100, (2, 3, 4)).to(DTYPES[dtype]))
case(torch.tensor([-5, 12345678901234, 7]))
case(torch.tensor([-(2**63), 2**63 - 1]))
case(torch.tensor([-1], dtype=torch.int64).view(torch.uint64))
case(torch.tensor(-3))
case(torch.tensor(True))
case(torch.tensor([[True, False], [False, False]]))
case(torch.tensor([True, True]))
for shape in ((0,), (0, 3), (3, 0), (2, 0, 4)):
    for dtype in ("float32", "int64", "bool", "float64", "complex64"):
        case(torch.empty(shape, dtype=DTYPES[dtype]))
for shape in ((1,), (2, 3), (30,), (1, 40), (3, 20), (2, 2, 2), (2, 3, 2, 3), (1, 1, 1, 1), (100,), (5, 1), (2, 40)):
    case(torch.randn(shape))
    case(torch.randint(-1000, 1000, shape))
    case(torch.randn(shape) * 10.0 ** torch.randint(-6, 7, shape))
for shape in ((3, 4), (25,)):
    case(torch.randn(shape, dtype=torch.float64))
    case(torch.randint(0, 2, shape).bool())
case(torch.tensor(1 + 2j))
case(torch.tensor([1 + 2j, -1.5 - 0.25j, 0j]))
case(torch.tensor([1 + 0j, -1 - 1000000j]))
case(torch.tensor([complex(nan, 1.0), complex(2.0, -inf), complex(-0.0, -0.0)]))
case(torch.randn(3, 8, dtype=torch.complex64))
case(torch.randn(2, 2, dtype=torch.complex128))
case(torch.randn(4, 6).t())
case(torch.randn(4, 6)[::2, 1::3])
case(torch.arange(3.0).expand(2, 3))
for shape in ((1000,), (1001,), (5000,), (40, 30), (2, 600), (600, 2), (8, 9, 20), (10, 11, 12, 3), (7, 1, 200), (3, 3, 200)):
    counted(shape, torch.float32)
    counted(shape, torch.int64)
counted((2000,), torch.float64)
counted((50, 50), torch.int32)

here = pathlib.Path(__file__).parent
(here / "cases.txt").write_text("\n".join(out) + "\n")
