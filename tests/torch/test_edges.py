"""Values at the edges of arithmetic against PyTorch, element by element: NaN, infinities, zeros of both signs,
denormals, nothing at all, and where a slope has no value."""

import itertools

import torch
import torch.nn.functional as F

from op_cases import DTYPES, Case, OpTest

NAN, INF = float("nan"), float("inf")
EDGES = (0.0, -0.0, 1.0, -1.0, NAN, INF, -INF, 1e-40, -1e-40, 3.4e38, 1e-45)
RELATIVE = {torch.float32: 1e-5, torch.float64: 1e-12}


def tensor(*values, dtype):
    return torch.tensor(values, dtype=dtype).requires_grad_()


def zeros(*shape, dtype, grad=True):
    return torch.zeros(shape, dtype=dtype).requires_grad_(grad)


class EdgeTest(OpTest):
    def compare(self, case, expected, found, grads):
        self.assertEqual(len(expected), len(found))
        for i, (mine, theirs) in enumerate(zip(expected, found)):
            self.assertEqual(mine is None, theirs is None, f"output {i}")
            if mine is None:
                continue
            self.assertEqual((mine.dtype, mine.shape), (theirs.dtype, theirs.shape), f"output {i}")
            relative = RELATIVE.get(mine.dtype, 0)
            self.assertTrue(torch.allclose(theirs, mine, rtol=relative, atol=0, equal_nan=True),
                            f"output {i}: {theirs.tolist()}, PyTorch has {mine.tolist()}, "
                            f"of {[x.tolist() for x in case.inputs if x is not None]}")


class Elementwise(EdgeTest):
    def test_of_one(self):
        names = ("neg", "abs", "sign", "exp", "sin", "cos", "tanh", "sigmoid", "relu", "square", "log", "sqrt",
                 "reciprocal")
        for dtype in DTYPES:
            self.check([Case(name, getattr(torch, name), [tensor(*EDGES, dtype=dtype)]) for name in names])
            x = torch.tensor(EDGES, dtype=dtype)
            self.check([Case(name, getattr(torch, name), [x]) for name in ("isnan", "logical_not")])

    def test_of_two(self):
        a, b = zip(*itertools.product(EDGES, EDGES))
        names = ("add", "sub", "mul", "div", "maximum", "minimum", "pow", "eq", "ne", "lt", "le", "gt", "ge",
                 "logical_and", "logical_or")
        for dtype in DTYPES:
            self.check([Case(name, getattr(torch, name), [tensor(*a, dtype=dtype), tensor(*b, dtype=dtype)])
                        for name in names])

    def test_powers(self):
        def of_scalar(x, base):
            return torch.pow(base, x)

        for dtype in DTYPES:
            x = tensor(*EDGES, dtype=dtype)
            self.check([Case("pow_scalar", torch.pow, [x], exponent=e) for e in (0, 1, 2, 3, 0.5, -1, -0.5, 2.5, -2)])
            self.check([Case("scalar_pow", of_scalar, [x], base=base) for base in (0, 0.0, 1, 2, -1.5, 0.5)])

    def test_clamp(self):
        for dtype in DTYPES:
            bounds = ({"min": -1, "max": 1}, {"min": 0}, {"max": 0.5}, {"min": 1, "max": -1})
            self.check([Case("clamp", torch.clamp, [tensor(*EDGES, dtype=dtype)], **bound) for bound in bounds])

    def test_integers(self):
        small = torch.tensor([0, 1, -1, 2**62, -(2**62), 3, -7])
        other = torch.tensor([2, 3, -1, 4, 5, -2, 3])
        truth = torch.tensor([True, False, True, True, False, True, False])
        names = ("add", "sub", "mul", "div", "maximum", "minimum", "eq", "lt", "ge", "logical_and", "logical_or")
        cases = []
        for name in names:
            function = getattr(torch, name)
            cases.append(Case(name, function, [small, other]))
            cases.append(Case(name, function, [small.to(torch.int32), other.to(torch.int16)]))
            cases.append(Case(name, function, [small.to(torch.uint8), other.to(torch.int8)]))
            if name != "sub":
                cases.append(Case(name, function, [truth, ~truth]))
        for name in ("neg", "abs", "sign", "square", "relu", "exp", "sin", "sqrt", "reciprocal", "logical_not"):
            cases.append(Case(name, getattr(torch, name), [torch.tensor([0, 1, -1, 3, -7])]))
        cases.append(Case("add_scalar", torch.add, [torch.tensor([250, 1], dtype=torch.uint8)], other=10))
        self.check(cases)


class Reductions(EdgeTest):
    def test_nan_and_nothing(self):
        cases = []
        for dtype in DTYPES:
            for name in ("sum", "mean", "prod", "max", "min", "all", "any"):
                function = getattr(torch, name)
                is_smooth = name not in ("all", "any")
                cases.append(Case(name, function, [torch.tensor([1, NAN, 3], dtype=dtype).requires_grad_(is_smooth)]))
                cases.append(Case(name, function, [torch.tensor(5.0, dtype=dtype).requires_grad_(is_smooth)]))
                cases.append(Case(f"{name}_dim", function, [zeros(2, 3, dtype=dtype, grad=is_smooth)], dim=1))
                cases.append(Case(f"{name}_dim", function, [zeros(0, 3, dtype=dtype, grad=is_smooth)], dim=1))
                if name not in ("max", "min"):
                    cases.append(Case(name, function, [zeros(0, dtype=dtype, grad=is_smooth)]))
                    cases.append(Case(f"{name}_dim", function, [zeros(0, 3, dtype=dtype, grad=is_smooth)], dim=0))
            for name in ("argmax", "argmin"):
                cases.append(Case(name, getattr(torch, name), [torch.tensor([1, NAN, 3], dtype=dtype)]))
        self.check(cases)

    def test_products(self):
        rows = ((1, NAN, 3), (INF, 2, 3), (0, NAN, 2), (0, 0, 2), (0, INF, 2), (2, 0, 5))
        cases = []
        for dtype in DTYPES:
            cases += [Case("prod", torch.prod, [tensor(*row, dtype=dtype)]) for row in rows]
            cases.append(Case("prod_dim", torch.prod, [tensor(*rows, dtype=dtype)], dim=1))
            cases.append(Case("prod_dim", torch.prod, [tensor(*rows[:2], dtype=dtype)], dim=1))
        self.check(cases)

    def test_no_spread(self):
        def spread(function):
            return lambda x, correction: function(x, dim=None, correction=correction)

        cases = []
        for dtype in DTYPES:
            for name, function in {"var": torch.var, "std": torch.std}.items():
                cases.append(Case(name, spread(function), [tensor(3, 3, 3, 3, dtype=dtype)], correction=1))
                cases.append(Case(name, spread(function), [tensor(3, NAN, 3, dtype=dtype)], correction=1))
                cases.append(Case(f"{name}_dims", function, [tensor((2, 2), (1, 2), dtype=dtype)], dim=[1],
                                  correction=0, keepdim=False))
        self.check(cases)

    def test_norms(self):
        def norm(x, p):
            return torch.linalg.vector_norm(x, p)

        cases = []
        for dtype, p in itertools.product(DTYPES, (0, 0.5, 1, 1.5, 2, 3, INF)):
            for values in ((0, 0, 0), (0, 2, -2), (1, NAN), (INF, 1)):
                cases.append(Case("norm", norm, [tensor(*values, dtype=dtype)], p=p))
        self.check(cases)

    def test_softmax(self):
        rows = ((0, -INF), (-INF, -INF), (INF, 0), (NAN, 0), (1e30, -1e30))
        cases = []
        for dtype, name in itertools.product(DTYPES, ("softmax", "log_softmax")):
            function = getattr(torch, name)
            cases += [Case(name, function, [tensor(*row, dtype=dtype)], dim=0) for row in rows]
            cases.append(Case(name, function, [zeros(2, 0, dtype=dtype)], dim=1))
            cases.append(Case(name, function, [torch.tensor(3.0, dtype=dtype).requires_grad_()], dim=0))
        self.check(cases)

    def test_order(self):
        def argsort(x, dim, descending):
            return torch.sort(x, dim=dim, descending=descending, stable=True)[1]

        cases = []
        for dtype, descending in itertools.product(DTYPES, (False, True)):
            x = torch.tensor([NAN, 1, -INF, NAN, INF, -0.0, 0.0], dtype=dtype)
            cases.append(Case("argsort", argsort, [x], dim=0, descending=descending))
            cases.append(Case("topk", torch.topk, [tensor(1, NAN, 3, dtype=dtype)], k=2, dim=0, largest=True))
        self.check(cases)


class Layers(EdgeTest):
    def test_losses_of_nothing(self):
        cases = []
        for dtype, reduction in itertools.product(DTYPES, ("mean", "sum", "none")):
            scores = torch.linspace(-1, 1, 12, dtype=dtype).reshape(4, 3).requires_grad_()
            ignored = torch.full((4,), -100)
            cases.append(Case("cross_entropy", F.cross_entropy, [scores, ignored], reduction=reduction))
            cases.append(Case("cross_entropy", F.cross_entropy, [scores, ignored], reduction=reduction,
                              label_smoothing=0.1))
            cases.append(Case("nll_loss", F.nll_loss, [scores, ignored], reduction=reduction))
            cases.append(Case("cross_entropy", F.cross_entropy, [scores, torch.tensor([0, 1, 2, 0])],
                              weight=torch.zeros(3, dtype=dtype), reduction=reduction))
            nothing = zeros(0, 3, dtype=dtype)
            cases.append(Case("cross_entropy", F.cross_entropy, [nothing, torch.zeros(0, dtype=torch.int64)],
                              reduction=reduction))
            cases.append(Case("mse_loss", F.mse_loss, [nothing, zeros(0, 3, dtype=dtype, grad=False)],
                              reduction=reduction))
        self.check(cases)

    def test_windows(self):
        def max_pool(x, **options):
            return F.max_pool2d(x, return_indices=True, **options)

        cases = []
        for dtype in DTYPES:
            image = torch.zeros(1, 1, 4, 4, dtype=dtype)
            image[0, 0, 1, 1] = NAN
            low = torch.full((1, 1, 4, 4), -INF, dtype=dtype)
            cases.append(Case("max_pool2d", max_pool, [image.requires_grad_()], kernel_size=2))
            cases.append(Case("max_pool2d", max_pool, [low.requires_grad_()], kernel_size=3, stride=1, padding=1))
            nothing = zeros(0, 2, 4, 4, dtype=dtype)
            cases.append(Case("max_pool2d", max_pool, [nothing], kernel_size=2))
            cases.append(Case("avg_pool2d", F.avg_pool2d, [nothing], kernel_size=2))
            cases.append(Case("adaptive_avg_pool2d", F.adaptive_avg_pool2d, [nothing], output_size=2))
            weight = torch.linspace(-1, 1, 54, dtype=dtype).reshape(3, 2, 3, 3).requires_grad_()
            cases.append(Case("conv2d", F.conv2d, [nothing, weight, zeros(3, dtype=dtype)], stride=1, padding=0,
                              dilation=1, groups=1))
        self.check(cases)

    def test_products_of_nothing(self):
        cases = []
        for dtype in DTYPES:
            for rows, columns in ((0, 4), (2, 0)):
                inputs = [zeros(rows, columns, dtype=dtype), zeros(3, columns, dtype=dtype), zeros(3, dtype=dtype)]
                cases.append(Case("linear", F.linear, inputs))
            cases.append(Case("matmul", torch.matmul, [tensor(INF, 1, dtype=dtype), tensor(0, 1, dtype=dtype)]))
        self.check(cases)
