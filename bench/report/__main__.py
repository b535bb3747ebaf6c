"""Trains, asks, lists, loads, saves in Sconce and in PyTorch in turns, and says what is reached of what must be.

Each sample is a fresh process: Sconce, each PyTorch, Sconce, ...; a time is the median over the rounds, a ratio the
median of the rounds' ratios to the fastest PyTorch. Beside each row stands how many billions of float32 operations
a second the machine did in a loop of multiply-adds just before, the least and the most of the rounds: where they
differ, so do the times. The exit status is 1 when a limit is missed.
"""
import argparse
import datetime
import json
import os
import pathlib
import platform
import random
import subprocess
import sys
import tempfile

import files
import operations
import steps
from peers import environment, find_peer
from turns import HEAD, line, measure, output

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
# What tells within minutes whether something became slow. Large files are not saved or copied here: the disk and the
# kernel's clearing of pages decide that, for either side.
SHORT = ("tutorial network, batch 4", "tutorial network, batch 32", "MLP", "inference, batch 1: tutorial", "process start",
         "list", "load, mapped", "of 1 KiB: load, copied", "of 1 KiB: save")


def arguments():
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--torch", action="append", default=[], metavar="PYTHON",
                        help="a Python that has PyTorch; again for more (default: /usr/bin/python3)")
    parser.add_argument("--short", action="store_true",
                        help="few works and rounds; only a ratio below half of its limit is a failure")
    parser.add_argument("--only", default="", metavar="WORD", help="only works with this in their title")
    parser.add_argument("--threads", action="append", type=int, default=[], metavar="N",
                        help="threads of training steps and inference; again for more (default: 1); limits hold for 1")
    parser.add_argument("--rounds", type=int, help="(default: 5; with --short 1, and 3 more where a limit is missed)")
    parser.add_argument("--seconds", type=float, help="of a sample (default: 1; with --short 0.3)")
    parser.add_argument("--drawn", type=int, help="networks drawn from the seed (default: 8; with --short none)")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**9))
    parser.add_argument("--megabytes", type=int, help="of the large file (default: 1024; with --short 128)")
    parser.add_argument("--folder", help="where files are written; a temporary folder otherwise")
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="where every sample goes")
    parser.add_argument("--reference-blas", action="store_true",
                        help="compare even with a PyTorch whose matrix products are reference BLAS's")
    parser.add_argument("--bin", type=pathlib.Path, default=ROOT / "build/release/bin", help=argparse.SUPPRESS)
    options = parser.parse_args()
    defaults = {"rounds": (5, 1), "seconds": (1, 0.3), "drawn": (8, 0), "megabytes": (1024, 128)}
    for name, values in defaults.items():
        if getattr(options, name) is None:
            setattr(options, name, values[options.short])
    options.torch = options.torch or ["/usr/bin/python3"]
    options.threads = options.threads or [1]
    return options


def processor():
    with open("/proc/cpuinfo") as info:
        names = [text.split(":", 1)[1].strip() for text in info if text.startswith("model name")]
    return f"{names[0] if names else platform.machine()}, {os.cpu_count()} processors"


def commit():
    result = subprocess.run(["git", "-C", ROOT, "describe", "--always", "--dirty"], capture_output=True, text=True)
    return result.stdout.strip() or "unknown"


def all_works(options, peers, folder):
    for threads in options.threads:
        yield (f"Training steps and inference, {threads} thread{'s' if threads > 1 else ''}",
               steps.works(options.bin, peers, options.seed, options.drawn, options.seconds, threads))
    yield "Small operations and start", operations.works(options.bin, peers, options.seconds)
    yield "Files", files.works(options.bin, peers, folder, options.megabytes, 100, 10_000)


def wanted(work, options):
    return options.only in work.title and (not options.short or work.title.startswith("drawn") or
                                           any(word in work.title for word in SHORT))


def judged(result, work, results, short):
    """Fills in the limits; with `short` only half of a ratio is asked for."""
    ratio = work.limits.ratio
    if work.limits.share_of:
        other = [each for each in results if (each.title, each.threads) == (work.limits.share_of, work.threads)]
        ratio = ratio * other[0].ratio if other and other[0].ratio else None
    if short:
        missed = ratio is not None and result.ratio is not None and result.ratio < ratio / 2
        result.limits = [(f"half of {ratio:.3g}x", missed)] if ratio is not None else []
    else:
        result.limits = work.limits.broken(result, ratio)
    return result


def main():
    options = arguments()
    peers = [find_peer(python) for python in options.torch]
    for peer in peers:
        if peer.on_reference_blas and not options.reference_blas:
            sys.exit(f"{peer.python}: PyTorch {peer.version} multiplies matrices with reference BLAS, twenty times slower "
                     "than it could; install libopenblas0-openmp, or say --reference-blas")

    about = {"date": datetime.date.today().isoformat(), "commit": commit(), "machine": processor(),
             "system": platform.platform(), "peers": [str(peer) for peer in peers], "rounds": options.rounds,
             "seconds": options.seconds, "seed": options.seed, "command": ["scripts/bench", *sys.argv[1:]]}
    print(f"{about['date']}, {about['machine']}, {about['system']}; Sconce {about['commit']}; {'; '.join(about['peers'])}; "
          f"{options.rounds} round(s) of {options.seconds} s; networks drawn with --seed {options.seed}")

    def machine(threads):
        return output([options.bin / "bench_fma", threads, 0.1], environment(threads))["gflops"]

    results = []
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        for title, works in all_works(options, peers, pathlib.Path(folder)):
            works = [work for work in works if wanted(work, options)]
            if works:
                print(f"\n### {title}\n\n{HEAD}", flush=True)
            for work in works:
                result = judged(measure(work, options.rounds, machine), work, results, options.short)
                if options.short and result.missed:  # a neighbour's noise, or true?
                    result = judged(measure(work, 3, machine), work, results, options.short)
                results.append(result)
                print(line(result), flush=True)
    if not results:
        sys.exit(f"no work has '{options.only}' in its title")
    missed = [f"{result.title}: {text}" for result in results for text in result.missed]
    print(f"\n{len(results)} works, {len(missed)} limit(s) missed" + "".join(f"\n- {text}" for text in missed))
    if options.json:
        options.json.write_text(json.dumps(about | {"works": [result.json() for result in results]}, indent=1) + "\n")
    return 1 if missed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
