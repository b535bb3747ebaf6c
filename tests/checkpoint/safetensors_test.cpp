#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error_matcher.h"
#include "codec/codec_test_util.h"
#include "sconce/base/byte_writer.h"
#include "sconce/checkpoint/listing.h"
#include "sconce/checkpoint/load.h"

namespace sconce::checkpoint {
namespace {

using ::testing::ElementsAre;

std::vector<std::byte> file(const std::string& header, std::size_t data_bytes = 24) {
  ByteWriter out;
  out.little(static_cast<std::uint64_t>(header.size()));
  out.chars(header);
  out.fill(data_bytes, 0);
  return out.take();
}
std::string entry(const char* dtype, const char* shape, const char* offsets) {
  return cat(R"({"w":{"dtype":")", dtype, R"(","shape":)", shape, R"(,"data_offsets":)", offsets, "}}");
}
std::optional<ErrorCode> code(const std::string& header, std::size_t data_bytes = 24) {
  const auto bytes = file(header, data_bytes);
  const auto loaded = testing::error_of([&] { load(bytes); });
  EXPECT_EQ(loaded, testing::error_of([&] { describe(bytes); }));
  return loaded;
}

// formats.md F.4.
TEST(Safetensors, GoldenExample) {
  const auto bytes = testing::from_hex(
      "40000000000000007b2277223a7b226474797065223a22463332222c227368617065223a5b322c335d2c22646174615f6f6666"
      "7365"
      "7473223a5b302c32345d7d7d20202020202020000000000000803f0000004000004040000080400000a040");
  ASSERT_EQ(bytes.size(), 96u);
  EXPECT_THAT(load(bytes).at("w").as_array().to_vector<float>(), ElementsAre(0, 1, 2, 3, 4, 5));
  const Listing listing = describe(bytes);
  EXPECT_EQ(listing.tensors.at(0).file_offset, 72u);
  EXPECT_THAT(listing.read(0).to_vector<float>(), ElementsAre(0, 1, 2, 3, 4, 5));
  EXPECT_ERROR(listing.read(1), ErrorCode::kIndexOutOfRange);
}

// formats.md F.1.
TEST(Safetensors, HeaderRules) {
  const std::string good = entry("F32", "[2,3]", "[0,24]");
  EXPECT_EQ(code(good), std::nullopt);
  EXPECT_EQ(code(good + " \n"), std::nullopt);
  EXPECT_EQ(code(good, 23), ErrorCode::kTruncated);
  EXPECT_EQ(code(good, 25), ErrorCode::kCorrupt);
  EXPECT_EQ(code(good + "x"), ErrorCode::kCorrupt);
  EXPECT_EQ(code(entry("f32", "[2,3]", "[0,24]")), ErrorCode::kUnsupported);
  EXPECT_EQ(code(entry("F32", "[2,4]", "[0,24]")), ErrorCode::kCorrupt);
  EXPECT_EQ(code(entry("F32", "[2.0,3]", "[0,24]")), ErrorCode::kCorrupt);
  EXPECT_EQ(code(entry("F32", "[-2,-3]", "[0,24]")), ErrorCode::kCorrupt);
  EXPECT_EQ(code(entry("F32", "[2,3]", "[0]")), ErrorCode::kCorrupt);
  EXPECT_EQ(code(entry("F32", "[2,3]", "[24,0]")), ErrorCode::kCorrupt);
  EXPECT_EQ(code(entry("F32", "[2,3]", "[4,28]"), 28), ErrorCode::kCorrupt);  // a hole before it
  EXPECT_EQ(code(entry("F32", "[9223372036854775808,9223372036854775808,0]", "[0,0]"), 0),
            ErrorCode::kOverflow);
  EXPECT_EQ(code(entry("F32", "[]", "[0,4]"), 4), std::nullopt);
  EXPECT_EQ(code(entry("F32", "[0,5]", "[0,0]"), 0), std::nullopt);
  EXPECT_EQ(code(entry("F4", "[2,4]", "[0,4]"), 4), std::nullopt);
  EXPECT_EQ(code(entry("F4", "[4,3]", "[0,6]"), 6), ErrorCode::kCorrupt);
  EXPECT_EQ(code(R"({"w":["F32",[1],[0,4]]})", 4), ErrorCode::kCorrupt);
  EXPECT_EQ(code(R"({"w":{"dtype":"F32","shape":[1]}})", 4), ErrorCode::kCorrupt);
  EXPECT_EQ(
      code(
          R"({"w":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"w":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})",
          2),
      ErrorCode::kCorrupt);
  EXPECT_EQ(
      code(
          R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}})",
          3),
      ErrorCode::kCorrupt);
  EXPECT_EQ(code(R"({"__metadata__":null})", 0), std::nullopt);
  EXPECT_EQ(code(R"({"__metadata__":{"a":1}})", 0), ErrorCode::kCorrupt);
  EXPECT_EQ(code(R"({"__metadata__":[]})", 0), ErrorCode::kCorrupt);
  EXPECT_EQ(code(R"({"__metadata__":{},"__metadata__":{}})", 0), ErrorCode::kCorrupt);
  EXPECT_EQ(code(R"({"w":{"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]}})", 4),
            ErrorCode::kCorrupt);
  EXPECT_EQ(code(R"({"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"more":[1,{}]}})", 4), std::nullopt);
  EXPECT_EQ(code(R"({"":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})", 4), std::nullopt);
  EXPECT_EQ(code(entry("F32", "[1e0]", "[0,4]"), 4), ErrorCode::kCorrupt);
  EXPECT_EQ(code(entry("F32", "[1]", "[0,4,8]"), 8), ErrorCode::kCorrupt);
  EXPECT_EQ(code(entry("F6_E2M3", "[2,4]", "[0,6]"), 6), std::nullopt);
  EXPECT_EQ(code(entry("F6_E3M2", "[2,0]", "[0,0]"), 0), std::nullopt);
  EXPECT_EQ(code(entry("F6_E2M3", "[2,2]", "[0,3]"), 3), ErrorCode::kCorrupt);  // a group across rows
  EXPECT_EQ(code(entry("F6_E2M3", "[3]", "[0,3]"), 3), ErrorCode::kCorrupt);
  EXPECT_EQ(code(entry("F6_E2M3", "[]", "[0,1]"), 1), ErrorCode::kCorrupt);
  EXPECT_EQ(code(entry("F6_E2M3", "[4]", "[0,4]"), 4), ErrorCode::kCorrupt);
  EXPECT_EQ(code(entry("F6_E1M4", "[4]", "[0,3]"), 3), ErrorCode::kUnsupported);
  EXPECT_EQ(code(good + std::string(7, '\0')), ErrorCode::kCorrupt);
  EXPECT_EQ(code("\xEF\xBB\xBF" + good), ErrorCode::kUnsupported);  // a byte order mark: not seen as one
  EXPECT_EQ(code(" " + good), ErrorCode::kUnsupported);
  EXPECT_EQ(code(good.substr(0, good.size() - 1) + ",}"), ErrorCode::kCorrupt);
  EXPECT_EQ(code(R"({"\ud800":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})", 4), ErrorCode::kCorrupt);
  EXPECT_EQ(code("{\"a\nb\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4),
            ErrorCode::kCorrupt);
  // A zero-size tensor must lie on the boundary of two others.
  EXPECT_EQ(
      code(
          R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"z":{"dtype":"U8","shape":[0],"data_offsets":[1,1]}})",
          2),
      ErrorCode::kCorrupt);
  EXPECT_EQ(
      code(
          R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"z":{"dtype":"U8","shape":[0],"data_offsets":[2,2]}})",
          2),
      std::nullopt);
  EXPECT_EQ(
      code(cat(R"({")", std::string(65537, 'n'), R"(":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})"), 1),
      ErrorCode::kLimit);
  EXPECT_EQ(code(R"({"w":{"x":[[[[[[[[[[1]]]]]]]]]]}})", 0), ErrorCode::kLimit);
}

TEST(Safetensors, HeaderLength) {
  auto bytes = file(entry("F32", "[2,3]", "[0,24]"));
  LoadOptions options;
  options.safetensors_header = 10;
  EXPECT_ERROR(load(bytes, options), ErrorCode::kLimit);
  bytes.resize(30);
  EXPECT_ERROR(load(bytes), ErrorCode::kTruncated);
}

TEST(Safetensors, OrderIsThatOfTheData) {
  const auto bytes = file(
      R"({"b":{"dtype":"U8","shape":[2],"data_offsets":[2,4]},"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}})",
      4);
  EXPECT_EQ(load(bytes).items().front().first.as_string(), "a");
}

}  // namespace
}  // namespace sconce::checkpoint
