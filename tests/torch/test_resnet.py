"""The residual networks for CIFAR-10 against a PyTorch script of them: beginning, gradients, training, files."""

import copy
import json
import os
import random
from collections import OrderedDict

import torch
from torch import nn
from torch.nn import functional

from sconce_torch import SEED, OneThreadCase, load, run_probe_nn, run_sconce
from test_train import write_cifar

# Threads that wait by spinning take the processor from the tests beside this one.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
BLOCKS = {"resnet20": 3, "resnet32": 5, "resnet44": 7, "resnet56": 9, "resnet110": 18}
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class PadShortcut(nn.Module):
    """Every second pixel, and channels of zeros on both sides."""

    def __init__(self, planes):
        super().__init__()
        self.border = planes // 4

    def forward(self, x):
        return functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.border, self.border))


class Block(nn.Module):
    def __init__(self, before, planes, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(before, planes, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.shortcut = PadShortcut(planes) if stride != 1 or before != planes else nn.Sequential()

    def forward(self, x):
        out = functional.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        out += self.shortcut(x)
        return functional.relu(out)


class ResNet(nn.Module):
    def __init__(self, blocks):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.layer1 = self.group(16, 16, blocks, 1)
        self.layer2 = self.group(16, 32, blocks, 2)
        self.layer3 = self.group(32, 64, blocks, 2)
        self.linear = nn.Linear(64, 10)
        self.apply(self.draw)

    @staticmethod
    def group(before, planes, blocks, stride):
        return nn.Sequential(Block(before, planes, stride), *(Block(planes, planes, 1) for _ in range(blocks - 1)))

    @staticmethod
    def draw(module):
        if isinstance(module, (nn.Linear, nn.Conv2d)):
            nn.init.kaiming_normal_(module.weight)

    def forward(self, x):
        out = functional.relu(self.bn1(self.conv1(x)))
        out = self.layer3(self.layer2(self.layer1(out)))
        out = functional.avg_pool2d(out, out.size(3))
        return self.linear(out.view(out.size(0), -1))


class Kinks:
    """The least distance of any value from ReLU's kink, where the last bit decides the gradient."""

    def __enter__(self):
        self.nearest = float("inf")
        self.relu = functional.relu
        functional.relu = self.measured
        return self

    def measured(self, x):
        self.nearest = min(self.nearest, x.detach().abs().min().item())
        return self.relu(x)

    def __exit__(self, *_):
        functional.relu = self.relu


class Run:
    """What PyTorch makes of an entry of `sconce_probe_nn zoo`; `exact` goes on in float64, and pictures that come
    nearer to a kink than `margin` are drawn again."""

    def __init__(self, entry, exact=False, margin=0):
        torch.manual_seed(entry["seed"])
        net = ResNet(BLOCKS[entry["arch"]])
        self.initial = net.state_dict()
        for name, tensor in self.initial.items():
            self.initial[name] = tensor.clone()
        self.rng_state = torch.get_rng_state()
        if "images" not in entry:
            return
        images, labels = entry["images"], entry["labels"]
        if exact or images.dtype == torch.float64:
            net, images = net.double(), images.double()
        optimizer = torch.optim.SGD(net.parameters(), **entry["sgd"])
        self.losses = []
        for i, (x, y) in enumerate(zip(images, labels)):
            while margin > 0:
                with torch.no_grad(), Kinks() as kinks:
                    copy.deepcopy(net)(x)  # the running statistics of another
                if kinks.nearest >= margin:
                    break
                entry["images"][i] = torch.randn_like(entry["images"][i])
                x = entry["images"][i].double()
            loss = functional.cross_entropy(net(x), y)
            optimizer.zero_grad()
            loss.backward()
            if not self.losses:
                self.grads = {name: parameter.grad.clone() for name, parameter in net.named_parameters()}
            optimizer.step()
            self.losses.append(loss.item())
        self.model = net.state_dict()
        with torch.no_grad():
            self.scores = net.eval()(images[0])


def distance(expected, actual, least_scale=1e-30):
    """Largest difference over largest reference value."""
    expected, actual = expected.double(), actual.double()
    return (expected - actual).abs().max().item() / max(expected.abs().max().item(), least_scale)


def floating(tensors):
    return {name: tensor for name, tensor in tensors.items() if tensor.is_floating_point()}


class Case(OneThreadCase):
    def assert_as_near(self, expected, actual, exact, limit, least_scale=1e-30, other=None):
        """Named tensors within `limit` of PyTorch's or, where rounding is magnified, ten times as far as PyTorch's
        stray from exact arithmetic: as it computed them or in the `other` way."""
        self.assertEqual(list(expected), list(actual))
        found = {name: distance(tensor, actual[name], least_scale) for name, tensor in expected.items()}
        if max(found.values()) > limit:
            limit = max(limit, 10 * max(distance(exact[name], way[name], least_scale)
                                        for way in (expected, other or expected) for name in expected))
        for name, error in found.items():
            self.assertEqual(expected[name].shape, actual[name].shape, name)
            self.assertLessEqual(error, limit, f"{name} (SCONCE_SEED={SEED})")

    def assert_losses_as_near(self, expected, actual, exact, limit, other=None):
        expected, actual, exact, other = ({"losses": torch.tensor(losses, dtype=torch.float64)}
                                          for losses in (expected, actual, exact, other or expected))
        self.assert_as_near(expected, actual, exact, limit, other=other)


class Networks(Case):
    def answers(self, entries):
        torch.save(entries, self.folder / "in.pt")
        run_probe_nn("zoo", self.folder / "in.pt", self.folder / "out.pt")
        return load(self.folder / "out.pt")

    def test_every_initial_bit(self):
        draw = random.Random(SEED)
        entries = [{"arch": arch, "seed": draw.getrandbits(63)} for arch in BLOCKS]
        for entry, answer in zip(entries, self.answers(entries)):
            with self.subTest(arch=entry["arch"]):
                run = Run(entry)
                self.assert_same(run.initial, answer["initial"])  # names, order, _metadata, every byte
                self.assert_same(run.rng_state, answer["rng_state"])

    def check_training(self, dtype, limit, parameter_limit, margin):
        draw = random.Random(f"{SEED} {dtype}")
        entries = []
        for arch, steps, batch, size in (("resnet20", 6, 3, draw.choice((16, 20))),
                                         ("resnet32", 3, 2, draw.choice((13, 16, 17)))):
            entries.append({
                "arch": arch, "seed": draw.getrandbits(63), "dtype": str(dtype).split(".")[1],
                "images": torch.randn(steps, batch, 3, size, size, dtype=dtype),
                "labels": torch.randint(10, (steps, batch)),
                "sgd": {"lr": draw.uniform(0.001, 0.02), "momentum": 0.9, "weight_decay": 1e-4},
            })
            Run(entries[-1], exact=True, margin=margin)
        for entry, answer in zip(entries, self.answers(entries)):
            with self.subTest(arch=entry["arch"], dtype=dtype):
                run, exact = Run(entry), Run(entry, exact=True)
                self.assert_as_near(run.grads, answer["grads"], exact.grads, limit)
                self.assert_losses_as_near(run.losses, answer["losses"], exact.losses, limit)
                # Running statistics too.
                self.assert_as_near(*map(floating, (run.model, answer["model"], exact.model)), parameter_limit, 1)
                self.assertEqual(list(run.model), list(answer["model"]))
                steps = len(entry["labels"])
                self.assertEqual(answer["model"]["layer3.1.bn2.num_batches_tracked"].item(), steps)
                self.assert_as_near(*({"scores": scores} for scores in (run.scores, answer["scores"], exact.scores)),
                                    parameter_limit)

    def test_training_in_float32(self):
        # What rounding has done to a value of order 1 by the last layer of the last step is well below the margin.
        self.check_training(torch.float32, 1e-5, 1e-4, 2e-5)

    def test_training_in_float64(self):
        self.check_training(torch.float64, 1e-11, 1e-11, 0)


class Command(Case):
    def setUp(self):
        super().setUp()
        self.data = self.folder / "cifar"
        self.data.mkdir()
        dataset = write_cifar(self.data)
        pixels = (dataset.tensors[0] * 0.5 + 0.5).mul(255).round().div(255)
        mean, std = (torch.tensor(numbers).view(3, 1, 1) for numbers in (MEAN, STD))
        self.dataset = torch.utils.data.TensorDataset((pixels - mean) / std, dataset.tensors[1])

    def script(self, steps, dtype=torch.float32):
        torch.manual_seed(SEED)
        net = ResNet(3)
        optimizer = torch.optim.SGD(net.to(dtype).parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4)
        losses = []
        for x, y in torch.utils.data.DataLoader(self.dataset, batch_size=16, shuffle=True):
            optimizer.zero_grad()
            loss = functional.cross_entropy(net(x.to(dtype)), y)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
            if len(losses) == steps:
                return losses, net

    def test_train_is_the_script(self):
        run = self.folder / "run"
        result = run_sconce("train", "--arch", "resnet20", "--data", self.data, "--batch-size", 16, "--seed", SEED,
                            "--lr", 0.01, "--momentum", 0.9, "--weight-decay", 1e-4, "--steps", 8, "--log-every", 1,
                            "--json", "--save", run)
        found = [json.loads(line)["loss"] for line in result.stdout.splitlines()]
        (losses, net), (exact_losses, exact_net) = self.script(8), self.script(8, torch.float64)
        # Eight steps bring some value across ReLU's kink in one way of rounding and not in another.
        with torch.backends.mkldnn.flags(enabled=False):
            other_losses, other_net = self.script(8)
        self.assert_losses_as_near(losses, found, exact_losses, 1e-5, other_losses)
        model = load(run / "last.pt")["model"]
        self.assertEqual(list(net.state_dict()), list(model))
        expected, actual, exact, other = (
            floating(state) for state in (net.state_dict(), model, exact_net.state_dict(), other_net.state_dict()))
        self.assert_as_near(expected, actual, exact, 1e-4, 1, other)

    def wrapped(self, net, with_counts):
        """The state_dict of DataParallel, as PyTorch before 0.4.1 wrote it unless `with_counts`."""
        state = nn.DataParallel(net).state_dict() if with_counts else OrderedDict(
            (f"module.{name}", tensor) for name, tensor in net.state_dict().items() if "num_batches" not in name)
        torch.save({"best_prec1": 91.7, "state_dict": state}, self.folder / "net.th")
        return self.folder / "net.th"

    def test_eval_of_a_wrapped_state_dict(self):
        _, net = self.script(8)
        pixels, labels = self.dataset[:10]  # what write_cifar tests with
        with torch.no_grad():
            scores = net.eval()(pixels)
        for with_counts in (False, True):
            path = self.wrapped(net, with_counts)
            arguments = ("eval", "--arch", "resnet20", "--weights", path, "--data", self.data)
            found = json.loads(run_sconce(*arguments, "--json").stdout)
            self.assertAlmostEqual(found["loss"], functional.cross_entropy(scores, labels).item(), delta=1e-4)
            self.assertEqual(found["correct"], (scores.argmax(1) == labels).sum().item())
            self.assertEqual((found["weights_entry"], found["stripped_prefix"]), ("state_dict", "module."))
            self.assertIn("'module.' taken off", run_sconce(*arguments).stdout)

    def test_init_from_a_wrapped_state_dict(self):
        _, net = self.script(8)
        path = self.wrapped(net, with_counts=True)
        arguments = ("train", "--arch", "resnet20", "--data", self.data, "--steps", 0)
        self.assertIn("'module.' taken off", run_sconce(*arguments, "--init", path, "--save", self.folder / "b").stdout)
        self.assert_same(net.state_dict(), load(self.folder / "b" / "last.pt")["model"])
