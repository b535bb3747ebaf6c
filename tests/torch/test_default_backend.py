"""What users get unasked: convolutions that may go by Winograd's filtering, against PyTorch.

The other cases run with SCONCE_BACKEND=exact (run.py). Here the result and each gradient of one layer keep, against
float64, a largest difference of 1e-5 of the largest value; networks keep the limits of test_resnet.py.
"""

import os
from pathlib import Path
from unittest import mock

import torch
from torch.nn import functional

import test_resnet
from op_cases import Case, Draw, distance
from sconce_torch import SEED, OneThreadCase, load, run_probe_nn

LAYER_LIMIT = 1e-5
# oneDNN has Winograd's filtering for these registers.
HAS_WINOGRAD = "avx512bw" in Path("/proc/cpuinfo").read_text() and "SCONCE_ISA" not in os.environ


class DefaultBackend(OneThreadCase):
    """Takes the choice of run.py back."""

    def setUp(self):
        super().setUp()
        environment = mock.patch.dict(os.environ)
        environment.start()
        self.addCleanup(environment.stop)
        del os.environ["SCONCE_BACKEND"]

    def assert_another_way(self, found, answer):
        """Each of the tensors found went another way than `answer()` of the exact backend, where there is one: or the
        test would show nothing new."""
        with mock.patch.dict(os.environ, SCONCE_BACKEND="exact"):
            exact = answer()
        for name, tensor in found.items():
            if HAS_WINOGRAD:
                self.assertFalse(torch.equal(tensor, exact[name]), name)


class Convolutions(DefaultBackend):
    def answers(self, cases, grads):
        torch.save([{"op": case.op, "options": case.options, "inputs": case.inputs, "grads": grads}
                    for case, grads in zip(cases, grads)], self.folder / "in.pt")
        run_probe_nn("ops", self.folder / "in.pt", self.folder / "out.pt")
        found = load(self.folder / "out.pt")
        for answer in found:
            self.assertNotIn("error", answer)
        return [answer["results"] + answer["grads"] for answer in found]

    def case(self, draw, kernel, stride):
        # Winograd's filtering is for 32 channels and more.
        inputs, outputs = (16 * draw.randint(2 if kernel == 3 else 1, 5) for _ in range(2))
        x = draw.normal(draw.randint(1, 8), inputs, *draw.shape(2, 10, 40))
        if draw.choice((True, False)):
            x = x.detach().relu().requires_grad_()  # as layers find them: half of it zero
        weight = draw.normal(outputs, inputs, kernel, kernel)
        return Case("conv2d_in_blocks", functional.conv2d, [x, weight, draw.choice((None, draw.normal(outputs)))],
                    stride=stride, padding=draw.randint(0, 1))

    def check(self, kinds):
        cases = [self.case(Draw(torch.float32, f"{self.id()} {i}"), *kind) for i, kind in enumerate(kinds)]
        grads = [case.run(case.inputs)[2] for case in cases]
        found = self.answers(cases, grads)
        for case, given, answer in zip(cases, grads, found):
            wide = [x if x is None else x.detach().double().requires_grad_() for x in case.inputs]
            results, gradients, _ = case.run(wide, [grad.double() for grad in given])
            for i, (exact, theirs) in enumerate(zip(results + gradients, answer)):
                with self.subTest(str(case), output=i, seed=SEED):
                    self.assertEqual(exact is None, theirs is None)
                    if exact is not None:
                        self.assertEqual(exact.shape, theirs.shape)
                        self.assertLessEqual(distance(exact, theirs), LAYER_LIMIT)
        return cases, grads, found

    def test_three_by_three(self):
        cases, grads, found = self.check([(3, 1)] * 25)
        # The result and the gradients of image and weight; the bias has its own loop.
        parts = lambda answers: {(i, k): answers[i][k] for i in range(len(cases)) for k in (0, 1, 2)}  # noqa: E731
        self.assert_another_way(parts(found), lambda: parts(self.answers(cases, grads)))

    def test_others(self):
        self.check([(1, 1), (5, 1), (3, 2), (1, 2), (4, 1)] * 3)


class Networks(DefaultBackend, test_resnet.Networks):
    def answers(self, entries):
        found = super().answers(entries)
        losses = lambda answers: {i: torch.tensor(answer["losses"]) for i, answer in enumerate(answers)}  # noqa: E731
        self.assert_another_way(losses(found), lambda: losses(super(Networks, self).answers(entries)))
        return found

    test_every_initial_bit = test_training_in_float64 = None  # without convolutions, and those of float64 are exact
