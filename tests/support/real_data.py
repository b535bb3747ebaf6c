"""Real pictures and weights for tests: SCONCE_DATA names their folder (default: ../shared/data beside the tree).

Nothing of it is part of the project. What is missing raises unittest.SkipTest with the reason.
"""

import fcntl
import os
import shutil
import subprocess
import sys
import unittest
from pathlib import Path

SOURCE_DIR = Path(__file__).resolve().parents[2]
BIN_DIR = Path(os.environ.get("SCONCE_BIN", SOURCE_DIR / "build" / "release" / "bin"))
PICTURES = "cifar-10-images.tar.gz"
BATCHES = [f"data_batch_{i}.bin" for i in range(1, 6)] + ["test_batch.bin"]
BATCH_BYTES = 10_000 * 3073


def path(name):
    """A file of the data folder."""
    folder = Path(os.environ.get("SCONCE_DATA") or SOURCE_DIR.parent / "shared" / "data")
    found = folder / name
    if not found.exists():
        raise unittest.SkipTest(f"no {found}; SCONCE_DATA may name another folder")
    return found


def has_pillow(python):
    try:
        return subprocess.run([python, "-c", "import PIL"], capture_output=True, timeout=60).returncode == 0
    except OSError:
        return False


def is_whole(folder):
    return all((folder / name).exists() and (folder / name).stat().st_size == BATCH_BYTES for name in BATCHES)


def cifar():
    """A folder with the pictures in CIFAR-10's binary layout, unpacked once per build folder."""
    archive, unpack = path(PICTURES), path("cifar10_to_binary.py")
    folder = BIN_DIR.parent / "real-data" / f"cifar-10-{archive.stat().st_size}"
    folder.parent.mkdir(exist_ok=True)
    with open(folder.parent / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if is_whole(folder):
            return folder
        python = next(filter(has_pillow, (sys.executable, "/usr/bin/python3")), None)
        if python is None:
            raise unittest.SkipTest("unpacking the real pictures needs Pillow (Debian: python3-pil)")
        unfinished = folder.with_suffix(".part")
        shutil.rmtree(unfinished, ignore_errors=True)
        subprocess.run([python, str(unpack), str(unfinished)], check=True, timeout=300)
        shutil.rmtree(folder, ignore_errors=True)
        unfinished.rename(folder)
    return folder
