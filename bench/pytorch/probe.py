"""Which PyTorch is this, and whose matrix products does it use?"""
import importlib.util
import json
import os

import torch

torch.mm(torch.ones(64, 64), torch.ones(64, 64))
with open("/proc/self/maps") as maps:
    paths = {os.path.realpath(words[5]) for words in map(str.split, maps) if len(words) > 5}


def blas():
    # numpy brings one of its own, which PyTorch doesn't use; a graphics card's (cublas) is for its own memory.
    names = [os.path.basename(path).lower() for path in paths if "numpy" not in path and "scipy" not in path]
    names = [name for name in names if name.startswith(("libblas", "libcblas", "libopenblas", "libflexiblas", "libblis"))]
    for known in ("openblas", "blis"):
        if any(known in name for name in names):
            return {"openblas": "OpenBLAS", "blis": "BLIS"}[known]
    if names:
        return "reference BLAS"
    return "MKL" if torch.backends.mkl.is_available() else "its own BLAS"


print(json.dumps({"version": torch.__version__, "blas": blas(),
                  "safetensors": importlib.util.find_spec("safetensors") is not None}))
