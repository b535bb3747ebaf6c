"""Forward and gradients of the general operations against PyTorch."""

import itertools

import torch

from op_cases import DTYPES, Case, OpTest


def broadcast_shapes(draw):
    """Two shapes that broadcast to one."""
    shape = draw.shape()
    other = [draw.choice((1, n)) for n in shape][draw.randrange(len(shape)) :]
    return (shape, other) if draw.random.random() < 0.5 else (other, shape)


class Elementwise(OpTest):
    def test_arithmetic(self):
        names = {"add": torch.add, "sub": torch.sub, "mul": torch.mul, "maximum": torch.maximum,
                 "minimum": torch.minimum}
        cases = []
        for draw in self.draws():
            for name, function in names.items():
                a, b = broadcast_shapes(draw)
                cases.append(Case(name, function, [draw.normal(*a), draw.normal(*b)]))
            for name in ("add", "sub"):
                a, b = broadcast_shapes(draw)
                alpha = draw.choice((2, -1, 0.3, 1.7))
                cases.append(Case(name, names[name], [draw.normal(*a), draw.normal(*b)], alpha=alpha))
            for name in ("maximum", "minimum"):
                a, b = broadcast_shapes(draw)
                cases.append(Case(name, names[name], [draw.small_integers(*a), draw.small_integers(*b)]))
            a, b = broadcast_shapes(draw)
            cases.append(Case("div", torch.div, [draw.normal(*a), draw.positive(*b)]))
            a, b = broadcast_shapes(draw)
            cases.append(Case("pow", torch.pow, [draw.positive(*a), draw.normal(*b)]))
            x = draw.normal(*draw.shape())
            cases.append(Case("mul", torch.mul, [x, draw.normal()]))
            cases.append(Case("add", torch.add, [draw.normal(), x]))
        self.check(cases)

    def test_mixed_dtypes(self):
        def operand(draw, dtype):
            values = draw.small_integers(*draw.choice(([], [3], [2, 3])), grad=False).to(dtype)
            return values.requires_grad_(dtype.is_floating_point)

        dtypes = (torch.bool, torch.int64, *DTYPES)
        names = {"add": torch.add, "mul": torch.mul, "eq": torch.eq, "lt": torch.lt, "ge": torch.ge}
        cases = []
        for draw in self.draws(1):
            for (name, function), a, b in itertools.product(names.items(), dtypes, dtypes):
                cases.append(Case(name, function, [operand(draw, a), operand(draw, b)]))
            for dtype, scalar in itertools.product(dtypes, (True, 2, 1.5)):
                cases.append(Case("add_scalar", torch.add, [operand(draw, dtype)], other=scalar))
                cases.append(Case("mul_scalar", torch.mul, [operand(draw, dtype)], other=scalar))
            cases.append(Case("div", torch.div, [torch.arange(6), torch.arange(1, 7)]))
        self.check(cases)

    def test_scalars(self):
        cases = []
        for draw in self.draws():
            other = draw.choice((3, -2, 0.7, -1.3, 2.5))
            shape = draw.shape()
            for name in ("add", "sub", "mul", "div"):
                cases.append(Case(f"{name}_scalar", getattr(torch, name), [draw.normal(*shape)], other=other))
            x = draw.positive(*shape)
            cases.append(Case("scalar_sub", lambda x, other: other - x, [x], other=other))
            cases.append(Case("scalar_div", lambda x, other: other / x, [x], other=other))
            base = draw.choice((2, 0.5, 1.7))
            cases.append(Case("scalar_pow", lambda x, base: torch.pow(base, x), [draw.normal(*shape)], base=base))
            cases.append(Case("pow_scalar", torch.pow, [x], exponent=draw.choice((0.5, -0.5, 1.5, -2.5, -1, 3))))
            cases.append(Case("pow_scalar", torch.pow, [draw.normal(*shape)], exponent=draw.choice((0, 1, 2, 3, 2.0))))
            low, high = sorted((draw.uniform(-1, 1), draw.uniform(-1, 1)))
            for bounds in ({"min": low, "max": high}, {"min": low}, {"max": high}):
                cases.append(Case("clamp", torch.clamp, [draw.normal(*shape)], **bounds))
            cases.append(Case("clamp", torch.clamp, [draw.small_integers(*shape)], min=-1, max=1))
        self.check(cases)

    def test_functions(self):
        everywhere = ("neg", "abs", "sign", "exp", "sin", "cos", "tanh", "sigmoid", "relu", "square")
        cases = []
        for draw in self.draws():
            for name in everywhere:
                function = getattr(torch, name)
                cases.append(Case(name, function, [draw.normal(*draw.shape())]))
                cases.append(Case(name, function, [draw.small_integers(*draw.shape())]))
                cases.append(Case(name, function, [draw.normal(draw.randint(1, 3), draw.randint(50, 500))]))
            for name in ("log", "sqrt", "reciprocal"):
                cases.append(Case(name, getattr(torch, name), [draw.positive(*draw.shape())]))
        self.check(cases)

    def test_choices(self):
        comparisons = ("eq", "ne", "lt", "le", "gt", "ge")
        cases = []
        for draw in self.draws():
            for name in comparisons:
                a, b = broadcast_shapes(draw)
                inputs = [draw.small_integers(*a, grad=False), draw.small_integers(*b, grad=False)]
                cases.append(Case(name, getattr(torch, name), inputs))
                other = draw.choice((0, 1, -1.0, 0.5))
                cases.append(Case(f"{name}_scalar", getattr(torch, name), inputs[:1], other=other))
            for name in ("logical_and", "logical_or"):
                cases.append(Case(name, getattr(torch, name), inputs))
            cases.append(Case("logical_not", torch.logical_not, inputs[:1]))
            holes = draw.normal(*a, grad=False).masked_fill(draw.mask(*a), float("nan"))
            cases.append(Case("isnan", torch.isnan, [holes]))
            a, b = broadcast_shapes(draw)
            cases.append(Case("where", torch.where, [draw.mask(*a), draw.normal(*a), draw.normal(*b)]))
            scalar = lambda mask, x, other: torch.where(mask, x, torch.tensor(other, dtype=x.dtype))  # noqa: E731
            cases.append(Case("where_scalar", scalar, [draw.mask(*a), draw.normal(*a)], other=1.5))
            cases.append(Case("masked_fill", torch.masked_fill, [draw.normal(*a), draw.mask(*a)], value=-2.5))
        self.check(cases)

    def test_in_place(self):
        def in_place(name):
            return lambda x, *others, **options: getattr(x.clone(), name)(*others, **options)

        cases = []
        for draw in self.draws():
            shape = draw.shape()
            other = [draw.choice((1, n)) for n in shape][draw.randrange(len(shape)) :]
            for name in ("add_", "sub_", "mul_", "div_", "copy_"):
                cases.append(Case(name, in_place(name), [draw.normal(*shape), draw.positive(*other)]))
            for name in ("add_", "sub_"):
                cases.append(Case(name, in_place(name), [draw.normal(*shape), draw.normal(*other)], alpha=0.7))
            for name in ("add_", "mul_", "div_"):
                cases.append(Case(f"{name[:-1]}_scalar_", in_place(name), [draw.normal(*shape)], other=draw.choice((2, 0.3))))
            cases.append(Case("fill_", in_place("fill_"), [draw.normal(*shape)], value=1.5))
            cases.append(Case("zero_", in_place("zero_"), [draw.normal(*shape)]))
        self.check(cases)


class Reductions(OpTest):
    def test_sums(self):
        everything = {"sum": torch.sum, "mean": torch.mean}
        cases = []
        for draw in self.draws():
            shape = draw.shape(draw.randint(1, 4), 2, 6)
            keepdim = draw.choice((False, True))
            dim = draw.randrange(-len(shape), len(shape))
            dims = draw.sample(range(len(shape)), draw.randint(1, len(shape)))
            for name, function in everything.items():
                cases.append(Case(name, function, [draw.normal(*shape)]))
                cases.append(Case(f"{name}_dim", function, [draw.normal(*shape)], dim=dim, keepdim=keepdim))
            for name in ("sum", "mean"):
                cases.append(Case(f"{name}_dims", everything[name], [draw.normal(*shape)], dim=dims, keepdim=keepdim))
                cases.append(Case(name, everything[name], [draw.normal(draw.randint(100, 3000))]))
                rows = draw.normal(draw.randint(1, 300), draw.randint(1, 80))
                cases.append(Case(f"{name}_dim", everything[name], [rows], dim=draw.choice((0, 1))))
            few = draw.shape(draw.randint(1, 3), 2, 4)  # a product of many leaves the range of float32
            dim_of_few = draw.randrange(-len(few), len(few))
            for values in (draw.positive, draw.small_integers):
                cases.append(Case("prod", torch.prod, [values(*few)]))
                cases.append(Case("prod_dim", torch.prod, [values(*few)], dim=dim_of_few, keepdim=keepdim))
            cases.append(Case("sum", torch.sum, [torch.randint(-9, 9, shape)]))
            cases.append(Case("sum_dim", torch.sum, [draw.mask(*shape)], dim=dim))
        self.check(cases)

    def test_spread(self):
        functions = {"var": torch.var, "std": torch.std}
        cases = []
        for draw in self.draws():
            # Of two numbers the spread may be as good as none, and the gradient of std then has a pole.
            shape = draw.shape(draw.randint(1, 4), 3, 6)
            keepdim = draw.choice((False, True))
            dims = draw.sample(range(len(shape)), draw.randint(1, len(shape)))
            for name, function in functions.items():
                every = lambda x, correction, f=function: f(x, dim=None, correction=correction)  # noqa: E731
                for correction in (0, 1, 2):
                    cases.append(Case(name, every, [draw.normal(*shape)], correction=correction))
                    cases.append(Case(f"{name}_dims", function, [draw.normal(*shape)], dim=dims,
                                      correction=correction, keepdim=keepdim))
        self.check(cases)

    def test_norms(self):
        every = lambda x, p: torch.linalg.vector_norm(x, p)  # noqa: E731
        some = lambda x, p, dim, keepdim: torch.linalg.vector_norm(x, p, dim, keepdim)  # noqa: E731
        cases = []
        for draw in self.draws():
            shape = draw.shape(None, 2, 6)
            dims = draw.sample(range(len(shape)), draw.randint(1, len(shape)))
            for p in (0, 0.5, 1, 1.5, 2, 3, float("inf")):
                cases.append(Case("norm", every, [draw.normal(*shape)], p=p))
                cases.append(Case("norm_dims", some, [draw.normal(*shape)], p=p, dim=dims,
                                  keepdim=draw.choice((False, True))))
        self.check(cases)

    def test_extremes(self):
        cases = []
        for draw in self.draws():
            shape = draw.shape()
            keepdim = draw.choice((False, True))
            dim = draw.randrange(-len(shape), len(shape))
            for values in (draw.normal, draw.small_integers):
                for name in ("max", "min"):
                    cases.append(Case(name, getattr(torch, name), [values(*shape)]))
                    cases.append(Case(f"{name}_dim", getattr(torch, name), [values(*shape)], dim=dim, keepdim=keepdim))
                for name in ("argmax", "argmin"):
                    cases.append(Case(name, getattr(torch, name), [values(*shape, grad=False)]))
                    cases.append(Case(f"{name}_dim", getattr(torch, name), [values(*shape, grad=False)], dim=dim,
                                      keepdim=keepdim))
            for name in ("all", "any"):
                cases.append(Case(name, getattr(torch, name), [draw.mask(*shape)]))
                cases.append(Case(f"{name}_dim", getattr(torch, name), [draw.mask(*shape)], dim=dim, keepdim=keepdim))
        self.check(cases)

    def test_softmax(self):
        cases = []
        for draw in self.draws():
            for shape in (draw.shape(), [draw.randint(1, 20), draw.randint(1, 100)]):
                dim = draw.randrange(-len(shape), len(shape))
                for name in ("softmax", "log_softmax"):
                    cases.append(Case(name, getattr(torch, name), [draw.normal(*shape)], dim=dim))
                    # exp of these is out of range. (Not spread widely: of a softmax rounded to 1 the gradient is
                    # rounding only.)
                    far = (draw.choice((-1000, 1000)) + draw.normal(*shape, grad=False)).requires_grad_()
                    cases.append(Case(name, getattr(torch, name), [far], dim=dim))
                wide = (30 * draw.normal(*shape, grad=False)).requires_grad_()
                cases.append(Case("log_softmax", torch.log_softmax, [wide], dim=dim))
        self.check(cases)


class Views(OpTest):
    def test_shapes(self):
        cases = []
        for draw in self.draws():
            a, b, c = draw.shape(3)
            x = lambda: draw.normal(a, b, c)  # noqa: E731
            plain = lambda: x().detach().clone(memory_format=torch.contiguous_format).requires_grad_()  # noqa: E731
            view = lambda x, size: x.view(size)  # noqa: E731
            for size in ([a * b, c], [a, -1], [-1], [c, 1, a * b]):
                cases.append(Case("view", view, [plain()], size=size))
                cases.append(Case("reshape", torch.reshape, [x()], shape=size))
            dims = draw.sample(range(3), 3)
            cases.append(Case("permute", torch.permute, [x()], dims=dims))
            cases.append(Case("transpose", torch.transpose, [x()], dim0=dims[0], dim1=dims[1] - 3))
            cases.append(Case("t", torch.t, [draw.normal(a, b)]))
            cases.append(Case("t", torch.t, [draw.normal(a)]))
            start = draw.randrange(3)
            cases.append(Case("flatten", torch.flatten, [x()], start_dim=start, end_dim=draw.randint(start, 2)))
            cases.append(Case("flatten", torch.flatten, [x()]))
            ones = draw.normal(1, a, 1, b)
            expand = lambda x, size: x.expand(size)  # noqa: E731
            cases.append(Case("expand", expand, [ones], size=[c, a, 2, b]))
            cases.append(Case("expand", expand, [ones], size=[2, -1, -1, 3, b]))
            cases.append(Case("squeeze", torch.squeeze, [ones]))
            cases.append(Case("squeeze_dim", torch.squeeze, [ones], dim=draw.randrange(-4, 4)))
            cases.append(Case("unsqueeze", torch.unsqueeze, [x()], dim=draw.randrange(-4, 4)))
            cases.append(Case("contiguous", lambda x: x.contiguous(), [x()]))
            cases.append(Case("clone", lambda x: x.clone(memory_format=torch.contiguous_format), [x()]))
        self.check(cases, strides=True)

    def test_parts(self):
        def part(x, dim, start, end=None, step=1):
            return x[(slice(None),) * dim + (slice(start, end, step),)]

        def index(x, first, start, step):
            return x[first, ..., None, start::step]

        cases = []
        for draw in self.draws():
            shape = draw.shape(3)
            x = lambda: draw.normal(*shape)  # noqa: E731
            dim = draw.randrange(3)
            n = shape[dim]
            start = draw.randint(0, n)
            cases.append(Case("select", torch.select, [x()], dim=dim - 3, index=draw.randrange(-n, n)))
            cases.append(Case("narrow", torch.narrow, [x()], dim=dim, start=start, length=draw.randint(0, n - start)))
            cases.append(Case("slice", part, [x()], dim=dim, start=draw.randint(-n - 1, n), end=draw.randint(-n, n + 2),
                              step=draw.randint(1, 3)))
            cases.append(Case("slice", part, [x()], dim=dim, start=start, step=2))
            cases.append(Case("index", index, [x()], first=draw.randrange(-shape[0], shape[0]), start=-2, step=2))
            size = draw.randint(1, n)
            split = lambda x, size, dim: torch.split(x, size, dim)  # noqa: E731
            cases.append(Case("split", split, [x()], size=size, dim=dim))
            split = lambda x, sizes, dim: torch.split(x, sizes, dim)  # noqa: E731
            cases.append(Case("split_sizes", split, [x()], sizes=[size, n - size], dim=dim))
            cases.append(Case("chunk", torch.chunk, [x()], chunks=draw.randint(1, 4), dim=dim))
        self.check(cases, strides=True)

    def test_to(self):
        convert = lambda x, dtype: x.to(getattr(torch, dtype))  # noqa: E731
        cases = []
        for draw in self.draws(2):
            for dtype in ("float32", "float64"):
                cases.append(Case("to", convert, [draw.normal(*draw.shape())], dtype=dtype))
            for dtype in ("int64", "int32", "uint8", "bool"):
                cases.append(Case("to", convert, [draw.positive(*draw.shape(), grad=False)], dtype=dtype))
            for dtype in ("float32", "float64"):
                cases.append(Case("to", convert, [draw.mask(*draw.shape())], dtype=dtype))
        self.check(cases)


class Indexing(OpTest):
    def test_joining(self):
        cases = []
        for draw in self.draws():
            shape = draw.shape()
            dim = draw.randrange(len(shape))
            joined = [draw.normal(*shape[:dim], draw.randint(0, 4), *shape[dim + 1 :]) for _ in range(draw.randint(1, 4))]
            cases.append(Case("cat", lambda *x, dim: torch.cat(x, dim), joined, dim=dim - draw.choice((0, len(shape)))))
            stacked = [draw.normal(*shape) for _ in range(draw.randint(1, 4))]
            dim = draw.randrange(-len(shape) - 1, len(shape) + 1)
            cases.append(Case("stack", lambda *x, dim: torch.stack(x, dim), stacked, dim=dim))
        self.check(cases)

    def test_moving(self):
        cases = []
        for draw in self.draws():
            shape = draw.shape()
            dim = draw.randrange(len(shape))
            n = shape[dim]
            x = lambda: draw.normal(*shape)  # noqa: E731
            index = draw.indices(n, draw.randint(1, 5))
            cases.append(Case("index_select", lambda x, i, dim: torch.index_select(x, dim, i), [x(), index], dim=dim))
            source = draw.normal(*shape[:dim], len(index), *shape[dim + 1 :])
            cases.append(Case("index_add", lambda x, i, s, dim: torch.index_add(x, dim, i, s), [x(), index, source],
                              dim=dim))
            within = [draw.randint(1, size) for size in shape]
            within[dim] = draw.randint(1, 6)
            index = draw.indices(n, *within)
            cases.append(Case("gather", lambda x, i, dim: torch.gather(x, dim, i), [x(), index], dim=dim - len(shape)))
            source = draw.normal(*within)
            cases.append(Case("scatter_add", lambda x, i, s, dim: torch.scatter_add(x, dim, i, s), [x(), index, source],
                              dim=dim))
            # What several writes to one place leave is not defined: every place is written once.
            within[dim] = draw.randint(1, n)
            order = draw.layout(torch.rand(*within[:dim], n, *within[dim + 1 :]).argsort(dim).narrow(dim, 0, within[dim]))
            cases.append(Case("scatter", lambda x, i, s, dim: torch.scatter(x, dim, i, s),
                              [x(), order, draw.normal(*within)], dim=dim))
        self.check(cases)

    def test_rows(self):
        embedding = lambda weight, index, padding_idx=None: torch.nn.functional.embedding(  # noqa: E731
            index, weight, padding_idx)
        cases = []
        for draw in self.draws():
            rows, width = draw.shape(2)
            index = draw.indices(rows, *draw.shape())
            cases.append(Case("embedding", embedding, [draw.normal(rows, width), index]))
            cases.append(Case("embedding", embedding, [draw.normal(rows, width), index],
                              padding_idx=draw.randrange(rows)))
            one_hot = torch.nn.functional.one_hot
            cases.append(Case("one_hot", one_hot, [index]))
            cases.append(Case("one_hot", one_hot, [index], num_classes=rows + 2))
        self.check(cases)

    def test_order(self):
        sort = lambda x, dim, descending: torch.sort(x, dim=dim, descending=descending, stable=True)[1]  # noqa: E731
        cases = []
        for draw in self.draws():
            shape = draw.shape()
            dim = draw.randrange(-len(shape), len(shape))
            for values in (draw.normal, draw.small_integers):
                for descending in (False, True):
                    cases.append(Case("argsort", sort, [values(*shape, grad=False)], dim=dim, descending=descending))
            for largest in (False, True):
                cases.append(Case("topk", torch.topk, [draw.normal(*shape)], k=draw.randint(1, shape[dim]), dim=dim,
                                  largest=largest))
        self.check(cases)
