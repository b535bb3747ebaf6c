#include "sconce/models/cifar_resnet.h"

#include <gtest/gtest.h>

#include "base/error_matcher.h"
#include "sconce/kernels/random.h"
#include "sconce/models/registry.h"
#include "sconce/tensor/factory.h"
#include "sconce/tensor/grad_mode.h"
#include "sconce/tensor/random.h"
#include "support/digest.h"
#include "support/text_data.h"

namespace sconce::models {
namespace {

TEST(CifarResNet, BeginsWithTheBitsOfPyTorch) {
  int networks = 0;
  for (const std::string& line : test::golden_lines("models/cifar_resnet.txt")) {
    const std::vector<std::string> words = test::words_of(line);
    ASSERT_EQ(words.size(), 3U);
    SCOPED_TRACE(words[0]);
    manual_seed(0);
    const StateDict state = make(words[0])->state_dict();
    EXPECT_EQ(state.size(), std::stoul(words[1]));
    Sha256 digest;
    for (const auto& [name, value] : state) digest.update({value.array().raw(), value.array().nbytes()});
    EXPECT_EQ(to_hex(digest.finish()), words[2]);
    ++networks;
  }
  EXPECT_EQ(networks, 5);
}

TEST(CifarResNet, NamesItsParts) {
  CifarResNet net(3);
  const StateDict state = net.state_dict();
  for (const char* name : {"conv1.weight", "bn1.running_var", "layer1.0.conv1.weight", "layer2.2.bn2.bias",
                           "layer3.0.bn1.num_batches_tracked", "linear.weight", "linear.bias"}) {
    EXPECT_TRUE(state.contains(name)) << name;
  }
  EXPECT_EQ(state.names().front(), "conv1.weight");
  EXPECT_EQ(state.names().back(), "linear.bias");
  // Without weights, but a module: PyTorch lists it.
  EXPECT_EQ(state.version("layer2.0.shortcut"), 1);
}

TEST(CifarShortcut, PassesOnWhatFits) {
  CifarShortcut shortcut(4, 4, 1);
  const Tensor image = randn({1, 4, 3, 3});
  EXPECT_TRUE(shortcut(image).is_same(image));
}

TEST(CifarShortcut, TakesEverySecondPixelBetweenZeroChannels) {
  CifarShortcut shortcut(2, 4, 2);
  const Tensor image = arange(18).to(kFloat32).view({1, 2, 3, 3});
  const Tensor out = shortcut(image);
  EXPECT_EQ(out.shape(), Shape({1, 4, 2, 2}));
  EXPECT_EQ(out.to_vector<float>(), (std::vector<float>{0, 0, 0, 0, 0, 2, 6, 8, 9, 11, 15, 17, 0, 0, 0, 0}));
}

TEST(CifarResNet, TakesOtherSizesAndClasses) {
  CifarResNet net(1, 7);
  net.eval();
  const NoGradGuard no_grad;
  EXPECT_EQ(net(zeros({2, 3, 32, 32})).shape(), Shape({2, 7}));
  EXPECT_EQ(net(zeros({2, 3, 17, 17})).shape(), Shape({2, 7}));
}

TEST(CifarResNet, RefusesNoBlocks) { EXPECT_ERROR(CifarResNet(0), ErrorCode::kInvalidArgument); }

}  // namespace
}  // namespace sconce::models
