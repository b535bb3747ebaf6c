"""Writes cases.txt: results and gradients of PyTorch's neural-network functions. Run: python make.py

A case is a line "case operation numbers...", then one "input shape seed" line for each floating input (or
"labels shape values..." for class indices, "none" for an absent one), one "result shape values..." line for each
result and one "grad shape values..." line for each floating input in order. Everything is float64. Inputs and the
gradient of the first result (seed 99) follow from their seed: element i is ((7919 i + 104729 seed) % 2001 - 1000)
/ 1000.
"""
import pathlib

import torch
import torch.nn.functional as F

lines = []


def values(shape, seed):
    count = torch.Size(shape).numel()
    numbers = [((7919 * i + 104729 * seed) % 2001 - 1000) / 1000 for i in range(count)]
    return torch.tensor(numbers, dtype=torch.float64).reshape(shape)


def shape_text(shape):
    return "x".join(str(size) for size in shape) or "scalar"


def text(tensor):
    return " ".join([shape_text(tensor.shape)] + [repr(v) for v in tensor.flatten().tolist()])


def case(operation, numbers, inputs, function):
    """inputs: a shape, ("labels", tensor), or None; function gets the tensors and returns one or several."""
    lines.append(" ".join(["case", operation, *(repr(n) for n in numbers)]))
    tensors = []
    for seed, given in enumerate(inputs, 1):
        if given is None:
            lines.append("none")
            tensors.append(None)
        elif given and given[0] == "labels":
            lines.append("labels " + text(given[1]))
            tensors.append(given[1])
        else:
            lines.append(f"input {shape_text(given)} {seed}")
            tensors.append(values(given, seed).requires_grad_())
    results = function(*tensors)
    results = results if isinstance(results, tuple) else (results,)
    results[0].backward(values(results[0].shape, 99))
    lines.extend("result " + text(result.detach()) for result in results)
    for tensor in tensors:
        if tensor is not None and tensor.is_floating_point():
            lines.append("grad " + text(torch.zeros_like(tensor) if tensor.grad is None else tensor.grad))


def labels(shape, classes, *ignored):
    count = torch.Size(shape).numel()
    numbers = [-100 if i in ignored else (3 * i + 1) % classes for i in range(count)]
    return "labels", torch.tensor(numbers).reshape(shape)


# numbers: stride, padding, dilation (each height, width), groups
for shapes, numbers in [
    (((2, 3, 6, 5), (4, 3, 3, 2), (4,)), (1, 1, 0, 0, 1, 1, 1)),
    (((2, 3, 6, 5), (4, 3, 3, 2), None), (2, 1, 1, 2, 1, 1, 1)),
    (((1, 2, 7, 7), (2, 2, 3, 3), (2,)), (1, 2, 2, 1, 2, 2, 1)),
    (((2, 4, 4, 4), (6, 2, 2, 2), (6,)), (1, 1, 1, 0, 1, 1, 2)),
    (((1, 3, 5, 5), (3, 1, 3, 3), None), (2, 2, 1, 1, 1, 1, 3)),
    (((3, 5, 4), (2, 3, 2, 3), (2,)), (1, 1, 0, 1, 1, 1, 1)),
]:
    s, p, d, g = numbers[0:2], numbers[2:4], numbers[4:6], numbers[6]
    case("conv2d", numbers, shapes, lambda x, w, b: F.conv2d(x, w, b, s, p, d, g))

# numbers: kernel, stride, padding, dilation, ceil_mode
for shape, numbers in [
    ((2, 2, 4, 6), (2, 2, 2, 2, 0, 0, 1, 1, 0)),
    ((1, 2, 5, 7), (3, 2, 2, 1, 1, 1, 1, 1, 0)),
    ((1, 2, 6, 6), (3, 3, 2, 2, 1, 0, 1, 2, 1)),
    ((2, 5, 5), (2, 2, 2, 2, 0, 0, 1, 1, 1)),
]:
    k, s, p, d, c = numbers[0:2], numbers[2:4], numbers[4:6], numbers[6:8], bool(numbers[8])
    case("max_pool2d", numbers, [shape], lambda x: F.max_pool2d(x, k, s, p, d, c, return_indices=True))

# numbers: kernel, stride, padding, ceil_mode, count_include_pad, divisor_override (0: none)
for shape, numbers in [
    ((2, 2, 4, 6), (2, 2, 2, 2, 0, 0, 0, 1, 0)),
    ((1, 2, 5, 7), (3, 2, 2, 1, 1, 1, 0, 1, 0)),
    ((1, 2, 6, 6), (3, 3, 2, 2, 1, 1, 1, 0, 0)),
    ((1, 2, 6, 6), (3, 3, 2, 2, 1, 1, 1, 1, 0)),
    ((2, 5, 5), (2, 3, 2, 2, 1, 0, 1, 1, 5)),
]:
    k, s, p, (c, i, o) = numbers[0:2], numbers[2:4], numbers[4:6], numbers[6:9]
    case("avg_pool2d", numbers, [shape], lambda x: F.avg_pool2d(x, k, s, p, bool(c), bool(i), o or None))

for shape, size in [((2, 2, 5, 7), (3, 2)), ((1, 2, 4, 4), (1, 1)), ((2, 3, 3), (5, 4))]:
    case("adaptive_avg_pool2d", size, [shape], lambda x: F.adaptive_avg_pool2d(x, size))


def batch_norm(x, weight, bias, training, momentum, eps):
    mean = values((x.shape[1],), 11)
    variance = values((x.shape[1],), 12).abs() + 0.5
    return F.batch_norm(x, mean, variance, weight, bias, training, momentum, eps), mean, variance


# numbers: training, momentum, eps; results: output and the running statistics (before: seeds 11, |12| + 0.5)
for shapes, numbers in [
    (((4, 3, 3, 2), (3,), (3,)), (1, 0.1, 1e-5)),
    (((4, 3, 3, 2), (3,), (3,)), (0, 0.1, 1e-5)),
    (((5, 2), None, None), (1, 0.3, 1e-3)),
    (((2, 3, 4), (3,), None), (1, 1.0, 1e-5)),
]:
    case("batch_norm", numbers, shapes, lambda x, w, b: batch_norm(x, w, b, bool(numbers[0]), *numbers[1:]))

for shape, dim in [((3, 4), 1), ((2, 3, 4), 1), ((2, 3, 4), 0), ((5,), -1)]:
    case("softmax", [dim], [shape], lambda x: F.softmax(x, dim))
    case("log_softmax", [dim], [shape], lambda x: F.log_softmax(x, dim))

# numbers: reduction (0 none, 1 mean, 2 sum), label smoothing; a class weight is |seed 3| + 0.5
REDUCTIONS = ["none", "mean", "sum"]
for r, reduction in enumerate(REDUCTIONS):
    for inputs in [
        ((4, 3), labels((4,), 3), None),
        ((4, 3), labels((4,), 3, 1), (3,)),
        ((2, 3, 2, 2), labels((2, 2, 2), 3, 0, 5), (3,)),
        ((3,), labels((), 3), None),
    ]:
        weigh = lambda w: None if w is None else w.detach().abs() + 0.5
        case("nll_loss", [r], inputs, lambda x, y, w: F.nll_loss(x, y, weigh(w), reduction=reduction))
        for smoothing in [0.0, 0.2]:
            case("cross_entropy", [r, smoothing], inputs,
                 lambda x, y, w: F.cross_entropy(x, y, weigh(w), reduction=reduction, label_smoothing=smoothing))
    for inputs in [((4, 3), (4, 3), None), ((2, 3, 2), (2, 3, 2), (3,)), ((3,), (3,), None)]:
        for smoothing in [0.0, 0.2]:
            case("cross_entropy", [r, smoothing], inputs,
                 lambda x, y, w: F.cross_entropy(x, y, weigh(w), reduction=reduction, label_smoothing=smoothing))
    case("mse_loss", [r], ((3, 4), (3, 4)), lambda x, y: F.mse_loss(x, y, reduction=reduction))

# numbers: mode, pads
MODES = ["constant", "reflect", "replicate", "circular"]
for m, mode in enumerate(MODES):
    for pads in [(1, 2), (2, 1, 1, 3)]:
        case("pad", [m, *pads], [(2, 2, 4, 5)] if len(pads) == 4 else [(2, 3, 4)], lambda x: F.pad(x, pads, mode))
case("pad", [0, -1, 2, 1, -2], [(2, 2, 4, 5)], lambda x: F.pad(x, (-1, 2, 1, -2)))

# numbers: p, seed, and whether the input is a transposed view
for p, seed, transposed in [(0.5, 0, 0), (0.3, 1, 0), (0.9, 2, 1), (0.0, 3, 0), (1.0, 4, 0)]:
    def dropout(x):
        torch.manual_seed(seed)
        y = F.dropout(x.t() if transposed else x, p, True)
        return y, torch.rand(1, dtype=torch.float64)
    case("dropout", [p, seed, transposed], [(4, 5)], dropout)

pathlib.Path(__file__).with_name("cases.txt").write_text("\n".join(lines) + "\n")
