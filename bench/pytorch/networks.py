"""The networks of networks.h in PyTorch."""
import re

import torch
import torch.nn.functional as F
from torch import nn


class LeNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 6, 5)
        self.pool = nn.MaxPool2d(2, 2)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(16 * 5 * 5, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, 10)

    def forward(self, x):
        x = self.pool(F.relu(self.conv1(x)))
        x = self.pool(F.relu(self.conv2(x)))
        x = x.view(-1, 16 * 5 * 5)
        x = F.relu(self.fc1(x))
        x = F.relu(self.fc2(x))
        return self.fc3(x)


class Block(nn.Module):
    """Two 3x3 convolutions; `shortcut` is what the input passes through beside them."""

    def __init__(self, inputs, outputs, stride, shortcut):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.shortcut = shortcut

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(y)) + self.shortcut(x))


class Thinned(nn.Module):
    """Every stride-th pixel between channels of zeros."""

    def __init__(self, added, stride):
        super().__init__()
        self.added, self.stride = added, stride

    def forward(self, x):
        return F.pad(x[:, :, ::self.stride, ::self.stride], (0, 0, 0, 0, self.added // 2, self.added // 2))


def projected(inputs, outputs, stride):
    if stride == 1 and inputs == outputs:
        return nn.Identity()
    return nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))


def thinned(inputs, outputs, stride):
    return nn.Identity() if stride == 1 and inputs == outputs else Thinned(outputs - inputs, stride)


def residual(channels, blocks, stem, classes, shortcut):
    layers, inputs = list(stem), channels[0]
    for i, outputs in enumerate(channels):
        for block in range(blocks):
            stride = 2 if i > 0 and block == 0 else 1
            layers.append(Block(inputs, outputs, stride, shortcut(inputs, outputs, stride)))
            inputs = outputs
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels[-1], classes))


def stem(channels, kernel, stride, pools):
    layers = [nn.Conv2d(3, channels, kernel, stride, kernel // 2, bias=False), nn.BatchNorm2d(channels), nn.ReLU()]
    return layers + [nn.MaxPool2d(3, 2, 1)] if pools else layers


def from_text(text):
    size, *words = text.split()
    shape = [int(part) for part in size.split("x")]
    layers, now = [], shape
    for word in words:
        kind, numbers = re.fullmatch(r"([a-z]+)([\d,]*)", word).groups()
        n = [int(number) for number in numbers.split(",")] if numbers else []
        layer = {"conv": lambda: nn.Conv2d(now[0], *n), "linear": lambda: nn.Linear(now[0], n[0]),
                 "max": lambda: nn.MaxPool2d(n[0]), "relu": nn.ReLU, "flatten": nn.Flatten}[kind]()
        with torch.no_grad():
            now = list(layer(torch.zeros(1, *now)).shape[1:])
        layers.append(layer)
    return nn.Sequential(*layers), shape, now[0]


def make_network(name):
    """(model, shape of one example, classes)"""
    if " " in name:
        return from_text(name)
    if name == "lenet":
        return LeNet(), [3, 32, 32], 10
    if name == "resnet18":
        return residual([64, 128, 256, 512], 2, stem(64, 7, 2, True), 1000, projected), [3, 224, 224], 1000
    if name == "resnet18-cifar":
        return residual([64, 128, 256, 512], 2, stem(64, 3, 1, False), 10, projected), [3, 32, 32], 10
    if name == "resnet20":
        return residual([16, 32, 64], 3, stem(16, 3, 1, False), 10, thinned), [3, 32, 32], 10
    raise SystemExit(f"unknown network {name}")
