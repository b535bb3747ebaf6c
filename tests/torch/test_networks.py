"""Networks drawn anew in each run, built from one seed and trained on both sides."""

import random

import torch
from torch import nn
from torch.nn import functional

from sconce_torch import SEED, TORCH_VERSION, OneThreadCase, load, nudge, run_probe_nn
from test_layers import make_layer

STEPS = 20
# Official x86-64 builds from 2.0 to 2.6 draw dropout's masks from MKL's generator, all others from the engine.
SAME_DROPOUT = TORCH_VERSION < (2, 0) or TORCH_VERSION >= (2, 7)


# Largest difference of a loss of 2.3 or less, and of a parameter of 1 or less; larger ones scale. A number within
# rounding of a kink (of ReLU, of a maximum) may fall on either side of it and move a share of a gradient: hence the
# parameters' float32 limit. In float64 that does not happen.
TOLERANCES = {torch.float32: (1e-6, 1e-4), torch.float64: (1e-12, 1e-11)}


class Sketch:
    """A network as a plain list of layers that fit each other."""

    def __init__(self, draw, dtype):
        self.draw, self.dtype, self.layers = draw, dtype, []
        self.classes = draw.randint(2, 12)
        batch = draw.randint(4, 8)
        if draw.random() < 0.7:
            self.shape = [draw.randint(1, 4), draw.randint(12, 20), draw.randint(12, 20)]
            self.input_size = [STEPS, batch, *self.shape]
            for _ in range(draw.randint(1, 3)):
                self.add_image_block()
            self.add("Flatten")
        else:
            self.shape = [draw.randint(3, 60)]
            self.input_size = [STEPS, batch, *self.shape]
        for _ in range(draw.randint(0, 2)):
            self.add("Linear", self.shape[0], draw.randint(8, 50), bias=draw.random() < 0.8, dtype=dtype)
            self.add("ReLU")
            self.maybe_dropout()
        self.add("Linear", self.shape[0], self.classes, dtype=dtype)

    def add(self, kind, *args, **options):
        self.layers.append({"type": kind, "args": list(args), "options": options})
        with torch.no_grad():
            probe = torch.zeros(2, *self.shape, dtype=getattr(torch, self.dtype))
            self.shape = list(make_layer(self.layers[-1]).eval()(probe).shape[1:])

    def maybe_dropout(self):
        if SAME_DROPOUT and self.draw.random() < 0.5:
            self.add("Dropout", p=self.draw.choice((0.0, 0.1, 0.25, 0.5)))

    def add_image_block(self):
        draw, channels = self.draw, self.shape[0]
        groups = draw.choice([g for g in (1, 1, 2, 3, 4) if channels % g == 0])
        options = {"groups": groups, "bias": draw.random() < 0.7, "dtype": self.dtype,
                   "padding_mode": draw.choice(("zeros", "zeros", "reflect", "replicate", "circular"))}
        if draw.random() < 0.4:
            options["padding"] = "same"
        else:
            options.update(padding=draw.choice((0, 1, [1, 0])), stride=draw.choice((1, 1, [1, 2])))
        kernel = draw.choice((1, 3, [3, 2])) if min(self.shape[1:]) >= 4 else 1
        self.add("Conv2d", channels, groups * draw.randint(1, 6), kernel, **options)
        # Channels that ReLU left dead have no variance, and normalised they are all rounding: where those are likely,
        # there is no normalisation.
        if (not self.layers[1:] or options["groups"] == 1 and channels >= 4) and draw.random() < 0.5:
            self.add("BatchNorm2d", self.shape[0], affine=draw.random() < 0.8, dtype=self.dtype,
                     momentum=draw.choice((0.1, 0.5, None)))
        self.add("ReLU")
        if min(self.shape[1:]) >= 6:
            self.add(*draw.choice((("MaxPool2d", 2), ("AvgPool2d", 2), ("Identity",))))
        elif draw.random() < 0.3:
            self.add("AdaptiveAvgPool2d", [2, 2])
        self.maybe_dropout()

    def entry(self):
        draw = self.draw
        sgd = {"lr": draw.uniform(1e-3, 1e-2), "weight_decay": draw.choice((0.0, 1e-4, 1e-2)),
               "maximize": draw.random() < 0.3}
        sgd.update(draw.choice(({}, {"momentum": 0.9}, {"momentum": 0.9, "nesterov": True},
                                {"momentum": 0.5, "dampening": 0.2})))
        entry = {"layers": self.layers, "seed": draw.getrandbits(63), "input_size": self.input_size,
                 "classes": self.classes, "dtype": self.dtype, "sgd": sgd}
        if draw.random() < 0.5:
            entry["scheduler"] = {"step_size": draw.randint(1, 8), "gamma": draw.uniform(0.3, 0.9)}
        if draw.random() < 0.5:
            entry["second_lr"] = draw.uniform(1e-3, 1e-2)
        if draw.random() < 0.4:
            entry.update(draw.choice(({"clip_norm": 0.5}, {"clip_value": 0.05})))
        return entry


class Run:
    """What PyTorch makes of an entry; `exact` goes on in float64 from the same beginning, `nudged` moves that beginning
    by a rounding."""

    def __init__(self, entry, exact=False, nudged=False):
        torch.manual_seed(entry["seed"])
        net = nn.Sequential(*map(make_layer, entry["layers"]))
        self.initial = {name: tensor.clone() for name, tensor in net.state_dict().items()}
        size = entry["input_size"]
        self.inputs = torch.randn(*size, dtype=getattr(torch, entry["dtype"]))
        self.labels = torch.randint(0, entry["classes"], size[:2])
        if exact:
            net, self.inputs = net.double(), self.inputs.double()
        parameters = list(net.parameters())
        if nudged:
            nudge(parameters, SEED)
        groups = [{"params": parameters}]
        if "second_lr" in entry:
            groups = [{"params": parameters[::2]}, {"params": parameters[1::2], "lr": entry["second_lr"]}]
            groups = [group for group in groups if group["params"]]
        optimizer = torch.optim.SGD(groups, **entry["sgd"])
        scheduler = torch.optim.lr_scheduler.StepLR(optimizer, **entry["scheduler"]) if "scheduler" in entry else None
        sign = -1 if entry["sgd"]["maximize"] else 1
        self.losses = []
        for x, labels in zip(self.inputs, self.labels):
            loss = sign * functional.cross_entropy(net(x), labels)
            optimizer.zero_grad()
            loss.backward()
            if "clip_norm" in entry:
                nn.utils.clip_grad_norm_(parameters, entry["clip_norm"])
            if "clip_value" in entry:
                nn.utils.clip_grad_value_(parameters, entry["clip_value"])
            optimizer.step()
            if scheduler:
                scheduler.step()
            self.losses.append(loss.item())
        self.model = net.state_dict()
        self.optimizer = optimizer.state_dict()
        self.scheduler = scheduler.state_dict() if scheduler else None
        self.rng_state = torch.get_rng_state()


def errors(run, losses, model):
    """Largest differences from a run: of losses, of parameters and buffers."""
    loss = max(abs(mine - theirs) / max(1, abs(mine) / 2.3) for mine, theirs in zip(run.losses, losses))
    tensors = ((tensor, model[name]) for name, tensor in run.model.items() if tensor.is_floating_point())
    return loss, max((mine - theirs).abs().max().item() / max(1, mine.abs().max().item()) for mine, theirs in tensors)


class Networks(OneThreadCase):
    def check(self, dtype, count):
        draw = random.Random(f"{SEED} {dtype}")
        entries = [Sketch(draw, dtype).entry() for _ in range(count)]
        torch.save(entries, self.folder / "in.pt")
        run_probe_nn("network", self.folder / "in.pt", self.folder / "out.pt")
        found = load(self.folder / "out.pt")
        self.assertEqual(len(found), count)
        for i, (entry, answer) in enumerate(zip(entries, found)):
            with self.subTest(network=i, entry=entry, seed=SEED):
                run = Run(entry)
                self.assert_same_beginning(run, answer)
                self.assert_same_options(run, answer)
                self.assert_same_training(entry, run, answer)

    def assert_same_beginning(self, run, answer):
        self.assert_same(run.initial, dict(answer["initial"]))
        self.assert_same(run.inputs, answer["inputs"])
        self.assert_same(run.labels, answer["labels"])
        self.assert_same(run.rng_state, answer["rng_state"])

    def assert_same_options(self, run, answer):
        mine, theirs = run.optimizer["param_groups"], answer["optimizer"]["param_groups"]
        self.assertEqual(len(mine), len(theirs))
        for group, other in zip(mine, theirs):
            for name in ("lr", "momentum", "dampening", "weight_decay", "nesterov", "maximize", "params"):
                self.assertEqual(group[name], other[name], name)
        if run.scheduler is not None:
            for name in ("last_epoch", "_last_lr", "base_lrs", "_step_count", "step_size", "gamma"):
                self.assertEqual(run.scheduler[name], answer["scheduler"][name], name)

    def assert_same_training(self, entry, run, answer):
        self.assertEqual(len(run.losses), len(answer["losses"]))
        self.assertEqual(list(run.model), list(answer["model"]))
        for name, tensor in run.model.items():
            if not tensor.is_floating_point():
                self.assertTrue(torch.equal(tensor, answer["model"][name]), name)
        found = errors(run, answer["losses"], answer["model"])
        allowed = TOLERANCES[run.inputs.dtype]
        if any(error > limit for error, limit in zip(found, allowed)):
            # Where normalisation magnifies rounding, ascent runs away, or numbers lie within rounding of a kink,
            # PyTorch itself leaves the path of exact arithmetic (in float64: that of neighbouring numbers). Only there,
            # ten times as far is allowed.
            other = Run(entry, exact=True) if run.inputs.dtype == torch.float32 else Run(entry, nudged=True)
            allowed = [max(limit, 10 * own) for limit, own in zip(allowed, errors(run, other.losses, other.model))]
        self.assertLessEqual(found[0], allowed[0], "losses")
        self.assertLessEqual(found[1], allowed[1], "parameters and buffers")

    def test_float32(self):
        self.check("float32", 24)

    def test_float64(self):
        self.check("float64", 12)
