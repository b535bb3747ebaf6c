"""Same seed, same batches: the loader and the samplers against torch.utils.data."""

import random

import torch
from torch.utils import data

from sconce_torch import SEED, TORCH_VERSION, TestCase, load, run_probe_nn


class Loader(TestCase):
    def setUp(self):
        super().setUp()
        self.random = random.Random(f"{SEED} {self.id()}")

    def entry(self, **options):
        """A data set and a way to go through it, with a generator of the loader's own in every other one."""
        draw = self.random
        entry = {
            "size": draw.choice((1, draw.randint(2, 40), draw.randint(100, 3000))),
            "epochs": draw.randint(1, 3),
            "seed": draw.getrandbits(63),
            "batch_size": draw.choice((1, 2, 7, 32, 64)),
            "drop_last": draw.choice((True, False)),
            **options,
        }
        if draw.random() < 0.5:
            entry["loader_seed"] = draw.getrandbits(63)
        return entry

    def pytorch(self, entry):
        dataset = data.TensorDataset(torch.arange(entry["size"]))
        torch.manual_seed(entry["seed"])
        generator = torch.Generator().manual_seed(entry["loader_seed"]) if "loader_seed" in entry else None
        options = {"batch_size": entry["batch_size"], "drop_last": entry["drop_last"], "generator": generator}
        if "sampler" in entry:
            options["sampler"] = self.sampler(entry, dataset, generator)
        loader = data.DataLoader(dataset, shuffle=entry.get("shuffle", False), **options)
        return {
            "epochs": [[batch[0] for batch in loader] for _ in range(entry["epochs"])],
            "length": len(loader),
            "rng_state": torch.get_rng_state(),
            "loader_state": generator.get_state() if generator else None,
        }

    def sampler(self, entry, dataset, generator):
        makers = {
            "replacement": lambda: data.RandomSampler(dataset, replacement=True, num_samples=entry["samples"],
                                                      generator=generator),
            "subset": lambda: data.SubsetRandomSampler(entry["indices"].tolist(), generator=generator),
            "weighted": lambda: data.WeightedRandomSampler(entry["weights"].tolist(), entry["samples"],
                                                           entry["replacement"], generator=generator),
            "distributed": lambda: data.DistributedSampler(dataset, entry["replicas"], entry["rank"],
                                                           seed=entry["sampler_seed"],
                                                           drop_last=entry["sampler_drop_last"]),
        }
        return makers[entry["sampler"]]()

    def check(self, entries):
        torch.save(entries, self.folder / "in.pt")
        run_probe_nn("loader", self.folder / "in.pt", self.folder / "out.pt")
        found = load(self.folder / "out.pt")
        self.assertEqual(len(found), len(entries))
        for entry, answer in zip(entries, found):
            with self.subTest(entry=entry, seed=SEED):
                self.assert_same(self.pytorch(entry), answer)

    def test_in_order(self):
        self.check([self.entry() for _ in range(10)])

    def test_shuffled(self):
        self.check([self.entry(shuffle=True) for _ in range(40)])

    def test_prefetched(self):
        # A thread that reads ahead changes neither the order nor what is drawn for it.
        entries = [self.entry(shuffle=True, prefetch=self.random.randint(1, 4)) for _ in range(10)]
        self.check(entries)

    def test_samplers(self):
        draw = self.random
        entries = []
        for _ in range(8):
            n = draw.randint(2, 300)
            entries.append(self.entry(size=n, sampler="replacement", samples=draw.randint(1, 400)))
            indices = torch.tensor(draw.sample(range(n), draw.randint(1, n)))
            entries.append(self.entry(size=n, sampler="subset", indices=indices))
            weights = torch.rand(n, dtype=torch.float64) + 0.01
            replacement = draw.choice((True, False))
            # PyTorch 1 makes a single draw with replacement from the sums of the weights, like many.
            fewest = 2 if replacement and TORCH_VERSION < (2, 0) else 1
            entries.append(self.entry(size=n, sampler="weighted", weights=weights, replacement=replacement,
                                      samples=draw.choice((fewest, draw.randint(fewest, n)))))
            replicas = draw.randint(1, 5)
            entries.append(self.entry(size=n, sampler="distributed", replicas=replicas, rank=draw.randrange(replicas),
                                      sampler_seed=draw.getrandbits(31), sampler_drop_last=draw.choice((True, False))))
        self.check(entries)
