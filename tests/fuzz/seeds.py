#!/usr/bin/env python3
"""Writes the seeds of the fuzz targets that read whole files: seeds.py FOLDER makes FOLDER/<target>/<seed>.

They are the golden files and the cases of tests/attacks, as far as they are small, so that every format's reader is
reached to its end and every refusal is one mutation away.
"""

import pathlib
import struct
import sys

SOURCE = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(SOURCE / "tests/attacks"))
import cases  # noqa: E402
import hostile  # noqa: E402

MOST = 2048


def files():
    """{name: content} of whole small files."""
    out = {"good-zip": cases.GOOD, "good-legacy": hostile.legacy(), "good-tar": hostile.tar(), "good-npz": hostile.npz(),
           "good-npy": hostile.npy(), "good-dcp-metadata": hostile.dcp()[".metadata"]}
    for path in sorted((SOURCE / "tests/golden/formats").rglob("*")):
        if path.is_file() and path.suffix != ".md":
            out["golden-" + path.name] = path.read_bytes()
    for case in cases.CASES:
        if isinstance(case.content, bytes):
            out["case-" + case.name] = case.content
        else:
            for name, content in case.content.items():
                if isinstance(content, bytes):  # or a link
                    out[f"case-{case.name}-{name.strip('.')}"] = content
    return {name: content for name, content in out.items() if 0 < len(content) <= MOST or name.startswith("good-")}


def pickle_of(content):
    """The pickle in a case's zip, which is its first record."""
    if content[:4] != b"PK\3\4" or len(content) < 30:
        return None
    name, extra = struct.unpack_from("<HH", content, 26)
    begin = 30 + name + extra
    end = content.find(b"PK\7\x08", begin)
    return content[begin:end] if end > begin else None


def seeds():
    whole = files()
    out = {target: dict(whole) for target in ("checkpoint", "salvage", "roundtrip")}
    out["zip"] = {name: content for name, content in whole.items() if content[:2] == b"PK"}
    out["tar"] = {name: content for name, content in whole.items() if content[257:262] == b"ustar"}
    out["legacy"] = {name: content for name, content in whole.items() if "legacy" in name or "leg" in name or
                     content[257:262] == b"ustar" or name.endswith(".pkl")}
    # The first byte of that target's input says how the file begins: here, as it stands.
    out["npz"] = {name: b"\0" + content for name, content in whole.items() if "np" in name}
    out["dcp_metadata"] = {name: content for name, content in whole.items() if "dcp" in name and name.endswith("metadata")}
    out["pickle"] = {name: pickle for name, content in whole.items() if (pickle := pickle_of(content))}
    headers = {name: (content[8:8 + length], max(0, len(content) - 8 - length))
               for name, content in whole.items() if content[8:9] == b"{"
               for length in struct.unpack_from("<Q", content)}
    out["json"] = {name: header for name, (header, _) in headers.items()}
    # The target's input is the number of data bytes and the header.
    out["safetensors"] = {name: bytes([data]) + header for name, (header, data) in headers.items() if data < 256}
    return out


def main(folder):
    for target, contents in seeds().items():
        home = pathlib.Path(folder) / target
        home.mkdir(parents=True, exist_ok=True)
        for name, content in contents.items():
            (home / name).write_bytes(content)


if __name__ == "__main__":
    main(sys.argv[1])
