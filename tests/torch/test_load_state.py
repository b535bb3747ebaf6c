"""load_state_dict: what it says of state_dicts that do not fit, character for character what PyTorch says."""

import collections
import datetime
import decimal
import fractions
import pathlib
import warnings

import numpy
import torch
from torch import nn

from sconce_torch import TORCH_VERSION, TestCase, load, run_probe_nn

VALUES = [
    None, True, 3, 10**40, 1.5, 2j, "text", b"bytes", bytearray(b"bytes"), [1], (1,), {1}, frozenset([1]), {"a": 1},
    collections.OrderedDict(a=1), collections.deque([1]), slice(1), range(2), decimal.Decimal(1), fractions.Fraction(1, 2),
    datetime.datetime(2020, 1, 1), pathlib.PurePosixPath("a"), pathlib.Path("a"), complex, int, torch.float32,
    torch.Size([1]), torch.device("cpu"), nn.Linear(1, 1), numpy.zeros(2), numpy.float32(1),
    numpy.int64(1), numpy.uint8(1), numpy.bool_(True), numpy.complex128(1), numpy.str_("a"), numpy.bytes_(b"a"),
    numpy.datetime64(1, "s"), numpy.ma.array([1]),
]
STATE = torch.tensor([[1.0, 0.0], [0.0, 2.0], [3.0, 0.0]])


class LoadState(TestCase):
    def setUp(self):
        super().setUp()
        warnings.simplefilter("ignore")
        self.entries, self.expected = [], []

    def add(self, state, strict=True, assign=False):
        """A load of `state` into a Linear(2, 3), here and there."""
        if assign and TORCH_VERSION < (2, 1):
            return
        options = {"assign": True} if assign else {}
        try:
            said = str(nn.Linear(2, 3).load_state_dict(state, strict=strict, **options))
        except (RuntimeError, TypeError) as error:
            said = str(error)
        self.expected.append(said)
        self.entries.append({"layer": {"type": "Linear", "args": [2, 3], "options": {}}, "state": state, "strict": strict,
                             "assign": assign})

    def check(self):
        torch.save(self.entries, self.folder / "in.pt")
        run_probe_nn("load-state", self.folder / "in.pt", self.folder / "out.pt")
        found = load(self.folder / "out.pt")
        self.assertEqual(len(self.expected), len(found))
        for entry, expected, said in zip(self.entries, self.expected, found):
            with self.subTest(repr(entry["state"])):
                self.assertEqual(expected, said)

    def add_weight(self, weight, **options):
        self.add({"weight": weight, "bias": torch.zeros(3)}, **options)

    def test_keys(self):
        whole = nn.Linear(2, 3).state_dict()
        odd = {"it's": STATE, 'a"b': STATE, "'\"": STATE, "a\\b\n\t\r\x00\x1b\x7f": STATE, "é\x85\xa0\xad一😀": STATE,
               "\u200b\u2028\ufeff": STATE}
        for strict in (True, False):
            self.add(whole, strict)
            self.add({}, strict)
            self.add({"weight": STATE}, strict)
            self.add({**whole, "more": STATE, "sub.weight": 3}, strict)
            if TORCH_VERSION >= (2, 0):  # 1.13 does not mind what is below a parameter
                self.add({**whole, "weight.x": 1, "more": STATE}, strict)
            self.add({"weight": torch.zeros(3, 3), "bias": torch.zeros(()), "z": STATE}, strict)
            self.add({"weight": 3, "other": 4}, strict)
        self.add({**whole, **odd}, strict=False)
        self.check()

    def test_what_is_no_mapping(self):
        for state in [value for value in VALUES if not isinstance(value, dict)] + [STATE, nn.Parameter(STATE)]:
            self.add(state)
        self.check()

    def test_what_is_no_tensor(self):
        for value in [*VALUES, torch.FloatStorage(2)]:
            self.add_weight(value)
        self.check()

    def test_sparse(self):
        kinds = [torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.int8, torch.uint8, torch.int16,
                 torch.int32, torch.int64, torch.bool, torch.complex64, torch.complex128]
        for dtype in kinds:
            self.add_weight(STATE.to(dtype).to_sparse())
        self.add_weight(torch.zeros(4, 2).to_sparse())
        self.add_weight(nn.Parameter(STATE.to_sparse()))
        self.add_weight(STATE.long().to_sparse(), assign=True)
        if TORCH_VERSION >= (2, 0):  # which took quotes out of the text
            self.add_weight(STATE.to_sparse_csr())
            self.add_weight(STATE.to_sparse_csc())
        self.check()

    def test_quantized(self):
        ones, zeros = torch.ones(2), torch.zeros(2)
        for dtype in (torch.qint8, torch.quint8, torch.qint32):
            self.add_weight(torch.quantize_per_tensor(STATE, 0.5, 0, dtype))
            self.add_weight(torch.quantize_per_tensor(STATE, 0.5, 0, dtype), assign=True)
        self.add_weight(torch.quantize_per_tensor(torch.zeros(3, 3), 0.5, 0, torch.quint8))
        self.add_weight(torch.quantize_per_channel(STATE, ones, zeros, 1, torch.quint8))
        self.add_weight(torch.quantize_per_channel(STATE, ones, zeros, 1, torch.quint4x2))
        self.add_weight(torch.quantize_per_channel(torch.zeros(3, 5), torch.ones(5), torch.zeros(5), 1, torch.quint4x2))
        self.check()

    def test_other_dtypes(self):
        for dtype in (torch.bool, torch.int64, torch.float16, torch.bfloat16, torch.float64):
            self.add_weight(STATE.to(dtype))
            self.add_weight(STATE.to(dtype), assign=True)
        self.add_weight(STATE.to(torch.complex64))
        self.check()
