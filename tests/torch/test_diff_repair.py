"""sconce diff, repair and average held against PyTorch: numbers of a difference, files that load strict, averages."""

import copy
import json
import random
import unittest
from collections import OrderedDict

import torch
from torch import nn

from sconce_torch import SEED, TORCH_VERSION, TestCase, load, needs_torch, run_sconce

FLOATS = [torch.float16, torch.bfloat16, torch.float32, torch.float64]
SMALL = [getattr(torch, name) for name in ("float8_e4m3fn", "float8_e5m2") if hasattr(torch, name)]
BITS = {2: torch.int16, 4: torch.int32, 8: torch.int64, 1: torch.int8}


def ordered_bits(tensor):
    """Integers in the order of the floats, 0 and -0 one number."""
    bits = tensor.view(BITS[tensor.element_size()]).to(torch.int64)
    lowest = -(1 << (8 * tensor.element_size() - 1))
    return torch.where(bits < 0, lowest - bits, bits)


class Case(TestCase):
    def setUp(self):
        super().setUp()
        self.random = random.Random(SEED)

    def save(self, name, value):
        path = self.folder / name
        torch.save(value, path)
        return path

    def diff(self, a, b, *options, check=True):
        result = run_sconce("diff", "--json", *options, self.save("a.pt", a), self.save("b.pt", b), check=False)
        if check:
            self.assertIn(result.returncode, (0, 1), result.stderr)
        return json.loads(result.stdout)


class DiffTest(Case):
    def test_numbers(self):
        for dtype in FLOATS:
            a = torch.randn(7, 5).to(dtype)
            b = a.clone()
            changed = torch.rand(7, 5) < 0.4
            changed[0, 0] = True
            b[changed] = torch.randn(7, 5).to(dtype)[changed]
            found = self.diff({"x": a}, {"x": b})["tensors"][0]["difference"]
            x, y = a.double(), b.double()
            apart = (x - y).abs()
            self.assertEqual(found["different"], int((ordered_bits(a) != ordered_bits(b)).sum()), dtype)
            self.assertAlmostEqual(found["max_abs"], apart.max().item(), delta=1e-15)
            self.assertAlmostEqual(found["mean_abs"], apart.mean().item(), delta=1e-12)
            relative = apart / torch.maximum(x.abs(), y.abs()).clamp_min(1e-300)
            self.assertAlmostEqual(found["max_rel"], relative.max().item(), delta=1e-12)
            cosine = torch.nn.functional.cosine_similarity(x.flatten(), y.flatten(), dim=0).item()
            self.assertAlmostEqual(found["cosine"], cosine, delta=1e-12)
            self.assertEqual(apart[tuple(found["worst"])].item(), apart.max().item())
            if dtype != torch.float64:  # beyond int64
                self.assertEqual(found["max_ulp"], int((ordered_bits(a) - ordered_bits(b)).abs().max()), dtype)

    def test_small_floats(self):
        for dtype in SMALL:
            a = torch.randn(50).to(dtype)
            b = torch.randn(50).to(dtype)
            found = self.diff({"x": a}, {"x": b})["tensors"][0]["difference"]
            ordered = [torch.where(bits < 0, -128 - bits, bits)
                       for bits in (t.view(torch.int8).to(torch.int64) for t in (a, b))]
            self.assertEqual(found["max_ulp"], int((ordered[0] - ordered[1]).abs().max()), dtype)
            self.assertAlmostEqual(found["max_abs"], (a.double() - b.double()).abs().max().item(), delta=1e-12)

    def test_tolerance_is_that_of_allclose(self):
        for _ in range(12):
            a = torch.randn(30, dtype=torch.float64)
            b = a + torch.randn(30, dtype=torch.float64) * 10 ** self.random.uniform(-6, -1)
            rtol, atol = 10 ** self.random.uniform(-5, -1), 10 ** self.random.uniform(-6, -2)
            report = self.diff({"x": a}, {"x": b}, "--rtol", repr(rtol), "--atol", repr(atol))
            self.assertEqual(report["same"], torch.allclose(a, b, rtol=rtol, atol=atol))
            beyond = int((~torch.isclose(a, b, rtol=rtol, atol=atol)).sum())
            self.assertEqual(report["tensors"][0]["difference"]["beyond_tolerance"], beyond)

    def test_a_training_step_and_nothing(self):
        model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(144, 2))
        optimizer = torch.optim.Adam(model.parameters())

        def state():
            return copy.deepcopy({"model": model.state_dict(), "optimizer": optimizer.state_dict(), "lr": 0.1})

        def step():
            model(torch.randn(5, 3, 8, 8)).sum().backward()
            optimizer.step()

        step()
        before = state()
        same = self.diff(before, copy.deepcopy(before), "--strict")
        self.assertTrue(same["same"], same)
        step()
        counts = self.diff(before, state())["counts"]
        self.assertEqual(counts["only_a"] + counts["only_b"] + counts["renamed"], 0)
        self.assertEqual(counts["values_different"], 0)
        changed = sum(not torch.equal(a, b) for (_, a), (_, b) in zip(
            self.tensors_of(before), self.tensors_of(state())))
        self.assertEqual(counts["different"], changed)

    def tensors_of(self, value, name=""):
        if isinstance(value, torch.Tensor):
            yield name, value
        elif isinstance(value, (dict, list, tuple)):
            for key, item in value.items() if isinstance(value, dict) else enumerate(value):
                yield from self.tensors_of(item, f"{name}.{key}")

    def test_converted_files(self):
        state = OrderedDict((f"l{i}.weight", torch.randn(3, i + 1)) for i in range(5))
        path = self.save("a.pt", state)
        try:
            from safetensors.torch import save_file
        except ImportError:
            raise unittest.SkipTest("no safetensors")
        save_file(state, str(self.folder / "a.safetensors"))
        self.assertEqual(run_sconce("diff", path, self.folder / "a.safetensors").returncode, 0)

    def test_renames_in_a_real_model(self):
        model = nn.Sequential(OrderedDict(conv=nn.Conv2d(3, 4, 3), bn=nn.BatchNorm2d(4), fc=nn.Linear(4, 2)))
        state = model.state_dict()
        renamed = OrderedDict((name.replace("conv.", "stem.conv.").replace("bn.", "stem.norm."), value)
                              for name, value in state.items())
        report = self.diff(state, renamed)
        pairs = {tensor["name"]: tensor.get("name_b") for tensor in report["tensors"] if "name_b" in tensor}
        expected = {name: name.replace("conv.", "stem.conv.").replace("bn.", "stem.norm.") for name in state
                    if not name.startswith("fc")}
        self.assertEqual(pairs, expected)


class Net(nn.Module):
    def __init__(self, first="conv1", head="fc", counted=True):
        super().__init__()
        self.add_module(first, nn.Conv2d(3, 4, 3))
        self.bn = nn.BatchNorm2d(4)
        layers = [nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4)]
        self.body = nn.Sequential(*(layers if counted else [layer for layer in layers if isinstance(layer, nn.Linear)]))
        self.add_module(head, nn.Linear(4, 2))


class RepairTest(Case):
    def repaired(self, source, model, *options, status=0):
        """Loads what sconce repair made of `source` for `model`, strict."""
        like = self.save("like.pt", model.state_dict())
        out = self.folder / f"out{len(list(self.folder.iterdir()))}.pt"
        result = run_sconce("repair", self.save("in.pt", source), "--like", like, out, *options, check=False)
        self.assertEqual(result.returncode, status, result.stdout + result.stderr)
        if status == 0:
            model.load_state_dict(load(out), strict=True)
        return result

    def fresh(self, **options):
        model = Net(**options)
        with torch.no_grad():
            for value in model.state_dict().values():
                value.copy_(torch.randn(value.shape) if value.is_floating_point() else torch.full(value.shape, 7))
        return model

    def assert_equal_values(self, source, model):
        for (name, expected), actual in zip(source.state_dict().items(), model.state_dict().values()):
            self.assertTrue(torch.equal(expected, actual), f"{name} (SCONCE_SEED={SEED})")

    def test_data_parallel_in_a_training_checkpoint(self):
        source, model = self.fresh(), self.fresh()
        optimizer = torch.optim.SGD(source.parameters(), lr=0.1, momentum=0.9)
        optimizer.step()
        state = nn.DataParallel(source).state_dict()
        self.repaired({"state_dict": state, "optimizer": optimizer.state_dict(), "epoch": 3}, model)
        self.assert_equal_values(source, model)

    def test_averaged_model(self):
        source, model = self.fresh(), self.fresh()
        self.repaired(torch.optim.swa_utils.AveragedModel(source).state_dict(), model)
        self.assert_equal_values(source, model)
        averaged = torch.optim.swa_utils.AveragedModel(self.fresh())
        self.repaired(torch.optim.swa_utils.AveragedModel(source).state_dict(), averaged)
        self.assert_equal_values(source, averaged.module)

    @needs_torch(2, 0)
    def test_compiled(self):
        source, model = self.fresh(), self.fresh()
        state = OrderedDict((f"_orig_mod.{name}", value) for name, value in source.state_dict().items())
        self.repaired({"model": state}, model)
        self.assert_equal_values(source, model)

    def test_renamed_and_renumbered(self):
        source, model = self.fresh(), self.fresh(first="stem", head="classifier", counted=False)
        self.repaired(nn.DataParallel(source).state_dict(), model)
        self.assert_equal_values(source, model)

    def test_old_batch_norm(self):
        source, model = self.fresh(), self.fresh()
        state = OrderedDict((name, value) for name, value in source.state_dict().items()
                            if not name.endswith("num_batches_tracked"))
        self.repaired(state, model)
        self.assertEqual(model.bn.num_batches_tracked.item(), 0)
        source.bn.num_batches_tracked.zero_()
        self.assert_equal_values(source, model)

    def test_a_head_of_another_size_is_not_written(self):
        source, model = self.fresh(), self.fresh()
        source.fc = nn.Linear(4, 10)
        self.repaired(source.state_dict(), model, status=1)

    def test_weight_norm(self):
        if not hasattr(nn.utils.parametrizations, "weight_norm"):
            raise unittest.SkipTest("PyTorch 2.1 brought the parametrization")
        import warnings
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            source = nn.utils.weight_norm(nn.Linear(4, 3))
        model = nn.utils.parametrizations.weight_norm(nn.Linear(4, 3))
        self.repaired(OrderedDict((f"m.{name}", value) for name, value in source.state_dict().items()),
                      nn.Sequential(OrderedDict(m=model)))
        x = torch.randn(2, 4)
        self.assertTrue(torch.allclose(source(x), model(x), atol=1e-6))

    def test_random_wrappers(self):
        """Any wrapping of any layers: found throughout, and every value in its place."""
        for _ in range(6):
            source, model = self.fresh(), self.fresh()
            wrapped = {}
            def wrap(name, wrapped=wrapped):
                parts = name.split(".")
                out = []
                for depth, part in enumerate(parts):
                    out.append(part)
                    prefix = ".".join(parts[:depth + 1])
                    if depth + 1 < len(parts):
                        out += wrapped.setdefault(prefix, self.random.choice([[], [], ["module"], ["_orig_mod", "module"]]))
                return ".".join(out)
            prefix = self.random.choice(["", "module.", "model.", "net.backbone."])
            self.repaired(OrderedDict((prefix + wrap(name), value) for name, value in source.state_dict().items()), model)
            self.assert_equal_values(source, model)


class AverageTest(Case):
    def models(self, count):
        out = []
        for _ in range(count):
            model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(64, 5))
            with torch.no_grad():
                for value in model.state_dict().values():
                    value.copy_(torch.randn(value.shape) if value.is_floating_point()
                                else torch.randint(0, 100, value.shape))
            out.append(model)
        return out

    def average(self, states, *options):
        paths = [self.save(f"{i}.pt", state) for i, state in enumerate(states)]
        out = self.folder / "out.pt"
        run_sconce("average", *paths, out, "--force", *options)
        return load(out)

    def test_uniform_to_the_last_bit(self):
        for dtype in FLOATS:
            states = [OrderedDict(w=torch.randn(50, 7).to(dtype)) for _ in range(3)]
            wide = sum(state["w"].double() for state in states) / 3
            result = self.average(states)["w"]
            self.assertEqual(result.dtype, dtype)
            if dtype in (torch.float32, torch.float64):
                self.assertTrue(torch.equal(result, wide.to(dtype)), dtype)
            else:  # PyTorch rounds to float32 first: nothing may be nearer than ours
                error = (result.double() - wide).abs()
                bits = result.view(torch.int16)
                for step in (-1, 1):
                    other = (bits + step).view(dtype).double()
                    self.assertTrue(bool(((other - wide).abs() >= error)[torch.isfinite(other)].all()), dtype)

    def test_averaged_model(self):
        models = self.models(4)
        swa = torch.optim.swa_utils.AveragedModel(models[0], use_buffers=True)
        for model in models:
            swa.update_parameters(model)
        result = self.average([model.state_dict() for model in models])
        models[0].load_state_dict(result, strict=True)
        for name, expected in swa.module.state_dict().items():
            if expected.is_floating_point():
                self.assert_close(expected, result[name], 1e-6, name)
        counter = "1.num_batches_tracked"
        self.assertEqual(result[counter], models[-1].state_dict()[counter])

    def test_exponential(self):
        models = self.models(4)
        decay = 0.9
        ema = torch.optim.swa_utils.AveragedModel(
            models[0], avg_fn=lambda average, new, count: decay * average + (1 - decay) * new)
        for model in models:
            ema.update_parameters(model)
        result = self.average([model.state_dict() for model in models], "--ema", str(decay))
        for name, expected in ema.module.named_parameters():
            self.assert_close(expected, result[name], 1e-6, name)

    def test_weighted_and_complex(self):
        for dtype in (torch.float32, torch.complex64):
            states = [OrderedDict(w=torch.randn(9, dtype=dtype)) for _ in range(3)]
            wide = torch.complex128 if dtype.is_complex else torch.float64
            expected = sum(w * state["w"].to(wide) for w, state in zip((0.5, 0.3, 0.2), states))
            result = self.average(states, "--weights", "0.5,0.3,0.2")["w"]
            self.assertLessEqual((result.to(wide) - expected).abs().max().item(), 1e-6)

    def test_training_checkpoints(self):
        models = self.models(2)
        states = [{"model": model.state_dict(), "optimizer": torch.optim.Adam(model.parameters()).state_dict(), "epoch": i}
                  for i, model in enumerate(models)]
        result = self.average(states)
        models[0].load_state_dict(result, strict=True)
        self.assertEqual(result._metadata, states[0]["model"]._metadata)
        for tensor in result.values():
            self.assertFalse(tensor.requires_grad)


if TORCH_VERSION < (1, 13):
    raise unittest.SkipTest("PyTorch is too old")
