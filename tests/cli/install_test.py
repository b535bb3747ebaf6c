#!/usr/bin/env python3
"""cmake --install puts everything where it belongs, and find_package(sconce) builds against it.

usage: install_test.py SOURCE_DIR BUILD_DIR [CMAKE_OPTION...]
"""

import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

PROJECT = """cmake_minimum_required(VERSION 3.25)
project(user LANGUAGES CXX)
find_package(sconce REQUIRED COMPONENTS checkpoint toolbox)
add_executable(user main.cpp)
target_link_libraries(user PRIVATE sconce::toolbox)
"""
PROGRAM = """#include <iostream>

#include "sconce/checkpoint/load.h"
#include "sconce/toolbox/convert.h"

int main(int, char** argv) {
  const auto converted = sconce::toolbox::convert(sconce::checkpoint::load(argv[1]), {.add_prefix = "net."});
  for (const auto& [name, value] : converted.value.as_state_dict()) std::cout << name << value.shape().str();
}
"""


def run(*command, **options):
    words = [str(word) for word in command]
    result = subprocess.run(words, capture_output=True, text=True, **options)
    assert result.returncode == 0, f"{words}: status {result.returncode}\n{result.stdout}\n{result.stderr}"
    return result.stdout


class InstallTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.root = pathlib.Path(folder.name)
        cls.prefix = cls.root / "prefix"
        run("cmake", "--install", BUILD, "--prefix", cls.prefix)

    def test_files_are_where_they_belong(self):
        for name in ("bin/sconce", "include/sconce/checkpoint/load.h", "include/sconce/toolbox/convert.h",
                     "share/man/man1/sconce.1", "share/bash-completion/completions/sconce",
                     "share/zsh/site-functions/_sconce", "share/fish/vendor_completions.d/sconce.fish",
                     "share/doc/sconce/LICENSE"):
            self.assertTrue((self.prefix / name).is_file(), name)
        libraries = {path.name for path in self.prefix.rglob("*.a")}
        self.assertLessEqual({"libsconce_base.a", "libsconce_checkpoint.a", "libsconce_toolbox.a"}, libraries)
        self.assertEqual(list(self.prefix.rglob("*.cpp")), [])

    def test_no_path_of_the_build_is_left_in(self):
        for path in self.prefix.rglob("*.cmake"):
            for place in (SOURCE, BUILD):
                self.assertNotIn(str(place), path.read_text(), path)

    def test_the_installed_program_runs(self):
        self.assertIn("sconce", run(self.prefix / "bin/sconce", "--version"))
        bash = (self.prefix / "share/bash-completion/completions/sconce").read_text()
        self.assertEqual(bash, run(self.prefix / "bin/sconce", "completion", "bash"))

    def build(self, name, lists, files, *options):
        """Builds a project of these CMakeLists.txt and {file name: text}; gives its program, which is called `name`."""
        project = self.root / name
        project.mkdir()
        (project / "CMakeLists.txt").write_text(lists)
        for file, text in files.items():
            (project / file).write_text(text)
        run("cmake", "-S", project, "-B", project / "build", "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release", *options,
            *OPTIONS)
        run("cmake", "--build", project / "build", "--target", name)
        return project / "build" / name

    def test_a_project_builds_against_it(self):
        program = self.build("user", PROJECT, {"main.cpp": PROGRAM}, f"-DCMAKE_PREFIX_PATH={self.prefix}")
        fixture = next((SOURCE / "tests/golden/formats").rglob("w_26.pt"))
        self.assertEqual(run(program, fixture), "net.w(2, 3)")

    def test_the_project_of_the_readme(self):
        if not any(self.prefix.rglob("libsconce_train.a")):
            self.skipTest("built without the compute half")
        (lists,) = re.findall(r"^```cmake\n(.*?)^```$", (SOURCE / "README.md").read_text(), re.MULTILINE | re.DOTALL)
        source = (SOURCE / "examples/state_dict.cpp").read_text()
        program = self.build("classifier", lists, {"state_dict.cpp": source}, f"-DCMAKE_PREFIX_PATH={self.prefix}")
        self.assertIn("fc3.bias\ttorch.Size([10])", run(program, cwd=self.root))
        self.assertIn("momentum_buffer", run(self.prefix / "bin/sconce", "inspect", self.root / "net.pt"))


if __name__ == "__main__":
    SOURCE, BUILD = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    OPTIONS = sys.argv[3:]
    unittest.main(argv=sys.argv[:1])
