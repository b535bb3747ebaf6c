#!/usr/bin/env python3
"""Trains networks, and asks them, in PyTorch and in Sconce in turns; prints the ratios beside what must be reached.

usage: compare_steps.py --torch PYTHON [--torch PYTHON]... [--bin build/release/bin] [--only WORD] [--threads 1]
                        [--rounds 5] [--seconds 2] [--drawn 8] [--seed N] [--json FILE]

Each sample is a fresh process: Sconce, each PyTorch, Sconce, ...; a figure is the median over the rounds of the process's
median step. The ratio is to the fastest PyTorch and is taken round by round, so that a machine whose speed drifts does not
decide it. Besides the known networks, --drawn small ones are drawn from the seed, which is printed: kernels that were
written for one network would show there. Build with:
cmake --preset release -DSCONCE_BENCH=ON && cmake --build --preset release
"""
import argparse
import json
import os
import pathlib
import random
import statistics
import subprocess
import sys

here = pathlib.Path(__file__).resolve().parent

# (title, mode, network, batch, least ratio, options of PyTorch)
MLP = "784 linear512 relu linear512 relu linear10"
WORKS = [
    ("tutorial network, batch 4", "train", "lenet", 4, 4.0, ""),
    ("tutorial network, batch 32", "train", "lenet", 32, 3.0, ""),
    ("tutorial network, batch 128", "train", "lenet", 128, 3.0, ""),
    ("tutorial network, batch 512", "train", "lenet", 512, 2.5, ""),
    ("MLP 784-512-512-10, batch 64", "train", MLP, 64, 1.2, ""),
    ("ResNet-18 224, batch 8", "train", "resnet18", 8, 1.5, ""),
    ("ResNet-18 224, batch 8, PyTorch channels_last", "train", "resnet18", 8, 1.3, "channels_last"),
    ("ResNet-18 CIFAR, batch 32", "train", "resnet18-cifar", 32, 1.4, ""),
    ("ResNet-20 CIFAR, batch 128", "train", "resnet20", 128, 1.4, ""),
    ("inference, batch 1: tutorial network", "infer", "lenet", 1, 4.0, ""),
    ("inference, batch 1: ResNet-18 224", "infer", "resnet18", 1, 1.5, ""),
]


def drawn(seed, count):
    """Small networks of other shapes, as bench/networks.h reads them; each must reach 0.6 of the tutorial network's
    ratio."""
    draw = random.Random(seed)
    works = []
    while len(works) < count:
        channels, size = draw.choice((1, 2, 3, 4)), draw.randint(20, 40)
        words, now = [f"{channels}x{size}x{size}"], size
        for _ in range(2):
            kernel, stride = draw.choice((3, 5, 7)), draw.choice((1, 1, 1, 2))
            padding = draw.choice((0, kernel // 2))
            now = (now + 2 * padding - kernel) // stride + 1
            words += [f"conv{draw.randint(1, 32)},{kernel},{stride},{padding}", "relu"]
            if draw.random() < 0.7:
                words.append("max2")
                now //= 2
            if now < 7:
                break
        words += ["flatten", f"linear{draw.randint(20, 120)}", "relu", "linear10"]
        if now >= 1:
            works.append((f"drawn: {' '.join(words)}", "train", " ".join(words), draw.choice((4, 32, 128)), None, ""))
    return works


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--torch", action="append", required=True, help="a Python that has PyTorch")
    parser.add_argument("--bin", type=pathlib.Path, default=here.parent / "build/release/bin")
    parser.add_argument("--only", default="", help="only works with this in their title")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--drawn", type=int, default=8)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**9))
    parser.add_argument("--json", type=pathlib.Path, help="where the samples go")
    options = parser.parse_args()
    environment = dict(os.environ, OMP_NUM_THREADS=str(options.threads), PYTHONDONTWRITEBYTECODE="1")

    def sample(command):
        result = subprocess.run([str(word) for word in command], check=True, capture_output=True, text=True,
                                env=environment)
        return json.loads(result.stdout)

    def compare(work):
        title, mode, network, batch, least, extra = work
        arguments = [mode, network, batch, options.threads, options.seconds]
        rounds = []
        for _ in range(options.rounds):
            ours = sample([options.bin / "bench_step", *arguments])
            theirs = [sample([python, here / "step_torch.py", *arguments, *extra.split()]) for python in options.torch]
            rounds.append((ours, min(theirs, key=lambda each: each["us"])))
        ratios = [theirs["us"] / ours["us"] for ours, theirs in rounds]
        return {"title": title, "batch": batch, "least": least, "ratio": statistics.median(ratios),
                "ratios": ratios, "us": [statistics.median(pair[i]["us"] for pair in rounds) for i in (0, 1)],
                "mib": [max(pair[i]["peak_kib"] for pair in rounds) / 1024 for i in (0, 1)],
                "torch": rounds[0][1]["torch"]}

    works = WORKS + drawn(options.seed, options.drawn)
    works = [work for work in works if options.only in work[0]]
    print(f"{options.threads} thread(s), {options.rounds} rounds of {options.seconds} s; drawn with --seed {options.seed}\n")
    print("| work | batch | Sconce, us | PyTorch, us (which) | PyTorch / Sconce (min..max) | must | memory, MiB |")
    print("|---|---|---|---|---|---|---|", flush=True)
    results, missed = [], []
    for work in works:
        result = compare(work)
        tutorial = [each for each in results if each["title"] == f"tutorial network, batch {result['batch']}"]
        if result["least"] is None and tutorial:
            result["least"] = 0.6 * tutorial[0]["ratio"]
        results.append(result)
        least = result["least"]
        if least is not None and result["ratio"] < least:
            missed.append(result["title"])
        print(f"| {result['title']} | {result['batch']} | {result['us'][0]:.0f} | {result['us'][1]:.0f} "
              f"({result['torch']}) | {result['ratio']:.2f} ({min(result['ratios']):.2f}..{max(result['ratios']):.2f}) "
              f"| {'' if least is None else f'{least:.2f}'}{' missed' if result['title'] in missed else ''} "
              f"| {result['mib'][0]:.0f}, {result['mib'][1]:.0f} |", flush=True)
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
