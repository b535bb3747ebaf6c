"""Writes small_floats.txt and casts.txt: conversions as PyTorch makes them. Run with PyTorch 2.7 or later.

small_floats.txt: "decode dtype float32-values" lists the value of every 8-bit code (16-bit codes: a SHA-256);
"encode dtype float32-values codes" gives rounded values. NaNs among decoded values are 7fc00000.
casts.txt: "from to input-bytes output-bytes". All bytes are little-endian hexadecimal.
"""
import hashlib
import pathlib

import torch

here = pathlib.Path(__file__).parent
torch.manual_seed(5)
inf, nan = float("inf"), float("nan")
SMALL = ["float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz", "float8_e8m0fnu", "float16", "bfloat16"]


def hexed(tensor):
    data = tensor.contiguous()
    return bytes(data.untyped_storage())[: data.nbytes].hex()


def canonical(values):
    return torch.where(values.isnan(), torch.tensor(nan), values)


lines = []
for name in SMALL:
    dtype = getattr(torch, name)
    if dtype.itemsize == 1:
        decoded = torch.arange(256, dtype=torch.int32).to(torch.uint8).view(dtype).float()
        lines.append(f"decode {name} {hexed(canonical(decoded))}")
        edges = decoded[decoded.isfinite()].unique()
        middles = (edges[1:].double() + edges[:-1].double()) / 2
        samples = torch.cat([edges.double(), middles]).float()
        samples = torch.cat([samples, torch.nextafter(samples, torch.tensor(inf)), torch.nextafter(samples, torch.tensor(-inf))])
    else:
        decoded = torch.arange(65536, dtype=torch.int32).to(torch.uint16).view(dtype).float()
        lines.append(f"decode {name} {hashlib.sha256(bytes.fromhex(hexed(canonical(decoded)))).hexdigest()}")
        edges = decoded[decoded.isfinite()].unique()
        pick = torch.randint(0, len(edges) - 1, (300,))
        samples = torch.cat([edges[pick], (edges[pick] + edges[pick + 1]) / 2, edges[:3], edges[-3:]])
        samples = torch.cat([samples, torch.nextafter(samples, torch.tensor(inf)), torch.nextafter(samples, torch.tensor(-inf))])
    special = torch.tensor([0.0, -0.0, inf, -inf, nan, 1e-45, -1e-45, 1e-40, 3.4e38, -3.4e38, 65519.0, 65520.0, 448.0, 464.0, 465.0,
                            480.0, 57344.0, 61440.0, 61441.0, 240.0, 248.0, 249.0, 1e-3, -1e-3, 2.0**-127, 2.0**-128, 2.0**-126])
    samples = torch.cat([samples, torch.randn(200), torch.randn(200) * 1e-4, torch.randn(200) * 1e3, special])
    if name == "float8_e8m0fnu":
        samples = samples[~(samples < 0)]  # the type has no sign: what a negative number gives is nobody's contract
    if name == "bfloat16":
        samples = samples[~samples.isnan()]  # PyTorch's vector code and scalar code disagree
    codes = samples.to(dtype).view(torch.uint8 if dtype.itemsize == 1 else torch.uint16)
    lines.append(f"encode {name} {hexed(samples)} {hexed(codes)}")
(here / "small_floats.txt").write_text("\n".join(lines) + "\n")

DTYPES = ["bool", "uint8", "int8", "int16", "int32", "int64", "float16", "bfloat16", "float32", "float64", "complex64",
          "complex128", "uint16", "uint32", "uint64", "float8_e4m3fn", "float8_e5m2"]
INTEGERS = {name: torch.iinfo(getattr(torch, name)) for name in DTYPES if "int" in name}
lines = []
for source in DTYPES:
    for target in DTYPES:
        if source == target:
            continue
        start = getattr(torch, source)
        if source == "bool":
            values = torch.tensor([True, False])
        elif source in INTEGERS:
            info = INTEGERS[source]
            values = torch.tensor([0, 1, 2, 100, info.max, info.max - 1, info.min, info.max // 2, info.max // 3], dtype=start)
            if source.startswith("int"):
                values = torch.cat([values, torch.tensor([-1, -2, -100], dtype=start)])
        else:
            numbers = [0.0, -0.0, 1.0, 0.5, 1.5, 2.5, 100.0, 0.1, 3.999, 65504.0, 1e-8]
            if target in INTEGERS:  # what C++ leaves undefined is no reference
                numbers = [x for x in numbers if x <= INTEGERS[target].max]
            else:
                numbers += [nan, inf, -inf, 1e30, -1e-30, 70000.0]
            if not target.startswith("uint"):
                numbers += [-1.0, -2.5, -100.7]
            if start.is_complex:
                numbers = [complex(x, y) for x, y in zip(numbers, reversed(numbers))]
            values = torch.tensor(numbers, dtype=torch.complex128 if start.is_complex else torch.float64).to(start)
            if target in INTEGERS:
                real = values.real if start.is_complex else values
                values = values[(real.double() <= INTEGERS[target].max)]
        lines.append(f"{source} {target} {hexed(values)} {hexed(values.to(getattr(torch, target)))}")
(here / "casts.txt").write_text("\n".join(lines) + "\n")
