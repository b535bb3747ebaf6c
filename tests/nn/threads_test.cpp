// A model in eval mode may be called from several threads at once.
#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "sconce/nn/nn.h"
#include "sconce/tensor/grad_mode.h"
#include "sconce/tensor/random.h"

namespace sconce::nn {
namespace {

// Calls the same model from four threads; each must get what one thread gets.
void expect_equal_from_threads(bool with_grad) {
  manual_seed(2);
  Sequential net{Conv2d{3, 4, 3, {.padding = "same", .padding_mode = "reflect"}},
                 BatchNorm2d{4},
                 ReLU{},
                 MaxPool2d{2},
                 Dropout{},
                 AdaptiveAvgPool2d{2},
                 Flatten{},
                 Linear{16, 5}};
  net(randn({4, 3, 8, 8}));  // statistics other than 0 and 1
  net.eval();
  const Tensor image = randn({2, 3, 8, 8});
  const Array expected = net(image).array().clone();
  std::vector<std::thread> threads;
  std::vector<int> equal(4, 0);
  for (std::size_t i = 0; i < equal.size(); ++i) {
    threads.emplace_back([&, i] {
      const GradModeGuard mode(with_grad);
      for (int round = 0; round < 10; ++round) equal[i] += net(image).array().same_bits(expected);
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(equal, std::vector<int>(4, 10));
}

TEST(EvalModeThreads, GiveEqualResults) { expect_equal_from_threads(false); }
TEST(EvalModeThreads, GiveEqualResultsWhileRecording) { expect_equal_from_threads(true); }

TEST(EvalModeThreads, ReadTheStateOfAConstModel) {
  const Sequential net{Linear{3, 4}, BatchNorm2d{4}};
  const std::vector<std::string> expected = net.state_dict().names();
  std::vector<std::thread> threads;
  std::vector<int> equal(4, 0);
  for (std::size_t i = 0; i < equal.size(); ++i) {
    threads.emplace_back([&, i] { equal[i] = net.state_dict().names() == expected; });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(equal, std::vector<int>(4, 1));
}

}  // namespace
}  // namespace sconce::nn
