"""Random calls of operations, run in PyTorch and by `sconce_probe_nn ops`, results and gradients compared."""

import random

import torch

from sconce_torch import SEED, OneThreadCase, load, run_probe_nn

DTYPES = (torch.float32, torch.float64)
# Largest difference over largest reference value of a tensor.
TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-12}
REPEATS = 6


class Case:
    """One call: `function(*inputs, **options)` here is `op` there."""

    def __init__(self, op, function, inputs, **options):
        self.op, self.function, self.inputs, self.options = op, function, inputs, options

    def __str__(self):
        shapes = ", ".join("None" if x is None else f"{list(x.shape)}:{list(x.stride())} {x.dtype}" for x in self.inputs)
        return f"{self.op}({shapes}, {self.options})"

    def run(self, inputs, grads=None, dtype=None):
        """Results and the gradients of the inputs; draws `grads` unless they are given."""
        options = self.options
        if dtype is not None:
            options = {name: as_dtype(value, dtype) for name, value in options.items()}
        results = self.function(*inputs, **options)
        results = [results] if isinstance(results, torch.Tensor) else list(results)
        if grads is None:
            grads = [torch.randn_like(y).contiguous() if y.requires_grad else None for y in results]
        pairs = [(y, grad) for y, grad in zip(results, grads) if grad is not None]
        wanted = [x for x in inputs if x is not None and x.requires_grad]
        found = [None] * len(wanted)
        if pairs:
            outputs, given = zip(*pairs)
            found = torch.autograd.grad(outputs, wanted, given, allow_unused=True)
        found = iter(found)
        by_input = [next(found) if x is not None and x.requires_grad else None for x in inputs]
        return [y.detach() for y in results], by_input, grads

    def conditioning(self, grads):
        """How much results and gradients move, relative to their scale, for each unit that everything given moves
        relative to itself. Far above 1 where digits cancel: there no algorithm can keep them."""
        unit = 2.0**-24
        moved = []
        exact = None
        for scale in (0, unit, unit, unit, unit):
            shaken = [shake(x, scale) for x in self.inputs]
            results, found, _ = self.run(shaken, [shake(grad, scale) for grad in grads], torch.float64)
            exact = exact or results + found
            moved.append([distance(a, b) / unit for a, b in zip(exact, results + found)])
        return [max(column) for column in zip(*moved)], exact


def as_dtype(value, dtype):
    return value.to(dtype) if isinstance(value, torch.Tensor) and value.is_floating_point() else value


def shake(tensor, scale):
    if tensor is None or not tensor.is_floating_point():
        return tensor
    moved = tensor.detach().double()
    return (moved * (1 + scale * torch.randn_like(moved))).requires_grad_(tensor.requires_grad)


def distance(expected, actual):
    """Largest difference over largest expected value."""
    if expected is None or expected.numel() == 0 or not expected.is_floating_point():
        return 0.0
    expected, actual = expected.detach().double(), actual.detach().double()
    difference = (expected - actual).abs().max().item()
    return difference / expected.abs().max().item() if difference else 0.0


def steps(tensor):
    """The strides on which the place of an element depends."""
    return [stride for stride, size in zip(tensor.stride(), tensor.shape) if size > 1 and tensor.numel()]


class Draw:
    """Random sizes, values and memory layouts of one dtype."""

    def __init__(self, dtype, salt):
        self.dtype = dtype
        self.random = random.Random(f"{SEED} {dtype} {salt}")

    def __getattr__(self, name):  # choice, randint, random, sample, ...
        return getattr(self.random, name)

    def shape(self, rank=None, low=1, high=6):
        return [self.random.randint(low, high) for _ in range(self.random.randint(1, 4) if rank is None else rank)]

    def layout(self, values):
        """The same values with other strides: transposed, every second element, or within something larger."""
        if values.dim() == 0 or values.numel() == 0:
            return values
        kind = self.random.choice(("plain", "transposed", "stepped", "narrowed"))
        if kind == "transposed":
            a, b = self.random.randrange(values.dim()), self.random.randrange(values.dim())
            return values.transpose(a, b).contiguous().transpose(a, b)
        if kind == "stepped":
            holder = torch.zeros(*values.shape[:-1], 2 * values.shape[-1] + 1, dtype=values.dtype)
            holder[..., 1::2] = values
            return holder[..., 1::2]
        if kind == "narrowed":
            holder = torch.zeros(values.shape[0] + 3, *values.shape[1:], dtype=values.dtype)
            holder[2:-1] = values
            return holder[2:-1]
        return values

    def normal(self, *shape, grad=True):
        return self.layout(torch.randn(shape, dtype=self.dtype)).requires_grad_(grad)

    def positive(self, *shape, grad=True):
        """Between 0.5 and 2: far from zeros, poles and overflow."""
        return self.layout(0.5 + 1.5 * torch.rand(shape, dtype=self.dtype)).requires_grad_(grad)

    def small_integers(self, *shape, grad=True):
        """Floating, between -2 and 2: many are equal, many are zero."""
        return self.layout(torch.randint(-2, 3, shape).to(self.dtype)).requires_grad_(grad)

    def indices(self, n, *shape):
        return self.layout(torch.randint(n, shape))

    def mask(self, *shape):
        return self.layout(torch.rand(shape) < 0.5)


class OpTest(OneThreadCase):
    def draws(self, repeats=REPEATS):
        for dtype in DTYPES:
            for i in range(repeats):
                yield Draw(dtype, f"{self.id()} {i}")

    def check(self, cases, strides=False):
        """Runs the cases on both sides; with `strides` the elements must lie alike in memory, too."""
        cases = list(cases)
        expected = [case.run(case.inputs) for case in cases]
        torch.save(
            [
                {"op": case.op, "options": case.options, "inputs": list(case.inputs), "grads": grads}
                for case, (_, _, grads) in zip(cases, expected)
            ],
            self.folder / "in.pt",
        )
        run_probe_nn("ops", self.folder / "in.pt", self.folder / "out.pt")
        found = load(self.folder / "out.pt")
        self.assertEqual(len(cases), len(found))
        for case, (results, input_grads, grads), answer in zip(cases, expected, found):
            with self.subTest(str(case), seed=SEED):
                self.assertNotIn("error", answer)
                self.compare(case, results + input_grads, answer["results"] + answer["grads"], grads)
                if strides:
                    self.assertEqual(list(map(steps, results)), list(map(steps, answer["results"])))

    def compare(self, case, expected, found, grads):
        self.assertEqual(len(expected), len(found))
        for i, (mine, theirs) in enumerate(zip(expected, found)):
            name = f"output {i}"
            self.assertEqual(mine is None, theirs is None, name)
            if mine is None:
                continue
            self.assertEqual((mine.dtype, mine.shape), (theirs.dtype, theirs.shape), name)
            if not mine.is_floating_point():
                self.assertTrue(torch.equal(mine, theirs), f"{name}: {theirs}, expected {mine}")
            elif distance(mine, theirs) > TOLERANCE[mine.dtype]:
                self.compare_ill_conditioned(case, i, mine, theirs, grads)

    def compare_ill_conditioned(self, case, i, mine, theirs, grads):
        # A sum of n numbers that nearly cancel loses as many digits here as in PyTorch, and both may be off by
        # more than the tolerance. It is widened only there: to ten times what the rounding of everything that is
        # given, alone, does to the result in exact arithmetic; and the measure is then the exact result.
        conditioning, exact = case.conditioning(grads)
        rounding = torch.finfo(mine.dtype).eps / 2
        tolerance = max(TOLERANCE[mine.dtype], 10 * conditioning[i] * rounding)
        reference = exact[i] if tolerance > TOLERANCE[mine.dtype] else mine
        error = distance(reference, theirs)
        self.assertLessEqual(error, tolerance, f"output {i} (PyTorch's own error {distance(exact[i], mine):.1e})")
