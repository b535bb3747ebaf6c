#!/usr/bin/env python3
"""Runs test files against the PyTorch of this Python: run.py tests/torch/test_NAME.py...

Exit status 0: passed; 1: failed; 77: nothing ran, and a line says why.
"""

import importlib
import os
import sys
import unittest
from pathlib import Path

SKIPPED = 77


def main(files):
    strict = os.environ.get("SCONCE_TORCH_STRICT") == "1"
    # PyTorch on a machine with a GPU moves modules there unasked (DataParallel), and opens more.
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    # PyTorch never takes Winograd's convolutions, which round more.
    os.environ.setdefault("SCONCE_BACKEND", "exact")
    try:
        import torch
    except ImportError as error:
        print(f"skipped: {sys.executable} cannot import torch ({error})")
        return 1 if strict else SKIPPED
    print(f"PyTorch {torch.__version__}, Python {sys.version.split()[0]}")

    sys.path.insert(0, str(Path(__file__).resolve().parent))
    import sconce_torch

    print(f"seed {sconce_torch.SEED}: SCONCE_SEED={sconce_torch.SEED} repeats this run")
    suite = unittest.TestSuite()
    for file in files:
        suite.addTests(unittest.defaultTestLoader.loadTestsFromModule(importlib.import_module(Path(file).stem)))
    if suite.countTestCases() == 0:
        print(f"no tests in {' '.join(files)}")
        return 1
    result = unittest.TextTestRunner(stream=sys.stdout, verbosity=2).run(suite)
    if not result.wasSuccessful():
        return 1
    if len(result.skipped) == result.testsRun:
        print("skipped: " + "; ".join(sorted({reason for _, reason in result.skipped})))
        return SKIPPED
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
