// Members that a list forgot are found by debug builds.
#include "sconce/nn/live_list.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error_matcher.h"
#include "sconce/nn/nn.h"
#include "sconce/tensor/factory.h"

namespace sconce::nn {
namespace {

struct Whole : Layer {
  Linear fc{2, 3};
  std::optional<Conv2d> conv;
  std::vector<Linear> many;
  Parameter scale{ones({4})};
  Buffer mean{zeros({4})};
  SCONCE_MODULE(fc, conv, many, scale, mean)
  Tensor forward(const Tensor& x) override { return x; }
};

struct ForgetsAParameter : Layer {
  Linear fc{2, 3};
  Parameter scale{ones({4, 5})};
  SCONCE_MODULE(fc)
  Tensor forward(const Tensor& x) override { return x; }
};

struct ForgetsABuffer : Layer {
  Buffer mean;
  Linear fc{2, 3};
  SCONCE_MODULE(fc)
  Tensor forward(const Tensor& x) override { return x; }
};

struct ForgetsAModule : Layer {
  Linear fc1{2, 3};
  Linear fc2{3, 3};
  SCONCE_MODULE(fc1)
  Tensor forward(const Tensor& x) override { return x; }
};

// Derived from a module with a list, without one of its own.
struct Scaled : Conv2d {
  Scaled() : Conv2d(1, 1, 3) {}
  double unrelated = 1;
  Parameter scale{ones({4})};
};

struct ScaledAndListed : Conv2d {
  ScaledAndListed() : Conv2d(1, 1, 3) {}
  Parameter scale{ones({4})};
  SCONCE_MODULE_OF(Conv2d, scale)
};

// Sequential writes its list by hand.
struct NamedStack : Sequential {
  NamedStack() : Sequential{Linear(2, 3)} {}
  Parameter scale{ones({4})};
};

struct AddsNothing : Conv2d {
  AddsNothing() : Conv2d(1, 1, 3) {}
  Tensor forward(const Tensor& x) override { return x; }
};

template <class M>
struct Holds : Layer {
  M part;
  SCONCE_MODULE(part)
  Tensor forward(const Tensor& x) override { return x; }
};

std::string complaint(const Module& module) {
  try {
    module.state_dict();
  } catch (const Error& error) {
    return error.what();
  }
  return "none";
}

TEST(LiveList, AcceptsWhatIsListed) {
  Whole whole;
  whole.conv.emplace(1, 2, 3);
  whole.many.emplace_back(2, 2);
  whole.many.emplace_back(2, 2);
  EXPECT_EQ(whole.state_dict().size(), 10U);
  EXPECT_EQ(whole.parameters().size(), 9U);
  EXPECT_NO_THROW(whole.load_state_dict(whole.state_dict()));
  EXPECT_NO_THROW(ScaledAndListed().state_dict());
  EXPECT_NO_THROW(Holds<ScaledAndListed>().state_dict());
  EXPECT_NO_THROW(AddsNothing().state_dict());
  EXPECT_NO_THROW(Holds<AddsNothing>().state_dict());
  Sequential layers{Linear(2, 3), ReLU(), Sequential{Linear(3, 3)}};
  EXPECT_EQ(layers.state_dict().size(), 4U);
}

TEST(LiveList, EveryWalkComplains) {
  ForgetsAParameter net;
  EXPECT_ERROR(net.parameters(), ErrorCode::kState);
  EXPECT_ERROR(net.buffers(), ErrorCode::kState);
  EXPECT_ERROR(net.state_dict(), ErrorCode::kState);
  EXPECT_ERROR(net.load_state_dict(StateDict()), ErrorCode::kState);
}

TEST(LiveList, NamesClassAndPlace) {
  using ::testing::AllOf;
  using ::testing::HasSubstr;
  EXPECT_THAT(
      complaint(ForgetsAParameter()),
      AllOf(HasSubstr("ForgetsAParameter"), HasSubstr("Parameter of shape (4, 5)"), HasSubstr("'fc'")));
  EXPECT_THAT(complaint(ForgetsABuffer()), AllOf(HasSubstr("ForgetsABuffer"), HasSubstr("absent Buffer")));
  EXPECT_THAT(complaint(ForgetsAModule()), AllOf(HasSubstr("Linear"), HasSubstr("'fc1'")));
}

TEST(LiveList, FindsWhatADerivedClassAdds) {
  EXPECT_ERROR(Scaled().state_dict(), ErrorCode::kState);
  EXPECT_ERROR(Holds<Scaled>().state_dict(), ErrorCode::kState);
  EXPECT_ERROR((Sequential{Linear(2, 3), Scaled()}.state_dict()), ErrorCode::kState);
  EXPECT_ERROR((Sequential{{"a", Linear(2, 3)}, {"b", Scaled()}}.state_dict()), ErrorCode::kState);
  EXPECT_ERROR(Holds<NamedStack>().state_dict(), ErrorCode::kState);
  // The innermost class is named.
  EXPECT_THAT(complaint(Holds<Scaled>()), ::testing::HasSubstr("class Scaled"));
}

TEST(LiveList, LooksIntoThoseBelow) {
  EXPECT_ERROR((Sequential{Linear(2, 3), ForgetsAParameter()}.parameters()), ErrorCode::kState);
  std::vector<Holds<ForgetsAModule>> many(1);
  EXPECT_ERROR(many[0].parameters(), ErrorCode::kState);
}

TEST(LiveList, ForgetsTheDead) {
  alignas(Whole) std::byte memory[2 * sizeof(Whole)];
  for (int i = 0; i < 2; ++i) {
    auto* scale = new (memory + sizeof(Whole) + 8 * i) Parameter(ones({1}));
    scale->~Parameter();
    auto* net = new (memory) Whole;
    EXPECT_NO_THROW(net->state_dict());
    net->~Whole();
  }
}

TEST(LiveList, FollowsMoves) {
  std::vector<Whole> many;
  for (int i = 0; i < 5; ++i) many.emplace_back();
  for (const Whole& one : many) EXPECT_NO_THROW(one.state_dict());
  ForgetsAParameter first;
  const ForgetsAParameter second(std::move(first));
  EXPECT_ERROR(second.state_dict(), ErrorCode::kState);
}

}  // namespace
}  // namespace sconce::nn
