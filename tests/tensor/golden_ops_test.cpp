// Forward values against PyTorch: tests/golden/ops/make.py.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "sconce/tensor/ops.h"
#include "support/digest.h"
#include "support/kernel_testing.h"
#include "support/text_data.h"

namespace sconce {
namespace {

// The operand the generator makes.
Tensor a(const Shape& shape, std::int64_t k, DType dtype) {
  std::vector<double> numerators(static_cast<std::size_t>(shape.numel()));
  for (std::size_t i = 0; i < numerators.size(); ++i) {
    numerators[i] = static_cast<double>((37 * static_cast<std::int64_t>(i) + 17 * k + 11) % 101 - 50);
  }
  return div(tensor(numerators, shape).to(dtype), 7);
}

std::vector<std::string> split_text(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::istringstream in(text);
  for (std::string part; std::getline(in, part, separator);) parts.push_back(part);
  return parts;
}

Tensor arithmetic_case(const std::string& name, DType dtype) {
  const Tensor x = a({4, 5}, 0, dtype);
  const Tensor y = a({4, 5}, 1, dtype);
  const Tensor z = a({5}, 2, dtype);
  const Tensor positive = abs(x) + 0.5;
  const TensorOptions options{.dtype = dtype};
  const std::map<std::string, std::function<Tensor()>> cases = {
      {"add", [&] { return x + z; }},
      {"add_alpha", [&] { return add(x, y, 0.3); }},
      {"sub", [&] { return x - y; }},
      {"mul", [&] { return x * z; }},
      {"div", [&] { return x / y; }},
      {"rdiv", [&] { return 3.7 / x; }},
      {"rsub", [&] { return 1.1 - x; }},
      {"div_scalar", [&] { return x / 3; }},
      {"neg", [&] { return -x; }},
      {"abs", [&] { return abs(x); }},
      {"sign", [&] { return sign(x); }},
      {"sqrt", [&] { return sqrt(positive); }},
      {"square", [&] { return square(x); }},
      {"pow2", [&] { return pow(x, 2); }},
      {"relu", [&] { return relu(x); }},
      {"maximum", [&] { return maximum(x, y); }},
      {"minimum", [&] { return minimum(x, y); }},
      {"clamp", [&] { return clamp(x, -1.5, 2); }},
      {"eq", [&] { return x == y; }},
      {"lt", [&] { return x < z; }},
      {"ge", [&] { return x >= 0.3; }},
      {"logical_and", [&] { return logical_and(x, y > 0); }},
      {"where", [&] { return where(x > 0, x, z); }},
      {"masked_fill", [&] { return masked_fill(x, x > 1, 9); }},
      {"max", [&] { return max(x); }},
      {"argmin", [&] { return argmin(x, 1); }},
      {"max1", [&] { return max(x, 1).first; }},
      {"argmax", [&] { return argmax(x); }},
      {"transpose", [&] { return x.t(); }},
      {"narrow", [&] { return x.narrow(1, 1, 3); }},
      {"cat",
       [&] {
         return cat({x, y}, 1);
       }},
      {"stack",
       [&] {
         return stack({x, y}, 1);
       }},
      {"topk", [&] { return topk(x, 2, 1).first; }},
      {"argsort", [&] { return argsort(x, 1, true); }},
      {"gather",
       [&] {
         return gather(x, 1, tensor(std::vector<std::int64_t>{0, 4, 1, 1}, {2, 2}));
       }},
      {"index_select",
       [&] {
         return index_select(x, 0, tensor({3, 0, 3}));
       }},
      {"any", [&] { return any(x > 7, 0); }},
      {"all", [&] { return all(x > -7); }},
      {"linspace", [&] { return linspace(-1, 2.3, 64, options); }},
      {"arange", [&] { return arange(-1, 30, 0.3, options); }},
      {"eye", [&] { return eye(3, 4, options); }},
      {"exp", [&] { return exp(x); }},
      {"log", [&] { return log(positive); }},
      {"sin", [&] { return sin(x); }},
      {"cos", [&] { return cos(x); }},
      {"tanh", [&] { return tanh(x); }},
      {"sigmoid", [&] { return sigmoid(x); }},
      {"pow2.5", [&] { return pow(positive, 2.5); }},
      {"pow_tensor", [&] { return pow(positive, z); }},
      {"var", [&] { return var(x); }},
      {"var1", [&] { return var(x, Dims{1}, 0); }},
      {"std", [&] { return stddev(x, Dims{0}); }},
      {"norm", [&] { return norm(x); }},
      {"norm1", [&] { return norm(x, 1, Dims{1}); }},
      {"norm3", [&] { return norm(x, 3, Dims{0}); }},
      {"prod", [&] { return prod(x.narrow(1, 0, 2), 1); }},
      {"mm", [&] { return matmul(x, y.t()); }},
      {"bmm",
       [&] {
         return matmul(a({2, 3, 4}, 0, dtype), a({4, 2}, 1, dtype));
       }},
      {"dot", [&] { return matmul(z, z); }},
      {"linear",
       [&] {
         return linear(x, a({3, 5}, 3, dtype), a({3}, 4, dtype));
       }},
  };
  return cases.at(name)();
}

Tensor reduction_case(const std::vector<std::string>& parts) {
  Tensor x = a(test::shape_from_text(parts[1]), 0, kFloat32);
  if (parts[3] == "transposed") x = x.transpose(0, -1);
  if (parts[3] == "strided") x = x.slice(-1, {.start = {}, .stop = {}, .step = 3});
  Dims dims;
  if (parts[2] != "all") {
    for (const std::string& dim : split_text(parts[2], ',')) dims.push_back(std::stoll(dim));
  }
  return parts[0] == "sum" ? sum(x, dims) : mean(x, dims);
}

Tensor compute(const std::string& name) {
  const std::vector<std::string> parts = split_text(name, ':');
  if (parts[0] == "sum" || parts[0] == "mean") return reduction_case(parts);
  if (parts[0] == "promote" || parts[0] == "promote0") {
    const std::vector<std::string> dtypes = split_text(parts[1], '+');
    const Tensor x = a({2, 3}, 0, kFloat32).to(*dtype_from_name(dtypes[0]));
    const Tensor y = a({3}, 1, kFloat32).to(*dtype_from_name(dtypes[1]));
    return x + (parts[0] == "promote" ? y : y[0]);
  }
  const DType dtype = *dtype_from_name(parts[1]);
  if (parts[0].starts_with("scalar")) {
    const Tensor x = a({2, 3}, 0, kFloat32).to(dtype);
    return parts[0] == "scalartrue" ? x * true : parts[0] == "scalar2" ? x * 2 : x * 1.5;
  }
  return arithmetic_case(parts[0], dtype);
}

TEST(GoldenOps, AgreeWithPyTorch) {
  for (const std::string& line : test::golden_lines("ops/cases.txt")) {
    const std::vector<std::string> words = test::words_of(line);
    const Array found = compute(words[0]).array();
    ASSERT_EQ(dtype_name(found.dtype()), words[1]) << words[0];
    ASSERT_EQ(found.shape(), test::shape_from_text(words[2])) << words[0];
    if (words[4].starts_with("sha256:")) {
      EXPECT_EQ(test::sha256_of(found), words[4].substr(7)) << words[0];
      continue;
    }
    const Array expected = Array::from_bytes(test::bytes_from_hex(words[4]), found.dtype(), found.shape());
    if (words[3] == "exact") {
      const bool both_nan = found.numel() == 1 && is_floating(found.dtype()) &&
                            std::isnan(found.item<double>()) && std::isnan(expected.item<double>());
      EXPECT_TRUE(both_nan || found.same_bits(expected)) << words[0];
    } else {
      EXPECT_LE(test::relative_difference(found, expected), found.dtype() == kFloat32 ? 1e-6 : 1e-14)
          << words[0];
    }
  }
}

TEST(GoldenOps, SumsDoNotDependOnTheNumberOfThreads) {
  const Tensor x = a({64, 3000}, 0, kFloat32);
  for (const Dims& dims : {Dims{0}, Dims{1}, Dims{}}) {
    const test::ThreadsScope one(1);
    const Array alone = sum(x, dims).array();
    const test::ThreadsScope several(3);
    EXPECT_TRUE(sum(x, dims).array().same_bits(alone));
  }
}

}  // namespace
}  // namespace sconce
