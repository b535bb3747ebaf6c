"""Types under one name in two files, seen by tools/check_one_definition.py; and what looks like them but is not."""

import contextlib
import io
import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tools"))
import check_one_definition  # noqa: E402

PAIR = "namespace sconce::toolbox {\n\nstruct Pair {\n  int a;\n};\n\n}  // namespace sconce::toolbox\n"


class CheckOneDefinitionTest(unittest.TestCase):
    def check(self, files):
        """Exit status and what was printed, for {path: text}."""
        with tempfile.TemporaryDirectory() as folder:
            for path, text in files.items():
                target = pathlib.Path(folder) / path
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(text, encoding="utf-8")
            out = io.StringIO()
            with contextlib.redirect_stdout(out):
                status = check_one_definition.main([folder])
            return status, out.getvalue()

    def test_two_files(self):
        status, text = self.check({"include/a.h": PAIR, "src/b.cpp": PAIR.replace("struct", "class")})
        self.assertEqual(status, 1)
        self.assertEqual(text, "src/b.cpp:3: sconce::toolbox::Pair is defined in include/a.h:3 too\n")

    def test_forms_of_a_definition(self):
        for form in ("enum class Pair { kA };", "template <class T>\nstruct Pair {\n};", "class Pair : public Base {\n};",
                     "template <class T> struct Pair {\n};", "struct [[nodiscard]] Pair {\n};", "struct Pair {};"):
            body = PAIR.replace("struct Pair {\n  int a;\n};", form)
            self.assertEqual(self.check({"src/a.cpp": PAIR, "src/b.cpp": body})[0], 1, form)

    def test_others(self):
        unnamed = "namespace sconce::toolbox {\nnamespace {\n\nstruct Pair {\n};\n\n}  // namespace\n}  // namespace sconce::toolbox\n"
        for body in (unnamed, PAIR.replace("::toolbox", "::state"), PAIR.replace("struct Pair {\n  int a;\n};", "struct Pair;"),
                     PAIR.replace("struct Pair {\n  int a;\n};", "struct Outer {\n  struct Pair {\n  };\n};"),
                     PAIR.replace("struct Pair {", "template <>\nstruct Pair<int> {"),
                     "namespace sconce { class Pair; }\n" + PAIR.replace("Pair", "Other")):
            self.assertEqual(self.check({"src/a.cpp": PAIR, "src/b.cpp": body}), (0, ""), body)

    def test_after_an_unnamed_namespace(self):
        behind = PAIR.replace("struct Pair", "namespace {\nint x;\n}  // namespace\n\nstruct Pair")
        self.assertEqual(self.check({"src/a.cpp": PAIR, "src/b.cpp": behind})[0], 1)

    def test_an_empty_tree_is_a_fault(self):
        self.assertEqual(self.check({})[0], 1)


if __name__ == "__main__":
    unittest.main()
