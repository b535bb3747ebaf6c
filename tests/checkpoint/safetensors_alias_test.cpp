// Tensors of a safetensors file that have several names: formats.md F.3.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error_matcher.h"
#include "checkpoint/saved.h"
#include "codec/codec_test_util.h"
#include "sconce/base/byte_writer.h"
#include "sconce/checkpoint/listing.h"
#include "sconce/checkpoint/load.h"
#include "sconce/checkpoint/save.h"

namespace sconce::checkpoint {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

// Tensors w and m.k.weight, and this metadata.
std::vector<std::byte> file_with(const std::string& metadata) {
  const std::string header =
      cat(R"({"__metadata__":)", metadata, R"(,"w":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},)",
          R"("m.k.weight":{"dtype":"U8","shape":[3],"data_offsets":[2,5]}})");
  ByteWriter out;
  out.little(static_cast<std::uint64_t>(header.size()));
  out.chars(header);
  out.fill(5, 7);
  return out.take();
}

std::vector<std::string> names(const Value& value) {
  std::vector<std::string> out;
  for (const auto& [key, item] : value.items()) out.push_back(key.as_string());
  return out;
}

std::vector<std::byte> safetensors_bytes(const Value& value, SaveOptions options = {}) {
  options.format = Format::kSafetensors;
  return saved_bytes(value, options);
}

TEST(SafetensorsAliases, SaveModelsEntriesAreNames) {
  // Equal last components, whatever else the metadata says.
  const auto bytes = file_with(R"({"format":"pt","d.weight":"m.k.weight","note":"x"})");
  const Value value = load(bytes);
  EXPECT_THAT(names(value), UnorderedElementsAre("w", "m.k.weight", "d.weight"));
  EXPECT_TRUE(value.at("d.weight").as_array().storage() == value.at("m.k.weight").as_array().storage());
  EXPECT_EQ(value.attribute("__metadata__")->size(), 2u);
  const Listing listing = describe(bytes);
  ASSERT_EQ(listing.tensors.size(), 3u);
  EXPECT_EQ(listing.tensors[2].name, "d.weight");
  EXPECT_EQ(listing.tensors[2].alias_of, 1u);
  EXPECT_EQ(listing.tensors[2].storage, listing.tensors[1].storage);
  EXPECT_THAT(listing.notes, ElementsAre(HasSubstr("1 more names")));
  // Nothing but such entries: what save_model writes for parameters right in the module.
  EXPECT_THAT(names(load(file_with(R"({"v":"w"})"))), UnorderedElementsAre("w", "m.k.weight", "v"));
}

TEST(SafetensorsAliases, OrdinaryMetadataStaysMetadata) {
  for (const char* metadata :
       {R"({"format":"w"})", R"({"name":"w","note":"x"})", R"({"w":"m.k.weight"})",
        R"({"m.k.weight":"w","a":"b"})", R"({"a.weight":"m.k"})", R"({"weight.x":"m.k.weight","note":""})"}) {
    const Value value = load(file_with(metadata));
    EXPECT_EQ(value.size(), 2u) << metadata;
    EXPECT_GT(value.attribute("__metadata__")->size(), 0u) << metadata;
  }
}

TEST(SafetensorsAliases, StatedNamesMustFitTheFile) {
  const auto code_of = [](const char* aliases) {
    const auto bytes = file_with(cat(R"({"name":"w","sconce.aliases":")", aliases, R"("})"));
    const auto loaded = testing::error_of([&] { load(bytes); });
    EXPECT_EQ(loaded, testing::error_of([&] { describe(bytes); }));
    return loaded;
  };
  EXPECT_EQ(code_of(R"({\"v\":\"w\"})"), std::nullopt);
  EXPECT_EQ(code_of(R"({})"), std::nullopt);
  EXPECT_EQ(code_of(R"({\"v\":\"z\"})"), ErrorCode::kCorrupt);
  EXPECT_EQ(code_of(R"({\"m.k.weight\":\"w\"})"), ErrorCode::kCorrupt);
  EXPECT_EQ(code_of(R"({\"__metadata__\":\"w\"})"), ErrorCode::kCorrupt);
  EXPECT_EQ(code_of(R"({\"v\":\"w\",\"v\":\"w\"})"), ErrorCode::kCorrupt);
  EXPECT_EQ(code_of(R"({\"v\":1})"), ErrorCode::kCorrupt);
  EXPECT_EQ(code_of(R"([])"), ErrorCode::kCorrupt);
  EXPECT_EQ(code_of(R"({)"), ErrorCode::kCorrupt);
  // Where they are stated, nothing is guessed.
  EXPECT_THAT(names(load(file_with(R"({"a.weight":"m.k.weight","sconce.aliases":"{\"v\":\"w\"}"})"))),
              UnorderedElementsAre("w", "m.k.weight", "v"));
}

TEST(SafetensorsAliases, AreWrittenOnceAndComeBack) {
  const Array tied = Array::from<float>({1, 2, 3, 4}, {2, 2});
  const Array view = tied.transpose(0, 1);
  const Value value =
      Value::dict({{"x", tied}, {"y", tied}, {"z", view}, {"zz", view}, {"other", Array::ones({4})}});
  MemorySink sink;
  const SaveReport report = save(sink, value, {.format = Format::kSafetensors});
  EXPECT_THAT(report.warnings, ElementsAre(HasSubstr("overlap in memory")));
  const Value back = load(sink.bytes());
  EXPECT_THAT(names(back), UnorderedElementsAre("x", "y", "z", "zz", "other"));
  EXPECT_TRUE(back.at("y").as_array().storage() == back.at("x").as_array().storage());
  EXPECT_TRUE(back.at("zz").as_array().storage() == back.at("z").as_array().storage());
  EXPECT_FALSE(back.at("z").as_array().storage() == back.at("x").as_array().storage());
  EXPECT_TRUE(back.at("zz").as_array().same_bits(view));
  EXPECT_EQ(safetensors_bytes(back), sink.bytes());
  EXPECT_ERROR(safetensors_bytes(Value::dict({{"x", tied}, {"y", tied}}), {.merge_aliases = false}),
               ErrorCode::kUnsupported);
  EXPECT_ERROR(safetensors_bytes(Value::dict({{"x", tied}, {"z", view}}), {.merge_aliases = false}),
               ErrorCode::kUnsupported);
}

TEST(SafetensorsAliases, TheUsersMetadataIsNotOverwritten) {
  const Array tied = Array::ones({2});
  Value value = Value::dict({{"x", tied}, {"y", tied}});
  value.set_attribute("__metadata__", Value::dict({{"y", "mine"}, {"sconce.aliases", "stale"}}));
  const Value back = load(safetensors_bytes(value));
  EXPECT_TRUE(back.at("y").as_array().storage() == back.at("x").as_array().storage());
  EXPECT_EQ(back.attribute("__metadata__")->at("y").as_string(), "mine");
  EXPECT_FALSE(back.attribute("__metadata__")->contains("sconce.aliases"));
}

}  // namespace
}  // namespace sconce::checkpoint
