#!/usr/bin/env python3
"""Every case of cases.py against the library (error code) and against every command that the program offers.

A refusal is exit status 1 or 2 and one line on stderr, no signal, under 200 MB of memory and within seconds, and
nothing in a file ever runs. A file that may be read must still cost no more than that.
"""

import concurrent.futures
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time
import unittest

SOURCE = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("SCONCE_BIN", SOURCE / "build/release/bin"))

MOST_MEMORY = 200 << 20
MOST_SECONDS = 20  # on a machine that builds something else besides

# Arguments of each command: {file}, a good file {good}, places to write {out}, {folder}.
COMMANDS = {
    "inspect": [["{file}"], ["--json", "--digest", "{file}"], ["--stats", "{file}"], ["--tree", "{file}"]],
    "verify": [["{file}"], ["--json", "--finite", "{file}"]],
    "convert": [["{file}", "{out}.pt"], ["{file}", "{out}.safetensors"], ["--to", "torch-legacy", "{file}", "{out}"],
                ["--keep-objects", "{file}", "{out}.pt"], ["--keep-objects", "--to", "dcp", "{file}", "{out}"]],
    "show": [["{file}", "w"]],
    "diff": [["{file}", "{good}"], ["{good}", "{file}"]],
    "salvage": [["{file}", "{out}.pt"], ["--json", "{file}", "{out}.safetensors"]],
    "repair": [["{file}", "--like", "{good}", "{out}.pt"], ["{good}", "--like", "{file}", "{out}.pt"]],
    "average": [["{file}", "{good}", "{out}.pt"]],
    "merge": [["{file}", "{out}.pt"]],
    "shard": [["--size", "1MB", "{file}", "{folder}"]],
}
# Which read all there is of a file to write it anew.
WRITERS = {"convert", "merge", "shard"}
OTHERS = {"train", "eval", "models", "bench", "help", "completion"}  # read no file, or are the compute half's


def offered():
    """The commands of the program, from its help."""
    text = subprocess.run([str(BIN / "sconce"), "--help"], capture_output=True, text=True, check=True).stdout
    words = re.findall(r"^  ([a-z]+)(?:,| )", text[text.lower().index("subcommands"):], re.M)
    return [word for word in words if word not in OTHERS]


def run(arguments, folder):
    """(exit status, stdout, stderr, peak memory in bytes, seconds)"""
    begin = time.monotonic()
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as error:
        child = subprocess.Popen([str(BIN / "sconce"), *map(str, arguments)], stdin=subprocess.DEVNULL, stdout=out,
                                 stderr=error, cwd=folder)
        while True:
            pid, status, usage = os.wait4(child.pid, os.WNOHANG)
            if pid != 0:
                break
            if time.monotonic() - begin > 4 * MOST_SECONDS:
                os.kill(child.pid, signal.SIGKILL)
            time.sleep(0.002)
        child.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        error.seek(0)
        return (child.returncode, out.read(1 << 20), error.read(1 << 20).decode(), usage.ru_maxrss << 10,
                time.monotonic() - begin)


class Attacks(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        root = pathlib.Path(cls.folder.name)
        # Another process makes them: a program's peak of memory counts what this one had when it was started.
        made = subprocess.run([sys.executable, str(pathlib.Path(__file__).with_name("cases.py")), str(root / "cases")],
                              capture_output=True, text=True, check=True)
        cls.all = json.loads(made.stdout)
        cls.cases = {case["name"]: case for case in cls.all}
        cls.good = pathlib.Path(cls.cases["good"]["path"])

    def test_each_case_has_its_own_name(self):
        self.assertEqual(len(self.all), len(self.cases))

    def test_error_codes_of_the_library(self):
        names = list(self.cases)
        result = subprocess.run([str(BIN / "sconce_probe"), "codes", *[self.cases[name]["path"] for name in names]],
                                capture_output=True, text=True, timeout=300)
        self.assertEqual(result.returncode, 0, result.stderr)
        found = result.stdout.splitlines()
        self.assertEqual(len(found), len(names))
        for name, line in zip(names, found):
            with self.subTest(name):
                self.assertEqual(line, f"{self.cases[name]['load']} {self.cases[name]['list']}")

    def test_commands_take_a_good_file(self):
        """What each command is asked for below makes sense to it: a refusal is not one of the arguments."""
        for command in offered():
            self.assertIn(command, COMMANDS, "a new command: say how to attack it")
            for number, arguments in enumerate(COMMANDS[command]):
                with self.subTest(command, arguments=arguments):
                    status, _, error, *_ = self.attack(command, number, "good", self.good)
                    self.assertEqual((status, error), (0, ""))

    def attack(self, command, number, name, file):
        home = pathlib.Path(tempfile.mkdtemp(dir=self.folder.name, prefix="run-"))
        words = {"file": file, "good": self.good, "out": home / "out", "folder": home / "out"}
        arguments = [word.format(**words) for word in COMMANDS[command][number]]
        result = run([command, *arguments], home)
        left = {path.name for path in home.iterdir()}
        self.assertNotIn("pwned", left)
        self.assertFalse(any("tmp" in path for path in left), f"{name}: {command} leaves {left}")
        return (*result, [home / path for path in left if path.startswith("out")])

    def faults_of_output(self, path):
        """What verify finds wrong with what a command wrote: it is whole, and loading it runs no code."""
        status, out, error, _, _ = run(["verify", "--json", path], path.parent)
        if status == 0 and json.loads(out)["safe"]:
            return []
        return [f"writes {path.name}, of which verify says {status}: {error[:300]}{out[:300]}"]

    def check(self, command, number, name):
        case = self.cases[name]
        status, out, error, memory, seconds, written = self.attack(command, number, name, case["path"])
        what = f"{name}: sconce {command} {' '.join(COMMANDS[command][number])}: status {status}, {error[:500]}"
        faults = []
        if status < 0 or status > 2:
            faults.append("ends otherwise than with 0, 1 or 2")
        if memory > MOST_MEMORY and "SCONCE_SANITIZED" not in os.environ:
            faults.append(f"takes {memory >> 20} MB")
        if seconds > MOST_SECONDS * (3 if "SCONCE_SANITIZED" in os.environ else 1):
            faults.append(f"takes {seconds:.1f} s")
        errors = [line for line in error.splitlines() if not line.startswith("sconce: warning: ")]
        # Salvage may get something out of a damaged file; listing need not meet the damage, and repair only lists the
        # file it is to be like, and finds by lists alone that two do not fit.
        lists = command in ("inspect", "show", "diff") or \
            (command == "repair" and (COMMANDS[command][number][0] == "{good}" or status == 1))
        refused = case["load"] != "ok" and command not in ("salvage", "verify") and \
            not (case["list"] == "ok" and lists)
        if not case["sound"]:
            refused = refused or command in WRITERS
            if command == "verify" and status != 1:
                faults.append("is not called damaged")
        if refused and (status == 0 or not error):
            faults.append("is not refused")
        if status == 2 and written and command in WRITERS:
            faults.append(f"refuses and leaves {written}")
        if status == 0:
            faults += [fault for path in written for fault in self.faults_of_output(path)]
        if status == 2 and len(errors) != 1:
            faults.append(f"{len(errors)} lines of error")
        if any(not line.startswith("sconce: ") for line in error.splitlines()):
            faults.append("a line without the program's name")
        if re.search(rb"[\x00-\x08\x0b-\x1f\x7f]", out + error.encode()):
            faults.append("prints control characters")
        return [f"{what}: {fault}" for fault in faults]

    def test_every_command(self):
        jobs = [(command, number, name) for command in offered() for number in range(len(COMMANDS.get(command, [])))
                for name in self.cases]
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 2) as pool:
            faults = [fault for found in pool.map(lambda job: self.check(*job), jobs) for fault in found]
        self.assertEqual(faults, [], "\n".join(faults))

    # What is said of a file as a whole has no place in it: what it is instead, how much of it there is, how many parts
    # it has, what lies beside it.
    WHOLE = re.compile(r"\] (the file (is|has|ends|begins)|the header (has|does)|the tensors need|the archive (is|has|holds)"
                       r"|this is|a zip archive|a tar archive|a JSON file|expected the (?:plain )?name of a file|the file '"
                       r"|a shard is|the deflated records|central directory missing)")
    PLACE = re.compile(r"at byte \d+|record '|tensor '|member '|storage '|key '")

    # The end of the line, behind what was found and where.
    WHAT_TO_DO = re.compile(r"(; |\? )[^;?]+\Z")

    def test_a_refusal_names_the_place_and_says_what_to_do(self):
        for name, case in self.cases.items():
            if case["load"] == "ok":
                continue
            with self.subTest(name):
                # Some damage only shows when all is read.
                command = "inspect" if case["list"] != "ok" else "convert"
                status, _, error, *_ = self.attack(command, 0, name, case["path"])
                self.assertEqual(status, 2)
                lines = [line for line in error.splitlines() if not line.startswith("sconce: warning: ")]
                self.assertEqual(len(lines), 1)
                self.assertTrue(lines[0].startswith(f"sconce: {pathlib.Path(case['path']).parents[0]}"), lines[0][:200])
                self.assertTrue(self.PLACE.search(lines[0]) or self.WHOLE.search(lines[0]), lines[0][:300])
                self.assertRegex(lines[0], self.WHAT_TO_DO)
                if case["load"] in ("truncated", "corrupt", "checksum", "overflow"):
                    self.assertRegex(lines[0], r"; (try 'sconce salvage'|get the file anew)\Z")

    def test_a_refusal_prints_the_file_and_nothing_on_stdout(self):
        for name in ("zip_end_cut", "safetensors_overlap", "pickle_append_to_int", "other_html"):
            status, out, error, *_ = self.attack("inspect", 0, name, self.cases[name]["path"])
            self.assertEqual((status, out), (2, b""))
            self.assertIn("x.pt: ", error)


if __name__ == "__main__":
    unittest.main()
