// Twenty steps of training, as PyTorch 1.13, 2.6 and 2.13 make them from seed 0.
#include <gtest/gtest.h>

#include <map>

#include "sconce/base/parallel.h"
#include "sconce/kernels/random.h"
#include "sconce/models/lenet.h"
#include "sconce/nn/loss.h"
#include "sconce/optim/sgd.h"
#include "sconce/tensor/random.h"
#include "support/digest.h"

namespace sconce::models {
namespace {

const std::map<std::string, std::string> kInitialDigests = {
    {"conv1.weight", "b17fc4a1177b26a9e68b18066a2645db184d64ddab046fae947c9c903f669804"},
    {"conv1.bias", "246d8222cdfcfbfafb36f7226706dc12650aa2785d271d9911c37c5fcc4366c9"},
    {"conv2.weight", "cb8a9d047c93a6dbe255f217a19e3529a4d4dfa8bfbcbdcd893ddc6face54de3"},
    {"conv2.bias", "12051c49beb6996470e923cb11b8e639a9d5b2e72522f66da208e947e6a67f31"},
    {"fc1.weight", "08036c30327a2be28bbf2f60ed1e7fcadd170f10f7613b88d71aedbe75ee135d"},
    {"fc1.bias", "d37dcff49ca85881b62430665dba534971d203a6022c70f623c628c3652beb51"},
    {"fc2.weight", "984a9d9d11991c9800519a9d226e32294e3750bd3188d90d381fb80bb8850e63"},
    {"fc2.bias", "592725db401b6fb09da15802b246a0db72a0fef6aa28bc4d36b05944413318ba"},
    {"fc3.weight", "d1469d1fa2bb1f775b866588703dee21413bc849830784be42919c36bc47af5e"},
    {"fc3.bias", "ba5bf83ad0497f2c8727d35cd82636093037ce70c02ac6149a54428f5a678280"}};

constexpr double kLosses[] = {2.27075052, 2.26990891, 2.26830053, 2.26601005, 2.26310635,
                              2.25980163, 2.25615072, 2.25218081, 2.24799156, 2.24359941,
                              2.23903561, 2.23416495, 2.22924209, 2.22432423, 2.21931982,
                              2.21421957, 2.20911217, 2.20409703, 2.19918394, 2.19433928};

// Restores the number of threads.
class ThreadsGuard {
 public:
  explicit ThreadsGuard(int count) : previous_(num_threads()) { set_num_threads(count); }
  ~ThreadsGuard() { set_num_threads(previous_); }

 private:
  int previous_;
};

TEST(GoldenTrajectory, BeginsWithTheBitsOfPyTorch) {
  manual_seed(0);
  const LeNet model;
  EXPECT_EQ(model.state_dict().size(), kInitialDigests.size());
  for (const auto& [name, value] : model.state_dict()) {
    EXPECT_EQ(test::sha256_of(value.array()), kInitialDigests.at(name)) << name;
  }
  EXPECT_EQ(test::sha256_of(default_generator().state()),
            "52c49048e12ce6d12863ace35264def59bd8e6230d22edcc92a9f00b53254b20");
  const Tensor x = randn({4, 3, 32, 32});
  const Tensor y = randint(0, 10, {4});
  EXPECT_EQ(test::sha256_of(x.array()), "03f712df5396a552a95edf16c6f86d277da81cbe5e6f9bae85d49e67befe86e7");
  EXPECT_EQ(test::sha256_of(y.array()), "d2d9293e5dcf91d856a60f757212d983475d242c77900b71228227457a5ff396");
  EXPECT_EQ(test::sha256_of(default_generator().state()),
            "a271e42fb5f255e86ab071fc25746f3987485967cdac69381eee3de0966497b2");
}

struct Trajectory {
  std::vector<double> losses;
  std::vector<std::string> digests;  // of the parameters in the end
};

Trajectory train(int threads) {
  const ThreadsGuard guard(threads);
  manual_seed(0);
  LeNet model;
  const Tensor x = randn({4, 3, 32, 32});
  const Tensor y = randint(0, 10, {4});
  const nn::CrossEntropyLoss criterion;
  optim::SGD optimizer{model.parameters(), {.lr = 0.001, .momentum = 0.9}};
  Trajectory out;
  for (std::size_t step = 0; step < std::size(kLosses); ++step) {
    optimizer.zero_grad();
    const Tensor loss = criterion(model(x), y);
    loss.backward();
    optimizer.step();
    out.losses.push_back(loss.item());
  }
  for (const auto& [name, value] : model.state_dict()) out.digests.push_back(test::sha256_of(value.array()));
  return out;
}

void expect_golden(const Trajectory& found) {
  ASSERT_EQ(found.losses.size(), std::size(kLosses));
  for (std::size_t step = 0; step < std::size(kLosses); ++step) {
    EXPECT_NEAR(found.losses[step], kLosses[step], 1e-6) << "step " << step;
  }
}

TEST(GoldenTrajectory, TwentyLossesOnOneThread) { expect_golden(train(1)); }
TEST(GoldenTrajectory, TwentyLossesOnTwoThreads) { expect_golden(train(2)); }

TEST(GoldenTrajectory, SecondRunHasTheSameBits) {
  for (const int threads : {1, 2}) {
    const Trajectory first = train(threads);
    const Trajectory second = train(threads);
    EXPECT_EQ(first.losses, second.losses) << threads << " threads";
    EXPECT_EQ(first.digests, second.digests) << threads << " threads";
  }
}

}  // namespace
}  // namespace sconce::models
