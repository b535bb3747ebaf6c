"""The command `sconce` under test. SCONCE_BIN names the folder of the programs."""

import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

SOURCE = pathlib.Path(__file__).resolve().parents[3]
BIN = pathlib.Path(os.environ.get("SCONCE_BIN", SOURCE / "build/release/bin"))
FORMATS = SOURCE / "tests/golden/formats"


def sconce(*arguments, program=BIN / "sconce", **options):
    """Runs it to its end; nothing comes in on stdin."""
    return subprocess.run([str(program), *map(str, arguments)], capture_output=True, text=True, timeout=120,
                          stdin=subprocess.DEVNULL, **options)


def peak_memory(*arguments):
    """Runs it and gives (exit status, largest resident set in bytes). A small process starts it: what the peak counts
    begins with what the starting process had."""
    code = ("import resource, subprocess, sys; r = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL);"
            "print(r.returncode, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)")
    result = subprocess.run([sys.executable, "-c", code, str(BIN / "sconce"), *map(str, arguments)], timeout=120,
                            capture_output=True, text=True, check=True)
    status, kibibytes = map(int, result.stdout.split())
    return status, kibibytes << 10


def fixture(name):
    found = sorted(FORMATS.rglob(name))
    assert found, f"no fixture {name} under {FORMATS}"
    return found[0]


class CommandTest(unittest.TestCase):
    """With a folder of its own."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def refused(self, result, *words):
        """Status 2, nothing on stdout, one line on stderr that begins with the program's name and has the words."""
        self.assertEqual((result.returncode, result.stdout), (2, ""), result.stderr)
        self.assertTrue(result.stderr.startswith("sconce: "), result.stderr)
        self.assertEqual(result.stderr.count("\n"), 1, result.stderr)
        for word in words:
            self.assertIn(word, result.stderr)
