// What Winograd's filtering may change of a training (architecture.md): the loss, by no more than 1e-4.
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "sconce/kernels/backend.h"
#include "sconce/kernels/blocked.h"
#include "sconce/kernels/random.h"
#include "sconce/models/registry.h"
#include "sconce/nn/loss.h"
#include "sconce/optim/sgd.h"
#include "sconce/tensor/random.h"
#include "support/kernel_testing.h"

namespace sconce::models {
namespace {

using kernels::Backend;

// With larger steps the losses of two runs in plain arithmetic part by more, when one begins a rounding
// beside the other: 4e-4 at a learning rate of 0.01.
std::vector<double> losses_of_resnet20(Backend backend) {
  const test::BackendScope scope(backend);
  manual_seed(0);
  const auto net = make("resnet20");
  const Tensor images = randn({32, 3, 32, 32});
  const Tensor labels = randint(0, 10, {32});
  optim::SGD optimizer(net->parameters(), {.lr = 5e-4, .momentum = 0.9, .weight_decay = 1e-4});
  std::vector<double> losses;
  for (int step = 0; step < 50; ++step) {
    optimizer.zero_grad();
    const Tensor loss = cross_entropy((*net)(images), labels);
    loss.backward();
    optimizer.step();
    losses.push_back(loss.item());
  }
  return losses;
}

TEST(Winograd, KeepsTheLossOfResNet20) {
  const std::vector<double> exact = losses_of_resnet20(Backend::kExact);
  const std::vector<double> found = losses_of_resnet20(Backend::kDefault);
  ASSERT_LT(exact.back(), exact.front() / 2);
  double most = 0;
  for (std::size_t i = 0; i < exact.size(); ++i) most = std::max(most, std::abs(found[i] - exact[i]));
  EXPECT_LT(most, 1e-4);
  // Otherwise nothing was compared.
  EXPECT_EQ(found != exact, kernels::blocked::block_size() == 16);
}

}  // namespace
}  // namespace sconce::models
