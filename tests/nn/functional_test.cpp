// What nn::functional adds to the operations of the tensor layer.
#include "sconce/nn/functional.h"

#include <gtest/gtest.h>

#include "support/gradcheck.h"
#include "support/kernel_testing.h"

namespace sconce::nn::functional {
namespace {

TEST(Functional, Conv2dIsTwiceDifferentiableHoweverItPads) {
  test::Random random(1);
  for (const PadMode mode :
       {PadMode::kConstant, PadMode::kReflect, PadMode::kReplicate, PadMode::kCircular}) {
    for (const ConvPadding& padding : {ConvPadding("same"), ConvPadding(Pair(1, 2)), ConvPadding("valid")}) {
      SCOPED_TRACE(cat("mode ", static_cast<int>(mode), " same ", padding.is_same()));
      const auto f = [&](const std::vector<Tensor>& in) {
        return conv2d(in[0], in[1], in[2], {.padding = padding, .groups = 2, .padding_mode = mode});
      };
      // An even side: its "same" padding is uneven.
      const std::vector<Tensor> inputs = {random.normal({2, 2, 4, 5}, kFloat64),
                                          random.normal({2, 1, 2, 3}, kFloat64),
                                          random.normal({2}, kFloat64)};
      test::expect_gradients(f, inputs);
      test::expect_second_gradients(f, inputs);
    }
  }
}

}  // namespace
}  // namespace sconce::nn::functional
