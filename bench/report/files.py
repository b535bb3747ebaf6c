"""Checkpoint files: a large one and one of many small tensors.

"list" and "convert" are whole processes, as who calls a command meets them, PyTorch's with its import; the others are
timed inside, the first of their process. Each output is a new file.
"""
import functools
import os

from peers import environment
from turns import Limits, Work, output


def works(programs, peers, folder, megabytes, tensors, small):
    newest = max(peers, key=lambda peer: [int(part) for part in peer.name.split(".")[:2]])
    sources = [(f"{megabytes} MiB in {tensors} tensors", folder / "large.pt", tensors, (megabytes << 20) // tensors),
               (f"{small} tensors of 1 KiB", folder / "small.pt", small, 1024)]
    out = folder / "out"

    @functools.cache
    def make(path):
        """Written when the first work needs it: it may be left out."""
        newest.run("files", "make", path, *next((count, size) for _, other, count, size in sources if other == path))

    one = environment(1)

    def ready(source):
        make(source)
        os.sync()

    def work(title, ours, of_peers, limits, source, writes=False, among=peers):
        return Work(title, ours, {peer.name: lambda peer=peer: of_peers(peer) for peer in among}, limits,
                    before=lambda: ready(source), after=out.unlink if writes else lambda: None)

    def inside(title, what, source, limits, among=peers, theirs=None):
        arguments = [source, out] if "save" in what else [source]
        return work(title, lambda: output([programs / "bench_files", what, *arguments], one),
                    lambda peer: peer.run("files", theirs or what, *arguments), limits, source, "save" in what, among)

    def whole(title, source, command, script, limits, writes=False, among=peers):
        return work(title, lambda: output([programs / "bench_run", programs / "sconce", *command], one),
                    lambda peer: output([programs / "bench_run", *peer.command("files", *script)], peer.environment()),
                    limits, source, writes, among)

    def of_file(name, source, large):
        def must(ratio_large, ratio_small=None, **more):
            return (Limits(ratio_large, **more) if large else Limits(ratio_small))

        maps = [peer for peer in peers if int(peer.name.split(".")[0]) >= 2]  # mmap=True came with 2.1
        yield whole(f"{name}: list", source, ["inspect", source], ["list", source], must(100, us=10e3, mib=12))
        yield inside(f"{name}: load, mapped, against a plain load", "map", source, must(50), theirs="load")
        if maps:
            yield inside(f"{name}: load, mapped, against mmap=True", "map", source, must(3), maps)
        yield inside(f"{name}: load, copied (Sconce checks CRCs)", "load", source, must(2.5, 8))
        yield inside(f"{name}: save", "save", source, must(2.2, 8))
        yield inside(f"{name}: save, durable (PyTorch and fdatasync)", "save-durable", source, must(1.6))
        convert = ["convert", "--force", source, out, "--to", "safetensors"]
        able = [peer for peer in peers if peer.safetensors]
        yield whole(f"{name}: convert to safetensors, synced", source, convert, ["convert", source, out], Limits(), True, able)
        if large:
            yield Work(f"{name}: convert to safetensors, synced, against cp and sync",
                       lambda: output([programs / "bench_run", programs / "sconce", *convert], one),
                       {"cp": lambda: output([programs / "bench_run", "sh", "-c", 'cp "$0" "$1" && sync "$1"', source, out],
                                             one)},
                       Limits(1 / 1.3), before=lambda: ready(source), after=out.unlink)

    for i, (name, path, *_) in enumerate(sources):
        yield from of_file(name, path, i == 0)
