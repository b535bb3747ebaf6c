#!/usr/bin/env python3
"""Holds every #include of include/, src/ and cli/ against the layers of CMakeLists.txt.

Usage: tools/check_layers.py [ROOT]. Prints one line per fault and exits with 1 when there is any.

The table is not repeated here: it is the sconce_layer(NAME DEPENDS ...) lines of CMakeLists.txt. A layer may
include its own headers and the public headers of every layer it reaches through DEPENDS. `cli` may include
the public headers of all layers.
"""

import re
import sys
from pathlib import Path

# Pairs that must stay strangers: the first may not reach the second through DEPENDS.
STRANGERS = (
    ("nn", "checkpoint"),
    ("checkpoint", "nn"),
    ("state", "codec"),
    ("checkpoint", "kernels"),
    ("toolbox", "kernels"),
)

# Headers of compute libraries: only layers that reach `kernels` may include them.
COMPUTE_HEADER = re.compile(r"^(dnnl|oneapi/|omp\.h|hwy/|mpi\.h)")

STANDARD_HEADERS = frozenset(
    """algorithm any array atomic barrier bit bitset cassert cctype cerrno cfenv cfloat charconv chrono cinttypes
    climits clocale cmath codecvt compare complex concepts condition_variable coroutine csetjmp csignal cstdarg
    cstddef cstdint cstdio cstdlib cstring ctime cuchar cwchar cwctype deque exception execution filesystem format
    forward_list fstream functional future initializer_list iomanip ios iosfwd iostream istream iterator latch
    limits list locale map memory memory_resource mutex new numbers numeric optional ostream queue random ranges
    ratio regex scoped_allocator semaphore set shared_mutex source_location span sstream stack stdexcept
    stop_token streambuf string string_view strstream syncstream system_error thread tuple type_traits typeindex
    typeinfo unordered_map unordered_set utility valarray variant vector version""".split()
)

LAYER_CALL = re.compile(r"^\s*sconce_layer\(([^)]*)\)", re.MULTILINE)
INCLUDE = re.compile(r'^\s*#\s*include\s*(?:<([^>]+)>|"([^"]+)")')
SWITCH = re.compile(r"^\s*#\s*(?:if|ifdef|ifndef|elif)\b.*\b(SCONCE_\w+)")
BLOCK_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)


def read_layers(cmake_text):
    """The layers as {name: set of direct dependencies}."""
    layers = {}
    for call in LAYER_CALL.finditer(cmake_text):
        words = call.group(1).split()
        depends, keyword = set(), None
        for word in words[1:]:
            if word in ("DEPENDS", "LINK"):
                keyword = word
            elif keyword == "DEPENDS":
                depends.add(word)
        layers[words[0]] = depends
    return layers


def reach(layers, name):
    """Every layer that `name` may include, itself among them."""
    found, waiting = set(), [name]
    while waiting:
        layer = waiting.pop()
        if layer not in found:
            found.add(layer)
            waiting.extend(layers.get(layer, ()))
    return found


def check_table(layers):
    """Faults of the table itself: unknown names, circles, strangers that meet."""
    faults = []
    for name, depends in sorted(layers.items()):
        for other in sorted(depends - layers.keys()):
            faults.append(f"CMakeLists.txt: layer '{name}' depends on '{other}', which is not a layer")
        if any(name in reach(layers, other) for other in depends):
            faults.append(f"CMakeLists.txt: layer '{name}' depends on itself")
    for name, other in STRANGERS:
        if name in layers and other in reach(layers, name):
            faults.append(f"CMakeLists.txt: layer '{name}' must not reach '{other}'")
    return faults


def source_lines(path):
    """The lines of a source file, block comments blanked so that line numbers stay."""
    text = path.read_text(encoding="utf-8")
    return BLOCK_COMMENT.sub(lambda match: "\n" * match.group().count("\n"), text).splitlines()


class Tree:
    """The source files below one root, with the layer and visibility of each."""

    def __init__(self, root):
        self.root = Path(root)
        self.layers = read_layers((self.root / "CMakeLists.txt").read_text(encoding="utf-8"))
        self.files = sorted(
            path.relative_to(self.root).as_posix()
            for folder in ("include", "src", "cli")
            for path in (self.root / folder).rglob("*")
            if path.suffix in (".h", ".cpp")
        )
        self.known = frozenset(self.files)
        self.edges = {}  # file -> the files of this tree that it includes
        self.faults = check_table(self.layers)

    def layer_of(self, file):
        """'base' for include/sconce/base/x.h and src/base/x.cpp, 'cli' below cli/, '' for sconce/x.h."""
        parts = file.split("/")
        if parts[0] == "cli":
            return "cli"
        below = parts[2:] if parts[0] == "include" else parts[1:]
        return below[0] if len(below) > 1 else ""

    def may_include(self, layer):
        return set(self.layers) | {"cli", ""} if layer in ("cli", "") else reach(self.layers, layer)

    def fault(self, file, line, text):
        self.faults.append(f"{file}:{line}: {text}")

    def check(self):
        for file in self.files:
            self.check_file(file)
        self.check_cycles()
        return self.faults

    def check_file(self, file):
        self.edges[file] = []
        layer = self.layer_of(file)
        if layer not in ("cli", "") and layer not in self.layers:
            self.fault(file, 1, f"folder '{layer}' is not a layer of CMakeLists.txt")
            return
        if layer == "" and not file.startswith("include/sconce/"):
            self.fault(file, 1, "stands in no layer")
            return
        lines = source_lines(self.root / file)
        if file.endswith(".h") and "#pragma once" not in lines:
            self.fault(file, 1, "the header has no '#pragma once'")
        for number, line in enumerate(lines, start=1):
            switch = SWITCH.match(line)
            if switch:
                self.fault(file, number, f"{switch[1]} in a condition: choose a source file in CMake instead")
            include = INCLUDE.match(line)
            if include and include[1]:
                self.check_angle(file, number, layer, include[1])
            elif include:
                self.check_quoted(file, number, layer, include[2])

    def check_angle(self, file, number, layer, name):
        if name.startswith("sconce/"):
            self.fault(file, number, f'write "{name}" in quotes')
        elif file.startswith("include/") and name not in STANDARD_HEADERS:
            self.fault(file, number, f"<{name}> in a public header: only C++ standard headers and sconce/ may be")
        elif COMPUTE_HEADER.match(name) and "kernels" not in self.may_include(layer):
            self.fault(file, number, f"<{name}> in layer '{layer}', which links no compute library")

    def check_quoted(self, file, number, layer, name):
        if COMPUTE_HEADER.match(name):
            self.fault(file, number, f"write <{name}> in angle brackets")
            return
        public = name.startswith("sconce/")
        if file.startswith("include/") and not public:
            self.fault(file, number, f'"{name}" in a public header: only C++ standard headers and sconce/ may be')
            return
        target = self.resolve(name, public)
        if target is None:
            self.fault(file, number, f'"{name}" is not a file of this tree (paths start at include/, src/ or cli/)')
            return
        self.edges[file].append(target)
        other = self.layer_of(target)
        if not public and other != layer:
            self.fault(file, number, f"\"{name}\" is internal to layer '{other}'")
        elif other not in self.may_include(layer):
            self.fault(file, number, f"layer '{layer}' may not include \"{name}\" of layer '{other}'")

    def resolve(self, name, public):
        for candidate in ("include/" + name,) if public else ("src/" + name, "cli/" + name, name):
            if candidate in self.known:
                return candidate
        return None

    def check_cycles(self):
        """One fault per circle of includes that a depth-first walk closes."""
        done, path = set(), []

        def walk(file):
            if file in path:
                circle = path[path.index(file) :] + [file]
                self.faults.append(f"{file}: includes itself: {' -> '.join(circle)}")
                return
            if file in done:
                return
            path.append(file)
            for target in self.edges.get(file, ()):
                walk(target)
            path.pop()
            done.add(file)

        for file in self.files:
            walk(file)


def main(arguments):
    root = Path(arguments[0]) if arguments else Path(__file__).resolve().parent.parent
    tree = Tree(root)
    faults = tree.check()
    for fault in faults:
        print(fault)
    if not tree.layers or not tree.files:
        print(f"{root}: no layers or no sources found")
        return 1
    if not faults:
        print(f"{len(tree.files)} files in {len(tree.layers)} layers: includes go down only")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
