#include "sconce/toolbox/diff.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error_matcher.h"
#include "sconce/checkpoint/save.h"
#include "sconce/state/state_dict.h"
#include "sconce/toolbox/key_names.h"
#include "toolbox/listing_of.h"

namespace sconce::toolbox {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

Diff compare(const Value& a, const Value& b, const DiffOptions& options = {}) {
  return diff(listing_of(a), listing_of(b), options);
}

std::vector<std::string> structure(const Diff& found) {
  std::vector<std::string> out;
  for (const StructureChange& change : found.structure)
    out.push_back(cat(change.what, " ", change.name, ": ", change.a, " -> ", change.b));
  return out;
}

Value model(float first) {
  return Value::ordered_dict({{"fc.weight", Array::from<float>({first, 2, 3, 4}, {2, 2})},
                              {"fc.bias", Array::from<float>({5, 6}, {2})}});
}

TEST(Diff, TheSameFile) {
  const Value file = Value::dict({{"model", model(1)}, {"epoch", 3}});
  const Diff found = compare(file, file);
  EXPECT_TRUE(found.is_same());
  EXPECT_TRUE(found.is_same(true));
  EXPECT_EQ(found.count_equal(), 2U);
  EXPECT_EQ(found.equal_values, 1U);
}

TEST(Diff, ChangedNumbers) {
  const Diff found = compare(model(1), model(1.5F));
  EXPECT_FALSE(found.is_same());
  EXPECT_EQ(found.count_equal(), 1U);
  EXPECT_EQ(found.count_different(), 1U);
  EXPECT_DOUBLE_EQ(found.tensors[0].numbers->max_absolute, 0.5);
  const Diff near = compare(model(1), model(1.5F), {.tolerance = Tolerance{0, 0.5}});
  EXPECT_TRUE(near.is_same());
  EXPECT_EQ(near.count_near(), 1U);
}

TEST(Diff, NamesShapesDtypes) {
  const Value a =
      Value::dict({{"x", Array::zeros({2, 3})}, {"y", Array::ones({3})}, {"only", Array::ones({9})}});
  const Value b = Value::dict(
      {{"x", Array::zeros({3, 2})}, {"y", Array::ones({3}, kFloat16)}, {"new", Array::ones({8})}});
  const Diff found = compare(a, b);
  ASSERT_EQ(found.tensors.size(), 2U);
  EXPECT_THAT(found.tensors[0].changes, ElementsAre("shape (2, 3) -> (3, 2)"));
  EXPECT_FALSE(found.tensors[0].numbers.has_value());
  EXPECT_THAT(found.tensors[1].changes, ElementsAre("dtype float32 -> float16"));
  EXPECT_TRUE(found.tensors[1].numbers->is_equal());
  EXPECT_EQ(found.count_different(), 2U);
  EXPECT_THAT(found.only_a, ElementsAre(2U));
  EXPECT_THAT(found.only_b, ElementsAre(2U));
}

TEST(Diff, RenamesAreDifferencesThatAreExplained) {
  const Value a = Value::dict({{"fc.weight", Array::from<float>({1, 2}, {2})}, {"same", Array::ones({1})}});
  const Value b = Value::dict({{"same", Array::ones({1})}, {"head.weight", Array::from<float>({1, 2}, {2})}});
  const Diff found = compare(a, b);
  EXPECT_FALSE(found.is_same());
  EXPECT_EQ(found.count_renamed(), 1U);
  EXPECT_EQ(found.tensors[0].paired_by, PairedBy::kContent);
  EXPECT_THAT(found.only_a, IsEmpty());
  EXPECT_THAT(found.only_b, IsEmpty());
  const Diff without = compare(a, b, {.find_renames = false});
  EXPECT_THAT(without.only_a, ElementsAre(0U));
  EXPECT_THAT(without.only_b, ElementsAre(1U));
}

TEST(Diff, EqualContentOfAnotherDtypeOrShapeIsNoRename) {
  const Diff found =
      compare(Value::dict({{"a", Array::zeros({4})}}), Value::dict({{"b", Array::zeros({2, 2})}}));
  EXPECT_EQ(found.count_renamed(), 0U);
  EXPECT_EQ(compare(Value::dict({{"a", Array::zeros({4})}}), Value::dict({{"b", Array::zeros({4}, kInt32)}}))
                .count_renamed(),
            0U);
}

TEST(Diff, AmbiguousRenamesAreListedAsSuch) {
  const Value a = Value::dict({{"a", Array::zeros({4})}, {"b", Array::zeros({4})}});
  const Value b = Value::dict({{"x", Array::zeros({4})}, {"y", Array::zeros({4})}});
  const Diff found = compare(a, b);
  ASSERT_EQ(found.ambiguous.size(), 1U);
  EXPECT_THAT(found.ambiguous[0].a, ElementsAre(0U, 1U));
  EXPECT_THAT(found.ambiguous[0].b, ElementsAre(0U, 1U));
  EXPECT_FALSE(found.is_same());
}

TEST(Diff, WrappedNamesArePairedWhateverTheirContent) {
  const Diff found = compare(Value::dict({{"model.module.fc.weight", Array::zeros({2})}}),
                             Value::dict({{"model.fc.weight", Array::ones({2})}}));
  ASSERT_EQ(found.tensors.size(), 1U);
  EXPECT_EQ(found.tensors[0].paired_by, PairedBy::kWrapper);
  EXPECT_DOUBLE_EQ(found.tensors[0].numbers->max_absolute, 1);
  EXPECT_EQ(without_wrappers("module._orig_mod.a.module.b.module"), "a.b.module");
  EXPECT_EQ(without_wrappers("module"), "module");
  EXPECT_EQ(without_wrappers("modules.module_a.x"), "modules.module_a.x");
}

TEST(Diff, OtherValues) {
  const Value a =
      Value::dict({{"epoch", 3}, {"lr", 0.1}, {"gone", "x"}, {"betas", Value::tuple({0.9, 0.99})}});
  const Value b =
      Value::dict({{"epoch", 4}, {"lr", 0.1}, {"new", Value()}, {"betas", Value::tuple({0.9, 0.999})}});
  const Diff found = compare(a, b);
  std::vector<std::string> names;
  for (const ValueChange& change : found.values) names.push_back(change.name);
  EXPECT_THAT(names, ElementsAre("epoch", "gone", "betas", "new"));
  EXPECT_EQ(found.equal_values, 1U);
  EXPECT_FALSE(found.is_same());
  EXPECT_TRUE(compare(a, b, {.tensors_only = true}).is_same());
  EXPECT_EQ(compare(a, b, {.tolerance = Tolerance{0, 1}}).near_values, 2U);
}

TEST(Diff, StructureCountsOnlyWhenStrict) {
  const Array base = Array::from<float>({1, 2, 3, 4}, {2, 2});
  const Array flipped = Array::from<float>({1, 3, 2, 4}, {2, 2}).transpose(0, 1);
  TensorLeaf leaf;
  leaf.array = flipped;
  leaf.requires_grad = true;
  leaf.device = "cuda:0";
  const Diff found = compare(Value::dict({{"x", base}}), Value::ordered_dict({{"x", leaf}}));
  EXPECT_TRUE(found.is_same());
  EXPECT_FALSE(found.is_same(true));
  EXPECT_THAT(structure(found), ElementsAre("strides x: contiguous -> (1, 2)", "requires_grad x: no -> yes",
                                            "device x: cpu -> cuda:0", "container : dict -> OrderedDict"));
}

TEST(Diff, SharedMemoryAndOrder) {
  const Array one = Array::ones({2});
  const Diff found = compare(Value::dict({{"a", one}, {"b", one}}),
                             Value::dict({{"b", Array::ones({2})}, {"a", Array::ones({2})}}));
  EXPECT_TRUE(found.is_same());
  EXPECT_THAT(structure(found),
              ElementsAre("sharing b: with a -> memory of its own", "order b: after a -> before a"));
}

TEST(Diff, MetadataEntryByEntry) {
  const auto state_with = [](std::int64_t version) {
    StateDict out;
    out.set("w", Array::ones({1}));
    out.set_version("", 1);
    out.set_version("bn", version);
    return out;
  };
  const StateDict a = state_with(2);
  StateDict b = state_with(1);
  EXPECT_THAT(structure(compare(Value(a), Value(b))),
              ElementsAre("metadata _metadata['bn']: {'version': 2} -> {'version': 1}"));
  b.set_metadata(std::nullopt);
  EXPECT_THAT(structure(compare(Value::dict({{"m", Value(a)}}), Value::dict({{"m", Value(b)}}))),
              ElementsAre("metadata m._metadata: 2 entries -> "));
}

TEST(Diff, FormatsMeet) {
  const Value file = model(1);
  const Diff found = diff(listing_of(file), listing_of(file, checkpoint::Format::kSafetensors));
  EXPECT_TRUE(found.is_same());
  EXPECT_FALSE(found.is_same(true));  // no OrderedDict there, but a __metadata__
  EXPECT_EQ(found.count_equal(), 2U);
}

TEST(Diff, QuantizedByIntegersAndParameters) {
  const auto quantized = [](std::int8_t first, double scale) {
    TensorLeaf leaf;
    const std::array<std::int8_t, 2> data{first, 2};
    leaf.array = Array::from_bytes(std::as_bytes(std::span(data)), kQInt8, {2});
    leaf.quantization.emplace().scale = scale;
    return Value::dict({{"q", leaf}});
  };
  EXPECT_TRUE(compare(quantized(1, 0.5), quantized(1, 0.5)).is_same(true));
  EXPECT_EQ(compare(quantized(1, 0.5), quantized(1, 0.25)).tensors[0].changes.size(), 1U);
  const Diff found = compare(quantized(1, 0.5), quantized(9, 0.5));
  EXPECT_THAT(found.tensors[0].changes, IsEmpty());
  EXPECT_DOUBLE_EQ(found.tensors[0].numbers->max_absolute, 8);
}

TEST(Diff, AStorageIsNoTensor) {
  const auto leaf = [](BareStorage kind) {
    TensorLeaf out;
    out.array = Array::from<float>({1, 2}, {2});
    out.bare_storage = kind;
    return Value::dict({{"s", out}});
  };
  EXPECT_TRUE(compare(leaf(BareStorage::kTyped), leaf(BareStorage::kTyped)).is_same(true));
  const Diff found = compare(leaf(BareStorage::kTyped), leaf(BareStorage::kNo));
  EXPECT_FALSE(found.is_same());
  EXPECT_THAT(found.tensors[0].changes, ElementsAre("storage -> tensor"));
  EXPECT_TRUE(found.tensors[0].numbers->is_equal());
}

TEST(Diff, SparseByParts) {
  const auto sparse = [](float first, Shape size) {
    SparseLeaf leaf;
    leaf.layout = "sparse_coo";
    leaf.indices = Array::from<std::int64_t>({0, 1, 1, 0}, {2, 2});
    leaf.values = Array::from<float>({first, 2}, {2});
    leaf.size = std::move(size);
    return Value::dict({{"s", leaf}});
  };
  EXPECT_TRUE(compare(sparse(1, {2, 2}), sparse(1, {2, 2})).is_same(true));
  const Diff numbers = compare(sparse(1, {2, 2}), sparse(7, {2, 2}));
  EXPECT_EQ(numbers.count_equal(), 1U);  // the indices
  EXPECT_EQ(numbers.count_different(), 1U);
  const Diff size = compare(sparse(1, {2, 2}), sparse(1, {2, 3}));
  EXPECT_EQ(size.count_different(), 0U);
  ASSERT_EQ(size.values.size(), 1U);
  EXPECT_FALSE(size.is_same());
}

TEST(Diff, EqualNamesMeetByTheirPath) {
  const auto file = [](float plain, float nested) {
    return Value::dict({{"a.b", Array::scalar(plain)}, {"a", Value::dict({{"b", Array::scalar(nested)}})}});
  };
  const auto swapped =
      Value::dict({{"a", Value::dict({{"b", Array::scalar(2.0F)}})}, {"a.b", Array::scalar(1.0F)}});
  EXPECT_TRUE(compare(file(1, 2), swapped).is_same());
  EXPECT_EQ(compare(file(1, 2), file(2, 1)).count_different(), 2U);
}

TEST(Diff, Filter) {
  const Diff found = compare(model(1), model(2), {.filter = "*.bias"});
  EXPECT_TRUE(found.is_same());
  EXPECT_EQ(found.tensors.size(), 1U);
}

TEST(Diff, DamagedTensorsAreErrors) {
  MemorySink sink;
  checkpoint::save(sink, model(1));
  const auto good = checkpoint::describe(sink.bytes());
  std::vector<std::byte> bytes(sink.bytes().begin(), sink.bytes().end());
  const auto& info = good.tensors[1];
  bytes[info.file_offset] ^= std::byte{1};
  const auto bad = checkpoint::describe(bytes);
  EXPECT_ERROR(diff(good, bad), ErrorCode::kChecksum);
}

}  // namespace
}  // namespace sconce::toolbox
