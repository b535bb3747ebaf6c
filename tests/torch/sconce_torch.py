"""What the interchange tests share: programs to drive, seeds, digests, and comparison to the last bit."""

import hashlib
import itertools
import os
import struct
import subprocess
import tempfile
import unittest
import warnings
from pathlib import Path

import torch

SOURCE_DIR = Path(__file__).resolve().parents[2]
BIN_DIR = Path(os.environ.get("SCONCE_BIN", SOURCE_DIR / "build" / "release" / "bin"))
SEED = int(os.environ.get("SCONCE_SEED") or int.from_bytes(os.urandom(4), "little"))
TORCH_VERSION = tuple(int(part) for part in torch.__version__.split("+")[0].split(".")[:2])

DTYPES = [
    torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64, torch.float16, torch.bfloat16,
    torch.float32, torch.float64, torch.complex64, torch.complex128,
]
# Written with _rebuild_tensor_v3, which torch 2.1 brought.
NEW_DTYPES = [
    getattr(torch, name)
    for name in ("uint16", "uint32", "uint64", "float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz",
                 "float8_e5m2fnuz", "float8_e8m0fnu", "complex32", "bcomplex32")
    if TORCH_VERSION >= (2, 3) and hasattr(torch, name)
]


def binary(name):
    """Path of a built program; the test is skipped (failed with SCONCE_TORCH_STRICT=1) where it is missing."""
    path = BIN_DIR / name
    if not path.exists():
        reason = f"{path} is not built"
        if os.environ.get("SCONCE_TORCH_STRICT") == "1":
            raise AssertionError(reason)
        raise unittest.SkipTest(reason)
    return path


def needs_torch(major, minor):
    """Decorator: skips where PyTorch is older."""
    reason = f"needs PyTorch {major}.{minor}, this is {torch.__version__}"
    return unittest.skipIf(TORCH_VERSION < (major, minor), reason)


def run_sconce(*arguments, program="sconce", check=True, timeout=300, cwd=None):
    """Runs `program arguments...`; with `check`, a status other than 0 is an AssertionError with its output."""
    command = [str(binary(program)), *map(str, arguments)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=timeout, stdin=subprocess.DEVNULL,
                            cwd=cwd)
    if check and result.returncode != 0:
        raise AssertionError(f"{' '.join(command)}: status {result.returncode}\n{result.stdout}{result.stderr}")
    return result


def run_probe(*arguments, **options):
    """Runs the test-only C++ program that builds and checks what the command line does not reach."""
    return run_sconce(*arguments, program="sconce_probe", **options)


def run_probe_nn(*arguments, **options):
    """The same for operations, layers, training and loading."""
    return run_sconce(*arguments, program="sconce_probe_nn", **options)


def load(path):
    """torch.load of a file that this run wrote: by 2.x in its safe mode."""
    return torch.load(path, weights_only=True) if TORCH_VERSION >= (2, 0) else torch.load(path)


def ways_to_load():
    """Keyword arguments of torch.load to go through: weights_only and mmap on and off, where they exist."""
    weights_only = (False, True) if TORCH_VERSION >= (1, 13) else (None,)
    mmap = (False, True) if TORCH_VERSION >= (2, 1) else (None,)
    for safe, mapped in itertools.product(weights_only, mmap):
        options = {}
        if safe is not None:
            options["weights_only"] = safe
        if mapped is not None:
            options["mmap"] = mapped
        yield options


def tensor_bytes(tensor):
    """Contiguous little-endian bytes: conjugate and negative views resolved, quantized as integers."""
    if tensor.is_quantized:
        tensor = tensor.int_repr()
    tensor = tensor.detach().resolve_conj().resolve_neg().contiguous().reshape(-1)
    return tensor.view(torch.uint8).numpy().tobytes() if tensor.numel() else b""


def digest(tensor):
    """SHA-256 of tensor_bytes, as `sconce inspect --digest` prints it."""
    return hashlib.sha256(tensor_bytes(tensor)).hexdigest()


def storage_id(tensor):
    """A number that two living tensors share exactly when they share their storage."""
    if hasattr(tensor, "untyped_storage"):
        return tensor.untyped_storage()._cdata
    return tensor.storage()._storage._cdata


def leaves(tree, path="root", seen=None):
    """Every object of a tree with its path, depth first; a container met again is not entered again."""
    seen = set() if seen is None else seen
    yield path, tree
    if not isinstance(tree, (dict, list, tuple)) or id(tree) in seen:
        return
    seen.add(id(tree))
    items = tree.items() if isinstance(tree, dict) else enumerate(tree)
    for key, value in items:
        yield from leaves(value, f"{path}[{key!r}]", seen)


def tensors(tree):
    """(path, tensor) of every tensor in a tree, in order."""
    return [(path, leaf) for path, leaf in leaves(tree) if isinstance(leaf, torch.Tensor)]


def has_memory(tensor):
    """False for an empty storage. torch.load makes a new one for each tensor that shares it, unless it maps the
    file, so who shares it says nothing."""
    storage = tensor.untyped_storage() if hasattr(tensor, "untyped_storage") else tensor.storage()._storage
    return storage.nbytes() > 0


def aliases(tree):
    """For each tensor path, the first path that has the same storage (itself, where that is empty)."""
    first = {}
    return {path: first.setdefault(storage_id(tensor), path) if has_memory(tensor) else path
            for path, tensor in tensors(tree)}


def _tensor_differences(expected, actual, path):
    if expected.layout != actual.layout:
        return [f"{path}: layout {actual.layout}, expected {expected.layout}"]
    if expected.layout != torch.strided:
        raise TypeError(f"{path}: compare the parts of a {expected.layout} tensor one by one")
    found = []
    names = ["dtype", "shape", "device", "requires_grad", "is_quantized"]
    for name in names:
        if getattr(expected, name) != getattr(actual, name):
            found.append(f"{path}: {name} {getattr(actual, name)}, expected {getattr(expected, name)}")
    for name in ("stride", "storage_offset", "is_conj", "is_neg"):
        if getattr(expected, name)() != getattr(actual, name)():
            found.append(f"{path}: {name} {getattr(actual, name)()}, expected {getattr(expected, name)()}")
    if not found and tensor_bytes(expected) != tensor_bytes(actual):
        found.append(f"{path}: the bytes differ")
    return found


def _scalar_differences(expected, actual, path):
    if isinstance(expected, (float, complex)):
        parts = lambda number: (complex(number).real, complex(number).imag)  # noqa: E731
        same = struct.pack("<2d", *parts(expected)) == struct.pack("<2d", *parts(actual))
    else:
        same = expected == actual
    return [] if same else [f"{path}: {actual!r}, expected {expected!r}"]


def _node_differences(expected, actual, path, seen):
    if type(expected) is not type(actual):
        return [f"{path}: {type(actual).__name__}, expected {type(expected).__name__}"]
    if isinstance(expected, torch.Tensor):
        return _tensor_differences(expected, actual, path)
    if not isinstance(expected, (dict, list, tuple)):
        return _scalar_differences(expected, actual, path)
    if id(expected) in seen:
        return []
    seen.add(id(expected))
    found = []
    if isinstance(expected, dict):
        for mine, theirs in zip(expected, actual):
            if type(mine) is not type(theirs) or mine != theirs:
                found.append(f"{path}: key {theirs!r}, expected {mine!r} (order counts)")
        if len(expected) != len(actual):
            found.append(f"{path}: {len(actual)} keys, expected {len(expected)}")
        if getattr(expected, "_metadata", None) != getattr(actual, "_metadata", None):
            found.append(f"{path}: the _metadata differ")
        pairs = [(key, expected[key], actual[key]) for key in expected if key in actual]
    else:
        if len(expected) != len(actual):
            found.append(f"{path}: length {len(actual)}, expected {len(expected)}")
        pairs = [(index, *pair) for index, pair in enumerate(zip(expected, actual))]
    for key, mine, theirs in pairs:
        found += _node_differences(mine, theirs, f"{path}[{key!r}]", seen)
    return found


def differences(expected, actual):
    """What differs between two loaded objects: type, value, key order, _metadata, dtype, shape, stride, offset,
    bytes, and which tensors share storage. Empty when nothing does."""
    found = _node_differences(expected, actual, "root", set())
    return found or [
        f"{path}: shares the storage of {actual_first}, expected {first}"
        for (path, first), actual_first in zip(aliases(expected).items(), aliases(actual).values())
        if first != actual_first
    ]


class TestCase(unittest.TestCase):
    """unittest.TestCase whose tests start from the run's seed, whatever ran before, with an empty folder."""

    def setUp(self):
        torch.manual_seed(SEED)
        folder = tempfile.TemporaryDirectory(prefix="sconce-torch-")
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        # What "same" costs PyTorch is not our business.
        warnings.filterwarnings("ignore", "Using padding='same' with even kernel lengths")

    def assert_same(self, expected, actual):
        found = differences(expected, actual)
        if found:
            self.fail(f"(SCONCE_SEED={SEED})\n" + "\n".join(found))

    def assert_loads_alike(self, source, out, compare, safe=True):
        """compare(what PyTorch makes of the source, what it makes of the output), each way it can load the source.
        `safe`: False where its weights_only is not to be asked. The loaded source, not what was saved, is the
        reference: loading makes storages exact, for one."""
        for options in ways_to_load():
            if options.get("weights_only") and not safe:
                continue
            with self.subTest(seed=SEED, **options):
                try:
                    expected = torch.load(source, **options)
                except Exception:  # noqa: BLE001: whatever its reason, the original does not load this way either
                    self.assertTrue(options.get("weights_only") or options.get("mmap"), f"{options}")
                    continue
                compare(expected, torch.load(out, **options))

    def assert_close(self, expected, actual, tolerance, name="tensor"):
        """Largest difference over largest reference value, per tensor."""
        self.assertEqual(expected.shape, actual.shape, name)
        if expected.numel() == 0:
            return
        expected, actual = expected.detach().double(), actual.detach().double()
        scale = max(expected.abs().max().item(), 1e-30)
        error = (expected - actual).abs().max().item() / scale
        self.assertLessEqual(error, tolerance, f"{name} (SCONCE_SEED={SEED})")


@torch.no_grad()
def nudge(parameters, seed, roundings=1):
    """Moves every number so many neighbours up or down; the global generator is left alone."""
    signs = torch.Generator().manual_seed(seed)
    for parameter in parameters:
        up = torch.randint(0, 2, parameter.shape, generator=signs).bool()
        end = torch.where(up, torch.inf, -torch.inf).to(parameter.dtype)
        for _ in range(roundings):
            parameter.copy_(torch.nextafter(parameter, end))


class OneThreadCase(TestCase):
    """PyTorch on one thread: in which order it adds depends on how many there are."""

    def setUp(self):
        super().setUp()
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        self.addCleanup(torch.set_num_threads, threads)


