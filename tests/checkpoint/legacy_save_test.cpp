#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error_matcher.h"
#include "base/temporary_folder.h"
#include "checkpoint/legacy_files.h"
#include "checkpoint/saved.h"
#include "sconce/checkpoint/listing.h"
#include "sconce/checkpoint/load.h"
#include "sconce/checkpoint/save.h"

namespace sconce::checkpoint {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

const SaveOptions kLegacy{.format = Format::kTorchLegacy};

Bytes legacy_bytes(const Value& value, const SaveOptions& options = kLegacy) {
  return saved_bytes(value, options);
}

// What PyTorch wrote for the same value, byte by byte but for the storage's key, which is an address there.
TEST(LegacySave, AsPyTorchWritesIt) {
  for (const char* name : {"w_17_leg.pt", "w_113_leg.pt", "w_26_leg.pt"}) {
    const Bytes theirs = testing::golden(cat("formats/legacy/", name));
    std::string expected(as_chars(theirs));
    const std::string key = cat(describe(theirs).tensors.at(0).storage, "");  // ours is its number
    EXPECT_EQ(key, "0");
    for (int i = 0; i < 2; ++i) {
      const std::size_t at = expected.find(std::string("X\x09\0\0\0", 5));
      ASSERT_NE(at, std::string::npos);
      expected.replace(at, 5 + 9, std::string("X\x01\0\0\0", 5) + "0");
    }
    EXPECT_EQ(std::string(as_chars(legacy_bytes(load(theirs)))), expected) << name;
  }
}

TEST(LegacySave, EveryDTypeThatHasAStorageClass) {
  int written = 0;
  for (const DTypeInfo& info : all_dtypes()) {
    TensorLeaf leaf;
    leaf.array = Array(Storage::allocate(4 * info.itemsize), info.dtype, Geometry::contiguous({2, 2}));
    std::fill_n(leaf.array.mutable_raw(), leaf.array.nbytes(), std::byte{1});
    if (is_quantized(info.dtype)) leaf.quantization.emplace().scale = 0.5;
    if (info.storage.empty()) {
      EXPECT_ERROR(legacy_bytes(Value::dict({{"a", leaf}})), ErrorCode::kUnsupported);
      continue;
    }
    ++written;
    const TensorLeaf back = load(legacy_bytes(Value(leaf))).as_tensor();
    EXPECT_TRUE(back.array.same_bits(leaf.array)) << info.name;
    EXPECT_EQ(back.quantization.has_value(), is_quantized(info.dtype)) << info.name;
  }
  EXPECT_EQ(written, 17);
  try {
    legacy_bytes(Value::dict({{"model", Value::dict({{"w", Array::zeros({1}, kUInt16)}})}}));
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.text(), HasSubstr("model.w"));
    EXPECT_THAT(error.text(), HasSubstr("uint16"));
  }
}

// PyTorch makes a nested tensor of sizes that such a file holds further on.
TEST(LegacySave, NestedTensorsAreRefused) {
  const auto table = [](std::int64_t number) { return Array::from<std::int64_t>({number}, {1, 1}); };
  const Value nested = Value::object(
      ObjectKind::kReduce, Value::global("torch._utils", "_rebuild_nested_tensor"),
      Value::tuple({Array::ones({6}), table(6), table(1), Array::from<std::int64_t>({0}, {1})}));
  EXPECT_ERROR(legacy_bytes(Value::dict({{"n", nested}})), ErrorCode::kUnsupported);
  MemorySink sink;
  EXPECT_EQ(save(sink, Value::dict({{"n", nested}})).warnings.size(), 0u);  // a zip holds it
}

TEST(LegacySave, ViewsShareAndKeepStrides) {
  const Array base = Array::from<float>({0, 1, 2, 3, 4, 5}, {2, 3});
  const Bytes bytes = legacy_bytes(Value::list({base.transpose(0, 1), base, base.select(0, 1)}));
  EXPECT_EQ(describe(bytes).tensors.at(2).alias_of, 0u);
  const Value back = load(bytes);
  EXPECT_EQ(back.at(0).as_array().strides(), (Strides{1, 3}));
  EXPECT_EQ(back.at(2).as_array().offset(), 3);
  EXPECT_EQ(back.at(0).as_array().storage(), back.at(1).as_array().storage());
  EXPECT_EQ(back.at(0).as_array().storage(), back.at(2).as_array().storage());
  EXPECT_EQ(back.at(0).as_array().storage().size(), 24u);
}

// More storages than digits: torch.save sorts their keys as strings, "10" before "2".
TEST(LegacySave, ManyStoragesAndAgain) {
  Value value = Value::dict();
  for (int i = 0; i < 1200; ++i) {
    value.set_item(cat("t", i), Array::from<std::int32_t>({i, -i}, {2}));
  }
  const Bytes bytes = legacy_bytes(value);
  EXPECT_EQ(bytes, legacy_bytes(value));
  const Listing listing = describe(bytes);
  EXPECT_LT(listing.tensors.at(10).file_offset, listing.tensors.at(2).file_offset);
  const Value back = load(bytes);
  for (int i = 0; i < 1200; ++i) {
    EXPECT_THAT(back.at(cat("t", i)).as_array().to_vector<std::int32_t>(), ElementsAre(i, -i));
  }
  EXPECT_EQ(bytes, legacy_bytes(back));
}

TEST(LegacySave, EmptyTensorsAndNoTensors) {
  const Value back = load(legacy_bytes(Value::list({Array::zeros({0, 3}), nullptr})));
  EXPECT_EQ(back.at(0).as_array().shape(), (Shape{0, 3}));
  EXPECT_EQ(load(legacy_bytes(Value(5))).as_int(), 5);
}

TEST(LegacySave, DeviceTagsOnRequest) {
  TensorLeaf leaf;
  leaf.array = Array::ones({2});
  leaf.device = "cuda:0";
  EXPECT_EQ(describe(legacy_bytes(Value(leaf))).tensors.at(0).device, "cpu");
  SaveOptions options = kLegacy;
  options.keep_device = true;
  EXPECT_EQ(describe(legacy_bytes(Value(leaf), options)).tensors.at(0).device, "cuda:0");
}

// What was read from the oldest forms is written in one that every version reads.
TEST(LegacySave, OldFilesBecomeOrdinaryOnes) {
  const Value tar = load(tar_of({}).bytes());
  EXPECT_THAT(load(legacy_bytes(tar)).as_array().to_vector<float>(), ElementsAre(0, 1, 2, 3, 4, 5));
  const Value view = load(legacy_of({.pid = {.view = ViewPart{}}, .sizes = {3}, .strides = {1}}).bytes());
  const Bytes bytes = legacy_bytes(view);
  EXPECT_THAT(load(bytes).as_array().to_vector<float>(), ElementsAre(2, 3, 4));
  EXPECT_EQ(bytes, legacy_bytes(load(bytes)));
}

class LegacySaveFile : public TemporaryFolder {};

TEST_F(LegacySaveFile, ToAPath) {
  save(path("a.pt"), Value::dict({{"w", Array::ones({2})}}), kLegacy);
  EXPECT_EQ(describe(path("a.pt")).format, Format::kTorchLegacy);
  const std::string before = get("a.pt");
  EXPECT_ERROR(save(path("a.pt"), Value(Array::zeros({1}, kUInt16)), kLegacy), ErrorCode::kUnsupported);
  EXPECT_EQ(get("a.pt"), before);
}

}  // namespace
}  // namespace sconce::checkpoint
