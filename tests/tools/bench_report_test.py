"""What scripts/bench says of samples: medians, ratios, limits. No program is timed here."""

import importlib.util
import pathlib
import sys
import unittest

REPORT = pathlib.Path(__file__).resolve().parents[2] / "bench/report"
sys.dont_write_bytecode = True
sys.path.insert(0, str(REPORT))
import steps  # noqa: E402
from turns import Limits, Work, line, measure  # noqa: E402

spec = importlib.util.spec_from_file_location("report", REPORT / "__main__.py")
report = importlib.util.module_from_spec(spec)
spec.loader.exec_module(report)


def source(*times, kib=None):
    """Gives one sample after the other."""
    samples = iter(times)
    return lambda: {"us": next(samples)} | ({} if kib is None else {"peak_kib": kib})


def taken(ours, peers, limits=Limits(), title="a", kib=(None, None)):
    """A work of one round for each time of `ours`, measured and not judged."""
    work = Work(title, source(*ours, kib=kib[0]), {name: source(*times, kib=kib[1]) for name, times in peers.items()},
                limits)
    return work, measure(work, len(ours), lambda threads: 100.0)


class BenchReportTest(unittest.TestCase):
    def judge(self, *arguments, results=(), short=False, **named):
        work, result = taken(*arguments, **named)
        return report.judged(result, work, list(results), short)

    def test_ratios_are_taken_round_by_round_to_the_fastest(self):
        result = self.judge([10, 20, 40], {"x": [30, 100, 90], "y": [50, 80, 100]})
        self.assertEqual(result.ratios, [3, 4, 2.25])
        self.assertEqual(result.ratio, 3)
        self.assertEqual(result.us, (20, 80))
        self.assertEqual(result.peer, "x")  # in two rounds of three

    def test_a_ratio_below_its_limit_is_missed(self):
        for limit, missed in ((2.9, []), (3, []), (3.1, ["3.1x"])):
            self.assertEqual(self.judge([10], {"x": [30]}, Limits(limit)).missed, missed)

    def test_times_and_memory_have_limits_of_their_own(self):
        limits = Limits(us=10, mib=4, memory_share=0.5)
        self.assertEqual(self.judge([10], {"x": [30]}, limits, kib=(4096, 8192)).missed, [])
        self.assertEqual(self.judge([11], {"x": [30]}, limits, kib=(4097, 8192)).missed,
                         ["10 us", "4 MiB", "0.5 of the memory"])

    def test_a_drawn_network_is_held_against_the_tutorials(self):
        _, tutorial = taken([10], {"x": [40]}, title="tutorial")
        limits = Limits(0.6, share_of="tutorial")
        self.assertEqual(self.judge([10], {"x": [24]}, limits, results=[tutorial]).missed, [])
        self.assertEqual(self.judge([10], {"x": [23]}, limits, results=[tutorial]).missed, ["2.4x"])
        self.assertEqual(self.judge([10], {"x": [1]}, limits).limits, [])  # nothing to hold it against

    def test_the_short_form_asks_for_half_of_a_ratio_only(self):
        limits = Limits(4, us=1)
        self.assertEqual(self.judge([10], {"x": [20]}, limits, short=True).missed, [])
        self.assertEqual(self.judge([10], {"x": [19]}, limits, short=True).missed, ["half of 4x"])

    def test_a_line_shows_what_is_missed(self):
        text = line(self.judge([10], {"x": [30]}, Limits(4, us=20)))
        self.assertIn("**4x missed**, 20 us", text)
        self.assertIn("| 10 us | 30 us (x) | 3 (3..3) |", text)

    def test_networks_are_drawn_by_their_seed(self):
        titles = [[work[0] for work in steps.drawn(seed, 8)] for seed in (1, 1, 2)]
        self.assertEqual(titles[0], titles[1])
        self.assertNotEqual(titles[0], titles[2])
        self.assertEqual(len(titles[0]), 8)


if __name__ == "__main__":
    unittest.main()
