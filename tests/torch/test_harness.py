"""The comparison that the other cases rely on sees every kind of difference."""

import unittest
from collections import OrderedDict

import torch

import sconce_torch
from sconce_torch import TestCase, differences, digest


class Differences(TestCase):
    def assert_differs(self, expected, actual, word):
        found = differences(expected, actual)
        self.assertEqual(len(found), 1, found)
        self.assertIn(word, found[0])

    def test_equal_trees(self):
        for dtype in (torch.float32, torch.float16, torch.bfloat16, torch.bool, torch.int64, torch.complex64):
            tree = {"a": torch.zeros(2, 3, dtype=dtype), 0: [1, 2.5, float("nan"), None, "x", b"y", (True,)]}
            self.assert_same(tree, {"a": torch.zeros(2, 3, dtype=dtype), 0: list(tree[0])})

    def test_values_and_types(self):
        self.assert_differs({"a": 1}, {"a": 2}, "root['a']")
        self.assert_differs([1], [True], "bool")
        self.assert_differs([0.0], [-0.0], "-0.0")
        self.assert_differs((1,), [1], "list")
        self.assert_differs([1, 2], [1], "length 1")
        self.assert_differs({}, OrderedDict(), "OrderedDict")

    def test_keys(self):
        self.assertTrue(differences({"a": 1, "b": 2}, {"b": 2, "a": 1}))
        self.assertTrue(differences({0: 1}, {"0": 1}))
        self.assert_differs({"a": 1}, {"a": 1, "b": 2}, "2 keys")

    def test_metadata(self):
        plain, marked = OrderedDict(a=1), OrderedDict(a=1)
        marked._metadata = OrderedDict([("", {"version": 1})])
        self.assert_differs(plain, marked, "_metadata")

    def test_tensors(self):
        base = torch.arange(6.0).reshape(2, 3)
        self.assert_differs(base, base + 1, "bytes")
        self.assert_differs(base, base.double(), "dtype")
        self.assert_differs(base, base.clone().requires_grad_(), "requires_grad")
        self.assertTrue(differences(base, base.reshape(3, 2)))
        self.assert_differs(base, base.t().contiguous().t(), "stride")
        self.assert_differs(torch.zeros(2), torch.zeros(3)[1:], "storage_offset")
        self.assert_differs(torch.zeros(2), torch.nn.Parameter(torch.zeros(2), requires_grad=False), "Parameter")

    def test_aliases(self):
        shared, apart = torch.zeros(3), torch.zeros(3)
        self.assert_differs([shared, shared.view(3)], [shared, apart], "root[1]")
        self.assert_differs([shared, apart], [shared, shared.view(3)], "root[1]")
        self.assert_same([shared, apart, shared], [apart, shared, apart])

    def test_cycle_ends(self):
        first, second = [], []
        first.append(first)
        second.append(second)
        self.assertEqual(differences(first, second), [])

    def test_close(self):
        self.assert_close(torch.tensor([100.0, 1.0]), torch.tensor([100.0, 1.0005]), 1e-5)
        with self.assertRaises(AssertionError):
            self.assert_close(torch.tensor([100.0, 1.0]), torch.tensor([100.0, 1.005]), 1e-5)
        with self.assertRaises(AssertionError):
            self.assert_close(torch.tensor([1.0]), torch.tensor([float("nan")]), 1e-5)


class Programs(TestCase):
    def test_digest_is_of_contiguous_bytes(self):
        known = "ad73b9acd6e4a74b2f5bb5386658ce3bb146cd040a1867646ab3b973fb6632b1"
        self.assertEqual(digest(torch.arange(1.0, 5.0).reshape(2, 2)), known)
        self.assertEqual(digest(torch.arange(1.0, 5.0).reshape(2, 2).t().contiguous().t()), known)
        conjugate = torch.tensor([1 + 2j]).conj()
        self.assertEqual(digest(conjugate), digest(torch.tensor([1 - 2j])))
        self.assertNotEqual(digest(torch.tensor(1.0)), digest(torch.tensor(2.0)))

    def test_seed_is_set_before_each_test(self):
        self.assertEqual(torch.initial_seed(), sconce_torch.SEED)

    def test_missing_program_skips(self):
        strict = sconce_torch.os.environ.pop("SCONCE_TORCH_STRICT", None)
        try:
            with self.assertRaises(unittest.SkipTest):
                sconce_torch.binary("no-such-program")
            sconce_torch.os.environ["SCONCE_TORCH_STRICT"] = "1"
            with self.assertRaises(AssertionError):
                sconce_torch.binary("no-such-program")
        finally:
            sconce_torch.os.environ.pop("SCONCE_TORCH_STRICT", None)
            if strict is not None:
                sconce_torch.os.environ["SCONCE_TORCH_STRICT"] = strict
