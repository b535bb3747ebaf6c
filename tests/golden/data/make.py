"""Writes loader.txt: the order in which PyTorch's DataLoader and samplers visit examples. Run: python make.py

"loader n batch drop_last shuffle named": three epochs after manual_seed(0), Generator(7) when named. Digests of
the indices as int64, -1 after each batch; of the default generator's state; of the named one's ("-": none).
"sampler kind arguments": three passes, the same digests. "worker": what a transform drawing two numbers per
image of range(10), batch 4, shuffled, sees with num_workers=1.
"""
import hashlib
import pathlib

import torch
from torch.utils.data import DataLoader, RandomSampler, SubsetRandomSampler, WeightedRandomSampler, random_split
from torch.utils.data.distributed import DistributedSampler

lines = []


def sha(values):
    data = values if isinstance(values, torch.Tensor) else torch.tensor(values, dtype=torch.int64)
    return hashlib.sha256(bytes(data.untyped_storage())[: data.nbytes]).hexdigest()


def record(words, indices, named):
    lines.append(" ".join([*words, sha(indices), sha(torch.get_rng_state()), sha(named.get_state()) if named else "-"]))


for n in (1, 5, 20, 103):
    for batch in (1, 4, 5, 32):
        for drop_last in (0, 1):
            for shuffle in (0, 1):
                for use_named in (0, 1):
                    torch.manual_seed(0)
                    named = torch.Generator().manual_seed(7) if use_named else None
                    loader = DataLoader(range(n), batch, shuffle=bool(shuffle), drop_last=bool(drop_last), generator=named)
                    seen = []
                    for _ in range(3):
                        for part in loader:
                            seen += part.tolist() + [-1]
                    record(["loader", str(n), str(batch), str(drop_last), str(shuffle), str(use_named)], seen, named)


def passes(words, make, use_named):
    torch.manual_seed(0)
    named = torch.Generator().manual_seed(7) if use_named else None
    sampler = make(named)
    seen = []
    for _ in range(3):
        seen += list(sampler) + [-1]
    record(["sampler", *words, str(int(use_named))], seen, named)


for use_named in (False, True):
    for count in (1, 20, 33, 47, 64):
        passes(["random", "20", str(count), "0"], lambda g: RandomSampler(range(20), num_samples=count, generator=g), use_named)
        passes(["random", "20", str(count), "1"], lambda g: RandomSampler(range(20), replacement=True, num_samples=count, generator=g), use_named)
    passes(["subset", "15", "0", "0"], lambda g: SubsetRandomSampler(list(range(100, 115)), generator=g), use_named)
    passes(["weighted", "12", "30", "1"], lambda g: WeightedRandomSampler([(i % 5) + 0.5 for i in range(12)], 30, True, generator=g), use_named)
    passes(["weighted", "12", "9", "0"], lambda g: WeightedRandomSampler([(i % 5) + 0.5 for i in range(12)], 9, False, generator=g), use_named)
for n, replicas, rank, shuffle, drop_last in ((10, 3, 0, 1, 0), (10, 3, 2, 1, 0), (10, 3, 2, 1, 1), (2, 5, 4, 1, 0), (11, 2, 1, 0, 0), (12, 4, 3, 1, 1), (11, 4, 3, 0, 1)):
    seen = []
    sampler = DistributedSampler(range(n), replicas, rank, bool(shuffle), 3, bool(drop_last))
    for epoch in range(3):
        sampler.set_epoch(epoch)
        seen += list(sampler) + [-1]
    lines.append(f"distributed {n} {replicas} {rank} {shuffle} {drop_last} {sha(seen)}")
parts = random_split(range(50), [30, 15, 5], torch.Generator().manual_seed(7))
lines.append("split " + sha([i for part in parts for i in [*part.indices, -1]]))


class Drawing(torch.utils.data.Dataset):
    def __len__(self):
        return 10

    def __getitem__(self, index):
        return torch.stack([torch.tensor(index), torch.randint(0, 9, ()), torch.randint(0, 100, ())])


torch.manual_seed(0)
loader = DataLoader(Drawing(), 4, shuffle=True, num_workers=1)
seen = [row for _ in range(2) for part in loader for row in part.flatten().tolist()]
lines.append("worker " + sha(seen) + " " + sha(torch.get_rng_state()))
torch.manual_seed(0)
loader = DataLoader(Drawing(), 4, shuffle=True)
seen = [row for _ in range(2) for part in loader for row in part.flatten().tolist()]
lines.append("inline " + sha(seen) + " " + sha(torch.get_rng_state()))

here = pathlib.Path(__file__).parent
(here / "loader.txt").write_text("\n".join(lines) + "\n")
