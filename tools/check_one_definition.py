#!/usr/bin/env python3
"""Finds types that two files define under one name: the linker takes them for the same, silently.

Usage: tools/check_one_definition.py [ROOT]. Prints one line per fault and exits with 1 when there is any.

It reads the C++ files of include/, src/, cli/, tests/ and examples/ as .clang-format leaves them: what stands in a
namespace begins at the first column, and the namespace ends with "}  // namespace ...". Types of unnamed
namespaces belong to their file and may repeat; specialisations count with their arguments.
"""

import re
import sys
from pathlib import Path

FOLDERS = ("include", "src", "cli", "tests", "examples", "bench")
OPENS = re.compile(r"^(?:inline )?namespace(?: ([\w:]+))? \{(.*)$")
CLOSES = re.compile(r"^\}  // namespace")
TYPE = re.compile(r"^(?:template <.*> ?)?(?:struct|class|union|enum(?: class| struct)?) (?:\[\[\w+\]\] )?([\w:]+(?:<.*?>)?)(?=[ ;])(.*)$")


def definitions(text):
    """(qualified name, line number) of every type that a file defines outside unnamed namespaces."""
    scopes = []
    for number, line in enumerate(text.splitlines(), 1):
        opened = OPENS.match(line)
        if opened:
            if not opened.group(2).rstrip().endswith("}"):
                scopes.append(opened.group(1))
        elif CLOSES.match(line):
            scopes.pop()
        else:
            found = TYPE.match(line)
            # A line that ends with ';' declares, but "struct Empty {};" does not.
            if found and None not in scopes and (not line.endswith(";") or "{" in line):
                yield "::".join([*scopes, found.group(1)]), number


def main(arguments):
    root = Path(arguments[0]) if arguments else Path(__file__).resolve().parents[1]
    files = sorted(path for folder in FOLDERS for suffix in ("h", "cpp") for path in (root / folder).rglob("*." + suffix))
    first, faults = {}, 0
    for path in files:
        for name, line in definitions(path.read_text(encoding="utf-8")):
            place = f"{path.relative_to(root)}:{line}"
            if name in first:
                print(f"{place}: {name} is defined in {first[name]} too")
                faults += 1
            first.setdefault(name, place)
    if not first:
        print(f"{root}: no C++ types found")
        return 1
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
