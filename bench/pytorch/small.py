"""PyTorch's side of bench_small_operations: small.py WHAT [SECONDS]"""
import json
import sys
import time

import torch

what = sys.argv[1]
seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 0.5
torch.set_num_threads(1)
CHAIN, TENSORS = 10, 100


def forward(call):
    def run():
        with torch.inference_mode():
            for _ in range(100):
                call()
    return run, 100


def chain():
    leaf, factor = torch.randn(16, requires_grad=True), torch.randn(16)

    def run():
        x = leaf
        for _ in range(CHAIN):
            x = x * factor
        x.backward(factor)
        leaf.grad = None
    return run, CHAIN


def sgd():
    parameters = [torch.randn(16, requires_grad=True) for _ in range(TENSORS)]
    for parameter in parameters:
        parameter.grad = torch.randn(16)
    # One call for all: the faster of its ways for small tensors.
    return torch.optim.SGD(parameters, lr=0.001, momentum=0.9, foreach=True).step, TENSORS


with torch.inference_mode():
    a, b = torch.randn(16), torch.randn(16)
run, count = {"add": lambda: forward(lambda: a + b), "relu": lambda: forward(lambda: torch.relu(a)),
              "view": lambda: forward(lambda: a.view(4, 4)), "empty": lambda: forward(lambda: torch.empty(16)),
              "chain": chain, "sgd": sgd}[what]()
best = float("inf")
begin = time.perf_counter()
while time.perf_counter() - begin < seconds:
    start = time.perf_counter()
    for _ in range(20):
        run()
    best = min(best, (time.perf_counter() - start) / 20 / count)
print(json.dumps({"us": best * 1e6}))
