// Checkpoints in several files: formats.md F.6.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error_matcher.h"
#include "base/file_size_limit.h"
#include "base/temporary_folder.h"
#include "codec/codec_test_util.h"
#include "sconce/base/file.h"
#include "sconce/checkpoint/listing.h"
#include "sconce/checkpoint/load.h"
#include "sconce/checkpoint/save.h"
#include "sconce/codec/json.h"
#include "sconce/state/state_dict.h"

namespace sconce::checkpoint {
namespace {

namespace fs = std::filesystem;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

Array numbers(std::int64_t count, float first = 0) {
  std::vector<float> values;
  for (std::int64_t i = 0; i < count; ++i) values.push_back(first + static_cast<float>(i));
  return Array::from(values, {count});
}

std::vector<std::string> keys_of(const Value& dict) {
  std::vector<std::string> out;
  for (const auto& [key, value] : dict.items()) out.push_back(key.as_string());
  return out;
}

class IndexTest : public TemporaryFolder {
 protected:
  // Two shards: a and c in the first, b in the second.
  void make_set(const char* extension) {
    save(path(cat("one", extension)), Value::dict({{"a", numbers(2)}, {"c", numbers(3, 10)}}));
    save(path(cat("two", extension)), Value::dict({{"b", numbers(4, 20)}}));
    put(cat("model", extension, ".index.json"),
        cat(R"({"metadata":{"total_size":36.0},"weight_map":{"c":"one)", extension, R"(","b":"two)",
            extension, R"(","a":"one)", extension, R"("}})"));
  }
  void put_map(std::string_view map) { put("x.index.json", cat(R"({"weight_map":)", map, "}")); }
  std::optional<ErrorCode> code() {
    const std::string index = path("x.index.json");
    const auto loaded = testing::error_of([&] { load(index); });
    EXPECT_EQ(loaded, testing::error_of([&] { describe(index); }));
    return loaded;
  }
};

TEST_F(IndexTest, TensorsComeInTheOrderOfTheIndex) {
  for (const char* extension : {".safetensors", ".bin"}) {
    make_set(extension);
    const std::string index = path(cat("model", extension, ".index.json"));
    const Value value = load(index);
    EXPECT_THAT(keys_of(value), ElementsAre("c", "b", "a"));
    EXPECT_THAT(value.at("b").as_array().to_vector<float>(), ElementsAre(20, 21, 22, 23));
    const Listing listing = describe(index);
    EXPECT_EQ(listing.format,
              std::string(extension) == ".bin" ? Format::kTorchIndex : Format::kSafetensorsIndex);
    ASSERT_EQ(listing.tensors.size(), 3u);
    EXPECT_EQ(listing.tensors[1].name, "b");
    EXPECT_EQ(listing.tensors[1].file, cat("two", extension));
    EXPECT_THAT(listing.read(0).to_vector<float>(), ElementsAre(10, 11, 12));
    EXPECT_THAT(listing.read(1).to_vector<float>(), ElementsAre(20, 21, 22, 23));
    EXPECT_THAT(listing.read(2).to_vector<float>(), ElementsAre(0, 1));
    EXPECT_THAT(listing.notes, IsEmpty());
    EXPECT_GT(listing.file_size, fs::file_size(path(cat("one", extension))));
    EXPECT_EQ(listing.pickles.size(), std::string(extension) == ".bin" ? 2u : 0u);
  }
}

TEST_F(IndexTest, AFolderStandsForItsIndexOrItsOneCheckpoint) {
  EXPECT_ERROR(load(folder_.string()), ErrorCode::kUnsupported);
  save(path("model.safetensors"), Value::dict({{"w", numbers(1)}}));
  put("config.json", "{}");
  EXPECT_EQ(describe(folder_.string()).format, Format::kSafetensors);
  save(path("pytorch_model.bin"), Value::dict({{"w", numbers(1)}}));
  EXPECT_ERROR(load(folder_.string()), ErrorCode::kUnsupported);  // which of the two?
  make_set(".safetensors");
  EXPECT_EQ(describe(folder_.string() + "/").format, Format::kSafetensorsIndex);
  make_set(".bin");
  EXPECT_ERROR(load(folder_.string()), ErrorCode::kUnsupported);
}

TEST_F(IndexTest, WhatTheIndexDoesNotSayIsReported) {
  make_set(".bin");
  save(path("two.bin"), Value::dict({{"b", numbers(4)}, {"a", numbers(9)}, {"d", numbers(1)}, {"n", 3}}));
  const Listing listing = describe(path("model.bin.index.json"));
  EXPECT_THAT(listing.notes, Contains(HasSubstr("'a' is left aside")));
  EXPECT_THAT(listing.notes, Contains(HasSubstr("'d' is not in the index")));
  const Value value = load(path("model.bin.index.json"));
  EXPECT_THAT(keys_of(value), ElementsAre("c", "b", "a", "d", "n"));
  EXPECT_EQ(value.at("a").as_array().numel(), 2);
  // In two shards and not in the index: nobody can say which.
  save(path("one.bin"), Value::dict({{"a", numbers(2)}, {"c", numbers(3)}, {"d", numbers(2)}}));
  EXPECT_ERROR(load(path("model.bin.index.json")), ErrorCode::kCorrupt);
}

TEST_F(IndexTest, BrokenSetsAreRefused) {
  make_set(".safetensors");
  put_map(R"({"a":"one.safetensors"})");
  EXPECT_EQ(code(), std::nullopt);
  put_map(R"({"a":"three.safetensors"})");
  EXPECT_EQ(code(), ErrorCode::kNotFound);
  put_map(R"({"z":"one.safetensors"})");
  EXPECT_EQ(code(), ErrorCode::kNotFound);
  put_map(R"({"a":"one.safetensors","a":"two.safetensors"})");
  EXPECT_EQ(code(), ErrorCode::kCorrupt);
  put_map(R"({"a":7})");
  EXPECT_EQ(code(), ErrorCode::kCorrupt);
  put_map("[]");
  EXPECT_EQ(code(), ErrorCode::kCorrupt);
  put("x.index.json", R"({"weights":{}})");
  EXPECT_EQ(code(), ErrorCode::kUnsupported);
  put("x.index.json", R"({"weight_map":{"a":"one.safetensors")");
  EXPECT_EQ(code(), ErrorCode::kTruncated);
  put("list.bin", get("one.safetensors"));
  save(path("list.bin"), Value::list({numbers(1)}));
  put_map(R"({"0":"list.bin"})");
  EXPECT_EQ(code(), ErrorCode::kCorrupt);
  put_map(R"({"a":"x.index.json"})");
  EXPECT_EQ(code(), ErrorCode::kUnsafe);  // would never end
  fs::create_directory(path("sub"));
  put_map(R"({"a":"sub"})");
  EXPECT_NE(code(), std::nullopt);
  fs::resize_file(path("one.safetensors"), 40);
  put_map(R"({"a":"one.safetensors"})");
  EXPECT_EQ(code(), ErrorCode::kTruncated);
  LoadOptions small;
  small.index_bytes = 10;
  EXPECT_ERROR(load(path("x.index.json"), small), ErrorCode::kLimit);
  put_map(R"({"a":"one.safetensors","b":"one.safetensors"})");
  EXPECT_ERROR(load(path("x.index.json"), {.zip_entries = 1}), ErrorCode::kLimit);
  EXPECT_ERROR(load(read_file(path("x.index.json"))), ErrorCode::kUnsupported);  // no folder to look in
}

TEST_F(IndexTest, NamesStayInTheFolder) {
  make_set(".safetensors");
  fs::create_directory(path("sub"));
  fs::copy(path("one.safetensors"), path("sub/in.safetensors"));
  for (const char* name : {"../one.safetensors", "sub/in.safetensors", "/etc/passwd", "..", ".", "", "a\\\\b",
                           "a\\u0000b", "a\\nb"}) {
    put_map(cat(R"({"a":")", name, R"("})"));
    EXPECT_EQ(code(), ErrorCode::kUnsafe) << name;
  }
  put_map(cat(R"({"a":")", std::string(300, 'a'), R"("})"));
  EXPECT_EQ(code(), ErrorCode::kUnsafe);
  fs::create_symlink("../one.safetensors", path("sub/out.safetensors"));
  fs::create_symlink("in.safetensors", path("sub/same.safetensors"));
  fs::create_symlink("nothing", path("sub/dangling.safetensors"));
  const auto code_of = [&](const char* name) {
    put("sub/x.index.json", cat(R"({"weight_map":{"a":")", name, R"("}})"));
    return testing::error_of([&] { load(path("sub/x.index.json")); });
  };
  EXPECT_EQ(code_of("same.safetensors"), std::nullopt);
  EXPECT_EQ(code_of("out.safetensors"), ErrorCode::kUnsafe);
  EXPECT_EQ(code_of("dangling.safetensors"), ErrorCode::kNotFound);
}

// The cache of Hugging Face's hub keeps every file under blobs/ and links to it.
TEST_F(IndexTest, LinksOfTheHubCacheAreFollowed) {
  fs::create_directories(path("models--a--b/snapshots/rev"));
  fs::create_directory(path("models--a--b/blobs"));
  save(path("models--a--b/blobs/123"), Value::dict({{"a", numbers(2)}}), {.format = Format::kSafetensors});
  fs::create_symlink("../../blobs/123", path("models--a--b/snapshots/rev/m.safetensors"));
  put("models--a--b/snapshots/rev/m.index.json", R"({"weight_map":{"a":"m.safetensors"}})");
  EXPECT_EQ(load(path("models--a--b/snapshots/rev")).size(), 1u);
}

class ShardsTest : public TemporaryFolder {
 protected:
  SaveReport save_set(const Value& value, std::uint64_t size, SaveOptions options = {}) {
    options.shard_size = size;
    return save(path("model.safetensors"), value, options);
  }
};

TEST_F(ShardsTest, TensorsArePackedInOrder) {
  const Value value =
      Value::dict({{"a", numbers(4)}, {"b", numbers(4, 4)}, {"big", numbers(100)}, {"c", numbers(1)}});
  const SaveReport report = save_set(value, 32);
  EXPECT_THAT(names(), ElementsAre("model-00001-of-00003.safetensors", "model-00002-of-00003.safetensors",
                                   "model-00003-of-00003.safetensors", "model.safetensors.index.json"));
  const Listing listing = describe(folder_.string());
  EXPECT_EQ(listing.tensors.at(1).file, "model-00001-of-00003.safetensors");
  EXPECT_EQ(listing.tensors.at(2).file, "model-00002-of-00003.safetensors");
  EXPECT_EQ(listing.tensors.at(3).file, "model-00003-of-00003.safetensors");
  const json::Json index = json::parse(get("model.safetensors.index.json"));
  EXPECT_EQ(index.at("metadata").at("total_size").as_int(), 4 * (4 + 4 + 100 + 1));
  EXPECT_EQ(report.files.size(), 4u);
  EXPECT_EQ(report.files.at(3).bytes, fs::file_size(path("model.safetensors.index.json")));
  const Value back = load(folder_.string());
  EXPECT_THAT(keys_of(back), ElementsAre("a", "b", "big", "c"));
  for (const auto& [key, tensor] : value.items()) {
    EXPECT_TRUE(back.at(key.as_string()).as_array().same_bits(tensor.as_array()));
  }
}

TEST_F(ShardsTest, TorchShardsKeepMetadataAndTies) {
  StateDict state;
  const Array tied = numbers(8);
  state.set("a", tied);
  state.set("b", numbers(8));
  state.set("c", tied.view({2, 4}));
  state.set("d", numbers(64).narrow(0, 3, 2));
  state.set_version("", 2);
  SaveOptions options;
  options.shard_size = 32;
  options.format = Format::kTorchZip;
  fs::create_directory(path("out"));
  save(path("out"), Value(state), options);
  const Listing listing = describe(path("out"));
  EXPECT_EQ(listing.format, Format::kTorchIndex);
  EXPECT_EQ(listing.tensors.at(0).file, "pytorch_model-00001-of-00003.bin");
  EXPECT_EQ(listing.tensors.at(2).file, listing.tensors.at(0).file);
  EXPECT_EQ(listing.tensors.at(2).alias_of, 0u);
  EXPECT_EQ(listing.tensors.at(3).storage_bytes, 8u);  // not the 64 numbers it was cut from
  const Value back = load(path("out"));
  EXPECT_EQ(back.as_state_dict().version(""), 2);
  EXPECT_TRUE(back.at("c").as_array().storage() == back.at("a").as_array().storage());
}

TEST_F(ShardsTest, TiedTensorsOfSafetensorsComeBackTied) {
  const Array tied = numbers(8);
  save_set(Value::dict({{"a.w", tied}, {"b", numbers(8)}, {"c.w", tied}}), 32);
  const json::Json index = json::parse(get("model.safetensors.index.json"));
  EXPECT_EQ(index.at("weight_map").as_object().size(), 2u);  // what others must find in the files
  EXPECT_EQ(index.at("metadata").at("total_size").as_int(), 64);
  const Value back = load(folder_.string());
  EXPECT_TRUE(back.at("c.w").as_array().storage() == back.at("a.w").as_array().storage());
  const Listing listing = describe(folder_.string());
  EXPECT_EQ(listing.tensors.back().name, "c.w");
  EXPECT_EQ(listing.tensors.back().alias_of, 0u);
  EXPECT_THAT(listing.notes, ElementsAre(HasSubstr("come from __metadata__")));
}

TEST_F(ShardsTest, ANewSetReplacesAnOldOneWhole) {
  const auto set_of = [](float first) {
    return Value::dict({{"a", numbers(8, first)}, {"b", numbers(8, first)}, {"c", numbers(8, first)}});
  };
  save_set(set_of(0), 32);
  put("notes.txt", "mine");
  put("model-00009-of-00009.safetensors", "not of this set");
  save_set(set_of(100), 32);  // the same names
  EXPECT_THAT(load(path("model.safetensors.index.json")).at("b").as_array().to_vector<float>(),
              Contains(100));
  EXPECT_EQ(names().size(), 6u);
  save_set(set_of(200), 64);  // other names: the old ones go
  EXPECT_THAT(names(),
              ElementsAre("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors",
                          "model-00009-of-00009.safetensors", "model.safetensors.index.json", "notes.txt"));
  EXPECT_THAT(load(path("model.safetensors.index.json")).at("c").as_array().to_vector<float>(),
              Contains(200));
  EXPECT_ERROR(save_set(set_of(1), 64, {.replace = false}), ErrorCode::kExists);
  EXPECT_ERROR(save_set(set_of(1), 8, {.replace = false}), ErrorCode::kExists);
  EXPECT_EQ(names().size(), 5u);
}

TEST_F(ShardsTest, AFullDiskLeavesTheOldSet) {
  const Value old = Value::dict({{"a", numbers(8)}, {"b", numbers(8, 8)}});
  save_set(old, 32);
  const auto before = names();
  {
    const FileSizeLimit limit(1000);
    EXPECT_ERROR(save_set(Value::dict({{"a", numbers(8)}, {"b", numbers(1000)}}), 32), ErrorCode::kNoSpace);
  }
  EXPECT_EQ(names(), before);
  EXPECT_TRUE(load(folder_.string()).at("b").as_array().same_bits(old.at("b").as_array()));
}

TEST_F(ShardsTest, WhatCannotBeSplit) {
  const Value value = Value::dict({{"a", numbers(8)}, {"n", 3}});
  EXPECT_THAT(save_set(value, 32).warnings, ElementsAre(HasSubstr("left out n")));
  EXPECT_ERROR(save_set(Value(numbers(2)), 32), ErrorCode::kUnsupported);
  SaveOptions options;
  options.shard_size = 32;
  options.format = Format::kNpz;
  EXPECT_ERROR(save(path("x.npz"), value, options), ErrorCode::kUnsupported);
  EXPECT_ERROR(save(path("none/x.safetensors"), value, {.shard_size = 32}), ErrorCode::kNotFound);
  save(path("y.bin.index.json"), value, {.format = Format::kTorchIndex});
  EXPECT_EQ(describe(path("y.bin.index.json")).tensors.at(0).file, "y-00001-of-00001.bin");
  save(path("z.safetensors.index.json"), Value::dict());
  EXPECT_EQ(load(path("z.safetensors.index.json")).size(), 0u);
}

}  // namespace
}  // namespace sconce::checkpoint
