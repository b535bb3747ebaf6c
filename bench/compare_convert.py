#!/usr/bin/env python3
"""Converts a large .pt file to safetensors and copies it with cp, in turns, and prints the ratios.

usage: compare_convert.py [--sconce build/release/bin/sconce] [--megabytes 1024] [--tensors 100] [--rounds 5]
                          [--folder DIR] [-- OPTION...]

Each sample is a fresh process and ends with its bytes on disk (convert syncs its file, cp is followed by sync FILE).
The ratio is taken round by round, so that a machine whose speed drifts does not decide it. Options behind -- go to
`sconce convert`.
"""
import argparse
import json
import pathlib
import resource
import statistics
import struct
import subprocess
import tempfile
import time

here = pathlib.Path(__file__).resolve().parent
parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--sconce", default=here.parent / "build/release/bin/sconce")
parser.add_argument("--megabytes", type=int, default=1024)
parser.add_argument("--tensors", type=int, default=100)
parser.add_argument("--rounds", type=int, default=5)
parser.add_argument("--folder", help="where to write; a temporary folder otherwise")
parser.add_argument("options", nargs="*")
arguments = parser.parse_args()


def write_safetensors(path):
    """Random bytes, one tensor as large as the other."""
    elements = (arguments.megabytes << 18) // arguments.tensors
    header = {f"layer{i:04}.weight": {"dtype": "F32", "shape": [elements],
                                      "data_offsets": [4 * elements * i, 4 * elements * (i + 1)]}
              for i in range(arguments.tensors)}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open("/dev/urandom", "rb") as random, open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for _ in range(arguments.tensors):
            file.write(random.read(4 * elements))


def seconds(*commands):
    start = time.monotonic()
    for command in commands:
        subprocess.run([str(word) for word in command], check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - start


with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
    folder = pathlib.Path(folder)
    source, copied, converted = folder / "x.pt", folder / "copy.pt", folder / "x.safetensors"
    write_safetensors(folder / "first.safetensors")
    subprocess.run([str(arguments.sconce), "convert", str(folder / "first.safetensors"), str(source)], check=True,
                   stdout=subprocess.DEVNULL)
    (folder / "first.safetensors").unlink()
    ratios, times = [], {"convert": [], "cp": []}
    for _ in range(arguments.rounds):
        times["cp"].append(seconds(["cp", source, copied], ["sync", copied]))
        copied.unlink()
        times["convert"].append(seconds([arguments.sconce, "convert", source, converted, *arguments.options]))
        converted.unlink()
        ratios.append(times["convert"][-1] / times["cp"][-1])
    for name, samples in times.items():
        print(f"{name}: {statistics.median(samples):.2f} s ({min(samples):.2f} to {max(samples):.2f})")
    print(f"ratio: {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")
    # Of the largest child, which is convert.
    print(f"memory: {resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss >> 10} MiB")
