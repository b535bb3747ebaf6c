#!/usr/bin/env python3
"""Trains the tutorial's network in PyTorch and in Sconce in turns and prints the ratios.

usage: compare_train_step.py --torch PYTHON [--bench build/release/bin/bench_train_step] [--batches 4,32,128]
                             [--threads 1] [--rounds 5] [--seconds 2]

Each sample is a fresh process; rounds go Sconce, PyTorch, Sconce, PyTorch, ...; a figure is the median over the
rounds of the process's median step. The ratio is taken round by round, so that a machine whose speed drifts
does not decide it. Build with: cmake --preset release -DSCONCE_BENCH=ON && cmake --build --preset release
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess

here = pathlib.Path(__file__).resolve().parent
parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--torch", required=True, help="a Python that has PyTorch")
parser.add_argument("--bench", default=str(here.parent / "build/release/bin/bench_train_step"))
parser.add_argument("--batches", default="4,32,128")
parser.add_argument("--threads", type=int, default=1)
parser.add_argument("--rounds", type=int, default=5)
parser.add_argument("--seconds", type=float, default=2)
options = parser.parse_args()


def sample(command):
    environment = dict(os.environ, OMP_NUM_THREADS=str(options.threads))
    result = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    return json.loads(result.stdout)


version = ""
rows = []
for batch in options.batches.split(","):
    arguments = [batch, str(options.threads), str(options.seconds)]
    ours, theirs = [], []
    for _ in range(options.rounds):
        ours.append(sample([options.bench, *arguments]))
        theirs.append(sample([options.torch, str(here / "train_step_torch.py"), *arguments]))
    version = theirs[0]["torch"]
    ratios = [b["median_us"] / a["median_us"] for a, b in zip(ours, theirs)]
    rows.append((batch, statistics.median(a["median_us"] for a in ours),
                 statistics.median(b["median_us"] for b in theirs), statistics.median(ratios), min(ratios),
                 max(ratios), max(a["peak_kib"] for a in ours) / 1024, max(b["peak_kib"] for b in theirs) / 1024))

print(f"PyTorch {version}, {options.threads} thread(s), {options.rounds} rounds")
print("| batch | Sconce, us | PyTorch, us | PyTorch / Sconce (min..max) | memory, MiB: Sconce, PyTorch |")
print("|---|---|---|---|---|")
for batch, mine, other, ratio, low, high, memory, other_memory in rows:
    print(f"| {batch} | {mine:.0f} | {other:.0f} | {ratio:.2f} ({low:.2f}..{high:.2f}) "
          f"| {memory:.0f}, {other_memory:.0f} |")
