"""The programs of examples/, one of which README shows: what they print and what they leave."""

import os
import re

import torch

from sconce_torch import TestCase, binary, differences, load, run_sconce, tensors

# Threads that wait by spinning take the processor from the tests beside this one.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
SHAPES = {
    "conv1.weight": [6, 3, 5, 5], "conv1.bias": [6], "conv2.weight": [16, 6, 5, 5], "conv2.bias": [16],
    "fc1.weight": [120, 400], "fc1.bias": [120], "fc2.weight": [84, 120], "fc2.bias": [84],
    "fc3.weight": [10, 84], "fc3.bias": [10],
}
LINES = "".join(f"{name}\ttorch.Size({shape})\n" for name, shape in SHAPES.items())


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = torch.nn.Conv2d(3, 6, 5)
        self.conv2 = torch.nn.Conv2d(6, 16, 5)
        self.fc1 = torch.nn.Linear(400, 120)
        self.fc2 = torch.nn.Linear(120, 84)
        self.fc3 = torch.nn.Linear(84, 10)


class Example(TestCase):
    def test_train_classifier(self):
        path = self.folder / "net.pt"
        text = run_sconce(path, program="train_classifier", timeout=600).stdout
        self.assertEqual(text.count("Model's state_dict:\n" + LINES), 2)
        self.assertIn("Optimizer's state_dict:\nstate\t{}\nparam_groups\t", text)
        self.assertIn("\n  0: momentum_buffer torch.Size([6, 3, 5, 5])\n", text)
        groups = re.findall(r"^param_groups\t(.*)$", text, re.MULTILINE)
        self.assertEqual(len(groups), 2)
        for group in groups:
            for word in ("'lr': 0.001", "'momentum': 0.9", "'dampening': 0", "'weight_decay': 0", "'nesterov': False",
                         "'params': [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]"):
                self.assertIn(word, group)
        accuracies = [float(number) for number in re.findall(r"test accuracy ([\d.]+) %", text)]
        self.assertGreater(accuracies[-1], 80)
        self.assertIn("both give the same answers to the last bit", text)
        self.assertIn(f"{binary('sconce')} inspect {path}\n", text)
        self.assertIn(f"torch.load('{path}')\n", text)

        self.check_checkpoint(path)

    def test_state_dict(self):
        text = run_sconce(program="state_dict", timeout=600, cwd=self.folder).stdout
        self.assertTrue(text.startswith(LINES + "[{'lr': 0.001, 'momentum': 0.9, "), text)
        self.check_checkpoint(self.folder / "net.pt")

    def check_checkpoint(self, path):
        """It is one of PyTorch."""
        state = load(path)
        net = Net()
        net.load_state_dict(state["model"])
        self.assertEqual(differences(dict(state["model"]), dict(net.state_dict())), [])
        optimizer = torch.optim.SGD(net.parameters(), lr=1)
        optimizer.load_state_dict(state["optimizer"])
        self.assertEqual(optimizer.param_groups[0]["lr"], 0.001)
        self.assertEqual(len(tensors(state["optimizer"])), len(SHAPES))
