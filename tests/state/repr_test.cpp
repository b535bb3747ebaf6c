#include "sconce/state/repr.h"

#include <gtest/gtest.h>

#include <cmath>
#include <sstream>

#include "sconce/state/python_text.h"

namespace sconce {
namespace {

TEST(ValueRepr, ReadsAsPython) {
  EXPECT_EQ(value_repr(Value::dict({{"lr", 0.001}, {"nesterov", false}, {"foreach", nullptr}, {0, "a'b"}})),
            "{'lr': 0.001, 'nesterov': False, 'foreach': None, 0: \"a'b\"}");
  EXPECT_EQ(value_repr(Value::tuple({1})), "(1,)");
  EXPECT_EQ(value_repr(Value::tuple()), "()");
  EXPECT_EQ(value_repr(Value::set()), "set()");
  EXPECT_EQ(value_repr(Value::list({1.0, -2.5, 1e-8, 1e20, INFINITY, NAN})),
            "[1.0, -2.5, 1e-08, 1e+20, inf, nan]");
  EXPECT_EQ(value_repr(Array::zeros({2, 3})), "tensor(float32, (2, 3))");
  EXPECT_EQ(value_repr(Value::object(ObjectKind::kReduce, Value::global("os", "system"), Value::tuple())),
            "<os.system>");
  std::ostringstream out;
  out << Value(true);
  EXPECT_EQ(out.str(), "True");
}

// What Python prints of the same.
TEST(PythonText, FloatsAlwaysHaveAPointOrAnExponent) {
  for (const auto& [value, text] :
       std::vector<std::pair<double, std::string>>{{1, "1.0"},
                                                   {0, "0.0"},
                                                   {-0.0, "-0.0"},
                                                   {1e-5, "1e-05"},
                                                   {1e-4, "0.0001"},
                                                   {0.1 + 0.2, "0.30000000000000004"},
                                                   {1e15, "1000000000000000.0"},
                                                   {1e16, "1e+16"},
                                                   {5e-324, "5e-324"},
                                                   {-INFINITY, "-inf"}}) {
    EXPECT_EQ(float_repr(value), text);
  }
}

TEST(PythonText, StringsAreQuotedAndEscaped) {
  for (const auto& [value, text] : std::vector<std::pair<std::string, std::string>>{
           {"", "''"},
           {"a'b", "\"a'b\""},
           {"a\"b", "'a\"b'"},
           {"'\"", "'\\'\"'"},
           {"\\\n\r\t", "'\\\\\\n\\r\\t'"},
           {"\x1b\x7f", "'\\x1b\\x7f'"},
           {"\u00e9\u4e00\U0001f600", "'\u00e9\u4e00\U0001f600'"},
           {"\u00a0\u00ad\u0085", "'\\xa0\\xad\\x85'"},
           {"\u202e\u2028\ufeff", "'\\u202e\\u2028\\ufeff'"},
           {"\U000e0001", "'\\U000e0001'"},
           {"\xed\xa0\x80", "'\\ud800'"},
           {"\xff\xe9", "'\\xff\\xe9'"}}) {
    EXPECT_EQ(string_repr(value), text);
  }
}

TEST(ValueRepr, CutsAndEscapes) {
  EXPECT_EQ(value_repr("a\033[31m"), "'a\\x1b[31m'");
  Value many = Value::list();
  for (int i = 0; i < 100; ++i) many.append(i);
  EXPECT_EQ(value_repr(many, {.elements = 3}), "[0, 1, 2, ...]");
  Value cycle = Value::list();
  cycle.append(cycle);
  EXPECT_EQ(value_repr(cycle, {.depth = 2}), "[[[...]]]");
  EXPECT_EQ(value_repr(std::string(300, 'x'), {.characters = 2}), "'xx'... (300 bytes)");
}

}  // namespace
}  // namespace sconce
