// load_state_dict: what it takes, what it refuses and in which words.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error_matcher.h"
#include "sconce/nn/nn.h"
#include "sconce/tensor/factory.h"

namespace sconce::nn {
namespace {

using testing::ElementsAre;

struct N : Module {
  Linear emb{2, 1, {.bias = false}};
  Linear fc{2, 3};
  SCONCE_MODULE(emb, fc)
};

std::vector<std::string> names_of(const std::vector<LoadReport::Key>& keys) {
  std::vector<std::string> out;
  for (const LoadReport::Key& key : keys) out.push_back(key.name);
  return out;
}

// Expects a refusal with PyTorch's text, after which `module` is what it was.
void expect_refused(Module& module, const StateDict& state, const std::string& text,
                    const LoadStateOptions& options = {}) {
  std::vector<Array> before;
  for (const auto& [name, value] : module.state_dict()) before.push_back(value.array().clone());
  try {
    module.load_state_dict(state, options);
    ADD_FAILURE() << "loaded, expected: " << text;
  } catch (const LoadError& error) {
    EXPECT_EQ(error.code(), ErrorCode::kKeyMismatch);
    EXPECT_EQ(error.report().error_text(module.class_name()), text);
    EXPECT_EQ(error.text().substr(0, text.size()), text);
  }
  std::size_t i = 0;
  for (const auto& [name, value] : module.state_dict())
    EXPECT_TRUE(value.array().same_bits(before[i++])) << name;
}

TEST(LoadState, CopiesIntoTheLiveParameters) {
  N from;
  N to;
  const Tensor handle = to.fc.weight;
  const LoadReport report = to.load_state_dict(from.state_dict());
  EXPECT_TRUE(report.is_clean());
  EXPECT_EQ(report.str(), "<All keys matched successfully>");
  EXPECT_TRUE(handle.is_same(to.fc.weight));
  EXPECT_TRUE(handle.array().same_bits(from.fc.weight.array()));
  EXPECT_NE(handle.array().storage(), from.fc.weight.array().storage());
  EXPECT_TRUE(handle.requires_grad());
}

// The example of PyTorch's text: missing, unexpected and of another size at once.
StateDict wrong_state() {
  StateDict state = N().state_dict();
  state.erase("emb.weight");
  state.set("fc.weight", Array::ones({3, 3}));
  state.set("fc.foo", Array::ones({1}));
  state.set("zz", Array::ones({1}));
  return state;
}

TEST(LoadState, RefusesInPyTorchsWords) {
  N module;
  expect_refused(
      module, wrong_state(),
      "Error(s) in loading state_dict for N:\n"
      "\tMissing key(s) in state_dict: \"emb.weight\". \n"
      "\tUnexpected key(s) in state_dict: \"zz\", \"fc.foo\". \n"
      "\tsize mismatch for fc.weight: copying a param with shape torch.Size([3, 3]) from checkpoint, the "
      "shape in current model is torch.Size([3, 2]).");
}

TEST(LoadState, SizesAreErrorsEvenWhenNotStrict) {
  N module;
  expect_refused(
      module, wrong_state(),
      "Error(s) in loading state_dict for N:\n"
      "\tsize mismatch for fc.weight: copying a param with shape torch.Size([3, 3]) from checkpoint, the "
      "shape in current model is torch.Size([3, 2]).",
      {.strict = false});
}

TEST(LoadState, NotStrictReportsTheRest) {
  StateDict state = N().state_dict();
  state.erase("emb.weight");
  state.set("zz", Array::ones({1}));
  state.set("fc.bias", Array::full({3}, 5));
  N module;
  const LoadReport report = module.load_state_dict(state, {.strict = false});
  EXPECT_THAT(names_of(report.missing), ElementsAre("emb.weight"));
  EXPECT_THAT(names_of(report.unexpected), ElementsAre("zz"));
  EXPECT_EQ(report.str(), "_IncompatibleKeys(missing_keys=['emb.weight'], unexpected_keys=['zz'])");
  EXPECT_EQ(module.fc.bias.to_vector<float>(), (std::vector<float>{5, 5, 5}));
}

TEST(LoadState, RefusesWhatIsNoTensor) {
  StateDict state = N().state_dict();
  state.set("fc.weight", StateValue::extra(Value::list({1, 2})));
  N module;
  expect_refused(
      module, state,
      "Error(s) in loading state_dict for N:\n"
      "\tWhile copying the parameter named \"fc.weight\", expected torch.Tensor or Tensor-like object "
      "from checkpoint but received <class 'list'>");
}

TEST(LoadState, OtherErrorsComeInTheOrderOfTheModel) {
  StateDict state = N().state_dict();
  state.set("emb.weight", Array::ones({1}));
  state.set("fc.weight", StateValue::extra(3));
  state.set("fc.bias", Array::ones({1}));
  N module;
  expect_refused(
      module, state,
      "Error(s) in loading state_dict for N:\n"
      "\tsize mismatch for emb.weight: copying a param with shape torch.Size([1]) from checkpoint, the "
      "shape in current model is torch.Size([1, 2]).\n"
      "\tWhile copying the parameter named \"fc.weight\", expected torch.Tensor or Tensor-like object "
      "from checkpoint but received <class 'int'>\n"
      "\tsize mismatch for fc.bias: copying a param with shape torch.Size([1]) from checkpoint, the shape "
      "in current model is torch.Size([3]).");
}

TEST(LoadState, UnexpectedKeysComeByModule) {
  StateDict state = N().state_dict();
  for (const char* name : {"fc.weight.x", "other.weight", "fc", "emb.bias"})
    state.set(name, Array::ones({1}));
  N module;
  expect_refused(
      module, state,
      "Error(s) in loading state_dict for N:\n"
      "\tUnexpected key(s) in state_dict: \"other.weight\", \"fc\", \"emb.bias\", \"fc.weight.x\". ");
}

TEST(LoadState, NamesTheLikelyCounterparts) {
  N module;
  try {
    module.load_state_dict(N().state_dict("module."));
    ADD_FAILURE() << "loaded";
  } catch (const LoadError& error) {
    EXPECT_EQ(error.report().common_prefix(), "module.");
    EXPECT_EQ(error.report().missing[0].nearest, "module.emb.weight");
  }
}

TEST(LoadState, NamesTheEntryOfTheRightShape) {
  StateDict state = N().state_dict();
  state.set("fc.weight", Array::ones({4, 2}));
  state.set("fc2.weight", Array::ones({3, 2}));
  state.set("fc1.weight", Array::ones({5, 2}));
  N module;
  try {
    module.load_state_dict(state);
    ADD_FAILURE() << "loaded";
  } catch (const LoadError& error) {
    ASSERT_EQ(error.report().mismatched.size(), 1U);
    EXPECT_EQ(error.report().mismatched[0].nearest, "fc2.weight");
    EXPECT_THAT(error.report().hints(), ElementsAre(testing::HasSubstr("'fc.weight' may be 'fc2.weight'")));
  }
}

TEST(LoadState, ConvertsDtypes) {
  StateDict state = N().state_dict();
  state.set("fc.bias", Array::from<double>({1.5, 2.5, 3.5}, {3}));
  state.set("emb.weight", Array::from<std::int64_t>({3, 4}, {1, 2}));
  N module;
  module.load_state_dict(state);
  EXPECT_EQ(module.fc.bias.dtype(), kFloat32);
  EXPECT_EQ(module.fc.bias.to_vector<float>(), (std::vector<float>{1.5, 2.5, 3.5}));
  EXPECT_EQ(module.emb.weight.to_vector<float>(), (std::vector<float>{3, 4}));
}

std::string copy_failure(const std::string& reason) {
  return "Error(s) in loading state_dict for Linear:\n"
         "\tWhile copying the parameter named \"bias\", whose dimensions in the model are torch.Size([3]) "
         "and "
         "whose dimensions in the checkpoint are torch.Size([3]), an exception occurred : (" +
         reason + ",).";
}

// A Linear's state_dict with another bias.
StateDict with_bias(const Value& bias) {
  StateDict state = Linear(2, 3).state_dict();
  state.set("bias", StateValue::from_value(bias));
  return state;
}

TEST(LoadState, RefusesWhatHoldsNoNumbers) {
  Linear module(2, 3);
  const std::string quantized =
      "'Copying from quantized Tensor to non-quantized Tensor is not allowed, please use dequantize to get a "
      "float Tensor from a quantized Tensor'";
  expect_refused(module, with_bias(Array::zeros({3}, kQInt8)), copy_failure(quantized));
  TensorLeaf packed;
  packed.array = Array::zeros({2}, kQUInt4x2);
  packed.quantization.emplace().packed = Geometry::contiguous({3});
  expect_refused(module, with_bias(packed), copy_failure(quantized));
  expect_refused(module, with_bias(Array::zeros({3}, kBits8)),
                 copy_failure(R"('"copy_" not implemented for \'Bits8\'')"));
  expect_refused(module, with_bias(Array::zeros({3}, kFloat4E2M1FNx2)),
                 copy_failure(R"('"copy_kernel" not implemented for \'Float4_e2m1fn_x2\'')"));
}

SparseLeaf sparse_leaf(const std::string& layout, DType dtype, const Shape& size) {
  return {.layout = layout,
          .indices = Array::zeros({1, 1}, kInt64),
          .plain_indices = {},
          .values = Array::ones({1}, dtype),
          .size = size,
          .is_coalesced = {}};
}

TEST(LoadState, RefusesSparseTensors) {
  Linear module(2, 3);
  const std::string between =
      "'copy_() between dense and sparse Tensors is not implemented! Found self type = torch.FloatTensor and "
      "src type = ";
  for (const auto& [dtype, type] :
       std::vector<std::pair<DType, std::string>>{{kFloat32, "torch.sparse.FloatTensor"},
                                                  {kInt64, "torch.sparse.LongTensor"},
                                                  {kBFloat16, "SparseCPUBFloat16Type"},
                                                  {kBool, "SparseCPUBoolType"},
                                                  {kComplex32, "SparseCPUComplexHalfType"},
                                                  {kBComplex32, "SparseCPUBComplex32Type"},
                                                  {kUInt16, "SparseCPUUInt16Type"},
                                                  {kFloat8E4M3FN, "SparseCPUFloat8_e4m3fnType"}}) {
    expect_refused(module, with_bias(sparse_leaf("sparse_coo", dtype, {3})),
                   copy_failure(between + type + "'"));
  }
  expect_refused(
      module, with_bias(sparse_leaf("sparse_csr", kFloat32, {3})),
      copy_failure("'copy_sparse_compressed_ expected sparse compressed tensor layout but got Strided'"));
  expect_refused(
      module, with_bias(sparse_leaf("sparse_coo", kFloat32, {4})),
      "Error(s) in loading state_dict for Linear:\n"
      "\tsize mismatch for bias: copying a param with shape torch.Size([4]) from checkpoint, the shape in "
      "current model is torch.Size([3]).");
}

TEST(LoadState, AssignTakesDenseNumbersOnly) {
  Linear module(2, 3);
  const std::string no_gradient =
      copy_failure("'Only Tensors of floating point and complex dtype can require gradients'");
  for (const Array& bias :
       {Array::zeros({3}, kInt64), Array::zeros({3}, kQInt8), Array::zeros({3}, kBits8)}) {
    expect_refused(module, with_bias(bias), no_gradient, {.assign = true});
  }
  expect_refused(module, with_bias(Array::zeros({3}, kComplex64)),
                 copy_failure("'complex tensors cannot require gradients'"), {.assign = true});
  expect_refused(module, with_bias(sparse_leaf("sparse_coo", kFloat32, {3})),
                 copy_failure("'parameters and buffers are dense, this tensor is sparse'"), {.assign = true});
  module.requires_grad(false);
  expect_refused(module, with_bias(Array::zeros({3}, kQInt8)),
                 copy_failure("'parameters and buffers hold numbers, this tensor is quantized'"),
                 {.assign = true});
  expect_refused(
      module, with_bias(Array::zeros({3}, kBits8)),
      copy_failure("'parameters and buffers hold numbers, the dtype of this tensor is torch.bits8'"),
      {.assign = true});
}

struct Scalar0 : Module {
  Parameter value{zeros({})};
  SCONCE_MODULE(value)
};

TEST(LoadState, ScalarsMayComeAsOneElement) {
  Scalar0 module;
  StateDict state;
  state.set("value", Array::full({1}, 4));
  module.load_state_dict(state);
  EXPECT_EQ(module.value.item(), 4);
  state.set("value", Array::full({1, 1}, 4));
  EXPECT_ERROR(module.load_state_dict(state), ErrorCode::kKeyMismatch);
  state.set("value", Array::full({2}, 4));
  EXPECT_ERROR(module.load_state_dict(state), ErrorCode::kKeyMismatch);
}

TEST(LoadState, NothingIsBroadcast) {
  Linear module{2, 3};
  StateDict state = module.state_dict();
  state.set("bias", Array::full({}, 4));
  EXPECT_ERROR(module.load_state_dict(state), ErrorCode::kKeyMismatch);
}

TEST(LoadState, AssignTakesTheArraysThemselves) {
  N module;
  const Tensor handle = module.fc.bias;
  module.fc.bias.set_grad(ones({3}));
  StateDict state = N().state_dict();
  const Array bias = Array::from<double>({1, 2, 3}, {3});
  state.set("fc.bias", bias);
  module.load_state_dict(state, {.assign = true});
  EXPECT_EQ(handle.dtype(), kFloat64);
  EXPECT_EQ(handle.array().storage(), bias.storage());
  EXPECT_TRUE(handle.requires_grad());
  EXPECT_FALSE(handle.grad().defined());
  EXPECT_EQ(module.fc.weight.array().storage(), state.at("fc.weight").array().storage());
  state.set("fc.bias", Array::ones({4}));
  EXPECT_ERROR(module.load_state_dict(state, {.assign = true}), ErrorCode::kKeyMismatch);
}

struct WithBuffers : Module {
  Buffer kept{zeros({1})};
  Buffer scratch{zeros({1}), false};
  Buffer none;
  SCONCE_MODULE(kept, scratch, none)
};

TEST(LoadState, BuffersThatAreNotPersistentAreUnexpected) {
  WithBuffers module;
  EXPECT_THAT(module.state_dict().names(), ElementsAre("kept"));
  StateDict state = module.state_dict();
  state.set("scratch", Array::ones({1}));
  state.set("none", Array::ones({1}));
  expect_refused(module, state,
                 "Error(s) in loading state_dict for WithBuffers:\n"
                 "\tUnexpected key(s) in state_dict: \"scratch\", \"none\". ");
}

struct Counter : Module {
  std::int64_t count = 0;
  SCONCE_MODULE()
  std::optional<Value> extra_state() const override { return Value::dict({{"count", count}}); }
  void set_extra_state(const Value& state) override { count = state.at("count").as_int(); }
};

struct Counters : Module {
  Counter first;
  Linear fc{1, 1};
  SCONCE_MODULE(first, fc)
};

TEST(LoadState, ExtraStateTravelsUnderItsName) {
  Counters from;
  from.first.count = 7;
  const StateDict state = from.state_dict();
  EXPECT_THAT(state.names(), ElementsAre("first._extra_state", "fc.weight", "fc.bias"));
  Counters to;
  to.load_state_dict(state);
  EXPECT_EQ(to.first.count, 7);

  StateDict without = state;
  without.erase("first._extra_state");
  EXPECT_THAT(names_of(to.load_state_dict(without, {.strict = false}).missing),
              ElementsAre("first._extra_state"));
  EXPECT_ERROR(to.load_state_dict(without), ErrorCode::kKeyMismatch);

  StateDict more = state;
  more.set("fc._extra_state", StateValue::extra(3));
  expect_refused(to.fc, more.under_prefix("fc."),
                 "Error(s) in loading state_dict for Linear:\n"
                 "\tUnexpected key(s) in state_dict: \"_extra_state\". ");
}

struct Picky : Module {
  Linear fc{1, 1};
  std::int64_t limit = 1;
  SCONCE_MODULE(fc)
  std::optional<Value> extra_state() const override { return Value(limit); }
  void set_extra_state(const Value& state) override {
    require(state.as_int() < 10, ErrorCode::kInvalidArgument, "picky", "too much");
    limit = state.as_int();
  }
};

// What a module refuses of its own leaves everything as it was, also what others had taken.
TEST(LoadState, RefusedExtraStateChangesNothing) {
  struct Two : Module {
    Picky a;
    Picky b;
    SCONCE_MODULE(a, b)
  } module;
  const StateDict before = module.state_dict();
  const Array weight = before.at("a.fc.weight").array().clone();
  StateDict state = before;
  state.set("a.fc.weight", Array::full({1, 1}, 7));
  state.set("a._extra_state", StateValue::extra(5));
  state.set("b._extra_state", StateValue::extra(11));
  EXPECT_ERROR(module.load_state_dict(state), ErrorCode::kInvalidArgument);
  EXPECT_EQ(module.a.limit, 1);
  EXPECT_TRUE(module.a.fc.weight.array().same_bits(weight));
}

TEST(LoadState, AssignedIntegersCannotBeLearned) {
  Linear module(2, 1);
  StateDict state = module.state_dict();
  state.set("bias", Array::full({1}, 7));
  state.set("weight", Array::ones({1, 2}, kInt64));
  const Array bias = module.bias.array().clone();
  EXPECT_ERROR(module.load_state_dict(state, {.assign = true}), ErrorCode::kKeyMismatch);
  EXPECT_EQ(module.weight.dtype(), kFloat32);
  EXPECT_TRUE(module.weight.requires_grad());
  EXPECT_TRUE(module.bias.array().same_bits(bias));
  module.requires_grad(false);
  module.load_state_dict(state, {.assign = true});
  EXPECT_EQ(module.weight.dtype(), kInt64);
}

TEST(LoadState, MismatchedShapesCanBePassedOverByPattern) {
  Linear module(2, 3);
  StateDict state = Linear(2, 4).state_dict();
  EXPECT_ERROR(module.load_state_dict(state, {.skip_mismatched = {"bias"}}), ErrorCode::kKeyMismatch);
  const Array weight = module.weight.array().clone();
  const LoadReport report = module.load_state_dict(state, {.skip_mismatched = {"w*", "bias"}});
  EXPECT_TRUE(report.is_clean());
  ASSERT_EQ(report.skipped.size(), 2U);
  EXPECT_EQ(report.skipped[0].name, "weight");
  EXPECT_EQ(report.skipped[0].expected, Shape({3, 2}));
  EXPECT_EQ(report.skipped[0].found, Shape({4, 2}));
  EXPECT_EQ(report.str(),
            "_IncompatibleKeys(missing_keys=[], unexpected_keys=[], skipped_keys=['weight', 'bias'])");
  EXPECT_TRUE(module.weight.array().same_bits(weight));
  state.set("bias", Array::full({3}, 7));
  module.load_state_dict(state, {.skip_mismatched = {"*"}});
  EXPECT_TRUE(module.bias.array().same_bits(Array::full({3}, 7))) << "what fits is taken";
}

TEST(LoadState, ExtraStateMustBeLoadable) {
  struct Half : Module {
    SCONCE_MODULE()
    std::optional<Value> extra_state() const override { return Value(1); }
  } module;
  EXPECT_ERROR(module.load_state_dict(module.state_dict()), ErrorCode::kState);
}

TEST(LoadState, TiedParametersNeedEveryName) {
  struct Tied : Module {
    Linear a{1, 1, {.bias = false}};
    Linear b{1, 1, {.bias = false}};
    SCONCE_MODULE(a, b)
    Tied() { b.weight = a.weight; }
  } tied;
  StateDict state = tied.state_dict();
  tied.load_state_dict(state);
  EXPECT_TRUE(tied.a.weight.is_same(tied.b.weight));
  state.erase("b.weight");
  EXPECT_ERROR(tied.load_state_dict(state), ErrorCode::kKeyMismatch);
}

// state_dict of a BatchNorm2d as a file of some version has it.
StateDict batch_norm_state(std::optional<std::int64_t> version, bool has_count) {
  StateDict state = BatchNorm2d(2).state_dict();
  if (!has_count) state.erase("num_batches_tracked");
  state.set_metadata(std::nullopt);
  if (version) state.set_version("", *version);
  return state;
}

TEST(LoadState, BatchNormOfOldVersionsMayLackTheCount) {
  for (const std::optional<std::int64_t> version :
       {std::optional<std::int64_t>(), std::optional<std::int64_t>(1), std::optional<std::int64_t>(2)}) {
    BatchNorm2d module(2);
    module.num_batches_tracked.mutable_array().fill(5);
    EXPECT_TRUE(module.load_state_dict(batch_norm_state(version, true)).is_clean());
    EXPECT_EQ(module.num_batches_tracked.item(), 0);
  }
  BatchNorm2d module(2);
  module.num_batches_tracked.mutable_array().fill(5);
  EXPECT_TRUE(module.load_state_dict(batch_norm_state(std::nullopt, false)).is_clean());
  EXPECT_TRUE(module.load_state_dict(batch_norm_state(1, false)).is_clean());
  EXPECT_EQ(module.num_batches_tracked.item(), 5);
  expect_refused(module, batch_norm_state(2, false),
                 "Error(s) in loading state_dict for BatchNorm2d:\n"
                 "\tMissing key(s) in state_dict: \"num_batches_tracked\". ");
}

TEST(LoadState, BatchNormWithoutStatisticsExpectsNone) {
  BatchNorm2d module(2, {.track_running_stats = false});
  StateDict state = module.state_dict();
  EXPECT_THAT(state.names(), ElementsAre("weight", "bias"));
  state.set_metadata(std::nullopt);
  EXPECT_TRUE(module.load_state_dict(state).is_clean());
}

}  // namespace
}  // namespace sconce::nn
