#!/usr/bin/env python3
"""Every C++ block of README.md and docs/ must stand, line for line, in an example that is built and run.

usage: check_docs.py [ROOT]
Indentation of a block as a whole is free. Prints one line for each block that stands nowhere; exit status 1 then.
"""
import pathlib
import re
import sys
import textwrap


def blocks(text):
    """(line number, code) of each ```cpp block."""
    for match in re.finditer(r"^```cpp\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        yield text.count("\n", 0, match.start()) + 2, match.group(1)


def stands_in(code, source):
    wanted = textwrap.dedent(code).rstrip("\n").split("\n")
    lines = source.split("\n")
    for start in range(len(lines) - len(wanted) + 1):
        piece = "\n".join(lines[start:start + len(wanted)])
        if textwrap.dedent(piece) == "\n".join(wanted):
            return True
    return False


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent.parent)
    examples = [path.read_text() for path in sorted(root.glob("examples/*.cpp"))]
    faults = 0
    checked = 0
    for page in [root / "README.md", *sorted(root.glob("docs/**/*.md"))]:
        for line, code in blocks(page.read_text()):
            checked += 1
            if not any(stands_in(code, example) for example in examples):
                print(f"{page.relative_to(root)}:{line}: this code stands in no file of examples/")
                faults += 1
    if checked == 0:
        print("no C++ block found: nothing was checked")
        faults += 1
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
