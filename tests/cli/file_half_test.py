#!/usr/bin/env python3
"""The file half builds alone, into one small static program that holds no compute code.

usage: file_half_test.py SOURCE_DIR BUILD_DIR [CMAKE_OPTION...]
"""

import os
import pathlib
import re
import subprocess
import sys
import unittest

MOST_BYTES = 5_000_000
# Of the compute half: its namespaces' classes, oneDNN, OpenMP.
COMPUTE = re.compile(r"\b(sconce::(kernels|nn|optim|data|models|train|autograd)::|sconce::Tensor\b|dnnl|GOMP_|omp_)")


def run(*command):
    words = [str(word) for word in command]
    result = subprocess.run(words, capture_output=True, text=True)
    assert result.returncode == 0, f"{words}: status {result.returncode}\n{result.stdout}\n{result.stderr}"
    return result.stdout


class FileHalfTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        run("cmake", "-S", SOURCE, "-B", BUILD, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release", "-DSCONCE_NN=OFF",
            "-DSCONCE_TESTS=OFF", *OPTIONS)
        run("cmake", "--build", BUILD, "--target", "sconce", "--parallel", os.cpu_count())
        cls.program = BUILD / "bin/sconce"

    def test_needs_no_shared_library(self):
        dynamic = run("readelf", "--dynamic", "--program-headers", self.program)
        self.assertNotIn("NEEDED", dynamic)
        self.assertNotIn("INTERP", dynamic)

    def test_is_small(self):
        self.assertLess(self.program.stat().st_size, MOST_BYTES)

    def test_runs_with_nothing_beside_it(self):
        fixture = next((SOURCE / "tests/golden/formats").rglob("w_26.pt"))
        self.assertIn("torch-zip", run("env", "-i", self.program, "inspect", fixture))

    def test_holds_no_compute_code(self):
        # The program is stripped; what it was linked from is not.
        archives = sorted(BUILD.glob("*.a"))
        self.assertGreaterEqual({path.name for path in archives}, {"libsconce_base.a", "libsconce_checkpoint.a"})
        symbols = run("nm", "--demangle", *archives)
        self.assertIn("sconce::checkpoint::load", symbols)
        self.assertEqual([], [line for line in symbols.splitlines() if COMPUTE.search(line)])

    def test_nor_does_the_command_beside_the_other_half(self):
        symbols = run("nm", "--demangle", pathlib.Path(os.environ["SCONCE_BIN"]) / "sconce")
        self.assertIn("sconce::checkpoint::load", symbols)
        found = [line for line in symbols.splitlines() if COMPUTE.search(line)]
        # parallel_for runs on OpenMP's threads when both halves are built, so that there is one pool.
        self.assertEqual([], [line for line in found if not re.search(r"\bU (GOMP_|omp_)", line)])

    def test_tells_how_to_get_the_other_half(self):
        result = subprocess.run([self.program, "train"], capture_output=True, text=True)
        self.assertEqual(result.returncode, 2)
        self.assertIn("SCONCE_NN", result.stderr)


if __name__ == "__main__":
    SOURCE, BUILD = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    # A list comes through CMake with its semicolons escaped.
    OPTIONS = [option.replace("\\;", ";") for option in sys.argv[3:]]
    unittest.main(argv=sys.argv[:1])
