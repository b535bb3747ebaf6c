"""`sconce train` against the plain PyTorch script: the same losses, and runs that change hands."""

import itertools
import json
import os

import torch
from torch import nn
from torch.nn import functional

from sconce_torch import SEED, OneThreadCase, needs_torch, nudge, run_sconce

PICTURES = 64  # in each of CIFAR-10's five batches
BATCH = 4
# Threads that wait by spinning take the processor from the tests beside this one.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
OPTIONS = {"lr": 0.001, "momentum": 0.9}


class LeNet(nn.Module):
    """The network of PyTorch's classifier tutorial."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 6, 5)
        self.pool = nn.MaxPool2d(2, 2)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(16 * 5 * 5, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, 10)

    def forward(self, x):
        x = self.pool(functional.relu(self.conv1(x)))
        x = self.pool(functional.relu(self.conv2(x)))
        x = torch.flatten(x, 1)
        x = functional.relu(self.fc1(x))
        x = functional.relu(self.fc2(x))
        return self.fc3(x)


def distance(weights, others):
    return max((tensor - others[name]).abs().max().item() for name, tensor in weights.items())


def write_cifar(folder):
    """Random pictures in CIFAR-10's binary layout; gives the training set as PyTorch wants it."""
    generator = torch.Generator().manual_seed(SEED)
    records = torch.randint(256, (5 * PICTURES, 3073), dtype=torch.uint8, generator=generator)
    records[:, 0] %= 10
    for i in range(5):
        part = records[i * PICTURES : (i + 1) * PICTURES]
        (folder / f"data_batch_{i + 1}.bin").write_bytes(part.numpy().tobytes())
    (folder / "test_batch.bin").write_bytes(records[:10].numpy().tobytes())
    pixels = records[:, 1:].reshape(-1, 3, 32, 32).float().div(255)
    return torch.utils.data.TensorDataset((pixels - 0.5) / 0.5, records[:, 0].long())


class Augmented(torch.utils.data.Dataset):
    """Pictures cropped and flipped as RandomCrop(32, padding=4) and RandomHorizontalFlip() of torchvision do it, which
    see them before they are normalised: what is padded is black."""

    def __init__(self, dataset):
        self.dataset = dataset

    def __len__(self):
        return len(self.dataset)

    def __getitem__(self, index):
        pixels, label = self.dataset[index]
        pixels = functional.pad(pixels, (4, 4, 4, 4), value=-1.0)
        top = torch.randint(0, 9, size=(1,)).item()
        left = torch.randint(0, 9, size=(1,)).item()
        pixels = pixels[:, top : top + 32, left : left + 32]
        return (pixels.flip(-1) if torch.rand(1) < 0.5 else pixels), label


class Script:
    """The plain script of the contract, cut into steps so that it can hand over at any of them."""

    def __init__(self, dataset, seed, nudged=None):
        """`nudged`, a seed, moves the beginning by what sums of a hundred terms lose when they are rounded."""
        torch.manual_seed(seed)
        self.net = LeNet()
        if nudged is not None:
            nudge(self.net.parameters(), nudged, 8)
        self.optimizer = torch.optim.SGD(self.net.parameters(), **OPTIONS)
        self.loader = torch.utils.data.DataLoader(dataset, batch_size=BATCH, shuffle=True)
        self.epoch = self.step = self.batch = 0
        self.batches = None
        self.epoch_rng_state = None

    def train(self, steps):
        losses = []
        for _ in range(steps):
            if self.batches is None:
                self.epoch_rng_state = torch.get_rng_state()
                self.batches = iter(self.loader)
            pixels, labels = next(self.batches)
            self.optimizer.zero_grad()
            loss = functional.cross_entropy(self.net(pixels), labels)
            loss.backward()
            self.optimizer.step()
            losses.append(loss.item())
            self.step += 1
            self.batch += 1
            if self.batch == len(self.loader):
                self.epoch, self.batch, self.batches, self.epoch_rng_state = self.epoch + 1, 0, None, None
        return losses

    def save(self, path):
        state = {
            "model": self.net.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scheduler": None,
            "epoch": self.epoch,
            "step": self.step,
            "rng_state": torch.get_rng_state(),
            "batch": self.batch,
            "epoch_rng_state": self.epoch_rng_state,
        }
        torch.save(state, path)

    def load(self, path):
        state = torch.load(path)
        self.net.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.epoch, self.step, self.batch = state["epoch"], state["step"], state["batch"]
        self.epoch_rng_state, self.batches = state["epoch_rng_state"], None
        if self.epoch_rng_state is not None:
            torch.set_rng_state(self.epoch_rng_state)
            self.batches = iter(self.loader)
            for _ in range(self.batch):
                next(self.batches)
        torch.set_rng_state(state["rng_state"])


class Train(OneThreadCase):
    def setUp(self):
        super().setUp()
        self.data = self.folder / "cifar"
        self.data.mkdir()
        self.dataset = write_cifar(self.data)

    def script(self):
        return Script(self.dataset, SEED)

    def train(self, *arguments):
        return run_sconce("train", "--arch", "lenet", "--data", self.data, "--batch-size", BATCH, "--seed", SEED,
                          "--lr", OPTIONS["lr"], "--momentum", OPTIONS["momentum"], *arguments)

    def neighbours(self, dataset, steps):
        """Losses and weights of PyTorch's own runs from beginnings that differ by roundings."""
        for i in range(8):
            script = Script(dataset, SEED, (SEED + i) % 2**32)
            yield script.train(steps), script.net.state_dict()

    def assert_same_weights(self, expected, actual, tolerance, steps=0):
        """After so many steps, PyTorch's `expected` must be near; ten times as far as its neighbours are is near enough,
        where a number close to a kink makes them part."""
        found = distance(expected, actual)
        if found > tolerance and steps:
            tolerance = 10 * max(distance(expected, weights) for _, weights in self.neighbours(self.dataset, steps))
        self.assertLessEqual(found, tolerance, f"SCONCE_SEED={SEED}")

    def compare_losses(self, dataset, *arguments):
        expected = Script(dataset, SEED).train(100)  # 80 are an epoch
        result = self.train("--epochs", 2, "--steps", 100, "--log-every", 1, "--json", *arguments)
        records = [json.loads(line) for line in result.stdout.splitlines()]
        losses = [record["loss"] for record in records if "step" in record]
        self.assertEqual(len(losses), 100)
        found = [abs(mine - theirs) for mine, theirs in zip(losses, expected)]
        allowed = [1e-5] * len(found)
        if max(found) > 1e-5:
            runs = [run for run, _ in self.neighbours(dataset, 100)]
            strays = (max(abs(run[step] - expected[step]) for run in runs) for step in range(len(found)))
            allowed = [max(1e-5, 10 * most) for most in itertools.accumulate(strays, max)]
        for step, (error, limit) in enumerate(zip(found, allowed), start=1):
            self.assertLessEqual(error, limit, f"step {step} (SCONCE_SEED={SEED})")

    def test_losses(self):
        self.compare_losses(self.dataset)

    def test_losses_of_augmented_pictures(self):
        self.compare_losses(Augmented(self.dataset), "--augment")

    def test_checkpoint_loads_in_pytorch(self):
        script = self.script()
        script.train(20)
        self.train("--steps", 20, "--save", self.folder / "run", "--scheduler", "step", "--step-size", 7)
        state = torch.load(self.folder / "run" / "last.pt")
        self.assertEqual((state["epoch"], state["step"], state["batch"]), (0, 20, 20))
        self.assertEqual(state["settings"]["arch"], "lenet")
        self.assertEqual(state["settings"]["batch_size"], BATCH)
        self.assert_same_weights(script.net.state_dict(), state["model"], 1e-6, 20)
        self.assertEqual(list(state["model"]), list(script.net.state_dict()))
        # Python's side takes every part of it.
        script.net.load_state_dict(state["model"])
        script.optimizer.load_state_dict(state["optimizer"])
        scheduler = torch.optim.lr_scheduler.StepLR(script.optimizer, 7)
        scheduler.load_state_dict(state["scheduler"])
        self.assertEqual(scheduler.last_epoch, 0)
        self.assertTrue(torch.equal(state["rng_state"], torch.get_rng_state()))
        torch.set_rng_state(state["epoch_rng_state"])

    @needs_torch(2, 0)
    def test_checkpoints_are_safe_to_load(self):
        run = self.folder / "run"
        self.train("--epochs", 1, "--save", run)
        for name in ("last.pt", "best.pt"):
            plain = torch.load(run / name, weights_only=False)
            self.assert_same(plain, torch.load(run / name, weights_only=True))
            self.assert_same(plain, torch.load(run / name, weights_only=True, mmap=True))

    def test_pytorch_begins_sconce_goes_on_pytorch_ends(self):
        alone = self.script()
        alone.train(90)
        for first, second in ((10, 20), (75, 85)):  # the second pair has an epoch's end between
            script = self.script()
            script.train(first)
            script.save(self.folder / "theirs.pt")
            run = self.folder / f"run{first}"
            self.train("--epochs", 2, "--resume", self.folder / "theirs.pt", "--steps", second, "--save", run)
            other = self.script()
            other.load(run / "last.pt")
            self.assertEqual(other.step, second)
            other.train(90 - second)
            self.assert_same_weights(alone.net.state_dict(), other.net.state_dict(), 1e-6, 90)

    def test_sconce_begins_pytorch_goes_on_sconce_ends(self):
        run, alone = self.folder / "run", self.folder / "alone"
        self.train("--steps", 30, "--save", alone)
        self.train("--steps", 10, "--save", run)
        script = self.script()
        script.load(run / "last.pt")
        script.train(10)
        script.save(self.folder / "theirs.pt")
        self.train("--resume", self.folder / "theirs.pt", "--steps", 30, "--save", self.folder / "end")
        expected = torch.load(alone / "last.pt")
        found = torch.load(self.folder / "end" / "last.pt")
        self.assertEqual(found["step"], 30)
        self.assert_same_weights(expected["model"], found["model"], 1e-6, 30)
        self.assertTrue(torch.equal(expected["rng_state"], found["rng_state"]))

    def test_eval_agrees(self):
        script = self.script()
        script.train(20)
        torch.save(script.net.state_dict(), self.folder / "net.pt")
        result = run_sconce("eval", "--arch", "lenet", "--weights", self.folder / "net.pt", "--data", self.data,
                            "--json")
        found = json.loads(result.stdout)
        pixels, labels = self.dataset[:10]
        with torch.no_grad():
            scores = script.net(pixels)
        self.assertAlmostEqual(found["loss"], functional.cross_entropy(scores, labels).item(), delta=1e-5)
        self.assertEqual(found["correct"], (scores.argmax(1) == labels).sum().item())
        self.assertEqual(found["top5_correct"], (scores.topk(5).indices == labels[:, None]).any(1).sum().item())
        self.assertEqual(found["total"], 10)

    def test_eval_of_a_whole_module(self):
        net, path = self.script().net, self.folder / "net.pt"
        with torch.no_grad():
            scores = net(self.dataset[:10][0])
        for content, words in ((net, "state_dict of a whole pickled module\n"),
                               ({"net": nn.DataParallel(net)}, "of a whole pickled module taken from 'net'; prefix")):
            torch.save(content, path)
            arguments = ("eval", "--arch", "lenet", "--weights", path, "--data", self.data)
            self.assertIn(words, run_sconce(*arguments).stdout)
            found = json.loads(run_sconce(*arguments, "--json").stdout)
            self.assertAlmostEqual(found["loss"], functional.cross_entropy(scores, self.dataset[:10][1]).item(),
                                   delta=1e-5)

    def test_eval_finds_the_state_dict(self):
        script = self.script()
        script.train(2)
        state, path = script.net.state_dict(), self.folder / "net.pt"
        arguments = ("eval", "--arch", "lenet", "--weights", path, "--data", self.data, "--json")
        for content, entry, prefix in (
                (state, None, None),
                ({"epoch": 3, "net": state, "optimizer": script.optimizer.state_dict()}, "net", None),
                ({"model": {f"module.{name}": tensor for name, tensor in state.items()}, "ema": state}, "model",
                 "module.")):
            torch.save(content, path)
            found = json.loads(run_sconce(*arguments).stdout)
            self.assertEqual((found["weights_entry"], found["stripped_prefix"]), (entry, prefix))
        for content, words in (({"a": state, "b": state}, ("'a'", "'b'")), ({"epoch": 3}, ("'epoch'",)),
                               ([state], ("list",))):
            torch.save(content, path)
            result = run_sconce(*arguments, check=False)
            self.assertEqual((result.returncode, result.stdout), (2, ""))
            for word in ("expected a state_dict", *words):
                self.assertIn(word, result.stderr)
