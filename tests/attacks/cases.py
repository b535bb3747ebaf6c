"""The catalogue of hostile and damaged files: what each is, and the error code the library refuses it with.

Every row of formats.md A.6, of the limits of B, of D.1's table of damage, of F.1, I.2 and I.3 that can be put into a
file has a case. docs/salvage-and-safety.md tells what the groups are for.

usage: cases.py FOLDER writes them below the folder and prints what they are as JSON.
"""

import json
import pathlib
import sys

import copies_cases  # noqa: F401: importing makes the cases
import kind_cases  # noqa: F401
import other_cases  # noqa: F401
import zip_cases  # noqa: F401
from catalogue import CASES, GOOD, Link  # noqa: F401: GOOD for seeds


def write(folder):
    """Writes every case below the folder; [{name, format, load, list, sound, path}]."""
    out = []
    for each in CASES:
        home = folder / each.name
        home.mkdir(parents=True)
        files = {"x.pt": each.content} if isinstance(each.content, bytes) else each.content
        for name, content in files.items():
            if isinstance(content, Link):
                (home / name).symlink_to(content.target)
            else:
                (home / name).write_bytes(content)
        path = home / ("x.pt" if isinstance(each.content, bytes) else each.entry)
        out.append({"name": each.name, "format": each.format, "load": each.load, "list": each.list, "sound": each.sound,
                    "path": str(path)})
    return out


if __name__ == "__main__":
    json.dump(write(pathlib.Path(sys.argv[1])), sys.stdout)
