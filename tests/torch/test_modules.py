"""Whole pickled modules and TorchScript archives: what sconce makes of them is what PyTorch's state_dict() is."""

import hashlib
import json
import unittest
import warnings
from collections import OrderedDict

import torch
import torch.nn.intrinsic.qat as nniqat
from torch import nn

from sconce_torch import TORCH_VERSION, TestCase, digest, load, needs_torch, run_probe, run_sconce


class Inner(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_parameter("absent", None)
        self.register_buffer("nothing", None)
        self.register_buffer("scratch", torch.randn(2), persistent=False)
        self.register_buffer("kept", torch.randn(3))
        self.weight = nn.Parameter(torch.randn(2, 3))
        self.plain = torch.randn(4)  # an attribute only
        self.hidden = [nn.Linear(2, 2)]  # a module that is not registered


class MyNorm(nn.BatchNorm2d):
    """A class of the user's own, with PyTorch's version of its base."""


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.bn = nn.BatchNorm2d(4)
        self.emb = nn.Embedding(5, 3)
        self.emb2 = nn.Linear(3, 5, bias=False)
        self.emb2.weight = self.emb.weight
        self.inner = Inner()
        self.again = self.inner
        self.gone = None
        self.add_module("none", None)
        self.lstm = nn.LSTM(3, 4, num_layers=2, bidirectional=True)
        self.attention = nn.MultiheadAttention(4, 2)
        self.encoder = nn.TransformerEncoderLayer(4, 2, 8)
        self.spectral = nn.utils.spectral_norm(nn.Linear(3, 4))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # deprecated, and in many files
            self.weighted = nn.utils.weight_norm(nn.Linear(3, 4))
        self.parameters_list = nn.ParameterList([nn.Parameter(torch.randn(2)) for _ in range(3)])
        self.parameters_dict = nn.ParameterDict({"b": nn.Parameter(torch.randn(1)), "a": nn.Parameter(torch.randn(2))})
        self.modules_dict = nn.ModuleDict({"x": nn.GRUCell(2, 2), "y": nn.PReLU()})
        self.seq = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.InstanceNorm1d(2, affine=True, track_running_stats=True),
                                 nn.BatchNorm1d(2, track_running_stats=False), nn.GroupNorm(1, 2), nn.SyncBatchNorm(2))
        self.mine = MyNorm(2)
        self.half = nn.Linear(2, 2).to(torch.bfloat16)
        self.frozen = nn.Linear(2, 2).requires_grad_(False)
        self.tag = nn.Parameter(torch.randn(2))
        self.tag.note = "an attribute of a parameter"


class Case(TestCase):
    def setUp(self):
        super().setUp()
        warnings.filterwarnings("ignore", "Lazy modules are a new feature")

    def recovered(self, path, *options):
        """What PyTorch loads of the file with state_dicts in the place of modules, and the notes."""
        out = self.folder / "recovered.pt"
        notes = run_probe("resave", path, out, "recover", *options).stdout
        again = self.folder / "again" / out.name
        again.parent.mkdir(exist_ok=True)
        run_probe("resave", out, again)
        self.assertEqual(hashlib.sha256(out.read_bytes()).digest(), hashlib.sha256(again.read_bytes()).digest())
        return load(out), notes

    def saved(self, value, **options):
        path = self.folder / "value.pt"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # old containers; sources that cannot be found
            torch.save(value, path, **options)
        return path

    def listed(self, path):
        """name -> digest, in order, as `sconce inspect` tells them."""
        report = json.loads(run_sconce("inspect", "--json", "--digest", path).stdout)
        return OrderedDict((tensor["name"], tensor["sha256"]) for tensor in report["tensors"])

    def check(self, value, expected):
        """In both containers: state_dicts in the place of modules, and nothing to note."""
        legacy = self.saved(value, _use_new_zipfile_serialization=False)
        actual, notes = self.recovered(legacy)
        self.assert_same(expected, actual)
        self.assertEqual("", notes)
        path = self.saved(value)
        actual, notes = self.recovered(path)
        self.assert_same(expected, actual)
        self.assertEqual("", notes)
        self.assert_same(expected, self.recovered(path, "map")[0])
        return path

    def check_listing(self, path, expected):
        self.assertEqual([(name, digest(tensor)) for name, tensor in expected.items()], list(self.listed(path).items()))


class Modules(Case):
    def test_bare(self):
        net = Net()
        path = self.check(net, net.state_dict())
        self.check_listing(path, net.state_dict())

    def test_listing_of_a_legacy_stream(self):
        net = Net()
        self.check_listing(self.saved(net, _use_new_zipfile_serialization=False), net.state_dict())

    def test_data_parallel(self):
        net = nn.DataParallel(Net())
        path = self.check(net, net.state_dict())
        self.check_listing(path, net.state_dict())

    def test_every_module_of_torch_nn_has_its_version(self):
        made = {
            "linear": nn.Linear(2, 2), "bilinear": nn.Bilinear(2, 2, 2), "conv": nn.ConvTranspose2d(1, 1, 2),
            "bn1": nn.BatchNorm1d(2), "bn3": nn.BatchNorm3d(2), "in2": nn.InstanceNorm2d(2), "sync": nn.SyncBatchNorm(2),
            "layer": nn.LayerNorm(2), "local": nn.LocalResponseNorm(2), "rnn": nn.RNN(2, 2), "gru": nn.GRU(2, 2),
            "cell": nn.LSTMCell(2, 2), "drop": nn.Dropout(), "loss": nn.CrossEntropyLoss(torch.randn(3)),
            "bag": nn.EmbeddingBag(3, 2), "transformer": nn.Transformer(4, 2, 1, 1, 8, batch_first=True), "up": nn.Upsample(scale_factor=2),
            "fold": nn.Fold((2, 2), (1, 1)), "adaptive": nn.AdaptiveLogSoftmaxWithLoss(4, 6, [2]),
            "conv_bn": nniqat.ConvBn2d(1, 1, 1, qconfig=torch.ao.quantization.get_default_qat_qconfig("fbgemm")),
        }
        self.check(made, {name: module.state_dict() for name, module in made.items()})

    def test_at_any_depth(self):
        net, other = Net(), nn.Linear(2, 2)
        shared = {"lr": 0.1}
        value = {"net": net, "epoch": 3, "list": [other, (other, 5)], "ordered": OrderedDict(a=other), "shared": [shared, shared],
                 "deep": {"er": {0: other}}, "state_dict": other.state_dict()}
        linear = other.state_dict()
        path = self.saved(value)
        actual, notes = self.recovered(path)
        self.assertEqual("", notes)
        expected = {"net": net.state_dict(), "epoch": 3, "list": [linear, (linear, 5)], "ordered": OrderedDict(a=linear),
                    "shared": [shared, shared], "deep": {"er": {0: linear}}, "state_dict": other.state_dict()}
        self.assert_same(expected, actual)
        self.assertIs(actual["shared"][0], actual["shared"][1])
        self.assertIs(actual["list"][0], actual["deep"]["er"][0])
        names = list(self.listed(path))
        self.assertIn("net.inner.kept", names)
        self.assertIn("list.1.0.weight", names)
        self.assertIn("deep.er.0.bias", names)
        self.assertNotIn("net.inner.scratch", names)

    def test_lightning_like(self):
        net = nn.Linear(2, 2)
        value = {"epoch": 1, "global_step": 7, "pytorch-lightning_version": "2.0", "state_dict": net.state_dict(),
                 "callbacks": {}, "hyper_parameters": {"model": net, "lr": 0.1}}
        expected = dict(value, hyper_parameters={"model": net.state_dict(), "lr": 0.1})
        self.check(value, expected)

    def test_lazy_modules(self):
        lazy = nn.Sequential(nn.LazyLinear(3), nn.Linear(2, 2), nn.LazyBatchNorm1d())
        path = self.saved(lazy)
        actual, notes = self.recovered(path)
        self.assertEqual(["1.weight", "1.bias", "2.num_batches_tracked"], list(actual))
        self.assertEqual(notes.count("\n"), 1)
        self.assertIn("0.weight", notes)
        ran = nn.Sequential(nn.LazyLinear(2), nn.LazyBatchNorm1d())
        ran(torch.randn(4, 3))
        self.check(ran, ran.state_dict())

    def test_on_meta(self):
        net = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3)).to("meta")
        actual, notes = self.recovered(self.saved(net))
        self.assertEqual("", notes)
        expected = net.state_dict()
        self.assertEqual(list(expected), list(actual))
        for name, tensor in expected.items():
            self.assertEqual(("meta", tensor.dtype, tensor.shape, tensor.stride(), False),
                             (actual[name].device.type, actual[name].dtype, actual[name].shape, actual[name].stride(),
                              actual[name].requires_grad), name)
            self.assertIs(type(actual[name]), torch.Tensor)

    @needs_torch(2, 5)
    def test_buffers_of_their_own_class(self):
        class WithBuffer(nn.Module):
            def __init__(self):
                super().__init__()
                self.kept = nn.Buffer(torch.randn(2))
                self.scratch = nn.Buffer(torch.randn(2), persistent=False)

        globals()["WithBuffer"] = WithBuffer
        WithBuffer.__qualname__ = "WithBuffer"
        net = WithBuffer()
        self.assertEqual(["kept"], list(net.state_dict()))
        self.check(net, net.state_dict())

    def test_what_cannot_be_found_is_said(self):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            net = torch.ao.quantization.quantize_dynamic(nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 2)),
                                                         {nn.Linear})
        path = self.saved(net)
        _, notes = self.recovered(path)
        self.assertIn("LinearPackedParams", notes)
        self.assertEqual(notes.count("\n"), 1)  # once for a class
        listed = json.loads(run_sconce("inspect", "--json", path).stdout)
        self.assertTrue(any("LinearPackedParams" in note for note in listed["notes"]))

    def test_inspect_names_each_class_once(self):
        result = run_sconce("inspect", self.saved(nn.Sequential(*[nn.Linear(2, 2) for _ in range(50)])))
        self.assertEqual(result.stderr.count("\n"), 2)
        self.assertEqual(result.stderr.count("torch.nn.modules.linear.Linear"), 1)
        self.assertIn("49.weight", result.stdout)

    def test_modules_of_torch_nn_are_kept_when_asked(self):
        net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.Sequential(nn.LSTM(2, 2), nn.Dropout(0.3)),
                            nn.InstanceNorm2d(2, affine=True))
        path = self.saved({"net": net, "one": 1})
        out = self.folder / "kept.pt"
        self.assertIn("left out torch.nn.modules.container.Sequential at net", run_probe("resave", path, out).stdout)
        self.assertEqual({"one": 1}, load(out))
        self.assertEqual("", run_probe("resave", path, out, "keep-objects").stdout)
        actual = torch.load(out, weights_only=False)["net"] if TORCH_VERSION >= (2, 0) else load(out)["net"]
        self.assertEqual(repr(net), repr(actual))
        self.assert_same(net.state_dict(), actual.state_dict())
        self.assertEqual([name for name, _ in net.named_parameters()], [name for name, _ in actual.named_parameters()])

    def test_dead_tensors_are_not_written(self):
        net = Inner()
        net.plain = torch.zeros(100_000)
        out = self.folder / "small.pt"
        run_probe("resave", self.saved(net), out, "recover")
        self.assertLess(out.stat().st_size, 10_000)


class Scripted(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(3, 4)
        self.tied = nn.Linear(3, 4)
        self.tied.weight = self.first.weight
        self.bn = nn.BatchNorm1d(4)
        self.blocks = nn.ModuleList([nn.Linear(4, 4), nn.Sequential(nn.Linear(4, 4), nn.ReLU())])
        self.register_buffer("kept", torch.randn(4))
        self.register_buffer("scratch", torch.randn(4), persistent=False)
        self.register_parameter("absent", None)
        self.scale = nn.Parameter(torch.randn(4), requires_grad=False)
        self.plain = torch.randn(4)
        self.listed = [torch.randn(2), torch.randn(2)]
        self.number, self.text = 3, "a"

    def forward(self, x):
        x = self.bn(self.first(x) + self.tied(x)) * self.scale + self.kept + self.scratch + self.plain
        for block in self.blocks:
            x = block(x)
        return x + self.number + self.listed[0].sum()


class WithState(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(2, 2)
        self.weight = nn.Parameter(torch.randn(2))

    def forward(self, x):
        return self.inner(x) + self.weight


class TorchScript(Case):
    def archive(self, module, name="module.pt", **options):
        path = self.folder / name
        torch.jit.save(module, str(path), **options)
        return path

    def check_script(self, module, constants=0, **options):
        path = self.archive(module, **options)
        expected = torch.jit.load(str(path)).state_dict()
        self.assertTrue(expected)
        actual, notes = self.recovered(path)
        self.assertEqual("", notes)
        self.assert_same(expected, actual)
        self.assert_same(expected, self.recovered(path, "map")[0])
        report = json.loads(run_sconce("inspect", "--json", "--digest", path).stdout)
        self.assertEqual(("torchscript", "checked"), (report["format"], report["crc"]))
        self.assertEqual(1 if constants else 0, len(report["notes"]))
        listed = [(tensor["name"], tensor["sha256"]) for tensor in report["tensors"]]
        self.assertEqual([(name, digest(tensor)) for name, tensor in expected.items()], listed[:len(expected)])
        self.assertEqual([f"constants.{i}" for i in range(constants)], [name for name, _ in listed[len(expected):]])

    def setUp(self):
        super().setUp()
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        warnings.filterwarnings("ignore", category=torch.jit.TracerWarning)

    def test_scripted(self):
        self.check_script(torch.jit.script(Scripted()), _extra_files={"note.txt": "hello"})
        self.check_script(torch.jit.script(WithState()))

    def test_traced(self):
        net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.Flatten(), nn.Linear(8, 2))
        self.check_script(torch.jit.trace(net.eval(), torch.randn(1, 1, 4, 4)))
        self.check_script(torch.jit.trace(Scripted().eval(), torch.randn(2, 3)), constants=3)  # its plain tensors

    def test_recurrent_and_attention(self):
        self.check_script(torch.jit.script(nn.LSTM(2, 3, num_layers=2)))
        self.check_script(torch.jit.script(nn.MultiheadAttention(4, 2)))

    def test_frozen(self):
        net = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2)).eval()
        path = self.archive(torch.jit.freeze(torch.jit.script(net)))
        self.assertEqual([], list(torch.jit.load(str(path)).state_dict()))
        actual, _ = self.recovered(path)
        self.assertEqual([], list(actual))
        report = json.loads(run_sconce("inspect", "--json", "--digest", path).stdout)
        self.assertEqual(["constants.0", "constants.1", "constants.2", "constants.3"],
                         [tensor["name"] for tensor in report["tensors"]])
        self.assertEqual((1, "checked"), (len(report["notes"]), report["crc"]))
        held = {tensor["sha256"] for tensor in report["tensors"]}
        self.assertEqual({digest(tensor) for tensor in net.state_dict().values()}, held)
        self.assertEqual(held, {digest(tensor) for tensor in actual.constants})

    def test_saved_as_a_checkpoint(self):
        net = torch.jit.script(Scripted())
        out = self.folder / "weights.pt"
        run_probe("resave", self.archive(net), out)
        fresh = Scripted()
        # TorchScript forgets that a buffer is not to be saved.
        fresh.load_state_dict(load(out), strict=False)
        for name, value in fresh.state_dict().items():
            self.assertTrue(torch.equal(value, net.state_dict()[name]), name)


if __name__ == "__main__":
    unittest.main()
