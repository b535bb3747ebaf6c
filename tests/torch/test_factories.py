"""New tensors, constant and drawn, against PyTorch: the same dtypes and bits."""

import torch

from op_cases import Case, OpTest
from sconce_torch import TORCH_VERSION

ANY_DTYPE = ("bool", "uint8", "int8", "int16", "int32", "int64", "float16", "bfloat16", "float32", "float64")


def named(function):
    """`function` with dtypes by name, as the probe takes them."""

    def call(*inputs, dtype=None, **options):
        if dtype is not None:
            options["dtype"] = getattr(torch, dtype)
        return function(*inputs, **options)

    return call


def seeded(function):
    """`function` after seeding, and the state in which it leaves the generator."""

    def call(*inputs, seed, **options):
        torch.manual_seed(seed)
        return named(function)(*inputs, **options), torch.get_rng_state()

    return call


class Exact(OpTest):
    def compare(self, case, expected, found, grads):
        if case.op == "linspace" and TORCH_VERSION < (2, 0):  # rounds the first of each vector of it once more
            return super().compare(case, expected, found, grads)
        self.assert_same(list(expected), list(found))


class Constants(Exact):
    def test_constants(self):
        cases = []
        for draw in self.draws():
            size = draw.choice(([], draw.shape(), [2, 0, 3]))
            for name in ("zeros", "ones"):
                cases.append(Case(name, named(getattr(torch, name)), [], size=size))
                cases.append(Case(name, named(getattr(torch, name)), [], size=size, dtype=draw.choice(ANY_DTYPE)))
            for value in (True, draw.randint(-9, 9), draw.uniform(-9, 9)):
                cases.append(Case("full", torch.full, [], size=size, fill_value=value))
                cases.append(Case("full", named(torch.full), [], size=size, fill_value=value,
                                  dtype=draw.choice(("int64", "float16", "float32", "float64"))))
            cases.append(Case("empty", lambda **options: named(torch.empty)(**options).fill_(1), [], size=size,
                              dtype=draw.choice(ANY_DTYPE)))
            n, m = draw.randint(0, 6), draw.randint(0, 6)
            cases.append(Case("eye", torch.eye, [], n=n))
            cases.append(Case("eye", named(torch.eye), [], n=n, m=m,
                              dtype=draw.choice(("uint8", "int64", "float32", "float64"))))
        self.check(cases)

    def test_like(self):
        cases = []
        for draw in self.draws():
            for dtype in ANY_DTYPE:
                # Dense: of transposed tensors PyTorch takes the strides, too.
                like = torch.zeros(draw.choice(([], draw.shape(), [3, 0])), dtype=getattr(torch, dtype))
                for name in ("zeros_like", "ones_like"):
                    cases.append(Case(name, getattr(torch, name), [like]))
                cases.append(Case("empty_like", lambda x: torch.empty_like(x).fill_(1), [like]))
                cases.append(Case("full_like", torch.full_like, [like], fill_value=draw.choice((1, 0))))
            cases.append(Case("full_like", torch.full_like, [torch.zeros(draw.shape(), dtype=draw.dtype)],
                              fill_value=draw.uniform(-2, 2)))
        self.check(cases)

    def test_ranges(self):
        cases = []
        for draw in self.draws(20):
            start, count = draw.randint(-20, 20), draw.randint(0, 80)
            step = draw.choice((1, 2, 3, -1, -4))
            cases.append(Case("arange", torch.arange, [], end=count))
            cases.append(Case("arange", torch.arange, [], end=draw.uniform(0, 50)))
            cases.append(Case("arange", torch.arange, [], start=start, end=start + count))
            cases.append(Case("arange", torch.arange, [], start=start, end=start + count * step, step=step))
            for dtype in ("int32", "float32", "float64"):
                cases.append(Case("arange", named(torch.arange), [], start=start, end=start + count * step, step=step,
                                  dtype=dtype))
            fine = draw.choice((0.1, 0.3, 1e-3, 1.7, -0.25))
            cases.append(Case("arange", torch.arange, [], start=start, end=start + count * fine, step=fine))
            cases.append(Case("arange", named(torch.arange), [], start=draw.uniform(-1, 1), end=1 + count * abs(fine),
                              step=abs(fine), dtype="float64"))
            ends = {"start": draw.uniform(-9, 9), "end": draw.uniform(-9, 9)}
            for dtype in ("float32", "float64"):
                cases.append(Case("linspace", named(torch.linspace), [], steps=count, dtype=dtype, **ends))
                cases.append(Case("linspace", named(torch.linspace), [], steps=draw.randint(0, 3), dtype=dtype, **ends))
        self.check(cases)


class Draws(Exact):
    def test_draws(self):
        cases = []
        for draw in self.draws(10):
            size = draw.choice(([], [draw.randint(0, 40)], draw.shape(), [3, 0]))
            # Normal numbers are drawn sixteen at a time; fewer, one by one, are those of 2.7 and later.
            normal = ("randn",) if TORCH_VERSION >= (2, 7) or torch.Size(size).numel() >= 16 else ()
            dtype = str(draw.dtype).split(".")[1]
            seed = lambda: draw.getrandbits(63)  # noqa: E731
            for name in ("rand", *normal):
                cases.append(Case(name, seeded(getattr(torch, name)), [], seed=seed(), size=size, dtype=dtype))
            for dtype in ("int64", "int32", "uint8", "float32"):
                cases.append(Case("randint", seeded(torch.randint), [], seed=seed(), size=size, low=draw.randint(0, 9),
                                  high=draw.randint(10, 100), dtype=dtype))
            wide = {"low": -draw.getrandbits(40), "high": draw.getrandbits(62) + 1}
            cases.append(Case("randint", seeded(torch.randint), [], seed=seed(), size=size, **wide))
            for n in (draw.randint(0, 5), draw.randint(6, 3000)):
                cases.append(Case("randperm", seeded(torch.randperm), [], seed=seed(), n=n))
            like = torch.zeros(size, dtype=draw.dtype)
            for name in ("rand", *normal):
                cases.append(Case(f"{name}_like", seeded(getattr(torch, f"{name}_like")), [like], seed=seed()))
        self.check(cases)

    def test_bernoulli(self):
        cases = []
        for draw in self.draws(20):
            size = draw.choice(([], [draw.randint(0, 60)], draw.shape(), [3, 0]))
            p = draw.layout(torch.rand(size, dtype=draw.dtype))
            for values in (p, p.round(), torch.full(size, draw.random.random(), dtype=draw.dtype)):
                cases.append(Case("bernoulli", seeded(torch.bernoulli), [values], seed=draw.getrandbits(63)))
        self.check(cases)
