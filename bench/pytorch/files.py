"""PyTorch's side of bench_files: files.py WHAT SOURCE [OUTPUT], the words of bench_files and a few more."""
import json
import os
import resource
import sys
import time

what, source, *rest = sys.argv[1:]
begin = time.perf_counter()
import torch  # noqa: E402

if what == "make":
    count, size = map(int, rest)
    torch.manual_seed(0)
    torch.save({f"layer{i:05}.weight": torch.randn(size // 4) for i in range(count)}, source)
    print("{}")
    sys.exit()

if what != "list" and what != "convert":
    begin = time.perf_counter()
options = {"mmap": True} if what in ("map", "list") and torch.__version__ >= "2.1" else {}
value = torch.load(source, **options)
if what == "list":
    text = "".join(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n" for name, tensor in value.items())
elif what == "convert":
    from safetensors.torch import save_file
    save_file(value, rest[0])
elif what.startswith("save"):
    begin = time.perf_counter()
    torch.save(value, rest[0])
    if what == "save-durable":
        descriptor = os.open(rest[0], os.O_RDONLY)
        os.fdatasync(descriptor)
        os.close(descriptor)
print(json.dumps({"us": (time.perf_counter() - begin) * 1e6,
                  "peak_kib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss}))
