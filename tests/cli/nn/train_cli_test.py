#!/usr/bin/env python3
"""Drives `sconce train`, `eval` and `models` as a user does. SCONCE_BIN names the folder of the programs."""

import json
import os
import pty
import random
import re
import resource
import shutil
import signal
import stat
import struct
import subprocess
import tempfile
import unittest
import zipfile
from pathlib import Path
from xml.etree import ElementTree

SOURCE_DIR = Path(__file__).resolve().parents[3]
BIN_DIR = Path(os.environ.get("SCONCE_BIN", SOURCE_DIR / "build" / "release" / "bin"))
NOBODY = 65534
# Threads that wait by spinning take the processor from the tests beside this one.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
STEPS_IN_EPOCH = 50  # 200 pictures in batches of 4


def write_cifar(folder, train=40, test=40, seed=1):
    """A folder in CIFAR-10's binary layout with random pictures, `train` in each of its five batches."""
    source = random.Random(seed)
    folder.mkdir()
    for name in [f"data_batch_{i}.bin" for i in range(1, 6)] + ["test_batch.bin"]:
        count = test if name.startswith("test") else train
        records = (bytes([source.randrange(10)]) + source.randbytes(3072) for _ in range(count))
        (folder / name).write_bytes(b"".join(records))
    return folder


def write_safetensors(path, shapes):
    """Zeros of the given shapes."""
    header, offset = {}, 0
    for name, shape in shapes.items():
        size = 4
        for length in shape:
            size *= length
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + bytes(offset))


LENET = {
    "conv1.weight": [6, 3, 5, 5],
    "conv1.bias": [6],
    "conv2.weight": [16, 6, 5, 5],
    "conv2.bias": [16],
    "fc1.weight": [120, 400],
    "fc1.bias": [120],
    "fc2.weight": [84, 120],
    "fc2.bias": [84],
    "fc3.weight": [10, 84],
    "fc3.bias": [10],
}


class Case(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.shared = Path(tempfile.mkdtemp(prefix="sconce-cli-"))
        cls.cifar = write_cifar(cls.shared / "cifar")

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.shared)

    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="sconce-cli-"))

    def tearDown(self):
        for path in [self.folder, *self.folder.rglob("*")]:
            if path.is_dir():
                path.chmod(0o700)
        shutil.rmtree(self.folder)

    @staticmethod
    def command(*arguments):
        return [str(BIN_DIR / "sconce"), *map(str, arguments)]

    def run_sconce(self, *arguments, status=0, **options):
        result = subprocess.run(self.command(*arguments), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True, timeout=240, **options)
        self.assertEqual(result.returncode, status, f"{arguments}\n{result.stdout}{result.stderr}")
        return result

    def train(self, *arguments, **options):
        return self.run_sconce("train", "--data", self.cifar, *arguments, **options)

    def assert_refused(self, word, *arguments, **options):
        """Status 2, nothing on stdout, and one line on stderr that says why."""
        result = self.run_sconce(*arguments, status=2, **options)
        self.assertEqual(result.stdout, "")
        self.assertRegex(result.stderr, r"\Asconce: [^\n]+\n\Z")
        self.assertIn(word, result.stderr)

    def lines(self, path):
        return [json.loads(line) for line in path.read_text().splitlines()]

    def assert_whole(self, checkpoint):
        with zipfile.ZipFile(checkpoint) as archive:
            self.assertIsNone(archive.testzip())


class Usage(Case):
    def test_help_shows_every_option_and_an_example(self):
        text = self.run_sconce("train", "--help").stdout
        for word in ["--arch", "--data", "--epochs", "--batch-size", "--lr", "--momentum", "--weight-decay",
                     "--nesterov", "--dampening", "--optimizer", "--scheduler", "--step-size", "--gamma", "--seed",
                     "--threads", "--save", "--resume", "--init", "--steps", "--log-every", "--augment", "--mean",
                     "--std", "--json", "--force", "Example"]:
            self.assertIn(word, text)
        self.assertIn("Example", self.run_sconce("eval", "--help").stdout)
        self.assertIn("Example", self.run_sconce("models", "--help").stdout)

    def test_wrong_options(self):
        self.assert_refused("--help", "train", "--no-such-option")
        self.assert_refused("--epochs", "train", "--epochs", "many")
        self.assert_refused("--epochs", "train", "--epochs", "-1")
        self.assert_refused("--batch-size", "train", "--batch-size", "0")
        self.assert_refused("--optimizer", "train", "--optimizer", "magic")
        self.assert_refused("--scheduler", "train", "--scheduler", "magic")
        self.assert_refused("--init", "train", "--init", "x", "--resume", "y")
        self.assert_refused("--save", "train", "--resume")
        self.assert_refused("--weights", "eval", "--arch", "lenet")
        self.assert_refused("learning rate", "train", "--data", self.cifar, "--lr", "-1")
        self.assert_refused("--mean", "train", "--data", self.cifar, "--mean", "0.5,0.5")

    def test_empty_values(self):
        for option in ("--lr", "--momentum", "--mean", "--seed", "--gamma", "--save", "--init", "--epochs", "--data"):
            self.assert_refused(option, "train", "--data", self.cifar, "--steps", "1", option, "")

    def test_numbers_out_of_range(self):
        for seed in ("18446744073709551616", "-9223372036854775809", "1.5", "0x", "99999999999999999999"):
            self.assert_refused("--seed", "train", "--data", self.cifar, "--seed", seed)
        self.assert_refused("--steps", "train", "--data", self.cifar, "--steps", "99999999999999999999")

    def test_a_seed_and_its_negative_are_one(self):
        outputs = [self.run_sconce("train", "--data", self.cifar, "--steps", "2", "--log-every", "1", "--seed", seed).stdout
                   for seed in ("18446744073709551614", "-2")]
        self.assertIn("loss", outputs[0])
        losses = [re.findall(r"loss:? *([\d.]+)", output) for output in outputs]
        self.assertTrue(losses[0])
        self.assertEqual(*losses)

    def test_wrong_arch_names_the_zoo(self):
        self.assert_refused("lenet", "train", "--arch", "lenett", "--data", self.cifar)

    def test_models(self):
        self.assertIn("62,006", self.run_sconce("models").stdout)
        models = json.loads(self.run_sconce("models", "--json").stdout)["models"]
        lenet = next(model for model in models if model["name"] == "lenet")
        self.assertEqual(lenet["parameters"], 62006)
        self.assertEqual(lenet["input"], [3, 32, 32])
        self.assertEqual(lenet["classes"], 10)
        self.assertEqual((lenet["mean"], lenet["std"]), ([0.5], [0.5]))
        names = [model["name"] for model in models]
        self.assertEqual(names, sorted(names))
        self.assertIn("resnet20", names)


class Data(Case):
    def refuse(self, word, path):
        self.assert_refused(word, "train", "--data", path, "--steps", "1")

    def test_missing_folder(self):
        self.refuse("no such folder", self.folder / "nowhere")

    def test_empty_folder(self):
        self.refuse("no data set", self.folder)

    def test_a_file(self):
        (self.folder / "file").write_text("x")
        self.refuse("found a file", self.folder / "file")

    def test_damaged_batches(self):
        cifar = write_cifar(self.folder / "cifar", train=3, test=3)
        batch = cifar / "data_batch_3.bin"
        content = batch.read_bytes()
        batch.write_bytes(content[:-1])
        self.refuse("data_batch_3.bin", cifar)
        batch.write_bytes(b"\x0a" + content[1:])
        self.refuse("data_batch_3.bin", cifar)
        batch.unlink()
        self.refuse("data_batch_3.bin", cifar)

    def test_folder_within(self):
        write_cifar(self.folder / "cifar-10-batches-bin", train=2, test=2)
        self.run_sconce("train", "--data", self.folder, "--steps", "1")

    def test_without_test_pictures(self):
        cifar = write_cifar(self.folder / "cifar", train=2, test=2)
        (cifar / "test_batch.bin").unlink()
        result = self.run_sconce("train", "--data", cifar, "--epochs", "1", "--save", self.folder / "run")
        self.assertIn("warning", result.stderr)
        self.assert_whole(self.folder / "run" / "last.pt")

    def test_built_in_pictures(self):
        lines = self.run_sconce("train", "--data", "synthetic", "--steps", "2", "--json").stdout.splitlines()
        self.assertAlmostEqual(json.loads(lines[0])["loss"], 2.3, delta=0.1)


class Metrics(Case):
    def test_lines_are_as_the_contract_shows(self):
        run = self.folder / "run"
        result = self.train("--epochs", "1", "--steps", "60", "--log-every", "1", "--save", run, "--json")
        self.assertEqual(result.stderr, "")
        self.assertEqual((run / "metrics.jsonl").read_text(), result.stdout)
        self.assertRegex(result.stdout.splitlines()[0], r'\A\{"step": 1, "epoch": 0, "loss": 2\.\d{1,8}\}\Z')
        records = self.lines(run / "metrics.jsonl")
        self.assertEqual([record.get("step") for record in records], [*range(1, STEPS_IN_EPOCH + 1), None])
        self.assertEqual(list(records[-1]), ["epoch", "val_loss", "val_accuracy"])
        self.assertEqual(records[-1]["epoch"], 0)
        self.assertTrue(0 <= records[-1]["val_accuracy"] <= 1)
        self.assertEqual(ElementTree.parse(run / "curves.svg").getroot().tag, "{http://www.w3.org/2000/svg}svg")

    def test_every_nth_step(self):
        result = self.train("--steps", "35", "--log-every", "10", "--json")
        steps = [json.loads(line)["step"] for line in result.stdout.splitlines()]
        self.assertEqual(steps, [1, 10, 20, 30])

    def test_text_for_people_through_a_pipe_is_plain(self):
        result = self.train("--epochs", "1", "--log-every", "20")
        self.assertIn("step 20", result.stdout)
        self.assertIn("test accuracy", result.stdout)
        self.assertNotIn("\033", result.stdout + result.stderr)
        self.assertNotIn("\r", result.stdout + result.stderr)

    def test_progress_bar_on_a_terminal(self):
        controller, terminal = pty.openpty()
        with subprocess.Popen(self.command("train", "--data", self.cifar, "--epochs", "2"), stderr=terminal,
                              stdout=subprocess.DEVNULL, env={**os.environ, "TERM": "xterm"}) as process:
            os.close(terminal)
            shown = b""
            while True:
                try:
                    piece = os.read(controller, 4096)
                except OSError:  # the other side is closed
                    break
                if not piece:
                    break
                shown += piece
        os.close(controller)
        self.assertEqual(process.returncode, 0)
        for word in [b"\r", b"epoch 2/2", b"100%", b"loss", b"accuracy", b"img/s", b"left"]:
            self.assertIn(word, shown)

    def test_a_diverging_run_warns_and_stays_json(self):
        result = self.train("--steps", "30", "--lr", "1e30", "--log-every", "1", "--json")
        self.assertIn("--lr", result.stderr)
        self.assertIsNone(json.loads(result.stdout.splitlines()[-1])["loss"])


class Resume(Case):
    def whole_run(self, *options):
        self.train(*options, "--save", self.folder / "whole")
        return self.folder / "whole"

    def assert_same_run(self, expected, actual, names=("last.pt", "best.pt", "metrics.jsonl")):
        for name in names:
            self.assertEqual((expected / name).read_bytes(), (actual / name).read_bytes(), name)

    def test_steps_in_pieces(self):
        options = ["--epochs", "3", "--augment", "--scheduler", "step", "--step-size", "1", "--gamma", "0.5",
                   "--log-every", "1"]
        whole = self.whole_run(*options, "--steps", "130")
        run = self.folder / "run"
        self.train(*options, "--steps", "20", "--save", run)
        for steps in (50, 51, 99, 130):
            self.run_sconce("train", "--resume", "--save", run, "--steps", steps)
        self.assert_same_run(whole, run, ["last.pt", "metrics.jsonl"])  # best.pt notes how long its piece was

    def test_a_folder_is_saved_to_as_well(self):
        whole = self.whole_run("--steps", "30")
        run = self.folder / "run"
        self.train("--steps", "20", "--save", run)
        self.run_sconce("train", "--resume", run, "--steps", "30")
        self.assert_same_run(whole, run, ["last.pt", "metrics.jsonl"])

    def test_another_folder_gets_a_best_of_its_own(self):
        first, second = self.folder / "first", self.folder / "second"
        # Without learning no epoch is better than the one before.
        self.train("--epochs", "1", "--lr", "0", "--save", first)
        self.run_sconce("train", "--resume", first, "--epochs", "2", "--save", second)
        self.assert_whole(second / "best.pt")
        self.run_sconce("train", "--resume", first, "--epochs", "2")
        self.assert_same_run(first, second, ["last.pt"])

    def interrupted(self, signal_number, status):
        options = ["--epochs", "20", "--log-every", "1"]
        whole = self.whole_run(*options)
        run = self.folder / "run"
        with subprocess.Popen(self.command("train", "--data", self.cifar, *options, "--save", run),
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            while "step 70" not in process.stdout.readline():
                pass
            process.send_signal(signal_number)
            process.communicate(timeout=60)
        self.assertEqual(process.returncode, status)
        self.assert_whole(run / "last.pt")
        done = [record for record in self.lines(run / "metrics.jsonl") if "step" in record][-1]["step"]
        self.assertTrue(70 <= done < 20 * STEPS_IN_EPOCH, done)
        self.assertEqual(sorted(path.name for path in run.iterdir()), ["best.pt", "curves.svg", "last.pt", "metrics.jsonl"])
        self.run_sconce("train", "--resume", "--save", run)
        self.assert_same_run(whole, run)

    def test_after_control_c(self):
        self.interrupted(signal.SIGINT, 130)

    def test_after_termination(self):
        self.interrupted(signal.SIGTERM, 143)

    def test_after_a_kill_the_last_epoch_stands(self):
        options = ["--epochs", "20", "--log-every", "1"]
        whole = self.whole_run(*options)
        run = self.folder / "run"
        with subprocess.Popen(self.command("train", "--data", self.cifar, *options, "--save", run),
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
            while "step 120" not in process.stdout.readline():
                pass
            process.kill()
        self.run_sconce("train", "--resume", "--save", run)
        self.assert_same_run(whole, run)

    def test_closed_pipe_ends_quietly_and_saves(self):
        run = self.folder / "run"
        with subprocess.Popen(self.command("train", "--data", self.cifar, "--epochs", "50", "--log-every", "1",
                                           "--json", "--save", run),
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            process.stdout.readline()
            process.stdout.close()
            self.assertEqual(process.stderr.read(), "")
            self.assertEqual(process.wait(timeout=60), 0)
        self.assert_whole(run / "last.pt")

    def test_a_finished_run_can_be_prolonged(self):
        whole = self.whole_run("--epochs", "3")
        run = self.folder / "run"
        self.train("--epochs", "1", "--save", run)
        before = (run / "last.pt").read_bytes()
        self.assertIn("nothing left", self.run_sconce("train", "--resume", "--save", run).stdout)
        self.assertEqual((run / "last.pt").read_bytes(), before)
        self.run_sconce("train", "--resume", "--save", run, "--epochs", "3")
        self.assert_same_run(whole, run, ["last.pt", "metrics.jsonl"])

    def test_from_another_place(self):
        run, other = self.folder / "run", self.folder / "other"
        self.train("--steps", "10", "--save", run)
        before = (run / "last.pt").read_bytes()
        for path in (run, run / "last.pt"):
            self.run_sconce("train", "--resume", path, "--save", other, "--steps", "12", "--force")
            self.assert_whole(other / "last.pt")
        self.assertEqual((run / "last.pt").read_bytes(), before)
        result = self.run_sconce("train", "--resume", run / "last.pt", "--steps", "12")
        self.assertRegex(result.stderr, r"\Asconce: warning: [^\n]+last.pt without --save[^\n]+\n\Z")

    def test_what_contradicts_is_refused(self):
        run = self.folder / "run"
        self.train("--steps", "3", "--save", run)
        for option, value in [("--batch-size", "8"), ("--seed", "1"), ("--lr", "0.1"), ("--momentum", "0"),
                              ("--scheduler", "step"), ("--mean", "0.4")]:
            self.assert_refused(option, "train", "--resume", "--save", run, option, value)
        self.assert_refused("--augment", "train", "--resume", "--save", run, "--augment")
        self.run_sconce("train", "--resume", "--save", run, "--batch-size", "4", "--mean", "0.5,0.5,0.5", "--steps",
                        "4")

    def test_other_data_is_refused(self):
        run = self.folder / "run"
        self.train("--steps", "3", "--save", run)
        other = write_cifar(self.folder / "other", train=30)
        self.assert_refused("batches", "train", "--resume", "--save", run, "--data", other)

    def test_what_is_no_run_is_refused(self):
        self.assert_refused("last.pt", "train", "--resume", "--save", self.folder / "new")
        write_safetensors(self.folder / "net.safetensors", LENET)
        self.assert_refused("--init", "train", "--resume", self.folder / "net.safetensors")
        (self.folder / "text.pt").write_text("hello")
        self.assert_refused("text.pt", "train", "--resume", self.folder / "text.pt")


class Save(Case):
    def test_a_run_is_not_overwritten_silently(self):
        run = self.folder / "run"
        self.train("--steps", "3", "--save", run)
        before = (run / "last.pt").read_bytes()
        self.assert_refused("--force", "train", "--data", self.cifar, "--steps", "5", "--save", run)
        self.assertEqual((run / "last.pt").read_bytes(), before)
        self.train("--steps", "5", "--save", run, "--force")
        self.assertNotEqual((run / "last.pt").read_bytes(), before)

    def test_the_same_run_gives_the_same_bytes(self):
        for name in ("a", "b"):
            self.train("--epochs", "1", "--save", self.folder / name)
        for name in ("last.pt", "best.pt", "metrics.jsonl"):
            self.assertEqual((self.folder / "a" / name).read_bytes(), (self.folder / "b" / name).read_bytes())

    def test_read_only_folder(self):
        options = {}
        if os.geteuid() == 0:  # whom no permission stops
            options = {"user": NOBODY}
            self.folder.chmod(0o755)
            try:
                subprocess.run(self.command("--version"), stdout=subprocess.DEVNULL, check=True, **options)
            except (PermissionError, subprocess.CalledProcessError):
                self.skipTest("the program lies where only root may read")
        run = self.folder / "run"
        run.mkdir(mode=stat.S_IRUSR | stat.S_IXUSR | stat.S_IROTH | stat.S_IXOTH)
        data = self.folder / "cifar"
        shutil.copytree(self.cifar, data)
        for target in (run, run / "below"):
            self.assert_refused(str(run), "train", "--data", data, "--steps", "3", "--save", target, **options)
        self.assertEqual(list(run.iterdir()), [])

    def test_full_disk_leaves_the_checkpoint_before(self):
        run = self.folder / "run"
        self.train("--steps", "3", "--save", run)
        before = (run / "last.pt").read_bytes()
        limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))  # noqa: E731
        result = self.run_sconce("train", "--resume", "--save", run, "--steps", "6", status=2, preexec_fn=limit)
        self.assertRegex(result.stderr, r"\Asconce: [^\n]*last\.pt[^\n]*\n\Z")
        self.assertEqual((run / "last.pt").read_bytes(), before)
        self.run_sconce("train", "--resume", "--save", run, "--steps", "6")
        self.assertNotEqual((run / "last.pt").read_bytes(), before)


class HostileSettings(Case):
    """A checkpoint whose settings no option would have taken."""

    # By name: what stands in the pickle, and what is put there. Equal lengths keep the rest in its place.
    CHANGES = {
        "log_every": (b"Kd", b"K\0"),
        "batch_size": (b"K\x04", b"K\0"),
        "step_size": (b"K\x1e", b"K\0"),
        "optimizer": (b"X\3\0\0\0sgd", b"X\3\0\0\0mad"),
        "scheduler": (b"X\4\0\0\0none", b"X\4\0\0\0done"),
        "arch": (b"X\5\0\0\0lenet", b"X\5\0\0\0le\x1bet"),
        "gamma": (b"G" + struct.pack(">d", 0.1), b"X\4\0\0\0fast"),
    }

    def changed(self, source, name, old, new):
        target = self.folder / f"{name}.pt"
        with zipfile.ZipFile(source) as before, zipfile.ZipFile(target, "w") as after:
            for entry in before.infolist():
                data = before.read(entry)
                if entry.filename.endswith("data.pkl"):
                    if old.startswith(b"X"):
                        self.assertEqual(data.count(old), 1)
                        begin = data.index(old)
                    else:
                        key = b"X" + struct.pack("<I", len(name)) + name.encode()
                        begin = data.index(old, data.rindex(key) + len(key))
                        self.assertLess(begin - data.rindex(key) - len(key), 6)  # memoizing takes no more
                    data = data[:begin] + new + data[begin + len(old):]
                after.writestr(entry.filename, data)
        return target

    def test_each_is_refused_by_name(self):
        run = self.folder / "run"
        self.train("--epochs", "1", "--save", run)
        for name, (old, new) in self.CHANGES.items():
            with self.subTest(name=name):
                path = self.changed(run / "last.pt", name, old, new)
                result = self.run_sconce("train", "--resume", path, "--data", self.cifar, status=2)
                self.assertRegex(result.stderr, rf"\Asconce: [^\n]*{name}\.pt[^\n]*\n\Z")
                self.assertNotIn("\x1b", result.stderr)
                self.assertIn("--" + name.replace("_", "-"), result.stderr)
        # The change itself harms nothing.
        path = self.changed(run / "last.pt", "log_every", b"Kd", b"Kc")
        self.run_sconce("train", "--resume", path, "--data", self.cifar, "--steps", "60")


class Weights(Case):
    def test_init_from_another_format(self):
        path = self.folder / "net.safetensors"
        write_safetensors(path, LENET)
        line = json.loads(self.train("--init", path, "--steps", "1", "--json").stdout)
        self.assertAlmostEqual(line["loss"], 2.302585, places=5)

    def test_init_that_does_not_fit(self):
        path = self.folder / "net.safetensors"
        write_safetensors(path, {**LENET, "conv1.weight": [6, 3, 3, 3]})
        result = self.train("--init", path, status=2)
        self.assertIn("size mismatch for conv1.weight", result.stderr)
        write_safetensors(path, {name.replace("fc1", "fc"): shape for name, shape in LENET.items()})
        result = self.train("--init", path, status=2)
        self.assertIn("Missing key(s)", result.stderr)
        self.assertIn("hint", result.stderr)
        self.assertEqual(result.stderr.count("\n"), 1, result.stderr)
        self.assert_refused("nowhere", "train", "--data", self.cifar, "--init", self.folder / "nowhere.pt")
        # Names from the file stay on the line and do not drive the terminal; there may be many of them.
        odd = {"x\x1b[31mred": [1], "two\nlines": [1], **{f"layer{i}.weight": [1] for i in range(40)}}
        write_safetensors(path, {**LENET, **odd})
        result = self.train("--init", path, status=2)
        self.assertIn('Unexpected key(s) in state_dict: "x\\x1b[31mred", "two\\nlines", "layer0.weight"', result.stderr)
        self.assertIn("and 34 more", result.stderr)
        self.assertNotIn("\x1b", result.stderr)
        self.assertEqual(result.stderr.count("\n"), 1, result.stderr)

    def test_a_prefix_of_every_name_is_taken_off(self):
        path = self.folder / "net.safetensors"
        for prefix in ("module.", "_orig_mod.", "module.model."):
            write_safetensors(path, {prefix + name: shape for name, shape in LENET.items()})
            result = self.train("--init", path, "--steps", "1")
            self.assertIn(f"net.safetensors: prefix '{prefix}' taken off every name\n", result.stdout)
            found = json.loads(self.run_sconce("eval", "--arch", "lenet", "--weights", path, "--data", self.cifar,
                                               "--json").stdout)
            self.assertEqual((found["stripped_prefix"], found["weights_entry"]), (prefix, None))

    def test_a_prefix_of_some_names_is_not(self):
        path = self.folder / "net.safetensors"
        names = {(f"module.{name}" if "conv" in name else name): shape for name, shape in LENET.items()}
        write_safetensors(path, names)
        self.assertIn('Unexpected key(s) in state_dict: "module.conv1', self.train("--init", path, status=2).stderr)
        # What does not fit without the prefix is said of the names without it.
        write_safetensors(path, {f"module.{name}": shape for name, shape in LENET.items() if name != "fc3.bias"})
        errors = self.train("--init", path, status=2).stderr
        self.assertIn("'module.' taken off", errors)
        self.assertIn('Missing key(s) in state_dict: "fc3.bias"', errors)
        self.assertNotIn("Unexpected", errors)

    def test_limits(self):
        run = self.folder / "run"
        self.train("--steps", "1", "--save", run)
        path = run / "last.pt"
        for words in (("train", "--init", path, "--steps", "1"), ("train", "--resume", path), ("eval", "--weights", path)):
            result = self.run_sconce(*words, "--data", self.cifar, "--limit", "pickle=10", status=2)
            self.assertIn("; see --limit pickle\n", result.stderr)
            self.run_sconce(*words, "--data", self.cifar, "--limit", "pickle=1M")

    def test_init_from_a_run(self):
        run = self.folder / "run"
        self.train("--epochs", "1", "--save", run)
        first = json.loads(self.train("--init", run / "last.pt", "--steps", "1", "--json").stdout)
        self.assertNotAlmostEqual(first["loss"], 2.302585, places=4)

    def test_eval(self):
        run = self.folder / "run"
        self.train("--epochs", "1", "--save", run)
        recorded = self.lines(run / "metrics.jsonl")[-1]
        for arguments in (["--arch", "lenet", "--data", self.cifar], ["--batch-size", "7"]):
            found = json.loads(self.run_sconce("eval", "--weights", run / "last.pt", *arguments, "--json").stdout)
            self.assertAlmostEqual(found["loss"], recorded["val_loss"], places=5)
            self.assertAlmostEqual(found["accuracy"], recorded["val_accuracy"], places=9)
            self.assertEqual(found["total"], 40)
            self.assertAlmostEqual(found["correct"], 40 * recorded["val_accuracy"])
            self.assertTrue(found["accuracy"] <= found["top5"] <= 1)
            self.assertEqual(len(found["classes"]), 10)
            self.assertEqual(sum(entry["correct"] for entry in found["classes"]), found["correct"])
            self.assertEqual(sum(entry["total"] for entry in found["classes"]), 40)
            self.assertEqual([sum(row) for row in found["confusion"]], [entry["total"] for entry in found["classes"]])
            self.assertEqual([row[i] for i, row in enumerate(found["confusion"])],
                             [entry["correct"] for entry in found["classes"]])
        text = self.run_sconce("eval", "--weights", run / "best.pt").stdout
        self.assertIn("best.pt: state_dict taken from 'model'\n", text)
        self.assertIn("airplane", text)
        self.assertIn("top-5", text)

    def test_code_in_weights_is_warned_of(self):
        path = self.folder / "code.pt"
        with zipfile.ZipFile(path, "w") as archive:  # {"e": os.system("hi")}
            archive.writestr("net/data.pkl", b"\x80\x02}X\1\0\0\0ecos\nsystem\nX\2\0\0\0hi\x85Rs.")
            archive.writestr("net/version", b"3\n")
        for command in (("eval", "--arch", "lenet", "--weights"), ("train", "--init"), ("train", "--resume")):
            with self.subTest(command=command):
                result = self.run_sconce(*command, path, "--data", self.cifar, status=2)
                self.assertIn(f"warning: {path}: it names os.system (runs a shell command)", result.stderr)
                self.assertEqual(result.stdout, "")

    def test_eval_refuses(self):
        path = self.folder / "net.safetensors"
        write_safetensors(path, LENET)
        self.run_sconce("eval", "--arch", "lenet", "--weights", path, "--data", self.cifar)
        self.assert_refused("--arch", "eval", "--weights", path, "--data", self.cifar)
        self.assert_refused("--data", "eval", "--weights", path, "--arch", "lenet")
        self.assert_refused("nowhere.pt", "eval", "--weights", self.folder / "nowhere.pt", "--arch", "lenet")
        write_safetensors(path, {"w": [2]})
        result = self.run_sconce("eval", "--arch", "lenet", "--weights", path, "--data", self.cifar, status=2)
        self.assertIn("Missing key(s)", result.stderr)


if __name__ == "__main__":
    unittest.main()
