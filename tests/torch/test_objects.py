"""Python objects of every kind that stand in checkpoints: read, written back and loaded by PyTorch, which judges."""

import argparse
import collections
import dataclasses
import datetime
import decimal
import enum
import fractions
import functools
import json
import pathlib
import pickle
import types
import unittest
import uuid

import torch

from object_case import Built, Case, Rebuilt, Subclass, load, rebuild_arguments
from sconce_torch import TORCH_VERSION, digest, needs_torch, run_probe


class Colour(enum.Enum):
    RED = 1


@dataclasses.dataclass
class Settings:
    lr: float
    layers: list


Point = collections.namedtuple("Point", "x y")


class Python(Case):
    def test_taken_by_weights_only(self):
        self.check({"counter": collections.Counter("abca"), "size": torch.Size([1])}, weights_only=TORCH_VERSION >= (2, 4))

    def test_kept_when_asked(self):
        default = collections.defaultdict(list, {"a": [1]})
        made = {
            "default": default, "ints": collections.defaultdict(int), "no factory": collections.defaultdict(None, {1: 2}),
            "deque": collections.deque([1, [2]], maxlen=3), "endless": collections.deque("ab"),
            "namespace": argparse.Namespace(lr=0.1, layers=[1, 2], inner=argparse.Namespace(x=None)),
            "simple": types.SimpleNamespace(a=1), "datetime": datetime.datetime(2020, 1, 2, 3, 4, 5, 6),
            "aware": datetime.datetime(2020, 1, 2, tzinfo=datetime.timezone.utc), "date": datetime.date(2020, 1, 2),
            "time": datetime.time(1, 2, 3), "delta": datetime.timedelta(1, 2, 3),
            "zone": datetime.timezone(datetime.timedelta(hours=2)), "decimal": decimal.Decimal("1.50"),
            "fraction": fractions.Fraction(3, -4), "uuid": uuid.UUID(int=5), "path": pathlib.Path("/data/x"),
            "pure": pathlib.PureWindowsPath("c:/x"), "slice": slice(1, None, 2), "range": range(1, 9, 2),
            "shared": default,
        }
        self.kept(dict(made, one=1), {"one": 1})
        out, _ = self.resaved(self.saved(made), "keep-objects")
        actual = load(out)
        self.assertIs(actual["default"], actual["shared"])

    def test_never_written(self):
        for name, value in {
            "Colour": Colour.RED, "Settings": Settings(0.1, [1]), "Point": Point(1, 2), "partial": functools.partial(print, 1),
            "Subclass": torch.ones(1).as_subclass(Subclass).__class__, "print": print, "Thing": Thing(), "ListThing": ListThing([1, 2]),
        }.items():
            with self.subTest(name):
                self.dropped({"a": 1, "x": value, "l": [value, 2]}, {"a": 1, "l": [None, 2]}, name if name != "print" else "builtins")

    def test_what_they_hold_is_listed(self):
        path = self.saved({"args": argparse.Namespace(weights=torch.arange(3.0)), "thing": Thing()})
        listing = json.loads(run_probe("list", path).stdout)["tensors"]
        self.assertEqual([digest(torch.arange(3.0)), digest(torch.ones(2))], [item["sha256"] for item in listing])

    def test_namespace_loses_only_what_is_unknown(self):
        path = self.saved({"n": argparse.Namespace(lr=1, colour=Colour.RED)})
        out, left_out = self.resaved(path, "keep-objects")
        self.assertIn("Colour", left_out)
        self.assertEqual({"n": argparse.Namespace(lr=1)}, load(out))

    def test_harmless_names_are_not_harmless_calls(self):
        for value in (Rebuilt(list, range(10**12)), Rebuilt(torch.Tensor, 3), Rebuilt(int, "9" * 10), Rebuilt(str, b"x", "rot13"),
                      Rebuilt(collections.defaultdict, print), Rebuilt(collections.defaultdict, torch.Tensor),
                      Rebuilt(fractions.Fraction, "1e99"), Rebuilt(collections.Counter, range(10**12)),
                      Built(argparse.Namespace, (), (None, {"__class__": argparse.Namespace})),
                      Built(argparse.Namespace, (), {"__class__": argparse.Namespace}),
                      Built(datetime.date, (2020, 1, 1), {"a": 1})):
            pickled = pickle.dumps(value, 2)  # it can be pickled; what it would do is another matter
            self.assertGreater(len(pickled), 10)
            out, left_out = self.resaved(self.saved({"a": 1, "x": value}), "keep-objects")
            self.assertIn("at x", left_out)
            self.assertEqual({"a": 1}, load(out))

    @needs_torch(2, 0)
    def test_attributes_that_python_looks_up_are_not_written(self):
        rebuild, from_type = torch._utils._rebuild_tensor_v2, torch._tensor._rebuild_from_type_v2
        args = rebuild_arguments(torch.arange(3.0))
        for state in ({"__class__": argparse.Namespace}, (None, {"__class__": argparse.Namespace}), {"__reduce_ex__": print}):
            path = self.saved({"a": 1, "t": Rebuilt(from_type, rebuild, torch.Tensor, args, state)})
            out, left_out = self.resaved(path, "keep-objects")
            self.assertIn("at t", left_out)
            self.assertEqual({"a": 1}, load(out))
            listing = json.loads(run_probe("list", path).stdout)["tensors"]
            self.assertEqual([digest(torch.arange(3.0))], [item["sha256"] for item in listing])


class Thing:
    def __init__(self):
        self.weights = torch.ones(2)


class ListThing(list):
    pass


if __name__ == "__main__":
    unittest.main()
