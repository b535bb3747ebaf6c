"""Each rule of tools/check_layers.py, seen passing on a good tree and failing on a bad one."""

import contextlib
import io
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))
import check_layers  # noqa: E402

CMAKE = """
# sconce_layer(ghost DEPENDS base)
sconce_layer(base LINK Threads::Threads)
sconce_layer(codec DEPENDS base LINK ZLIB::ZLIB)
sconce_layer(core DEPENDS base)
sconce_layer(state DEPENDS core)
sconce_layer(checkpoint DEPENDS codec state)
if(SCONCE_NN)
  sconce_layer(kernels DEPENDS core LINK sconce_dnnl)
  sconce_layer(tensor DEPENDS kernels)
  sconce_layer(nn DEPENDS tensor state)
  sconce_layer(train
               DEPENDS nn checkpoint)
endif()
"""

GOOD = {
    "include/sconce/base/error.h": "#pragma once\n#include <string>\n",
    "include/sconce/core/array.h": '#pragma once\n#include <vector>\n#include "sconce/base/error.h"\n',
    "include/sconce/state/dict.h": '#pragma once\n#include "sconce/core/array.h"\n',
    "include/sconce/codec/zip.h": "#pragma once\n",
    "include/sconce/checkpoint/load.h": '#pragma once\n#include "sconce/state/dict.h"\n',
    "include/sconce/kernels/gemm.h": '#pragma once\n#include "sconce/core/array.h"\n',
    "include/sconce/nn/module.h": '#pragma once\n#include "sconce/base/error.h"\n',
    "include/sconce/sconce.h": '#pragma once\n#include "sconce/nn/module.h"\n',
    "src/base/posix.h": "#pragma once\n#include <unistd.h>\n",
    "src/base/error.cpp": '#include <fcntl.h>\n#include "base/posix.h"\n#include "sconce/base/error.h"\n',
    "src/codec/zip.cpp": '#include <zlib.h>\n#include "sconce/codec/zip.h"\n',
    "src/kernels/gemm.cpp": '#include <dnnl.hpp>\n#include "sconce/kernels/gemm.h"\n',
    "src/train/trainer.cpp": '#include "sconce/checkpoint/load.h"\n#include "sconce/nn/module.h"\n',
    "cli/command.h": "#pragma once\n",
    "cli/inspect.cpp": '#include <CLI/CLI.hpp>\n#include "cli/command.h"\n#include "sconce/checkpoint/load.h"\n',
}


class CheckLayers(unittest.TestCase):
    def faults(self, changes=None, cmake=CMAKE):
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            (root / "CMakeLists.txt").write_text(cmake, encoding="utf-8")
            for name, text in {**GOOD, **(changes or {})}.items():
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).write_text(text, encoding="utf-8")
            output = io.StringIO()
            with contextlib.redirect_stdout(output):
                status = check_layers.main([str(root)])
            lines = output.getvalue().splitlines()
            return lines if status else []

    def assert_fault(self, place, text, changes=None, cmake=CMAKE):
        """The changed tree has exactly one fault, at `place`, that says `text`."""
        faults = self.faults(changes, cmake)
        self.assertEqual(len(faults), 1, faults)
        self.assertTrue(faults[0].startswith(place + ":"), faults[0])
        self.assertIn(text, faults[0])

    def test_good_tree_has_no_fault(self):
        self.assertEqual(self.faults(), [])

    def test_tree_without_sources_is_a_fault(self):
        with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()) as output:
            (Path(folder) / "CMakeLists.txt").write_text(CMAKE, encoding="utf-8")
            self.assertEqual(check_layers.main([folder]), 1)
            self.assertIn("no sources", output.getvalue())

    def test_layers_are_read_from_cmake(self):
        layers = check_layers.read_layers(CMAKE)
        self.assertNotIn("ghost", layers)
        self.assertEqual(layers["base"], set())
        self.assertEqual(layers["codec"], {"base"})
        self.assertEqual(layers["train"], {"nn", "checkpoint"})
        self.assertEqual(check_layers.reach(layers, "checkpoint"), {"checkpoint", "codec", "state", "core", "base"})

    def test_include_upward(self):
        self.assert_fault(
            "include/sconce/core/shape.h:2",
            "layer 'core' may not include",
            {"include/sconce/core/shape.h": '#pragma once\n#include "sconce/state/dict.h"\n'},
        )

    def test_include_upward_from_source(self):
        self.assert_fault("src/base/a.cpp:1", "layer 'base'", {"src/base/a.cpp": '#include "sconce/codec/zip.h"\n'})

    def test_include_sideways(self):
        self.assert_fault("src/codec/a.cpp:1", "layer 'codec'", {"src/codec/a.cpp": '#include "sconce/core/array.h"\n'})

    def test_nn_and_checkpoint_are_strangers(self):
        self.assert_fault("src/nn/a.cpp:1", "layer 'nn'", {"src/nn/a.cpp": '#include "sconce/checkpoint/load.h"\n'})
        self.assert_fault(
            "src/checkpoint/a.cpp:1", "layer 'checkpoint'", {"src/checkpoint/a.cpp": '#include "sconce/nn/module.h"\n'}
        )

    def test_layer_may_not_include_the_umbrella_header(self):
        self.assert_fault("src/nn/a.cpp:1", "layer 'nn'", {"src/nn/a.cpp": '#include "sconce/sconce.h"\n'})

    def test_strangers_may_not_meet_in_the_table(self):
        for old, new, name in (
            ("nn DEPENDS tensor state", "nn DEPENDS tensor checkpoint", "'nn' must not reach 'checkpoint'"),
            ("state DEPENDS core", "state DEPENDS core codec", "'state' must not reach 'codec'"),
            ("codec state)", "codec state kernels)", "'checkpoint' must not reach 'kernels'"),
        ):
            self.assertIn(old, CMAKE)
            self.assert_fault("CMakeLists.txt", name, cmake=CMAKE.replace(old, new))

    def test_unknown_layer_in_the_table(self):
        cmake = CMAKE.replace("state DEPENDS core", "state DEPENDS core cellar")
        self.assert_fault("CMakeLists.txt", "'cellar', which is not a layer", cmake=cmake)

    def test_circle_in_the_table(self):
        faults = self.faults(cmake=CMAKE.replace("sconce_layer(base ", "sconce_layer(base DEPENDS core "))
        self.assertIn("CMakeLists.txt: layer 'base' depends on itself", faults)

    def test_folder_that_is_no_layer(self):
        self.assert_fault("src/attic/a.cpp:1", "'attic' is not a layer", {"src/attic/a.cpp": "\n"})

    def test_source_outside_any_layer(self):
        self.assert_fault("src/a.cpp:1", "no layer", {"src/a.cpp": "\n"})

    def test_internal_header_of_another_layer(self):
        self.assert_fault("src/core/a.cpp:1", "internal to layer 'base'", {"src/core/a.cpp": '#include "base/posix.h"\n'})
        self.assert_fault("cli/a.cpp:1", "internal to layer 'base'", {"cli/a.cpp": '#include "base/posix.h"\n'})

    def test_internal_header_in_a_public_one(self):
        self.assert_fault(
            "include/sconce/base/a.h:2",
            "public header",
            {"include/sconce/base/a.h": '#pragma once\n#include "base/posix.h"\n'},
        )

    def test_posix_and_third_party_in_a_public_header(self):
        for header in ("unistd.h", "sys/stat.h", "zlib.h", "fmt/format.h", "stdint.h"):
            self.assert_fault(
                "include/sconce/base/a.h:2",
                f"<{header}> in a public header",
                {"include/sconce/base/a.h": f"#pragma once\n#include <{header}>\n"},
            )

    def test_compute_library_in_the_file_half(self):
        for header in ("dnnl.hpp", "oneapi/dnnl/dnnl.hpp", "omp.h", "hwy/highway.h"):
            self.assert_fault("src/core/a.cpp:1", "no compute library", {"src/core/a.cpp": f"#include <{header}>\n"})
        self.assert_fault("src/core/a.cpp:1", "angle brackets", {"src/core/a.cpp": '#include "dnnl.hpp"\n'})

    def test_angle_brackets_around_own_header(self):
        self.assert_fault("src/base/a.cpp:1", "in quotes", {"src/base/a.cpp": "#include <sconce/base/error.h>\n"})

    def test_missing_file_and_relative_path(self):
        self.assert_fault("src/base/a.cpp:1", "not a file", {"src/base/a.cpp": '#include "sconce/base/none.h"\n'})
        self.assert_fault("src/base/a.cpp:1", "not a file", {"src/base/a.cpp": '#include "posix.h"\n'})

    def test_header_without_pragma_once(self):
        self.assert_fault("src/base/a.h:1", "#pragma once", {"src/base/a.h": "int f();\n"})

    def test_switch_at_a_call_site(self):
        for line in ("#ifdef SCONCE_NN", "#if defined(SCONCE_NN)", "#  ifndef SCONCE_NN"):
            self.assert_fault("src/base/a.cpp:2", "SCONCE_NN", {"src/base/a.cpp": f"\n{line}\n#endif\n"})

    def test_comments_do_not_count_but_lines_do(self):
        self.assertEqual(self.faults({"src/base/a.cpp": '// #include "x.h"\n/*\n#include "y.h"\n*/\n'}), [])
        self.assert_fault("src/base/a.cpp:4", '"y.h"', {"src/base/a.cpp": '/*\n*/\n\n#include "y.h"\n'})

    def test_files_that_include_each_other(self):
        self.assert_fault(
            "include/sconce/core/a.h",
            "include/sconce/core/a.h -> include/sconce/core/b.h -> include/sconce/core/a.h",
            {
                "include/sconce/core/a.h": '#pragma once\n#include "sconce/core/b.h"\n',
                "include/sconce/core/b.h": '#pragma once\n#include "sconce/core/a.h"\n',
            },
        )

    def test_file_that_includes_itself(self):
        self.assert_fault("src/base/a.h", "includes itself", {"src/base/a.h": '#pragma once\n#include "base/a.h"\n'})


if __name__ == "__main__":
    unittest.main()
