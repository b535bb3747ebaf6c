#!/usr/bin/env python3
"""Where does the time of a training step go?    profile_step.py BENCH_STEP NETWORK:BATCH...

Samples bench_step with perf (Debian: linux-perf) on one thread, after its first second, and prints a table in Markdown:
the share of each kind of work.
"""

import os
import re
import subprocess
import sys
import tempfile

# The first that matches the library and the symbol.
KINDS = [
    ("convolution: direct loops", r"direct::"),
    ("convolution: Winograd", r"winograd"),
    ("convolution, matrix products: oneDNN", r"libdnnl|\[JIT\]|\[unknown\]|perf-\d+\.map|//anon"),
    ("batch normalisation, with what joins it", r"batch_norm|channel_sums|blocked::.*join"),
    ("pooling", r"pool|check_places"),
    ("optimizer", r"sgd|update<|kernels::\(anonymous namespace\)::run<"),
    ("ReLU, sums, other elementwise", r"map_into|zip_into|relu"),
    ("bias and its gradient", r"bias"),
    ("loss", r"softmax|nll|cross_entropy|log_"),
    ("layouts, copies, filling", r"memmove|memcpy|memset|from_plain|to_plain|copy_strided|interleave|separate|fill"),
    ("page faults, system", r"\[kernel|\[k\]"),
]
REST = "graph, memory, calls, the rest"


def shares(program, network, batch):
    """{kind: share of the samples}"""
    with tempfile.NamedTemporaryFile() as data:
        environment = dict(os.environ, OMP_NUM_THREADS="1")
        subprocess.run(["perf", "record", "--quiet", "--freq", "999", "--event", "cpu-clock", "--delay", "1000", "--output",
                        data.name, program, "train", network, batch, "1", "5"], check=True, env=environment,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        report = subprocess.run(["perf", "report", "--input", data.name, "--stdio", "--sort", "dso,symbol", "--show-nr-samples"],
                                check=True, capture_output=True, text=True).stdout
    counts = {}
    for line in report.splitlines():
        found = re.match(r"\s*[\d.]+%\s+(\d+)\s+(.*)", line)
        if not found:
            continue
        kind = next((name for name, pattern in KINDS if re.search(pattern, found[2])), REST)
        counts[kind] = counts.get(kind, 0) + int(found[1])
    total = sum(counts.values())
    if total == 0:
        sys.exit(f"perf took no samples of {network}")
    return {kind: count / total for kind, count in counts.items()}


def main(arguments):
    if len(arguments) < 2 or any(":" not in each for each in arguments[1:]):
        sys.exit(__doc__)
    program, networks = arguments[0], [each.rsplit(":", 1) for each in arguments[1:]]
    columns = [shares(program, *each) for each in networks]
    print("| " + " | ".join(["work"] + [f"{name}, batch {batch}" for name, batch in networks]) + " |")
    print("|---" * (len(networks) + 1) + "|")
    for kind in [name for name, _ in KINDS] + [REST]:
        if any(kind in column for column in columns):
            print(f"| {kind} | " + " | ".join(f"{100 * column.get(kind, 0):.0f}%" for column in columns) + " |")


if __name__ == "__main__":
    main(sys.argv[1:])
