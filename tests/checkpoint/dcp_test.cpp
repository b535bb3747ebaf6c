// Folders of torch.distributed.checkpoint: formats.md G.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error_matcher.h"
#include "base/temporary_folder.h"
#include "checkpoint/broken_files.h"
#include "checkpoint/dcp_metadata.h"
#include "checkpoint/dcp_tree.h"
#include "checkpoint/value_builders.h"
#include "codec/codec_test_util.h"
#include "sconce/base/file.h"
#include "sconce/checkpoint/listing.h"
#include "sconce/checkpoint/load.h"
#include "sconce/checkpoint/save.h"
#include "sconce/state/state_dict.h"

namespace sconce::checkpoint {
namespace {

namespace fs = std::filesystem;
using dcp::Chunk;
using dcp::Item;
using dcp::Place;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class DcpTest : public TemporaryFolder {
 protected:
  DcpTest() { fs::create_directory(path("ck")); }

  // Appends an item to a file of the checkpoint.
  Place add(const std::string& file, const Value& value) {
    MemorySink sink;
    save(sink, value);
    const std::string before = get("ck/" + file);
    put("ck/" + file, before + std::string(as_chars(sink.bytes())));
    return {file, before.size(), sink.bytes().size()};
  }
  Item tensor(const std::string& name, Shape size, std::vector<Chunk> chunks) {
    Item item;
    item.name = name;
    item.path = {Value(name)};
    item.is_tensor = true;
    item.size = std::move(size);
    item.chunks = std::move(chunks);
    return item;
  }
  Item object(const std::string& name, std::vector<Value> steps, const Value& value) {
    Item item;
    item.name = name;
    item.path = std::move(steps);
    item.place = add("__0_0.distcp", value);
    return item;
  }
  void put_metadata(const std::vector<Item>& items) {
    put("ck/.metadata", as_chars(dcp::write_metadata(items)));
  }
  std::optional<ErrorCode> code() {
    const auto loaded = testing::error_of([&] { load(path("ck")); });
    EXPECT_EQ(loaded, testing::error_of([&] { describe(path("ck")); }));
    return loaded;
  }
  std::optional<ErrorCode> code(const std::vector<Item>& items) {
    put_metadata(items);
    return code();
  }
};

TEST_F(DcpTest, ATensorInPartsOfSeveralFiles) {
  const Array whole = matrix(4, 6);
  std::vector<Chunk> chunks;
  for (const std::int64_t row : {0, 2}) {
    for (const std::int64_t column : {0, 4}) {
      const std::int64_t width = column == 0 ? 4 : 2;
      const Array part = whole.narrow(0, row, 2).narrow(1, column, width).clone();
      chunks.push_back(
          {{row, column}, {2, width}, add(row == 0 ? "__0_0.distcp" : "__1_0.distcp", Value(part))});
    }
  }
  put_metadata({tensor("w", {4, 6}, chunks), object("n", {Value("n")}, Value(7))});
  const Value value = load(path("ck"));
  EXPECT_TRUE(value.at("w").as_array().same_bits(whole));
  EXPECT_EQ(value.at("n").as_int(), 7);
  const Listing listing = describe(path("ck"));
  EXPECT_EQ(listing.format, Format::kDcp);
  ASSERT_EQ(listing.tensors.size(), 1u);
  EXPECT_EQ(listing.tensors[0].geometry.shape, (Shape{4, 6}));
  EXPECT_TRUE(listing.tensors[0].has_checksum);
  EXPECT_TRUE(listing.read(0).same_bits(whole));
  EXPECT_EQ(listing.tree.at("n").as_int(), 7);
  EXPECT_EQ(listing.pickles.size(), 6u);
}

TEST_F(DcpTest, NestingAndIntKeysComeBack) {
  std::vector<Item> items;
  const auto add_object = [&](std::vector<Value> steps, const Value& value) {
    std::string name;
    for (const Value& step : steps) {
      name += cat(name.empty() ? "" : ".", step.is_int() ? std::to_string(step.as_int()) : step.as_string());
    }
    items.push_back(object(name, std::move(steps), value));
  };
  add_object({"opt", "state", "0", "step"}, Value(1));
  add_object({"opt", "state", "10", "step"}, Value(2));
  add_object({"opt", "param_groups", 0, "lr"}, Value(0.5));
  add_object({"other", "state", "0", "step"}, Value(3));  // no param_groups beside it
  add_object({"list", 0}, Value("first"));
  add_object({"list", 2, "q"}, Value("third"));
  put_metadata(items);
  const Value value = load(path("ck"));
  EXPECT_EQ(value.at("opt").at("state").at(10).at("step").as_int(), 2);
  EXPECT_EQ(value.at("other").at("state").at("0").at("step").as_int(), 3);
  EXPECT_EQ(value.at("opt").at("param_groups").at(0).at("lr").as_float(), 0.5);
  EXPECT_TRUE(value.at("list").at(1).is_none());
  EXPECT_EQ(value.at("list").at(2).at("q").as_string(), "third");
  const Listing listing = describe(path("ck"));
  EXPECT_THAT(listing.notes, Contains(HasSubstr("ints again")));
  EXPECT_THAT(listing.notes, Contains(HasSubstr("1 elements of lists")));
}

TEST_F(DcpTest, ObjectsWithTensorsAreListed) {
  put_metadata({object("t", {Value("t")}, Value::tuple({1, matrix(1, 2)}))});
  const Listing listing = describe(path("ck"));
  ASSERT_EQ(listing.tensors.size(), 1u);
  EXPECT_EQ(listing.tensors[0].name, "t.1");
  EXPECT_EQ(listing.tensors[0].path.size(), 2u);
  EXPECT_EQ(listing.tensors[0].file, "__0_0.distcp");
  EXPECT_THAT(listing.read(0).to_vector<float>(), ElementsAre(0, 1));
}

TEST_F(DcpTest, PartsMustCoverTheTensorOnce) {
  const Place place = add("__0_0.distcp", Value(matrix(2, 3)));
  const Place other = add("__0_0.distcp", Value(matrix(2, 3)));
  const Place third = add("__0_0.distcp", Value(matrix(1, 3)));
  EXPECT_EQ(code({tensor("w", {4, 3}, {{{0, 0}, {2, 3}, place}, {{2, 0}, {2, 3}, other}})}), std::nullopt);
  EXPECT_EQ(code({tensor("w", {4, 3}, {{{0, 0}, {2, 3}, place}})}), ErrorCode::kCorrupt);  // half is missing
  EXPECT_EQ(code({tensor("w", {4, 3}, {})}), ErrorCode::kCorrupt);
  EXPECT_EQ(code({tensor("w", {0, 3}, {})}), ErrorCode::kCorrupt);
  // The right number of elements, but some twice.
  EXPECT_EQ(code({tensor("w", {5, 3},
                         {{{0, 0}, {2, 3}, place}, {{1, 0}, {2, 3}, other}, {{4, 0}, {1, 3}, third}})}),
            ErrorCode::kCorrupt);
  EXPECT_EQ(code({tensor("w", {4, 3}, {{{0, 0}, {2, 3}, place}, {{3, 0}, {2, 3}, other}})}),
            ErrorCode::kCorrupt);
  EXPECT_EQ(code({tensor("w", {6}, {{{0, 0}, {2, 3}, place}})}), ErrorCode::kCorrupt);  // ranks
  EXPECT_EQ(code({tensor("w", {2, 3}, {{{0, 0}, {2, 3}, place}, {{0, 0}, {2, 3}, other}})}),
            ErrorCode::kCorrupt);
  std::uint64_t few = 2;
  const std::vector<Chunk> columns = {{{0, 0}, {4, 1}, {}}, {{0, 1}, {4, 1}, {}}, {{0, 2}, {4, 1}, {}}};
  EXPECT_ERROR(dcp::check_chunks("w", {4, 3}, columns, few), ErrorCode::kLimit);
}

TEST_F(DcpTest, ItemsMustBeWhatTheMetadataSays) {
  const Place place = add("__0_0.distcp", Value(matrix(2, 3)));
  const Place number = add("__0_0.distcp", Value(7));
  const Item good = tensor("w", {2, 3}, {{{0, 0}, {2, 3}, place}});
  EXPECT_EQ(code({good}), std::nullopt);
  Item item = good;
  item.dtype = kInt32;
  EXPECT_EQ(code({item}), ErrorCode::kCorrupt);
  item = tensor("w", {3, 2}, {{{0, 0}, {3, 2}, place}});
  EXPECT_EQ(code({item}), ErrorCode::kCorrupt);
  item = tensor("w", {1}, {{{0}, {1}, number}});
  EXPECT_EQ(code({item}), ErrorCode::kCorrupt);
  item = tensor("w", {1000, 1000}, {{{0, 0}, {1000, 1000}, place}});
  EXPECT_EQ(code({item}), ErrorCode::kTruncated);  // before any memory is taken
  const std::int64_t huge = std::int64_t{1} << 40;
  item = tensor("w", {huge, huge}, {{{0, 0}, {huge, huge}, place}});
  EXPECT_EQ(code({item}), ErrorCode::kOverflow);
  put("ck/bad.distcp", std::string(static_cast<std::size_t>(place.length), 'x'));
  item = tensor("w", {2, 3}, {{{0, 0}, {2, 3}, {"bad.distcp", 0, place.length}}});
  EXPECT_NE(code({item}), std::nullopt);
}

TEST_F(DcpTest, PlacesMustLieInFilesOfTheFolder) {
  const Place place = add("__0_0.distcp", Value(matrix(2, 3)));
  const auto with = [&](const std::string& file, std::uint64_t offset, std::uint64_t length) {
    return code({tensor("w", {2, 3}, {{{0, 0}, {2, 3}, {file, offset, length}}})});
  };
  EXPECT_EQ(with(place.file, 0, place.length), std::nullopt);
  EXPECT_EQ(with(place.file, 0, place.length + 1), ErrorCode::kTruncated);
  EXPECT_EQ(with(place.file, place.length + 1, 100), ErrorCode::kTruncated);
  EXPECT_EQ(with(place.file, 1, place.length - 1), ErrorCode::kCorrupt);
  EXPECT_EQ(with("__1_0.distcp", 0, place.length), ErrorCode::kNotFound);
  for (const char* name : {"../ck/__0_0.distcp", "/etc/passwd", "..", "", "a/b"}) {
    EXPECT_EQ(with(name, 0, place.length), ErrorCode::kUnsafe) << name;
  }
  fs::copy(path("ck/__0_0.distcp"), path("outside"));
  fs::create_symlink("../outside", path("ck/link.distcp"));
  EXPECT_EQ(with("link.distcp", 0, place.length), ErrorCode::kUnsafe);
  // Two items that share bytes make much out of little; equal ones may, but not many.
  const Place number = add("__0_0.distcp", Value(7));
  Item a = object("a", {Value("a")}, Value(1));
  Item b = a;
  b.name = "b";
  b.path = {Value("b")};
  EXPECT_EQ(code({a, b}), std::nullopt);
  b.place.offset -= 1;
  b.place.length += 1;
  EXPECT_EQ(code({a, b}), ErrorCode::kUnsafe);
  std::vector<Item> many;
  for (int i = 0; i < 65; ++i) {
    many.push_back(a);
    many.back().name = std::to_string(i);
    many.back().path = {Value(many.back().name)};
  }
  EXPECT_EQ(code(many), ErrorCode::kLimit);
}

TEST_F(DcpTest, PathsMustMakeATree) {
  const auto at = [&](std::vector<std::vector<Value>> paths) {
    std::vector<Item> items;
    for (std::size_t i = 0; i < paths.size(); ++i) {
      items.push_back(object(std::to_string(i), std::move(paths[i]), Value(1)));
    }
    return code(items);
  };
  EXPECT_EQ(at({{"a", "b"}, {"a", "c"}}), std::nullopt);
  EXPECT_EQ(at({{"a", "b"}, {"a", "b"}}), ErrorCode::kCorrupt);
  EXPECT_EQ(at({{"a"}, {"a", "b"}}), ErrorCode::kCorrupt);
  EXPECT_EQ(at({{"a", "b"}, {"a"}}), ErrorCode::kCorrupt);
  EXPECT_EQ(at({{"a", 0}, {"a", "b"}}), ErrorCode::kCorrupt);
  EXPECT_EQ(at({{"a", std::int64_t{1} << 40}}), ErrorCode::kLimit);
}

// A .metadata of other spellings than ours.
struct Spelling {
  std::string module = "torch.distributed.checkpoint.metadata";
  std::string storage_module = "torch.distributed.checkpoint.filesystem";
  std::string properties_module = "torch.distributed.checkpoint.metadata";
  bool dict_properties = false;
  bool getattr_format = false;
  std::string dtype = "float32";
  std::string layout = "torch.strided";
  std::string transform;
  std::string tensor_class = "TensorStorageMetadata";
  bool has_storage_data = true;
  std::function<void(pickle::Writer&)> planner_data = [](pickle::Writer& out) { out.none(); };

  std::string write(const Place& place) const {
    return pickle_of([&](pickle::Writer& out) {
      const auto object = [&](const std::string& from, const std::string& name) {
        out.global(from, name);
        out.empty_tuple();
        out.newobj();
      };
      const auto size = [&](std::vector<std::int64_t> dims) {
        out.global("torch", "Size");
        out.mark();
        for (const std::int64_t dim : dims) out.integer(dim);
        out.tuple(9);
        out.tuple(1);
        out.reduce();
      };
      object(module, "Metadata");
      out.empty_dict();
      out.mark();
      out.text("state_dict_metadata");
      out.empty_dict();
      out.text("a.w");
      object(module, tensor_class);
      out.empty_dict();
      out.mark();
      out.text("properties");
      object(properties_module, "TensorProperties");
      if (dict_properties) {
        out.empty_dict();
        out.text("dtype");
        out.global("torch", dtype);
        out.setitem();
      } else {
        out.mark();
        out.global("torch", dtype);
        out.global("torch.serialization", "_get_layout");
        out.text(layout);
        out.tuple(1);
        out.reduce();
        out.boolean(false);
        const std::string format = getattr_format ? "MEM_FORMAT_ENCODING" : "_MEM_FORMAT_ENCODING";
        if (getattr_format) {
          out.global("builtins", "getattr");
          out.global(properties_module, format);
          out.text("TORCH_CONTIGUOUS_FORMAT");
          out.tuple(2);
        } else {
          out.global(properties_module, format);
          out.integer(0);
          out.tuple(1);
        }
        out.reduce();
        out.boolean(false);
        out.tuple(9);
      }
      out.build();
      out.text("size");
      size({2, 3});
      out.text("chunks");
      out.empty_list();
      object(module, "ChunkStorageMetadata");
      out.empty_dict();
      out.mark();
      out.text("offsets");
      size({0, 0});
      out.text("sizes");
      size({2, 3});
      out.setitems();
      out.build();
      out.append();
      out.setitems();
      out.build();
      out.setitem();
      if (has_storage_data) {
        out.text("storage_data");
        out.empty_dict();
        object(module, "MetadataIndex");
        out.empty_dict();
        out.mark();
        out.text("fqn");
        out.text("a.w");
        out.text("offset");
        size({0, 0});
        out.setitems();
        out.build();
        object(storage_module, "_StorageInfo");
        out.empty_dict();
        out.mark();
        out.text("relative_path");
        out.text(place.file);
        out.text("offset");
        out.integer(static_cast<std::int64_t>(place.offset));
        out.text("length");
        out.integer(static_cast<std::int64_t>(place.length));
        if (!transform.empty()) {
          out.text("transform_descriptors");
          out.empty_list();
          out.text(transform);
          out.append();
        }
        out.setitems();
        out.build();
        out.setitem();
      }
      out.text("planner_data");
      planner_data(out);
      out.setitems();
      out.build();
    });
  }
};

TEST_F(DcpTest, EverySpellingOfTheMetadata) {
  const Place place = add("__0_0.distcp", Value(matrix(2, 3)));
  const auto code_of = [&](const Spelling& spelling) {
    put("ck/.metadata", spelling.write(place));
    return code();
  };
  EXPECT_EQ(code_of({}), std::nullopt);
  EXPECT_TRUE(load(path("ck")).at("a.w").as_array().same_bits(matrix(2, 3)));  // no planner data: a flat key
  EXPECT_THAT(describe(path("ck")).notes, Contains(HasSubstr("planner data")));
  Spelling old;
  old.module = "torch.distributed._shard.checkpoint.metadata";
  old.storage_module = "torch.distributed._shard.checkpoint.filesystem";
  old.properties_module = "torch.distributed._shard.sharded_tensor.metadata";
  old.getattr_format = true;
  EXPECT_EQ(code_of(old), std::nullopt);
  Spelling spelling;
  spelling.dict_properties = true;
  EXPECT_EQ(code_of(spelling), std::nullopt);
  spelling = {};
  spelling.planner_data = [](pickle::Writer& out) {
    out.empty_dict();
    out.text("a.w");
    out.text("a");
    out.text("w");
    out.tuple(2);
    out.setitem();
  };
  EXPECT_EQ(code_of(spelling), std::nullopt);
  EXPECT_TRUE(load(path("ck")).at("a").contains("w"));
  spelling.planner_data = [](pickle::Writer& out) { out.integer(3); };  // a planner of somebody's own
  EXPECT_EQ(code_of(spelling), std::nullopt);

  spelling = {};
  spelling.module = "somebody.elses";
  EXPECT_EQ(code_of(spelling), ErrorCode::kCorrupt);
  spelling = {};
  spelling.tensor_class = "Metadata";
  EXPECT_EQ(code_of(spelling), ErrorCode::kCorrupt);
  spelling = {};
  spelling.storage_module = "os";
  EXPECT_EQ(code_of(spelling), ErrorCode::kCorrupt);
  spelling = {};
  spelling.properties_module = "os";
  EXPECT_EQ(code_of(spelling), ErrorCode::kCorrupt);
  spelling = {};
  spelling.dtype = "float99";
  EXPECT_EQ(code_of(spelling), ErrorCode::kUnsupported);
  spelling = {};
  spelling.layout = "torch.sparse_coo";
  EXPECT_EQ(code_of(spelling), ErrorCode::kUnsupported);
  spelling = {};
  spelling.transform = "zstd";
  EXPECT_EQ(code_of(spelling), ErrorCode::kUnsupported);
  spelling = {};
  spelling.has_storage_data = false;
  EXPECT_EQ(code_of(spelling), ErrorCode::kCorrupt);
  put("ck/.metadata", Spelling().write(place).substr(0, 300));
  EXPECT_EQ(code(), ErrorCode::kTruncated);
  put("ck/.metadata", pickle_of([](pickle::Writer& out) { out.empty_dict(); }));
  EXPECT_EQ(code(), ErrorCode::kCorrupt);
  LoadOptions small;
  small.pickle_bytes = 3;
  EXPECT_ERROR(load(path("ck"), small), ErrorCode::kLimit);
  fs::remove(path("ck/.metadata"));
  EXPECT_EQ(code(), ErrorCode::kUnsupported);  // an interrupted save
}

TEST_F(DcpTest, AFlippedBitIsFound) {
  save(path("out"), Value::dict({{"w", matrix(2, 3)}}), {.format = Format::kDcp});
  const Listing listing = describe(path("out"));
  std::string data = get("out/__0_0.distcp");
  data[static_cast<std::size_t>(listing.tensors.at(0).file_offset) + 5] ^= 1;
  put("out/__0_0.distcp", data);
  EXPECT_ERROR(load(path("out")), ErrorCode::kChecksum);
  EXPECT_ERROR(describe(path("out")).read(0), ErrorCode::kChecksum);
  // The damaged file is named, not the one that is being written.
  try {
    save(path("other.pt"), load(path("out"), {.defer = true}));
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kChecksum);
    EXPECT_EQ(error.path(), path("out/__0_0.distcp"));
  }
}

// ---- parts of tensors in safetensors files: formats.md G.4

class ShardedSafetensors : public TemporaryFolder {
 protected:
  void put_shard(int rank, const Array& part, const std::string& info) {
    Value value = Value::dict({{"w", part}});
    value.set_attribute("__metadata__", Value::dict({{"DCP_SHARDING_INFO", info}, {"DCP_VERSION", "1.0"}}));
    save(path(cat("shard-0000", rank, "-model-00001-of-00001.safetensors")), value);
  }
};

TEST_F(ShardedSafetensors, PartsArePutTogether) {
  const Array whole = matrix(4, 3);
  put_shard(1, whole.narrow(0, 0, 2), R"({"w":{"saved_offsets":[0,0]}})");
  put_shard(2, whole.narrow(0, 2, 2), R"({"w":{"saved_offsets":[2,0]}})");
  EXPECT_TRUE(load(folder_.string()).at("w").as_array().same_bits(whole));
  const Listing listing = describe(folder_.string());
  EXPECT_EQ(listing.format, Format::kDcp);
  EXPECT_FALSE(listing.tensors.at(0).has_checksum);
  EXPECT_TRUE(listing.read(0).same_bits(whole));
}

TEST_F(ShardedSafetensors, BrokenPartsAreRefused) {
  const Array whole = matrix(4, 3);
  put_shard(1, whole.narrow(0, 0, 2), R"({"w":{"saved_offsets":[0,0]}})");
  const auto code_with = [&](const Array& part, const std::string& info) {
    put_shard(2, part, info);
    const auto loaded = testing::error_of([&] { load(folder_.string()); });
    EXPECT_EQ(loaded, testing::error_of([&] { describe(folder_.string()); }));
    return loaded;
  };
  const Array rest = whole.narrow(0, 2, 2);
  EXPECT_EQ(code_with(rest, R"({"w":{"saved_offsets":[2,0]}})"), std::nullopt);
  EXPECT_EQ(code_with(rest, R"({"w":{"saved_offsets":[3,0]}})"), ErrorCode::kCorrupt);
  EXPECT_EQ(code_with(rest, R"({"w":{"saved_offsets":[1,0]}})"), ErrorCode::kCorrupt);
  EXPECT_EQ(code_with(rest, R"({"w":{"saved_offsets":[2]}})"), ErrorCode::kCorrupt);
  EXPECT_EQ(code_with(rest, R"({"w":{"saved_offsets":[-2,0]}})"), ErrorCode::kCorrupt);
  EXPECT_EQ(code_with(rest, R"({"w":{"saved_offsets":[9223372036854775807,0]}})"), ErrorCode::kOverflow);
  EXPECT_EQ(code_with(rest, R"({})"), ErrorCode::kCorrupt);
  EXPECT_EQ(code_with(rest, R"([)"), ErrorCode::kCorrupt);
  EXPECT_EQ(code_with(rest.cast(kFloat64), R"({"w":{"saved_offsets":[2,0]}})"), ErrorCode::kCorrupt);
}

}  // namespace
}  // namespace sconce::checkpoint
