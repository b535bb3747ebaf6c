// Results and gradients of the neural-network operations against PyTorch (tests/golden/nn_ops).
#include <gtest/gtest.h>

#include <functional>
#include <map>

#include "sconce/tensor/batch_norm.h"
#include "sconce/tensor/conv.h"
#include "sconce/tensor/dropout.h"
#include "sconce/tensor/elementwise.h"
#include "sconce/tensor/loss.h"
#include "sconce/tensor/pad.h"
#include "sconce/tensor/pool.h"
#include "sconce/tensor/softmax.h"
#include "support/kernel_testing.h"
#include "support/text_data.h"

namespace sconce {
namespace {

using Numbers = std::vector<double>;
using Tensors = std::vector<Tensor>;

struct Case {
  std::string line, operation;
  Numbers numbers;
  Tensors inputs;  // undefined where absent
  std::vector<Array> results, grads;
};

// The inputs that make.py computes from a seed.
Array values(const Shape& shape, std::int64_t seed) {
  std::vector<double> numbers;
  for (std::int64_t i = 0; i < shape.numel(); ++i) {
    numbers.push_back(static_cast<double>((7919 * i + 104729 * seed) % 2001 - 1000) / 1000);
  }
  return Array::from(numbers, shape);
}

Array written_array(const std::vector<std::string>& words) {
  std::vector<double> numbers;
  for (std::size_t i = 2; i < words.size(); ++i) numbers.push_back(std::stod(words[i]));
  return Array::from(numbers, test::shape_from_text(words[1]));
}

std::vector<Case> read_cases() {
  std::vector<Case> cases;
  for (const std::string& line : test::golden_lines("nn_ops/cases.txt")) {
    const auto words = test::words_of(line);
    if (words[0] == "case") {
      Case c;
      c.line = line;
      c.operation = words[1];
      for (std::size_t i = 2; i < words.size(); ++i) c.numbers.push_back(std::stod(words[i]));
      cases.push_back(std::move(c));
    } else if (words[0] == "input") {
      Tensor x = values(test::shape_from_text(words[1]), std::stoll(words[2]));
      cases.back().inputs.push_back(x.set_requires_grad());
    } else if (words[0] == "labels") {
      cases.back().inputs.emplace_back(written_array(words).cast(kInt64));
    } else if (words[0] == "none") {
      cases.back().inputs.emplace_back();
    } else {
      (words[0] == "result" ? cases.back().results : cases.back().grads).push_back(written_array(words));
    }
  }
  return cases;
}

std::int64_t whole(double number) { return static_cast<std::int64_t>(number); }
Pair pair_at(const Numbers& n, std::size_t i) { return {whole(n[i]), whole(n[i + 1])}; }
Reduction reduction_of(double number) { return static_cast<Reduction>(whole(number)); }

Tensor class_weight(const Tensor& x) { return x.defined() ? add(abs(x.detach()), 0.5) : Tensor(); }

Tensors run_batch_norm(const Tensors& in, const Numbers& n) {
  const Shape channels{in[0].size(1)};
  const Tensor mean = values(channels, 11);
  const Tensor variance = add(abs(Tensor(values(channels, 12))), 0.5);
  const Tensor out =
      batch_norm(in[0], mean, variance, in[1], in[2], {.training = n[0] != 0, .momentum = n[1], .eps = n[2]});
  return {out, mean, variance};
}

Tensors run_dropout(const Tensors& in, const Numbers& n) {
  Generator generator(static_cast<std::uint64_t>(n[1]));
  const Tensor out = dropout(n[2] != 0 ? in[0].t() : in[0], n[0], true, generator);
  return {out, Array::full({1}, generator.uniform53(), kFloat64)};
}

Tensors run_max_pool2d(const Tensors& in, const Numbers& n) {
  const auto pooled = max_pool2d_with_indices(
      in[0], pair_at(n, 0),
      {.stride = pair_at(n, 2), .padding = pair_at(n, 4), .dilation = pair_at(n, 6), .ceil_mode = n[8] != 0});
  return {pooled.first, pooled.second};
}

Tensors run_avg_pool2d(const Tensors& in, const Numbers& n) {
  AvgPool2dOptions options{.stride = pair_at(n, 2),
                           .padding = pair_at(n, 4),
                           .ceil_mode = n[6] != 0,
                           .count_include_pad = n[7] != 0,
                           .divisor_override = {}};
  if (n[8] != 0) options.divisor_override = whole(n[8]);
  return {avg_pool2d(in[0], pair_at(n, 0), options)};
}

Tensors run_cross_entropy(const Tensors& in, const Numbers& n) {
  CrossEntropyOptions options;
  options.weight = class_weight(in[2]);
  options.reduction = reduction_of(n[0]);
  options.label_smoothing = n[1];
  return {cross_entropy(in[0], in[1], options)};
}

Tensors run_nll_loss(const Tensors& in, const Numbers& n) {
  NllLossOptions options;
  options.weight = class_weight(in[2]);
  options.reduction = reduction_of(n[0]);
  return {nll_loss(in[0], in[1], options)};
}

Tensors run_pad(const Tensors& in, const Numbers& n) {
  Dims pads;
  for (std::size_t i = 1; i < n.size(); ++i) pads.push_back(whole(n[i]));
  return {pad(in[0], pads, static_cast<PadMode>(whole(n[0])))};
}

using Operation = std::function<Tensors(const Tensors&, const Numbers&)>;

const std::map<std::string, Operation>& operations() {
  static const std::map<std::string, Operation> table = {
      {"conv2d",
       [](const Tensors& in, const Numbers& n) -> Tensors {
         return {conv2d(in[0], in[1], in[2],
                        {.stride = pair_at(n, 0),
                         .padding = pair_at(n, 2),
                         .dilation = pair_at(n, 4),
                         .groups = whole(n[6])})};
       }},
      {"max_pool2d", run_max_pool2d},
      {"avg_pool2d", run_avg_pool2d},
      {"adaptive_avg_pool2d",
       [](const Tensors& in, const Numbers& n) -> Tensors {
         return {adaptive_avg_pool2d(in[0], pair_at(n, 0))};
       }},
      {"batch_norm", run_batch_norm},
      {"softmax",
       [](const Tensors& in, const Numbers& n) -> Tensors { return {softmax(in[0], whole(n[0]))}; }},
      {"log_softmax",
       [](const Tensors& in, const Numbers& n) -> Tensors { return {log_softmax(in[0], whole(n[0]))}; }},
      {"nll_loss", run_nll_loss},
      {"cross_entropy", run_cross_entropy},
      {"mse_loss",
       [](const Tensors& in, const Numbers& n) -> Tensors {
         return {mse_loss(in[0], in[1], reduction_of(n[0]))};
       }},
      {"pad", run_pad},
      {"dropout", run_dropout},
  };
  return table;
}

TEST(NnOpsGolden, ResultsAndGradientsEqualPyTorch) {
  const auto cases = read_cases();
  ASSERT_GT(cases.size(), 90U);
  for (const Case& c : cases) {
    SCOPED_TRACE(c.line);
    const Tensors results = operations().at(c.operation)(c.inputs, c.numbers);
    ASSERT_EQ(results.size(), c.results.size());
    for (std::size_t i = 0; i < results.size(); ++i) {
      EXPECT_LT(test::relative_difference(results[i].array(), c.results[i]), 1e-12) << "result " << i;
    }
    results[0].backward(values(results[0].shape(), 99));
    std::size_t next = 0;
    for (const Tensor& input : c.inputs) {
      if (!input.requires_grad()) continue;
      const Array expected = c.grads.at(next++);
      const Array found =
          input.grad().defined() ? input.grad().array() : Array::zeros(input.shape(), input.dtype());
      EXPECT_LT(test::relative_difference(found, expected), 1e-12) << "gradient " << next;
    }
    EXPECT_EQ(next, c.grads.size());
  }
}

}  // namespace
}  // namespace sconce
