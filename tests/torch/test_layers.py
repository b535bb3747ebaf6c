"""Forward and gradients of what networks are made of, functions and modules, against PyTorch."""

import copy
import inspect

import torch
from torch import nn
from torch.nn import functional

from op_cases import TOLERANCE, Case, OpTest, distance
from sconce_torch import SEED, load, run_probe_nn


class Products(OpTest):
    def test_matmul(self):
        cases = []
        for draw in self.draws():
            b, n, k, m = draw.shape(4, 1, 12)
            pairs = [([k], [k]), ([n, k], [k]), ([k], [k, m]), ([n, k], [k, m]), ([b, n, k], [k, m]), ([n, k], [b, k, m]),
                     ([b, n, k], [b, k, m]), ([2, 1, n, k], [b, k, m]), ([b, n, k], [k]), ([k], [b, k, m])]
            cases += [Case("matmul", torch.matmul, [draw.normal(*x), draw.normal(*y)]) for x, y in pairs]
            cases.append(Case("mm", torch.mm, [draw.normal(n, k), draw.normal(k, m)]))
            cases.append(Case("bmm", torch.bmm, [draw.normal(b, n, k), draw.normal(b, k, m)]))
            for bias in ([m], [n, m], [1, m], [n, 1]):
                inputs = [draw.normal(*bias), draw.normal(n, k), draw.normal(k, m)]
                cases.append(Case("addmm", torch.addmm, inputs))
            n, k, m = (draw.randint(20, 150) for _ in range(3))
            cases.append(Case("mm", torch.mm, [draw.normal(n, k), draw.normal(k, m)]))
        self.check(cases)

    def test_linear(self):
        cases = []
        for draw in self.draws():
            inputs, outputs = draw.randint(1, 80), draw.randint(1, 40)
            for shape in ([inputs], [5, inputs], [2, 3, inputs]):
                for bias in (draw.normal(outputs), None):
                    cases.append(Case("linear", functional.linear,
                                      [draw.normal(*shape), draw.normal(outputs, inputs), bias]))
        self.check(cases)


def windows(draw, kernel_high=4):
    """A kernel and a stride, each a number or a pair."""
    number_or_pair = lambda high: draw.choice((draw.randint(1, high), draw.shape(2, 1, high)))  # noqa: E731
    return number_or_pair(kernel_high), number_or_pair(3)


def pair(number):
    return number if isinstance(number, list) else [number, number]


class Images(OpTest):
    def test_conv2d(self):
        cases = []
        for draw in self.draws(16):
            (kh, kw), stride = pair(windows(draw, 5)[0]), windows(draw)[1]
            groups = draw.choice((1, 1, 2, 3))
            depthwise = groups > 1 and draw.random.random() < 0.5
            inputs = groups if depthwise else groups * draw.randint(1, 3)
            outputs = groups * draw.randint(1, 4)
            dilation = draw.choice((1, 1, 2, [1, 2]))
            dh, dw = pair(dilation)
            size = [draw.randint(dh * (kh - 1) + 1, 14), draw.randint(dw * (kw - 1) + 1, 14)]
            options = {"stride": stride, "padding": draw.choice((0, 1, [1, 2], "valid")), "dilation": dilation}
            if draw.random.random() < 0.3:
                options.update(stride=1, padding="same")
            x = draw.normal(*draw.choice(([draw.randint(1, 4), inputs], [inputs])), *size)
            weight = draw.normal(outputs, inputs // groups, kh, kw)
            bias = draw.choice((None, draw.normal(outputs)))
            cases.append(Case("conv2d", functional.conv2d, [x, weight, bias], groups=groups, **options))
        self.check(cases)

    def test_pools(self):
        largest = lambda x, **options: functional.max_pool2d(x, return_indices=True, **options)  # noqa: E731
        cases = []
        for draw in self.draws(12):
            image = draw.choice(([draw.randint(1, 3), draw.randint(1, 4)], [draw.randint(1, 4)]))
            x = lambda low=8: draw.normal(*image, *draw.shape(2, low, 14))  # noqa: E731
            kernel, stride = windows(draw)
            options = {"kernel_size": kernel, "stride": draw.choice((stride, None)), "ceil_mode": draw.choice((True, False)),
                       "padding": [draw.randint(0, k // 2) for k in pair(kernel)]}
            if options["stride"] is None:
                del options["stride"]
            cases.append(Case("max_pool2d", largest, [x()], dilation=draw.choice((1, 2)), **options))
            equal = draw.small_integers(*image, *draw.shape(2, 8, 14))
            cases.append(Case("max_pool2d", largest, [equal], **options))
            cases.append(Case("avg_pool2d", functional.avg_pool2d, [x()], **options,
                              count_include_pad=draw.choice((True, False))))
            cases.append(Case("avg_pool2d", functional.avg_pool2d, [x()], **options, divisor_override=draw.randint(1, 9)))
            size = draw.choice((draw.randint(1, 9), draw.shape(2, 1, 9)))
            cases.append(Case("adaptive_avg_pool2d", functional.adaptive_avg_pool2d, [x(1)], output_size=size))
        self.check(cases)

    def test_pad(self):
        cases = []
        for draw in self.draws(8):
            shape = draw.shape(4, 4, 6)
            for rank in (1, 2, 3, 4):
                pads = [draw.randint(-1, 3) for _ in range(2 * rank)]
                cases.append(Case("pad", functional.pad, [draw.normal(*shape)], pad=pads, mode="constant",
                                  value=draw.choice((0.0, -1.5))))
            for mode in ("reflect", "replicate", "circular"):
                pads = [draw.randint(0, 3) for _ in range(4)]
                cases.append(Case("pad", functional.pad, [draw.normal(*shape)], pad=pads, mode=mode))
                cases.append(Case("pad", functional.pad, [draw.normal(*shape[1:])], pad=pads[:2], mode=mode))
        self.check(cases)

    def test_batch_norm(self):
        def batch_norm(x, mean, variance, weight, bias, **options):
            # PyTorch misreads a weight with gaps in the gradient of (N, C) inputs.
            weight = weight if weight is None else weight.contiguous()
            mean, variance = (s if s is None else s.clone() for s in (mean, variance))
            y = functional.batch_norm(x, mean, variance, weight, bias, **options)
            return y if mean is None else (y, mean, variance)

        cases = []
        for draw in self.draws(8):
            c = draw.randint(1, 6)
            # With few values per channel, rounding is all that is left of the gradient in training.
            shape = draw.choice(([draw.randint(4, 9), c, *draw.shape(2, 2, 6)], [draw.randint(8, 20), c]))
            statistics = lambda: [draw.normal(c, grad=False), draw.positive(c, grad=False)]  # noqa: E731
            affine = draw.choice(([None, None], [draw.normal(c), draw.normal(c)]))
            options = {"momentum": draw.choice((0.1, 0.3, 1.0)), "eps": draw.choice((1e-5, 1e-3))}
            for training in (True, False):
                cases.append(Case("batch_norm", batch_norm, [draw.normal(*shape), *statistics(), *affine],
                                  training=training, **options))
            cases.append(Case("batch_norm", batch_norm, [draw.normal(*shape), None, None, *affine], training=True,
                              **options))
        self.check(cases)


class Losses(OpTest):
    def test_classes(self):
        # PyTorch refuses the gradient of some strided inputs.
        nll_loss = lambda x, target, **options: functional.nll_loss(x.contiguous(), target, **options)  # noqa: E731
        cases = []
        for draw in self.draws(8):
            c = draw.randint(2, 12)
            for spread in ([draw.randint(2, 9)], [draw.randint(1, 4), draw.randint(2, 5)], [2, 3, 2]):
                shape = [spread[0], c, *spread[1:]]
                target = draw.indices(c, *spread)
                weight = draw.positive(c, grad=False)
                for options in ({}, {"reduction": draw.choice(("none", "sum"))}, {"weight": weight},
                                {"ignore_index": target.reshape(-1)[0].item(), "reduction": "sum", "weight": weight}):
                    cases.append(Case("nll_loss", nll_loss, [draw.normal(*shape), target], **options))
                    cases.append(Case("cross_entropy", functional.cross_entropy, [draw.normal(*shape), target], **options))
                    smooth = {"label_smoothing": draw.choice((0.1, 0.5, 1.0)), **options}
                    cases.append(Case("cross_entropy", functional.cross_entropy, [draw.normal(*shape), target], **smooth))
            ignored = target.reshape(-1)[0].item()
            if (target != ignored).any():
                cases.append(Case("cross_entropy", functional.cross_entropy, [draw.normal(*shape), target],
                                  ignore_index=ignored))
            cases.append(Case("cross_entropy", functional.cross_entropy, [draw.normal(c), draw.indices(c)]))
            cases.append(Case("nll_loss", nll_loss, [draw.normal(c), draw.indices(c)]))
        self.check(cases)

    def test_probabilities(self):
        cases = []
        for draw in self.draws():
            c = draw.randint(2, 12)
            for shape in ([draw.randint(1, 9), c], [2, c, 3], [c]):
                target = draw.normal(*shape, grad=False).softmax(-1 if len(shape) == 1 else 1)
                for options in ({}, {"reduction": draw.choice(("none", "sum"))}, {"label_smoothing": 0.2},
                                {"weight": draw.positive(c, grad=False)}):
                    inputs = [draw.normal(*shape), target.clone().requires_grad_()]
                    cases.append(Case("cross_entropy", functional.cross_entropy, inputs, **options))
        self.check(cases)

    def test_mse(self):
        cases = []
        for draw in self.draws():
            shape = draw.shape()
            for reduction in ("none", "mean", "sum"):
                cases.append(Case("mse_loss", functional.mse_loss, [draw.normal(*shape), draw.normal(*shape)],
                                  reduction=reduction))
        self.check(cases)


def make_layer(description):
    """The module that a {type, args, options} describes."""
    plain = lambda value: tuple(value) if isinstance(value, list) else value  # noqa: E731
    options = {name: plain(value) for name, value in description["options"].items()}
    if "dtype" in options:
        options["dtype"] = getattr(torch, options["dtype"])
    return getattr(nn, description["type"])(*map(plain, description["args"]), **options)


# An option of newer versions, which print it.
NORMS_HAVE_BIAS = "bias" in inspect.signature(nn.BatchNorm2d).parameters


class Modules(OpTest):
    """nn's classes: their options reach the functions, their buffers move, and they print alike."""

    def descriptions(self, draw):
        dtype = str(draw.dtype).split(".")[1]
        c = 2 * draw.randint(1, 3)
        image = lambda: [draw.randint(2, 4), c, *draw.shape(2, 6, 12)]  # noqa: E731
        for bias in (True, False):
            yield "Linear", [7, 5], {"bias": bias, "dtype": dtype}, [3, 7]
        for mode in ("zeros", "reflect", "replicate", "circular"):
            for padding in ("same", 2, [1, 2]):
                options = {"padding": padding, "padding_mode": mode, "groups": draw.choice((1, 2)), "dtype": dtype,
                           "bias": draw.choice((True, False))}
                if padding != "same":
                    options.update(stride=windows(draw)[1], dilation=draw.choice((1, [2, 1])))
                yield "Conv2d", [c, 4, draw.choice((3, [3, 2], [1, 3]))], options, image()
        for momentum in (0.1, 0.4, None):
            for affine, tracked in ((True, True), (False, True), (True, False)):
                options = {"momentum": momentum, "affine": affine, "track_running_stats": tracked, "dtype": dtype}
                yield "BatchNorm2d", [c], options, image()
        for numbers in ({"momentum": 1.0, "eps": 1.0}, {"momentum": 0.0, "eps": 1e-12}):
            yield "BatchNorm2d", [c], {**numbers, "dtype": dtype}, image()
        yield "MaxPool2d", [3], {"stride": 2, "padding": 1}, image()
        yield "MaxPool2d", [[2, 3]], {"ceil_mode": True, "dilation": 2}, image()
        yield "AvgPool2d", [[2, 3]], {"padding": 1, "count_include_pad": False}, image()
        yield "AvgPool2d", [2], {"ceil_mode": True}, image()
        yield "MaxPool2d", [[2, 2]], {"padding": [1, 1]}, image()
        yield "AvgPool2d", [[3, 3]], {"stride": 2}, image()
        for size in (3, [3, 3], [2, 3], [None, 2], [5, None], [None, None]):
            yield "AdaptiveAvgPool2d", [size], {}, image()
        yield "Flatten", [], {}, image()
        yield "Flatten", [], {"start_dim": 2, "end_dim": 3}, image()
        yield "ReLU", [], {}, image()
        yield "Identity", [], {}, image()
        yield "Softmax", [1], {}, image()
        yield "LogSoftmax", [-1], {}, image()
        yield "Dropout", [], {"p": draw.choice((0.0, 0.3))}, image()

    def test_layers(self):
        entries, expected = [], []
        for draw in self.draws(2):
            for name, args, options, shape in self.descriptions(draw):
                for training in (True, False):
                    if name == "Dropout" and training and options["p"] > 0:
                        continue  # the networks compare its draws
                    description = {"type": name, "args": args, "options": options}
                    layer = make_layer(description).train(training)
                    for tensor in layer.state_dict().values():
                        if tensor.is_floating_point():
                            tensor.copy_(0.5 + torch.rand_like(tensor))
                    state = {key: tensor.clone() for key, tensor in layer.state_dict().items()}
                    x = draw.normal(*shape)
                    result = layer(x)
                    grad = torch.randn_like(result)
                    result.backward(grad)
                    entries.append({"layer": description, "training": training, "state": state, "input": x.detach(),
                                    "grad": grad})
                    expected.append((layer, x.grad, result.detach()))
        torch.save(entries, self.folder / "in.pt")
        run_probe_nn("layers", self.folder / "in.pt", self.folder / "out.pt")
        found = load(self.folder / "out.pt")
        self.assertEqual(len(found), len(expected))
        for entry, (layer, grad, result), answer in zip(entries, expected, found):
            with self.subTest(str(entry["layer"]), training=entry["training"], seed=SEED):
                if entry["layer"]["type"] != "BatchNorm2d" or NORMS_HAVE_BIAS:
                    self.assertEqual(repr(layer), answer["repr"])
                self.assert_agrees({"result": result}, {"result": answer["result"]})
                grads = {"input": grad, **{name: p.grad for name, p in layer.named_parameters()}}
                self.assert_agrees(grads, answer["grads"])
                self.assert_agrees(layer.state_dict(), answer["state"])

    def losses(self, draw):
        """(type, options, input, target): every option, targets of classes and of probabilities."""
        c = draw.randint(2, 9)
        spread = draw.choice(([draw.randint(2, 9)], [2, 3, 2]))
        shape = [spread[0], c, *spread[1:]]
        classes = draw.indices(c, *spread)
        ignored = classes.clone()
        ignored[0], ignored[-1] = 0, 1  # not all of it: the mean would be over none
        probabilities = draw.normal(*shape, grad=False).softmax(1)
        for reduction in ("none", "mean", "sum"):
            yield "MSELoss", {"reduction": reduction}, draw.normal(*shape), draw.normal(*shape, grad=False)
            for smoothing in (0.0, 0.2):
                for target, others in ((probabilities, {}), (classes, {}), (ignored, {"ignore_index": 0})):
                    options = {"reduction": reduction, "label_smoothing": smoothing, **others}
                    yield "CrossEntropyLoss", options, draw.normal(*shape), target
                    weight = draw.positive(c, grad=False)
                    yield "CrossEntropyLoss", {**options, "weight": weight}, draw.normal(*shape), target
        yield "CrossEntropyLoss", {}, draw.normal(*shape), classes
        yield "MSELoss", {}, draw.normal(*shape), draw.normal(*shape, grad=False)

    def test_losses(self):
        entries, expected = [], []
        for draw in self.draws(3):
            for name, options, x, target in self.losses(draw):
                loss = getattr(nn, name)(**copy.deepcopy(options))
                for tensor in loss.state_dict().values():
                    tensor.copy_(0.5 + torch.rand_like(tensor))  # other weights than it was made with
                target = target.detach().clone().requires_grad_(target.is_floating_point())
                result = loss(x, target)
                grad = torch.randn_like(result)
                result.backward(grad)
                entries.append({"type": name, "options": options, "state": loss.state_dict(), "input": x.detach(),
                                "target": target.detach(), "grad": grad})
                expected.append((loss, result.detach(), [t.grad for t in (x, target) if t.requires_grad]))
        torch.save(entries, self.folder / "in.pt")
        run_probe_nn("losses", self.folder / "in.pt", self.folder / "out.pt")
        found = load(self.folder / "out.pt")
        self.assertEqual(len(found), len(expected))
        for entry, (loss, result, grads), answer in zip(entries, expected, found):
            with self.subTest(entry["type"], options=entry["options"], target=entry["target"].dtype, seed=SEED):
                self.assertEqual(repr(loss), answer["repr"])
                self.assert_agrees({"result": result}, {"result": answer["result"]})
                self.assert_agrees(dict(enumerate(grads)), dict(enumerate(answer["grads"])))
                self.assert_agrees(loss.state_dict(), answer["state"])

    def assert_agrees(self, expected, found):
        self.assertEqual(list(expected), list(found))
        for name, tensor in expected.items():
            self.assertEqual((tensor.dtype, tensor.shape), (found[name].dtype, found[name].shape), name)
            if tensor.is_floating_point():
                self.assertLessEqual(distance(tensor, found[name]), TOLERANCE[tensor.dtype], name)
            else:
                self.assertTrue(torch.equal(tensor, found[name]), name)
