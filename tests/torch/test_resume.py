"""The tutorial's network handed from one to the other and back in the middle of its training."""

import random

import torch
from torch.nn import functional

from sconce_torch import SEED, OneThreadCase, load, nudge, run_probe_nn
from test_train import LeNet, distance

STEPS = 30
BATCH = 4
# Largest difference of a parameter. In float32 a number within rounding of a kink (of ReLU, of a maximum) may fall
# on either side of it, which moves a gradient by one pixel's share: then, ten times as far as PyTorch's own runs part
# whose beginnings differ by roundings is near enough. In float64 it does not happen, and nothing else is forgiven.
TOLERANCE = {torch.float32: 1e-6, torch.float64: 1e-12}


def buffers(optimizer):
    """The momentum buffers that there are: 1.13.1 writes None where 2.x writes nothing."""
    found = {number: state.get("momentum_buffer") for number, state in optimizer["state"].items()}
    return {number: buffer for number, buffer in found.items() if buffer is not None}


class Resume(OneThreadCase):
    def starts(self, dtype):
        """A beginning for each way of SGD, with everything drawn anew."""
        draw = random.Random(f"{SEED} {self.id()}")
        ways = (
            {"momentum": 0.9},
            {},
            {"momentum": 0.9, "nesterov": True, "weight_decay": 1e-3},
            {"momentum": 0.5, "dampening": 0.3, "weight_decay": 1e-2},
        )
        for i, way in enumerate(ways):
            net = LeNet().to(dtype)
            optimizer = torch.optim.SGD(net.parameters(), lr=draw.uniform(5e-4, 1e-3), **way)
            scheduler = torch.optim.lr_scheduler.StepLR(optimizer, draw.randint(3, 12), draw.uniform(0.5, 0.95))
            state = {
                "model": net.state_dict(),
                "optimizer": optimizer.state_dict(),
                "scheduler": scheduler.state_dict(),
                "step": 0,
                "data": torch.randn(STEPS, BATCH, 3, 32, 32, dtype=dtype),
                "labels": torch.randint(10, (STEPS, BATCH)),
            }
            path = self.folder / f"start{i}.pt"
            torch.save(state, path)
            yield path, way

    def pytorch(self, source, target, steps):
        state = load(source)
        net = LeNet().to(state["data"].dtype)
        net.load_state_dict(state["model"])
        optimizer = torch.optim.SGD(net.parameters(), lr=1)
        scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1)
        optimizer.load_state_dict(state["optimizer"])
        scheduler.load_state_dict(state["scheduler"])
        for step in range(state["step"], state["step"] + steps):
            optimizer.zero_grad()
            functional.cross_entropy(net(state["data"][step]), state["labels"][step]).backward()
            optimizer.step()
            scheduler.step()
        state.update(model=net.state_dict(), optimizer=optimizer.state_dict(), scheduler=scheduler.state_dict(),
                     step=state["step"] + steps)
        torch.save(state, target)

    def sconce(self, source, target, steps):
        run_probe_nn("continue", source, target, steps)

    def compare(self, one, other):
        """30 steps by `one` alone, and 10 by `one`, 10 by `other`, 10 by `one`."""
        names = ("alone", "first", "second", "third")
        alone, first, second, third = (self.folder / f"{name}.pt" for name in names)
        for dtype in TOLERANCE:
            for start, way in self.starts(dtype):
                with self.subTest(dtype=dtype, way=way, seed=SEED):
                    one(start, alone, 30)
                    one(start, first, 10)
                    other(first, second, 10)
                    one(second, third, 10)
                    expected, found = load(alone), load(third)
                    tolerance = TOLERANCE[dtype]
                    if dtype == torch.float32 and distance(expected["model"], found["model"]) > tolerance:
                        tolerance = 10 * self.strays(start)
                    self.assert_same_training(expected, found, tolerance)

    def strays(self, start):
        """How far PyTorch's weights part when it begins some roundings beside `start`."""
        beside, end = self.folder / "beside.pt", self.folder / "end.pt"
        self.pytorch(start, end, STEPS)
        weights, most = load(end)["model"], 0
        for i in range(8):
            state = load(start)
            nudge(state["model"].values(), (SEED + i) % 2**32, 8)
            torch.save(state, beside)
            self.pytorch(beside, end, STEPS)
            most = max(most, distance(weights, load(end)["model"]))
        return most

    def assert_same_training(self, expected, found, tolerance):
        self.assertEqual(found["step"], STEPS)
        self.assertEqual(list(expected["model"]), list(found["model"]))
        for name, tensor in expected["model"].items():
            error = (tensor - found["model"][name]).abs().max().item()
            self.assertLessEqual(error, tolerance, name)
        for mine, theirs in zip(expected["optimizer"]["param_groups"], found["optimizer"]["param_groups"]):
            # Sconce adds the options that 1.13.1 does not know yet.
            self.assertEqual(mine, {name: theirs[name] for name in mine})
        self.assertEqual(expected["scheduler"]["last_epoch"], found["scheduler"]["last_epoch"])
        self.assertEqual(expected["scheduler"]["_last_lr"], found["scheduler"]["_last_lr"])
        mine, theirs = buffers(expected["optimizer"]), buffers(found["optimizer"])
        self.assertEqual(list(mine), list(theirs))
        for number, buffer in mine.items():
            self.assert_close(buffer, theirs[number], 1000 * tolerance, f"buffer {number}")

    def test_pytorch_sconce_pytorch(self):
        self.compare(self.pytorch, self.sconce)

    def test_sconce_pytorch_sconce(self):
        self.compare(self.sconce, self.pytorch)
