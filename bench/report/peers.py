"""The PyTorch installations that are compared with, each in the configuration that makes it fastest."""
import ctypes.util
import dataclasses
import os
import pathlib

from turns import output

SCRIPTS = pathlib.Path(__file__).resolve().parent.parent / "pytorch"
# Memory is kept and comes in huge pages: without, page faults cost PyTorch up to half of its speed.
JEMALLOC = "oversize_threshold:0,dirty_decay_ms:-1,muzzy_decay_ms:-1,thp:always"


@dataclasses.dataclass(frozen=True)
class Peer:
    python: str
    version: str
    blas: str
    jemalloc: bool
    safetensors: bool

    @property
    def name(self):
        return self.version.split("+")[0]

    @property
    def on_reference_blas(self):
        return self.blas == "reference BLAS"

    def __str__(self):
        return f"PyTorch {self.version} ({self.blas}, {'jemalloc' if self.jemalloc else 'the C library'}'s memory)"

    def command(self, script, *arguments):
        return [self.python, SCRIPTS / f"{script}.py", *arguments]

    def environment(self, threads=1):
        return environment(threads, jemalloc=self.jemalloc)

    def run(self, script, *arguments, threads=1):
        return output(self.command(script, *arguments), self.environment(threads))


def environment(threads, jemalloc=False):
    result = dict(os.environ, OMP_NUM_THREADS=str(threads), PYTHONDONTWRITEBYTECODE="1")
    result.pop("OPENBLAS_CORETYPE", None)  # a wrong one halves OpenBLAS
    if jemalloc:
        result |= {"LD_PRELOAD": ctypes.util.find_library("jemalloc"), "MALLOC_CONF": JEMALLOC}
    return result


def find_peer(python):
    jemalloc = ctypes.util.find_library("jemalloc") is not None
    found = output([python, SCRIPTS / "probe.py"], environment(1, jemalloc))
    return Peer(python, found["version"], found["blas"], jemalloc, found["safetensors"])
