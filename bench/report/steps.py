"""Training steps and inference."""
import random

from peers import environment
from turns import Limits, Work, output

MLP = "784 linear512 relu linear512 relu linear10"
# (title, mode, network, batch, options of PyTorch, limits of one thread)
KNOWN = [
    ("tutorial network, batch 4", "train", "lenet", 4, [], Limits(4, mib=40)),
    ("tutorial network, batch 32", "train", "lenet", 32, [], Limits(3, mib=40)),
    ("tutorial network, batch 128", "train", "lenet", 128, [], Limits(3, mib=40)),
    ("tutorial network, batch 512", "train", "lenet", 512, [], Limits(2.5)),
    ("MLP 784-512-512-10, batch 64", "train", MLP, 64, [], Limits(1.2)),
    ("ResNet-18 224, batch 8", "train", "resnet18", 8, [], Limits(1.5, memory_share=0.8)),
    ("ResNet-18 224, batch 8, PyTorch channels_last", "train", "resnet18", 8, ["channels_last"], Limits(1.3)),
    ("ResNet-18 CIFAR, batch 32", "train", "resnet18-cifar", 32, [], Limits(1.4, memory_share=0.8)),
    ("ResNet-20 CIFAR, batch 128", "train", "resnet20", 128, [], Limits(1.4)),
    ("inference, batch 1: tutorial network", "infer", "lenet", 1, [], Limits(4)),
    ("inference, batch 1: ResNet-18 224", "infer", "resnet18", 1, [], Limits(1.5)),
    ("inference, batch 1: ResNet-18 224, PyTorch frozen and optimised", "infer", "resnet18", 1, ["frozen"], Limits(1.1)),
]


def drawn(seed, count):
    """Small networks of other shapes, as bench/networks.h reads them: kernels written for one network would show here.
    Each must reach 0.6 of the tutorial network's ratio at its batch."""
    draw = random.Random(seed)
    works = []
    while len(works) < count:
        channels, size = draw.choice((1, 2, 3, 4)), draw.randint(20, 40)
        words, now = [f"{channels}x{size}x{size}"], size
        for _ in range(2):
            kernel, stride = draw.choice((3, 5, 7)), draw.choice((1, 1, 1, 2))
            padding = draw.choice((0, kernel // 2))
            now = (now + 2 * padding - kernel) // stride + 1
            words += [f"conv{draw.randint(1, 32)},{kernel},{stride},{padding}", "relu"]
            if draw.random() < 0.7:
                words.append("max2")
                now //= 2
            if now < 7:
                break
        words += ["flatten", f"linear{draw.randint(20, 120)}", "relu", "linear10"]
        if now >= 1:
            batch = draw.choice((4, 32, 128))
            works.append((f"drawn, batch {batch}: {' '.join(words)}", "train", " ".join(words), batch, [],
                          Limits(0.6, share_of=f"tutorial network, batch {batch}")))
    return works


def works(programs, peers, seed, count, seconds, threads):
    def step(title, mode, network, batch, options, limits):
        arguments = [mode, network, batch, threads, seconds]
        return Work(title,
                    lambda: output([programs / "bench_step", *arguments], environment(threads)),
                    {peer.name: lambda peer=peer: peer.run("step", *arguments, *options, threads=threads)
                     for peer in peers},
                    limits if threads == 1 else Limits(), threads)

    return [step(*each) for each in KNOWN + drawn(seed, count)]
