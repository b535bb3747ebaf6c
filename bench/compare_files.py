#!/usr/bin/env python3
"""Lists, loads, saves and converts a large .pt and one of many small tensors in PyTorch and in Sconce, in turns.

usage: compare_files.py --torch PYTHON [--bin build/release/bin] [--rounds 5] [--megabytes 1024] [--tensors 100]
                        [--small 10000] [--folder DIR]

Each sample is a fresh process and each output a fresh file. "list" and "convert" are whole processes, as a user of a
command meets them; PyTorch's begin before its import. "load", "map" and "save" are timed inside, the first of the process.
A ratio is taken round by round, so that a machine whose speed drifts does not decide it. Build with:
cmake --preset release -DSCONCE_BENCH=ON && cmake --build --preset release
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

here = pathlib.Path(__file__).resolve().parent
parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--torch", required=True, help="a Python that has PyTorch and safetensors")
parser.add_argument("--bin", type=pathlib.Path, default=here.parent / "build/release/bin")
parser.add_argument("--rounds", type=int, default=5)
parser.add_argument("--megabytes", type=int, default=1024)
parser.add_argument("--tensors", type=int, default=100)
parser.add_argument("--small", type=int, default=10_000)
parser.add_argument("--folder", help="where to write; a temporary folder otherwise")
options = parser.parse_args()


def output(command):
    return json.loads(subprocess.run([str(word) for word in command], check=True, capture_output=True, text=True).stdout)


def measured(command):
    """A whole process, started by a small one, whose memory does not count."""
    code = ("import json, resource, subprocess, sys, time; begin = time.perf_counter();"
            "subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL);"
            "print(json.dumps({'ms': (time.perf_counter() - begin) * 1e3,"
            "'peak_kib': resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss}))")
    return output([sys.executable, "-S", "-c", code, *command])


def compare(title, ours, theirs, out=None):
    """One row: `ours` and `theirs` take a sample."""
    samples = []
    for _ in range(options.rounds):
        pair = []
        for sample in (ours, theirs):
            os.sync()
            pair.append(sample())
            if out is not None:
                out.unlink()
        samples.append(pair)
    ratios = sorted(b["ms"] / a["ms"] for a, b in samples)
    milliseconds = [statistics.median(pair[i]["ms"] for pair in samples) for i in (0, 1)]
    memory = [max(pair[i]["peak_kib"] for pair in samples) / 1024 for i in (0, 1)]
    print(f"| {title} | {milliseconds[0]:.1f} | {milliseconds[1]:.0f} | {statistics.median(ratios):.1f} "
          f"({ratios[0]:.1f}..{ratios[-1]:.1f}) | {memory[0]:.0f}, {memory[1]:.0f} |", flush=True)


with tempfile.TemporaryDirectory(dir=options.folder) as folder:
    folder = pathlib.Path(folder)
    large, small, out = folder / "large.pt", folder / "small.pt", folder / "out.pt"
    script = here / "files_torch.py"
    subprocess.run([options.torch, script, "make", large, str(options.tensors),
                    str((options.megabytes << 20) // options.tensors)], check=True)
    subprocess.run([options.torch, script, "make", small, str(options.small), "1024"], check=True)
    bench = options.bin / "bench_files"

    def pair(what, source):
        arguments = [source, out] if "save" in what else [source]
        return (lambda: output([bench, what, *arguments]), lambda: output([options.torch, script, what, *arguments]))

    version = output([options.torch, script, "map", small])["torch"]
    print(f"PyTorch {version}, {options.rounds} rounds, {time.strftime('%Y-%m-%d')}")
    print("| what | Sconce, ms | PyTorch, ms | PyTorch / Sconce (min..max) | memory, MiB: Sconce, PyTorch |")
    print("|---|---|---|---|---|")
    for name, source in ((f"{options.megabytes} MiB in {options.tensors} tensors", large),
                         (f"{options.small} tensors of 1 KiB", small)):
        compare(f"{name}: list", lambda: measured([options.bin / "sconce", "inspect", source]),
                lambda: measured([options.torch, script, "list", source]))
        compare(f"{name}: load, mapped", *pair("map", source))
        compare(f"{name}: load, copied (Sconce checks CRCs)", *pair("load", source))
        compare(f"{name}: save", *pair("save", source), out)
        compare(f"{name}: save, durable (PyTorch and fdatasync)", *pair("save-durable", source), out)
        converted = folder / "out.safetensors"
        compare(f"{name}: convert to safetensors", lambda: measured([options.bin / "sconce", "convert", source, converted]),
                lambda: measured([options.torch, script, "convert", source, converted]), converted)
