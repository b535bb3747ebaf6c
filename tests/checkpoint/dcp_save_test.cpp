// Writing folders of torch.distributed.checkpoint: formats.md G.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "base/error_matcher.h"
#include "base/file_size_limit.h"
#include "base/temporary_folder.h"
#include "checkpoint/value_builders.h"
#include "sconce/base/file.h"
#include "sconce/checkpoint/load.h"
#include "sconce/checkpoint/save.h"
#include "sconce/state/repr.h"
#include "sconce/state/state_dict.h"

namespace sconce::checkpoint {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

class DcpSaveTest : public TemporaryFolder {
 protected:
  SaveReport save_dcp(const Value& value, SaveOptions options = {}) {
    options.format = Format::kDcp;
    return save(path("ck"), value, options);
  }
};

TEST_F(DcpSaveTest, WhatIsWrittenComesBack) {
  const Value optimizer = Value::dict(
      {{"state", Value::dict({{0, Value::dict({{"m", matrix(2, 3)}, {"step", 3}})},
                              {1, Value::dict({{"m", matrix(1, 1)}})}})},
       {"param_groups",
        Value::list({Value::dict(
            {{"lr", 0.1}, {"betas", Value::tuple({0.9, 0.99})}, {"params", Value::list({0, 1})}})})}});
  const Value value =
      Value::dict({{"model", Value::dict({{"a.weight", matrix(3, 2).transpose(0, 1)},
                                          {"s", Value(Array::scalar(2.5))},
                                          {"e", Array::zeros({0, 3})}})},
                   {"optimizer", optimizer},
                   {"list", Value::list({1, Value::dict({{"q", matrix(1, 2)}}), Value::tuple({1, 2})})},
                   {"plain", Value::list({1, Value::list({2})})},
                   {"text", "x"},
                   {"none", nullptr}});
  const SaveReport report = save_dcp(value);
  EXPECT_THAT(report.warnings, ElementsAre());
  EXPECT_EQ(report.files.size(), 2u);
  EXPECT_EQ(report.bytes, fs::file_size(path("ck/.metadata")) + fs::file_size(path("ck/__0_0.distcp")));
  const Value back = load(path("ck"));
  const ReprLimits all{.elements = 100, .depth = 100};
  EXPECT_EQ(value_repr(back, all), value_repr(value, all));
  EXPECT_EQ(back.at("optimizer").at("state").at(0).at("step").as_int(), 3);
  EXPECT_TRUE(back.at("model").at("a.weight").as_array().same_bits(matrix(3, 2).transpose(0, 1)));
  EXPECT_TRUE(back.at("model").at("a.weight").as_array().is_contiguous());
  // The same again is the same bytes.
  const std::string data = get("ck/__0_0.distcp");
  const std::string metadata = get("ck/.metadata");
  save_dcp(back);
  EXPECT_EQ(get("ck/__0_0.distcp"), data);
  EXPECT_EQ(get("ck/.metadata"), metadata);
}

TEST_F(DcpSaveTest, WhatTheFormCannotKeepIsSaid) {
  StateDict state;
  const Array tied = matrix(1, 2);
  state.set("a", tied);
  state.set("b", tied);
  state.set_metadata(StateDict::Metadata{{"", Value::dict({{"version", 2}, {"hook", 1}})}});
  const Value unknown =
      Value::object(ObjectKind::kReduce, Value::global("os", "system"), Value::tuple({"x"}));
  const SaveReport report = save_dcp(
      Value::dict({{"m", Value(state)}, {"o", unknown}, {"d", Value::dict()}, {"k", Value::dict({{3, 4}})}}));
  EXPECT_THAT(report.warnings,
              UnorderedElementsAre(HasSubstr("share memory"), HasSubstr("os.system"), HasSubstr("left out d"),
                                   HasSubstr("_metadata"), HasSubstr("not str")));
  EXPECT_EQ(load(path("ck")).size(), 2u);
}

TEST_F(DcpSaveTest, SparseAndQuantizedTensorsAreObjects) {
  SparseLeaf sparse;
  sparse.layout = "sparse_coo";
  sparse.indices = Array::from<std::int64_t>({0, 1}, {1, 2});
  sparse.values = Array::ones({2});
  sparse.size = {3};
  TensorLeaf quantized;
  quantized.array = Array(Storage::allocate(4), kQInt8, Geometry::contiguous({4}));
  std::fill_n(quantized.array.mutable_raw(), 4, std::byte{1});
  quantized.quantization.emplace().scale = 0.5;
  save_dcp(Value::dict({{"s", sparse}, {"q", quantized}}));
  const Value back = load(path("ck"));
  EXPECT_EQ(back.at("s").as_sparse().size, (Shape{3}));
  EXPECT_EQ(back.at("q").as_tensor().quantization->scale, 0.5);
}

TEST_F(DcpSaveTest, ValuesThatAreNoStateDict) {
  EXPECT_ERROR(save_dcp(Value(matrix(1, 1))), ErrorCode::kUnsupported);
  EXPECT_ERROR(save_dcp(Value::dict({{"a.b", 1}, {"a", Value::dict({{"b", 2}})}})), ErrorCode::kUnsupported);
  Value cycle = Value::dict();
  cycle.set_item("self", cycle);
  EXPECT_ERROR(save_dcp(cycle), ErrorCode::kUnsupported);
  Value list = Value::list({Value::dict()});
  list.append(list);
  EXPECT_ERROR(save_dcp(Value::dict({{"l", list}})), ErrorCode::kUnsupported);
  Value deep = Value::dict({{"x", 1}});
  for (int i = 0; i < 2000; ++i) deep = Value::dict({{"x", deep}});
  EXPECT_ERROR(save_dcp(deep), ErrorCode::kLimit);
  EXPECT_ERROR(save_dcp(Value::dict({{"u", Array()}})), ErrorCode::kInvalidArgument);
  MemorySink sink;
  EXPECT_ERROR(save(sink, Value::dict(), {.format = Format::kDcp}), ErrorCode::kUnsupported);
  EXPECT_THAT(names(), ElementsAre());
}

TEST_F(DcpSaveTest, OnlyACheckpointIsReplaced) {
  save_dcp(Value::dict({{"a", 1}}));
  EXPECT_ERROR(save_dcp(Value::dict({{"a", 2}}), {.replace = false}), ErrorCode::kExists);
  save_dcp(Value::dict({{"a", 2}}));
  EXPECT_EQ(load(path("ck")).at("a").as_int(), 2);
  put("ck/thesis.txt", "all of it");
  EXPECT_ERROR(save_dcp(Value::dict({{"a", 3}})), ErrorCode::kExists);
  EXPECT_EQ(get("ck/thesis.txt"), "all of it");
  EXPECT_EQ(load(path("ck")).at("a").as_int(), 2);
  fs::remove(path("ck/thesis.txt"));
  {
    const FileSizeLimit limit(1000);
    EXPECT_ERROR(save_dcp(Value::dict({{"a", matrix(100, 100)}})), ErrorCode::kNoSpace);
  }
  EXPECT_EQ(load(path("ck")).at("a").as_int(), 2);
  EXPECT_THAT(names(), ElementsAre("ck"));
  fs::create_directory(path("empty"));
  save(path("empty/"), Value::dict({{"a", 5}}), {.format = Format::kDcp, .replace = false});
  EXPECT_EQ(load(path("empty")).at("a").as_int(), 5);
  put("file", "x");
  EXPECT_ERROR(save(path("file"), Value::dict(), {.format = Format::kDcp}), ErrorCode::kExists);
  fs::create_symlink("ck", path("link"));
  save(path("link"), Value::dict({{"a", 6}}), {.format = Format::kDcp});
  EXPECT_TRUE(fs::is_symlink(path("link")));
  EXPECT_EQ(load(path("ck")).at("a").as_int(), 6);
  EXPECT_ERROR(save(path("no/ck"), Value::dict(), {.format = Format::kDcp}), ErrorCode::kNotFound);
}

}  // namespace
}  // namespace sconce::checkpoint
