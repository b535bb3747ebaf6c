"""What an operation costs when there is next to nothing to compute, and how long a program takes to begin."""
from peers import environment
from turns import Limits, Work, output

KNOWN = [
    ("add of 16 elements", "add", Limits(us=0.1)),
    ("relu of 16 elements", "relu", Limits(us=0.1)),
    ("view", "view", Limits()),
    ("empty tensor of 16 elements", "empty", Limits()),
    ("multiplication of 16 elements, forward and backward", "chain", Limits(us=0.5)),
    ("SGD with momentum, a tensor of 16 elements", "sgd", Limits(us=0.1)),
]


def works(programs, peers, seconds):
    def operation(title, what, limits):
        return Work(title, lambda: output([programs / "bench_small_operations", what, seconds], environment(1)),
                    {peer.name: lambda peer=peer: peer.run("small", what, seconds) for peer in peers}, limits)

    first = ["first", "lenet", 4, 1]
    start = Work("process start to the first trained step of the tutorial network, batch 4",
                 lambda: output([programs / "bench_run", programs / "bench_step", *first], environment(1)),
                 {peer.name: lambda peer=peer: output([programs / "bench_run", *peer.command("step", *first)],
                                                      peer.environment()) for peer in peers},
                 Limits(10, us=80e3, mib=40))
    return [operation(*each) for each in KNOWN] + [start]
