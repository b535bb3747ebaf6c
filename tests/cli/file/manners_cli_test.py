#!/usr/bin/env python3
"""What all commands share: help, unknown words, pipes, terminals, the manual page, shell completion."""

import json
import os
import pathlib
import pty
import re
import shutil
import struct
import subprocess
import tempfile
import unittest

from checkpoint_files import hollow_safetensors
from command import BIN, SOURCE, CommandTest, fixture, sconce

NN = ("train", "eval", "models", "bench")  # their options are sconce-nn's
HAS_NN = (BIN / "sconce-nn").exists()


def commands():
    lines = sconce("__complete", "").stdout.splitlines()
    return [line.split("\t")[0] for line in lines]


def file_commands():
    return [command for command in commands() if command not in NN]


def options_in(help_text):
    names = re.findall(r"^  (-\S+)", help_text, re.MULTILINE)
    return {option for column in names for option in column.split(",")}


class MannersTest(CommandTest):
    def test_alone_it_prints_its_help(self):
        result = sconce()
        self.assertEqual((result.returncode, result.stderr), (2, ""))
        for command in commands():
            self.assertIn(command, result.stdout)
        self.assertEqual(sconce("--help").stdout, result.stdout)
        self.assertEqual(sconce("--help").returncode, 0)

    def test_every_command_has_help_with_an_example(self):
        self.assertLessEqual({"inspect", "show", "convert", "help", "completion"}, set(commands()))
        for command in file_commands() + (list(NN[:3]) if HAS_NN else []):
            result = sconce(command, "--help")
            self.assertEqual((result.returncode, result.stderr), (0, ""), command)
            self.assertRegex(result.stdout, r"Examples?:", command)
            self.assertEqual(sconce("help", command).stdout, result.stdout)
        self.assertEqual(sconce("help").stdout, sconce("--help").stdout)
        self.refused(sconce("help", "inspekt"), "did you mean 'inspect'")

    def test_version(self):
        self.assertRegex(sconce("--version").stdout, r"^sconce \d+\.\d+\.\d+\n$")

    def test_unknown_words(self):
        self.refused(sconce("inspct"), "unknown command 'inspct'", "did you mean 'inspect'")
        self.refused(sconce("xyzzy"), "unknown command 'xyzzy'", "--help")
        self.refused(sconce("x\033[31m"), "\\x1b")
        for command in file_commands():
            self.refused(sconce(command, "--no-such-option"), f"sconce {command} --help")

    def test_missing_paths_and_standard_input(self):
        for command in ("inspect", "show", "convert"):
            rest = {"show": ["w"], "convert": ["/nowhere/o.pt"]}.get(command, [])
            self.refused(sconce(command, "/nowhere/x.pt", *rest), "/nowhere/x.pt")
            self.refused(sconce(command), "required")
            self.refused(sconce(command, "-", *rest), "'-' is not a path")
            self.refused(sconce(command, "/dev/null", *rest), "/dev/null")
            self.refused(sconce(command, "", *rest))

    def test_errors_with_json_are_one_line_on_stderr(self):
        self.refused(sconce("inspect", "--json", "/nowhere"), "/nowhere")
        self.refused(sconce("show", "--json", fixture("w_26.pt"), "v"), "'v'")
        self.refused(sconce("convert", "--json", "/nowhere", "/nowhere/o.pt"), "/nowhere")

    def test_names_of_files_are_escaped(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "a\033[31m\n.pt"
            for command in (["inspect", path], ["show", path, "x"], ["convert", path, "o.pt"]):
                result = sconce(*command)
                self.refused(result, "\\x1b[31m\\n.pt")
                path.write_bytes(b"nonsense" * 10)
                self.refused(sconce(*command), "\\x1b[31m\\n.pt")
                path.unlink()

    def test_names_of_tensors_are_escaped(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "x.safetensors"
            text = json.dumps({"w\033[31m\n": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]}}).encode()
            text += b" " * (-len(text) % 8)
            path.write_bytes(struct.pack("<Q", len(text)) + text + b"\7")
            for result in (sconce("inspect", path), sconce("show", path, "w"),
                           sconce("convert", path, path, "--force", "--strip-prefix", "y"),
                           sconce("convert", path, path, "--force", "--rename", "w=w", "--select", "y")):
                self.assertNotIn("\033", result.stdout + result.stderr)

    def test_a_closed_pipe_ends_quietly(self):
        for command in (["inspect", fixture("sd_26.pt")], ["show", fixture("sd_26.pt"), "0.weight"], ["--help"],
                        ["completion", "bash"]):
            read, write = os.pipe()
            os.close(read)
            process = subprocess.run([str(BIN / "sconce"), *map(str, command)], stdout=write, stderr=subprocess.PIPE)
            os.close(write)
            self.assertEqual((process.returncode, process.stderr), (0, b""))

    def test_a_full_disk_is_trouble(self):
        if not os.path.exists("/dev/full"):
            self.skipTest("needs /dev/full")
        for command in (["inspect", fixture("sd_26.pt")], ["show", fixture("sd_26.pt"), "0.weight"], ["--help"]):
            with open("/dev/full", "w") as full:
                process = subprocess.run([str(BIN / "sconce"), *map(str, command)], stdout=full,
                                         stderr=subprocess.PIPE, text=True)
            self.assertEqual(process.returncode, 2)
            self.assertIn("standard output", process.stderr)

    def on_a_terminal(self, *arguments, **environment):
        """What the program writes when output and error output are a terminal."""
        main, terminal = pty.openpty()
        process = subprocess.Popen([str(BIN / "sconce"), *map(str, arguments)], stdin=subprocess.DEVNULL,
                                   stdout=terminal, stderr=terminal,
                                   env={**os.environ, "TERM": "xterm", **environment})
        os.close(terminal)
        output = b""
        while True:
            try:
                piece = os.read(main, 65536)
            except OSError:
                break
            if not piece:
                break
            output += piece
        os.close(main)
        self.assertEqual(process.wait(), 0)
        return output.decode()

    def test_colours_only_on_a_terminal(self):
        path = fixture("sd_26.pt")
        self.assertNotIn("\033", sconce("inspect", path).stdout)
        self.assertIn("\033[1m", self.on_a_terminal("inspect", path))
        self.assertNotIn("\033[1m", self.on_a_terminal("inspect", path, NO_COLOR="1"))
        self.assertNotIn("\033", self.on_a_terminal("inspect", path, TERM="dumb"))
        json.loads(self.on_a_terminal("inspect", "--json", path))

    def test_progress_only_on_a_terminal(self):
        with tempfile.TemporaryDirectory() as folder:
            source, out = pathlib.Path(folder) / "big.safetensors", pathlib.Path(folder) / "o.safetensors"
            hollow_safetensors(source, 1, 1 << 30)
            shown = self.on_a_terminal("convert", source, out, "--dtype", "f16", SCONCE_NUM_THREADS="1")
            self.assertRegex(shown, r"writing +\d+% \[=* *\] [\d.]+ [KMG]iB/s  \d+:\d\d left")
            self.assertTrue(shown.rstrip().endswith("now f16"), shown[-200:])
            self.assertEqual(sconce("convert", source, out, "--force", "--dtype", "f16").stderr, "")
            shown = self.on_a_terminal("inspect", "--digest", source)
            self.assertRegex(shown, r"reading +\d+% \[=* *\] [\d.]+ [KMG]iB/s  \d+:\d\d left")
            self.assertEqual(sconce("inspect", "--digest", source).stderr, "")

    def test_progress_of_reading(self):
        with tempfile.TemporaryDirectory() as folder:
            big = hollow_safetensors(pathlib.Path(folder) / "big.safetensors", 8, 1 << 28)
            for verb, command in (("reading", ("inspect", "--stats", "--digest", big)),
                                  ("verifying", ("verify", "--finite", big)), ("comparing", ("diff", big, big))):
                with self.subTest(command=command[0]):
                    shown = self.on_a_terminal(*command, SCONCE_NUM_THREADS="1")
                    self.assertRegex(shown, verb + r" +\d+% \[=* *\] [\d.]+ [KMG]iB/s  \d+:\d\d left")
                    self.assertEqual(shown.count(verb), shown.count("\r" + verb))  # on a line of its own
            self.assertEqual(sconce("inspect", "--digest", "--filter", "t0", big).stderr, "")

    def test_manual_page(self):
        page = sconce("__man").stdout
        committed = (SOURCE / "docs/man/sconce.1").read_text()
        self.assertEqual(page, committed, "the options have changed: sconce __man > docs/man/sconce.1")
        plain = page.replace("\\-", "-").replace("\\e", "\\")
        for command in commands():
            self.assertIn(f'.SS "sconce {command} [OPTIONS]', plain)
            section = plain.split(f'.SS "sconce {command} [OPTIONS]')[1].split(".SS ")[0].split(".SH ")[0]
            for option in options_in(sconce(command, "--help").stdout):
                self.assertIn(f"\\fB{option}\\fR", section, command)
        if shutil.which("man") and shutil.which("groff"):
            checked = subprocess.run(["man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z",
                                      str(SOURCE / "docs/man/sconce.1")],
                                     capture_output=True, text=True, env={**os.environ, "MANWIDTH": "100"})
            self.assertEqual((checked.returncode, checked.stderr), (0, ""))

    def completed(self, *words):
        """What bash offers after these words, the last one being typed."""
        script = sconce("completion", "bash").stdout
        quoted = " ".join("'" + word.replace("'", "'\\''") + "'" for word in words)
        code = (f"{script}\nCOMP_WORDS=({quoted})\nCOMP_CWORD={len(words) - 1}\n_sconce\n"
                'printf "%s\\n" "${COMPREPLY[@]}"')
        result = subprocess.run(["bash", "--norc", "-c", code], capture_output=True, text=True, timeout=60)
        self.assertEqual(result.stderr, "")
        return result.stdout.split("\n")[:-1]

    def test_bash_completion(self):
        program = str(BIN / "sconce")
        self.assertEqual(sorted(self.completed(program, "")), sorted(commands()))
        self.assertIn("inspect", self.completed(program, "ins"))
        self.assertEqual(self.completed(program, "conv"), ["convert"])
        for command in file_commands() + (list(NN[:3]) if HAS_NN else []):
            offered = set(self.completed(program, command, "-"))
            self.assertEqual(offered, options_in(sconce(command, "--help").stdout), command)
        self.assertEqual(self.completed(program, "convert", "--to", "to"), ["torch", "torch-legacy"])
        self.assertEqual(self.completed(program, "convert", "--to", "=", "np"), ["npz"])
        self.assertEqual(self.completed(program, "completion", ""), ["bash", "zsh", "fish"])
        self.assertEqual(self.completed(program, "help", "insp"), ["inspect"])
        self.assertEqual(self.completed(program, "nothing", ""), [""])
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "a b.pt"
            path.write_bytes(b"")
            self.assertEqual(self.completed(program, "inspect", f"{folder}/a"), [str(path)])
            self.assertEqual(self.completed(program, "convert", "--json", "x.pt", f"{folder}/a"), [str(path)])
            self.assertEqual(self.completed(program, "convert", "--select", f"{folder}/a"), [""])

    def test_scripts_of_the_other_shells_parse(self):
        for shell in ("bash", "zsh", "fish"):
            script = sconce("completion", shell).stdout
            self.assertIn("__complete", script)
            if shutil.which(shell):
                result = subprocess.run([shell, "-n"], input=script, capture_output=True, text=True)
                self.assertEqual((result.returncode, result.stderr), (0, ""), shell)
        self.refused(sconce("completion", "tcsh"), "tcsh")


if __name__ == "__main__":
    unittest.main()
