#!/usr/bin/env python3
"""What `sconce train` leaves behind when saving goes wrong: no space, no permission, killed, interrupted, unread."""

import json
import os
import pickle
import random
import shutil
import signal
import subprocess
import time
import unittest
import zipfile
from collections import OrderedDict

from train_cli_test import Case, write_cifar

SEED = int(os.environ.get("SCONCE_SEED") or int.from_bytes(os.urandom(4), "little"))
KILLS = 50
INTERRUPTS = 15
CHECKPOINT_BYTES = 520_000  # of lenet with its momentum, roughly


class Plain(pickle.Unpickler):
    """Reads the plain values of a checkpoint; its tensors are None."""

    def persistent_load(self, pid):
        return None

    def find_class(self, module, name):
        return OrderedDict if name == "OrderedDict" else lambda *arguments: None


class SmallDisk:
    """A file system of its own that is soon full."""

    def __init__(self, folder, size):
        self.folder = folder
        folder.mkdir()
        self.command("mount", "-t", "tmpfs", "-o", f"size={size}", "sconce-test", folder)

    @staticmethod
    def command(*arguments):
        if os.geteuid() != 0:
            raise unittest.SkipTest("only root may mount a small file system")
        try:
            result = subprocess.run([*map(str, arguments)], capture_output=True, text=True, timeout=60)
        except FileNotFoundError as error:
            raise unittest.SkipTest(str(error))
        if result.returncode != 0:
            raise unittest.SkipTest(f"cannot mount a small file system: {result.stderr.strip()}")

    def fill(self, leave):
        """Takes all space but `leave` bytes."""
        free = os.statvfs(self.folder)
        size = free.f_bavail * free.f_frsize - leave
        with open(self.folder / "filler", "wb") as file:
            file.write(bytes(size))

    def make_room(self):
        (self.folder / "filler").unlink()

    def make_read_only(self):
        self.command("mount", "-o", "remount,ro", self.folder)

    def unmount(self):
        subprocess.run(["umount", "--lazy", str(self.folder)], check=True, timeout=60)


class SavingCase(Case):
    def setUp(self):
        super().setUp()
        # Five steps in an epoch: most of the time goes into saving.
        self.small = write_cifar(self.folder / "small", train=4, test=4)

    def whole_run(self, *options):
        self.run_sconce("train", "--data", self.small, *options, "--save", self.folder / "whole")
        return self.folder / "whole"

    def assert_same_run(self, expected, actual):
        for name in ("last.pt", "metrics.jsonl"):  # best.pt notes how long its piece was
            self.assertEqual((expected / name).read_bytes(), (actual / name).read_bytes(), f"{name}, seed {SEED}")

    def assert_failed_in(self, name, result):
        """One line on stderr that says which file could not be written."""
        self.assertRegex(result.stderr, r"\Asconce: [^\n]+\n\Z")
        self.assertIn(name, result.stderr)

    @staticmethod
    def plain(path):
        """What a checkpoint holds besides tensors."""
        with zipfile.ZipFile(path) as archive:
            return Plain(archive.open(f"{path.stem}/data.pkl")).load()

    def epochs_of(self, run):
        return sum("val_loss" in record for record in self.lines(run / "metrics.jsonl"))

    def start(self, *arguments):
        return subprocess.Popen(self.command("train", *arguments), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True)

    def hold_between_files(self, process, run):
        """Stops the process where it has no unfinished file, whose space could come free or be wanted later."""
        for _ in range(10_000):
            process.send_signal(signal.SIGSTOP)
            os.waitpid(process.pid, os.WUNTRACED)  # until every thread stands
            if not any(path.name.startswith(".") for path in run.iterdir()):
                return
            process.send_signal(signal.SIGCONT)
            time.sleep(0.001)
        self.fail("always met with an unfinished file")

    def until_an_epoch_ends(self, process):
        for line in process.stdout:
            if "test accuracy" in line:
                return
        self.fail(f"ended early: {process.stderr.read()}")


class FullDisk(SavingCase):
    def small_disk(self, size):
        disk = SmallDisk(self.folder / "disk", size)
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.addCleanup(disk.unmount)
        return disk

    def tearDown(self):
        pass  # the disk is unmounted before the folder goes

    def test_the_checkpoint_before_stays_and_is_gone_on_with(self):
        whole = self.whole_run("--steps", 9)
        disk = self.small_disk(4 * CHECKPOINT_BYTES)
        run = disk.folder / "run"
        self.run_sconce("train", "--data", self.small, "--steps", 3, "--save", run)
        files = {path.name: path.read_bytes() for path in run.iterdir()}
        disk.fill(leave=CHECKPOINT_BYTES // 2)
        result = self.run_sconce("train", "--resume", run, "--steps", 9, status=2)
        self.assert_failed_in(".pt", result)
        self.assertEqual(files["last.pt"], (run / "last.pt").read_bytes())
        self.assertEqual({path.name for path in run.iterdir()}, set(files))
        disk.make_room()
        self.run_sconce("train", "--resume", run, "--steps", 9)
        self.assert_same_run(whole, run)

    def test_full_to_the_last_byte(self):
        disk = self.small_disk(4 * CHECKPOINT_BYTES)
        run, new = disk.folder / "run", disk.folder / "new"
        self.run_sconce("train", "--data", self.small, "--steps", 3, "--save", run)
        before = (run / "last.pt").read_bytes()
        disk.fill(leave=0)
        self.assert_failed_in(str(run), self.run_sconce("train", "--resume", run, "--steps", 9, status=2))
        self.assertEqual(before, (run / "last.pt").read_bytes())
        self.assert_failed_in(str(new), self.run_sconce("train", "--data", self.small, "--save", new, status=2))
        self.assertFalse((new / "last.pt").exists())

    def test_full_in_the_middle_of_a_run(self):
        disk = self.small_disk(6 * CHECKPOINT_BYTES)
        run = disk.folder / "run"
        with self.start("--data", self.small, "--epochs", 100_000, "--save", run) as process:
            self.until_an_epoch_ends(process)
            self.hold_between_files(process, run)
            disk.fill(leave=CHECKPOINT_BYTES // 4)
            process.send_signal(signal.SIGCONT)
            process.stdout.read()
            errors = process.stderr.read()
        self.assertEqual(process.returncode, 2)
        self.assertRegex(errors, r"\Asconce: [^\n]+\n\Z")
        self.assert_whole(run / "last.pt")
        self.assertEqual([path.name for path in run.iterdir() if path.name.startswith(".")], [])
        disk.make_room()
        epochs = self.epochs_of(run) + 2
        whole = self.whole_run("--epochs", epochs)
        self.run_sconce("train", "--resume", run, "--epochs", epochs)
        self.assert_same_run(whole, run)

    def test_read_only_file_system(self):
        disk = self.small_disk(4 * CHECKPOINT_BYTES)
        run = disk.folder / "run"
        self.run_sconce("train", "--data", self.small, "--steps", 3, "--save", run)
        disk.make_read_only()
        for options in (["--resume", run, "--steps", 9], ["--data", self.small, "--save", disk.folder / "new"]):
            self.assert_failed_in(str(disk.folder), self.run_sconce("train", *options, status=2))
        self.assert_whole(run / "last.pt")


class Killed(SavingCase):
    def test_again_and_again(self):
        """Whatever was being written: last.pt and best.pt are whole, and the run goes on bit for bit."""
        draw = random.Random(SEED)
        run = self.folder / "run"
        options = ["--data", self.small, "--epochs", 100_000, "--save", run]
        done = 0
        for i in range(KILLS):
            with self.start(*options, *(["--resume"] if i > 0 else [])) as process:
                self.until_an_epoch_ends(process)
                time.sleep(draw.uniform(0, 0.1))
                process.kill()
            self.assertEqual(process.returncode, -signal.SIGKILL)
            for name in ("last.pt", "best.pt"):
                self.assert_whole(run / name)
            epochs = self.plain(run / "last.pt")["epoch"]
            self.assertGreater(epochs, done, f"kill {i}, seed {SEED}")
            done = epochs
        whole = self.whole_run("--epochs", done + 2)
        self.run_sconce("train", "--resume", run, "--epochs", done + 2)
        self.assert_same_run(whole, run)


class Interrupted(SavingCase):
    def test_while_it_saves(self):
        """Status 130, no unfinished file, and the run goes on bit for bit."""
        draw = random.Random(SEED)
        run = self.folder / "run"
        options = ["--data", self.small, "--epochs", 100_000, "--save", run]
        for i in range(INTERRUPTS):
            with self.start(*options, *(["--resume"] if i > 0 else [])) as process:
                self.until_an_epoch_ends(process)
                time.sleep(draw.uniform(0, 0.1))
                process.send_signal(signal.SIGINT)
                process.stdout.read()
                errors = process.stderr.read()
            self.assertEqual((process.returncode, errors), (130, ""), f"interrupt {i}, seed {SEED}")
            for name in ("last.pt", "best.pt"):
                self.assert_whole(run / name)
            self.assertEqual(sorted(path.name for path in run.iterdir()),
                             ["best.pt", "curves.svg", "last.pt", "metrics.jsonl"])
        epochs = self.epochs_of(run) + 2
        whole = self.whole_run("--epochs", epochs)
        self.run_sconce("train", "--resume", run, "--epochs", epochs)
        self.assert_same_run(whole, run)

    def test_the_first_epochs(self):
        """The best epoch is kept wherever the interrupt comes, and the records say what the checkpoint has."""
        draw = random.Random(SEED)
        begin = time.monotonic()
        whole = self.whole_run("--epochs", 1)
        duration = time.monotonic() - begin
        for i in range(3 * INTERRUPTS):
            run = self.folder / f"run{i}"
            with self.start("--data", self.small, "--epochs", 1, "--save", run, "--json") as process:
                time.sleep(draw.uniform(0.3, 1) * duration)  # from somewhere in the first step to the end
                process.send_signal(signal.SIGINT)
                records = [json.loads(line) for line in process.stdout.read().splitlines()]
            if process.returncode == -signal.SIGINT:  # it came before the program listened
                self.assertFalse(run.exists(), f"interrupt {i}, seed {SEED}")
                continue
            self.assertIn(process.returncode, (0, 130), f"interrupt {i}, seed {SEED}")
            if not (run / "last.pt").exists():
                continue  # it came before there was anything to save
            self.assertEqual(records, self.lines(run / "metrics.jsonl"), f"interrupt {i}, seed {SEED}")
            last = self.plain(run / "last.pt")
            self.assertEqual(last["best_accuracy"] is not None, (run / "best.pt").exists(), f"interrupt {i}, seed {SEED}")
            if i % 5 == 0:
                self.run_sconce("train", "--resume", run, "--epochs", 1)
                self.assert_same_run(whole, run)
                self.assertEqual(self.plain(whole / "best.pt")["epoch"], self.plain(run / "best.pt")["epoch"])

    def test_two_at_once_are_one(self):
        """timeout(1) signals the program and its group: it saves nevertheless."""
        draw = random.Random(SEED)
        for number in (signal.SIGINT, signal.SIGTERM):
            run = self.folder / f"run{number}"
            with self.start("--data", self.small, "--epochs", 100_000, "--save", run) as process:
                self.until_an_epoch_ends(process)
                time.sleep(draw.uniform(0, 0.1))
                process.send_signal(number)
                time.sleep(0.01)  # so that it is handled, and the second one is another
                process.send_signal(number)
                said = process.stdout.read()
            self.assertEqual(process.returncode, 128 + number, f"seed {SEED}")
            self.assert_whole(run / "last.pt")
            self.assertIn(f"saved {run}/last.pt after step {self.plain(run / 'last.pt')['step']}\n", said, f"seed {SEED}")

    def test_twice_does_not_wait(self):
        draw = random.Random(SEED)
        run = self.folder / "run"
        for i in range(5):
            with self.start("--data", self.small, "--epochs", 100_000, "--save", run, "--force") as process:
                self.until_an_epoch_ends(process)
                time.sleep(draw.uniform(0, 0.1))
                process.send_signal(signal.SIGINT)
                if i % 2 == 1:
                    time.sleep(0.3)
                process.send_signal(signal.SIGINT)
                process.stdout.read()
            self.assertEqual(process.returncode, 130, f"interrupt {i}, seed {SEED}")
            self.assert_whole(run / "last.pt")


class Unread(SavingCase):
    def test_head_takes_one_line(self):
        run = self.folder / "run"
        train = self.command("train", "--data", self.small, "--epochs", 100_000, "--log-every", 1, "--json", "--save",
                             run)
        script = '"$@" | head -n 1; echo "${PIPESTATUS[*]}"'
        result = subprocess.run(["bash", "-c", script, "bash", *train], stdin=subprocess.DEVNULL, capture_output=True,
                                text=True, timeout=240)
        first, statuses = result.stdout.splitlines()
        self.assertEqual(json.loads(first)["step"], 1)
        self.assertEqual((statuses, result.stderr), ("0 0", ""))
        self.assert_whole(run / "last.pt")

    def test_no_room_for_what_it_prints(self):
        """The disk of the output is full, that of --save is not: what was trained is kept, and gone on with."""
        whole, run = self.whole_run("--steps", 9), self.folder / "run"
        train = self.command("train", "--data", self.small, "--steps", 9, "--json", "--save", run)
        with open("/dev/full", "w") as full:
            result = subprocess.run(train, stdin=subprocess.DEVNULL, stdout=full, stderr=subprocess.PIPE, text=True,
                                    timeout=240)
        self.assertEqual(result.returncode, 2)
        self.assert_failed_in("standard output", result)
        self.assertEqual(self.plain(run / "last.pt")["step"], 1)
        self.run_sconce("train", "--resume", run)
        self.assert_same_run(whole, run)


if __name__ == "__main__":
    unittest.main()
