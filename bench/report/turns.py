"""Taking samples in turns, and what is said about them."""
import dataclasses
import json
import statistics
import subprocess
import sys
from collections.abc import Callable


def output(command, environment=None):
    """What a program prints as one JSON line."""
    command = [str(word) for word in command]
    try:
        result = subprocess.run(command, capture_output=True, text=True, env=environment)
    except OSError as error:
        sys.exit(f"{command[0]}: {error.strerror}")
    if result.returncode != 0:
        sys.exit(f"{' '.join(command)}: exit status {result.returncode}\n{result.stderr}")
    return json.loads(result.stdout)


@dataclasses.dataclass(frozen=True)
class Limits:
    """What must be reached. Ratios are the other side's time divided by ours."""
    ratio: float | None = None
    share_of: str | None = None  # the work of whose ratio `ratio` is a share
    us: float | None = None
    mib: float | None = None
    memory_share: float | None = None  # of the other side's memory

    def broken(self, result, ratio):
        """The limits, in words, each with whether it is missed; `ratio` is what Limits.ratio comes to."""
        ours, theirs = result.mib
        limits = [(ratio, ratio and f"{ratio:.3g}x", ratio and result.ratio is not None and result.ratio < ratio),
                  (self.us, self.us and time_text(self.us), self.us and result.us[0] > self.us),
                  (self.mib, f"{self.mib} MiB", self.mib and ours and ours > self.mib),
                  (self.memory_share, f"{self.memory_share} of the memory",
                   self.memory_share and ours and theirs and ours > self.memory_share * theirs)]
        return [(text, bool(missed)) for limit, text, missed in limits if limit is not None]


@dataclasses.dataclass(frozen=True)
class Work:
    """Each callable takes one sample, a fresh process: {"us": ..., and where it is known "peak_kib": ...}."""
    title: str
    ours: Callable
    peers: dict[str, Callable] = dataclasses.field(default_factory=dict)
    limits: Limits = Limits()
    threads: int = 1
    before: Callable = lambda: None  # before and after every sample
    after: Callable = lambda: None


@dataclasses.dataclass
class Result:
    title: str
    threads: int
    samples: list  # a round each: {"gflops": ..., "ours": sample, "peers": {name: sample}}
    limits: list = dataclasses.field(default_factory=list)

    def fastest(self, taken):
        return min(taken["peers"].items(), key=lambda item: item[1]["us"])

    @property
    def ratios(self):
        """Round by round, so that a machine whose speed drifts does not decide; to the fastest of each round."""
        return [self.fastest(taken)[1]["us"] / taken["ours"]["us"] for taken in self.samples if taken["peers"]]

    @property
    def ratio(self):
        return statistics.median(self.ratios) if self.ratios else None

    @property
    def us(self):
        """(ours, theirs or None): medians over the rounds."""
        theirs = [self.fastest(taken)[1]["us"] for taken in self.samples if taken["peers"]]
        return (statistics.median(taken["ours"]["us"] for taken in self.samples),
                statistics.median(theirs) if theirs else None)

    @property
    def peer(self):
        """Which was the fastest most often."""
        names = [self.fastest(taken)[0] for taken in self.samples if taken["peers"]]
        return statistics.mode(names) if names else None

    @property
    def mib(self):
        """(ours, theirs): the most of any round; of the peers', the least hungry."""
        def most(samples):
            kib = [sample["peak_kib"] for sample in samples if "peak_kib" in sample]
            return max(kib) / 1024 if kib else None
        theirs = [most(taken["peers"][name] for taken in self.samples) for name in self.samples[0]["peers"]]
        return most(taken["ours"] for taken in self.samples), min((each for each in theirs if each), default=None)

    @property
    def missed(self):
        return [text for text, missed in self.limits if missed]

    def json(self):
        return {"work": self.title, "threads": self.threads, "us": self.us[0], "peer_us": self.us[1], "peer": self.peer,
                "ratio": self.ratio, "mib": self.mib[0], "peer_mib": self.mib[1],
                "must": [{"limit": text, "reached": not missed} for text, missed in self.limits],
                "samples": self.samples}


def time_text(us):
    for limit, scale, unit in ((1, 1e3, "ns"), (1e3, 1, "us"), (1e6, 1e-3, "ms")):
        if us < limit:
            return f"{us * scale:.3g} {unit}"
    return f"{us * 1e-6:.3g} s"


def measure(work, rounds, machine):
    """`machine` says how fast the machine is at the moment, with this many threads."""
    def sample(take):
        work.before()
        taken = take()
        work.after()
        return taken

    return Result(work.title, work.threads,
                  [{"gflops": machine(work.threads), "ours": sample(work.ours),
                    "peers": {name: sample(take) for name, take in work.peers.items()}} for _ in range(rounds)])


HEAD = ("| work | Sconce | PyTorch (which) | PyTorch / Sconce (min..max) | must | memory, MiB | machine, GFLOP/s |\n"
        "|---|---|---|---|---|---|---|")


def line(result):
    """One row of the table under HEAD."""
    ours, theirs = result.us
    peer = f"{time_text(theirs)} ({result.peer})" if theirs else ""
    ratio = f"{result.ratio:.3g} ({min(result.ratios):.3g}..{max(result.ratios):.3g})" if theirs else ""
    must = ", ".join(f"**{text} missed**" if missed else text for text, missed in result.limits)
    memory = ", ".join(f"{each:.0f}" for each in result.mib if each)
    gflops = [taken["gflops"] for taken in result.samples]
    speed = f"{min(gflops):.0f}" if round(min(gflops)) == round(max(gflops)) else f"{min(gflops):.0f}..{max(gflops):.0f}"
    return f"| {result.title} | {time_text(ours)} | {peer} | {ratio} | {must} | {memory} | {speed} |"
