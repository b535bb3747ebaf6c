"""PyTorch's side of bench_step: step.py train|infer|first NETWORK BATCH [THREADS] [SECONDS] [channels_last] [frozen]"""
import json
import resource
import statistics
import sys
import time

import torch
from torch import nn

from networks import make_network

mode, name, batch = sys.argv[1], sys.argv[2], int(sys.argv[3])
threads = int(sys.argv[4]) if len(sys.argv) > 4 else 1
seconds = float(sys.argv[5]) if len(sys.argv) > 5 else 3.0
torch.set_num_threads(threads)
torch.set_flush_denormal(True)

torch.manual_seed(0)
model, shape, classes = make_network(name)
images = torch.randn(batch, *shape)
labels = torch.randint(classes, (batch,))
if "channels_last" in sys.argv[6:]:
    model, images = model.to(memory_format=torch.channels_last), images.to(memory_format=torch.channels_last)
optimizer = torch.optim.SGD(model.parameters(), lr=0.001, momentum=0.9)
criterion = nn.CrossEntropyLoss()


def train():
    optimizer.zero_grad(set_to_none=True)
    criterion(model(images), labels).backward()
    optimizer.step()


def infer():
    with torch.inference_mode():
        model(images)


if mode == "first":
    train()
    sys.exit()
if mode == "infer":
    model.eval()
if "frozen" in sys.argv[6:]:
    # The deployment form: traced, its weights constants, its operations joined.
    with torch.no_grad():
        model = torch.jit.optimize_for_inference(torch.jit.freeze(torch.jit.trace(model, images)))
step = train if mode == "train" else infer
times = []
begin = time.perf_counter()
count = 0
while count < 8 or time.perf_counter() - begin < seconds:
    start = time.perf_counter()
    step()
    if count >= 5:
        times.append((time.perf_counter() - start) * 1e6)
    count += 1
print(json.dumps({"us": round(statistics.median(times), 1), "steps": len(times),
                  "peak_kib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, "torch": torch.__version__}))
