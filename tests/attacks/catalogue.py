"""What a case is, and the list that all are put into."""

import dataclasses

from hostile import torch_zip


@dataclasses.dataclass
class Link:
    """In the place of a file's bytes: a symbolic link."""

    target: str


@dataclasses.dataclass
class Case:
    name: str
    format: str        # whose reader is attacked
    content: object    # bytes, or {file name: bytes or Link} for a folder
    load: str          # error code of load(), "ok" where the file may be read
    list: str          # the same of describe()
    entry: str = ""    # the file of a folder that is opened; the folder itself when empty
    sound: bool = True  # False: load() reads it, verify calls it damaged, and no command writes it


CASES = []


def case(name, format, content, load, list=None, entry="", sound=True):  # noqa: A002
    CASES.append(Case(name, format, content, load, load if list is None else list, entry, sound))


GOOD = torch_zip()
case("good", "torch-zip", GOOD, "ok")
MEBIBYTE = 1 << 20
DEPTH = 100_000
