#include "sconce/state/repr.h"

#include <gtest/gtest.h>

#include <cmath>
#include <sstream>

namespace sconce {
namespace {

TEST(ValueRepr, ReadsAsPython) {
  EXPECT_EQ(value_repr(Value::dict({{"lr", 0.001}, {"nesterov", false}, {"foreach", nullptr}, {0, "a'b"}})),
            "{'lr': 0.001, 'nesterov': False, 'foreach': None, 0: 'a\\'b'}");
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
