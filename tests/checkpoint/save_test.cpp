#include "sconce/checkpoint/save.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "base/error_matcher.h"
#include "base/file_size_limit.h"
#include "base/temporary_folder.h"
#include "checkpoint/saved.h"
#include "sconce/base/byte_reader.h"
#include "sconce/checkpoint/listing.h"
#include "sconce/checkpoint/load.h"
#include "sconce/state/state_dict.h"

namespace sconce::checkpoint {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

const SaveOptions kSafetensors{.format = Format::kSafetensors};

TEST(Save, EveryDTypeComesBack) {
  for (const DTypeInfo& info : all_dtypes()) {
    TensorLeaf leaf;
    leaf.array = Array(Storage::allocate(4 * info.itemsize), info.dtype, Geometry::contiguous({2, 2}));
    std::fill_n(leaf.array.mutable_raw(), leaf.array.nbytes(), std::byte{1});
    if (is_quantized(info.dtype)) leaf.quantization.emplace().scale = 0.5;
    if (is_in_torch(info.dtype)) {
      const TensorLeaf back = load(saved_bytes(Value(leaf))).as_tensor();
      EXPECT_TRUE(back.array.same_bits(leaf.array)) << info.name;
      EXPECT_EQ(back.quantization.has_value(), is_quantized(info.dtype)) << info.name;
    }
    if (info.safetensors.empty()) {
      EXPECT_ERROR(saved_bytes(Value::dict({{"a", leaf}}), kSafetensors), ErrorCode::kUnsupported);
    } else {
      const Value there = load(saved_bytes(Value::dict({{"a", leaf}}), kSafetensors));
      EXPECT_TRUE(there.at("a").as_array().same_bits(leaf.array)) << info.name;
    }
  }
}

TEST(Save, MetadataOfSafetensorsIsMissedAloud) {
  Value value = Value::dict({{"a", Array::ones({2})}});
  const auto warnings = [&](Format format) {
    MemorySink sink;
    return save(sink, value, {.format = format}).warnings;
  };
  value.set_attribute("__metadata__", Value::dict({{"format", "pt"}}));
  EXPECT_THAT(warnings(Format::kTorchZip), ElementsAre());
  value.set_attribute("__metadata__", Value::dict({{"format", "pt"}, {"author", "me"}}));
  EXPECT_THAT(warnings(Format::kSafetensors), ElementsAre());
  for (const Format format : {Format::kTorchZip, Format::kTorchLegacy, Format::kNpz}) {
    EXPECT_THAT(warnings(format), ElementsAre(HasSubstr("'author'"))) << format_name(format);
  }
}

// A state_dict whose `_metadata` says more than versions, as torch.nn.utils.spectral_norm leaves it.
Value telling_state_dict() {
  StateDict state;
  state.set("fc.weight", Array::ones({2}));
  state.set("fc.bias", Array::zeros({2}));
  const Value spectral = Value::dict({{"weight.version", 1}});
  state.set_metadata(StateDict::Metadata{{"", Value::dict({{"version", 1}})},
                                         {"fc", Value::dict({{"version", 1}, {"spectral_norm", spectral}})}});
  return Value(state);
}

class LostMetadata : public TemporaryFolder {
 protected:
  std::vector<std::string> warnings(const Value& value, const SaveOptions& options) const {
    SaveOptions wanted = options;
    wanted.replace = true;
    return save(path("out"), value, wanted).warnings;
  }
};

TEST_F(LostMetadata, OfModulesIsSaidOnce) {
  const Value state = telling_state_dict();
  for (const Value& value : {state, Value::dict({{"model", state}})}) {
    EXPECT_THAT(warnings(value, {.format = Format::kTorchZip}), ElementsAre());
    EXPECT_THAT(warnings(value, {.format = Format::kTorchLegacy}), ElementsAre());
    for (const Format format : {Format::kSafetensors, Format::kNpz}) {
      EXPECT_THAT(
          warnings(value, {.format = format}),
          ElementsAre(AllOf(HasSubstr("_metadata of 1 state_dict:"), HasSubstr(format_name(format)))));
    }
    std::filesystem::remove(path("out"));
    EXPECT_THAT(warnings(value, {.format = Format::kDcp}),
                ElementsAre(HasSubstr("_metadata of 1 state_dict:")));
    std::filesystem::remove_all(path("out"));
    EXPECT_THAT(warnings(value, {.format = Format::kSafetensors, .shard_size = 8}),
                ElementsAre(HasSubstr("_metadata of 1 state_dict:")));
  }
  EXPECT_THAT(warnings(Value::list({state, telling_state_dict()}), {.format = Format::kNpz}),
              ElementsAre(HasSubstr("_metadata of 2 state_dicts:")));
}

// Each file of a set of torch files is a dict, which has that of the whole.
TEST_F(LostMetadata, OfTheTopIsKeptInSetsOfTorchFiles) {
  const Value state = telling_state_dict();
  const SaveOptions set{.format = Format::kTorchZip, .replace = true, .shard_size = 8};
  EXPECT_THAT(save(path("net.bin"), state, set).warnings, ElementsAre());
  EXPECT_TRUE(load(path("net.bin.index.json")).attribute("_metadata")->at("fc").contains("spectral_norm"));
  EXPECT_THAT(save(path("net.bin"), Value::dict({{"model", state}}), set).warnings,
              ElementsAre(HasSubstr("_metadata of 1 state_dict:")));
}

TEST_F(LostMetadata, VersionsAreNotWorthAWarning) {
  Value state = telling_state_dict();
  state.set_attribute("_metadata", Value::dict({{"", Value::dict({{"version", 2}})}, {"fc", Value::dict()}}));
  for (const Format format : {Format::kSafetensors, Format::kNpz, Format::kDcp}) {
    EXPECT_THAT(warnings(state, {.format = format}), ElementsAre()) << format_name(format);
    std::filesystem::remove_all(path("out"));
  }
  // Neither a module's entry nor the whole is what PyTorch writes.
  for (const Value& odd :
       {Value("text"), Value::dict({{"fc", 3}}), Value::dict({{"fc", Value::dict({{"version", "2"}})}})}) {
    state.set_attribute("_metadata", odd);
    EXPECT_THAT(warnings(state, {.format = Format::kSafetensors}), ElementsAre(HasSubstr("_metadata")));
  }
}

TEST(Save, ViewsShareAndKeepStrides) {
  const Array base = Array::from<float>({0, 1, 2, 3, 4, 5}, {2, 3});
  const Value back = load(saved_bytes(Value::list({base, base.transpose(0, 1), base.select(0, 1)})));
  const Array whole = back.at(0).as_array();
  EXPECT_EQ(back.at(1).as_array().strides(), (Strides{1, 3}));
  EXPECT_EQ(back.at(2).as_array().offset(), 3);
  EXPECT_EQ(back.at(1).as_array().storage(), whole.storage());
  EXPECT_EQ(back.at(2).as_array().storage(), whole.storage());
}

TEST(Save, OneStorageUnderTwoDTypesIsWrittenTwice) {
  const Array floats = Array::from<float>({1, 2}, {2});
  const Array ints(floats.storage(), kInt32, floats.geometry());
  const Value back = load(saved_bytes(Value::list({floats, ints})));
  EXPECT_TRUE(back.at(1).as_array().same_bits(ints));
  EXPECT_FALSE(back.at(0).as_array().storage() == back.at(1).as_array().storage());
}

TEST(Save, SameValueSameBytesAndAgainAfterLoading) {
  const Value value =
      Value::dict({{"w", Array::ones({3})}, {"n", 3}, {"t", Value::tuple({1, "x", nullptr})}});
  const auto bytes = saved_bytes(value);
  EXPECT_EQ(bytes, saved_bytes(value));
  EXPECT_EQ(bytes, saved_bytes(load(bytes)));
}

TEST(Save, StateDictKeepsMetadata) {
  StateDict state;
  state.set("weight", Array::ones({2}));
  state.set_version("", 2);
  const StateDict back = load(saved_bytes(Value(state))).as_state_dict();
  EXPECT_EQ(back.version(""), 2);
}

TEST(Save, ObjectsAreLeftOutByName) {
  const Value namespace_object =
      Value::object(ObjectKind::kNew, Value::global("argparse", "Namespace"), Value::tuple());
  const Value evil = Value::object(ObjectKind::kReduce, Value::global("os", "system"), Value::tuple({"x"}));
  const Value value = Value::dict({{"a", namespace_object}, {"b", evil}, {"c", 1}});
  MemorySink sink;
  const SaveReport report = save(sink, value);
  EXPECT_THAT(report.warnings, ElementsAre(HasSubstr("argparse.Namespace"), HasSubstr("os.system")));
  EXPECT_EQ(load(sink.bytes()).size(), 1u);
  const Value kept = load(saved_bytes(value, {.keep_objects = true}));
  EXPECT_TRUE(kept.contains("a"));
  EXPECT_FALSE(kept.contains("b"));  // never what would run code
  EXPECT_ERROR(saved_bytes(evil, {.keep_objects = true}), ErrorCode::kUnsupported);
}

TEST(Save, ImpossibleValues) {
  Value tuple = Value::tuple();
  tuple.append(Value::list({tuple}));
  EXPECT_ERROR(saved_bytes(tuple), ErrorCode::kUnsupported);
  EXPECT_ERROR(saved_bytes(Value(Array())), ErrorCode::kInvalidArgument);
  EXPECT_ERROR(
      saved_bytes(Value(Array::zeros({1}, kInt8).with_geometry(Geometry::contiguous({1}))), kSafetensors),
      ErrorCode::kUnsupported);  // not a dict
}

TEST(SaveSafetensors, Names) {
  const Array a = Array::ones({2});
  const Array wide = Array::from<float>({1, 2, 3, 4}, {4});
  const Value parts = load(
      saved_bytes(Value::dict({{"x", wide.narrow(0, 0, 2)}, {"y", wide.narrow(0, 2, 2)}}), kSafetensors));
  EXPECT_THAT(parts.at("y").as_array().to_vector<float>(), ElementsAre(3, 4));
  EXPECT_ERROR(
      saved_bytes(Value::dict({{"a.b", a}, {"a", Value::dict({{"b", Array::ones({1})}})}}), kSafetensors),
      ErrorCode::kUnsupported);
  EXPECT_ERROR(saved_bytes(Value::dict({{"__metadata__", a}}), kSafetensors), ErrorCode::kUnsupported);
}

class SaveFile : public TemporaryFolder {};

TEST_F(SaveFile, SixBitFloatsGoNowhereButToSafetensors) {
  std::vector<std::byte> bytes(18);
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = std::byte(i);
  for (const DType dtype : {kFloat6E2M3FNx4, kFloat6E3M2FNx4}) {
    const Array array = Array::from_bytes(bytes, dtype, {2, 3});
    const Value value = Value::dict({{"model", Value::dict({{"w", array}, {"t", array.transpose(0, 1)}})}});
    for (const Format format : {Format::kTorchZip, Format::kTorchLegacy, Format::kDcp, Format::kNpz}) {
      try {
        save(path("out"), value, {.format = format});
        ADD_FAILURE() << format_name(format);
      } catch (const Error& error) {
        EXPECT_EQ(error.code(), ErrorCode::kUnsupported) << error.what();
        EXPECT_THAT(error.text(), HasSubstr(cat("model.w has dtype ", dtype_name(dtype),
                                                ", which neither PyTorch nor numpy has: write safetensors")));
      }
    }
    const auto file = saved_bytes(value, kSafetensors);
    EXPECT_THAT(std::string(as_chars(file)), HasSubstr(R"("shape":[2,12])"));
    const Value back = load(file);
    EXPECT_TRUE(back.at("model.w").as_array().same_bits(array));
    EXPECT_TRUE(back.at("model.t").as_array().same_bits(array.transpose(0, 1)));
    EXPECT_EQ(saved_bytes(back, kSafetensors), file);
    EXPECT_ERROR(saved_bytes(Value::dict({{"a", Array::zeros({}, dtype)}}), kSafetensors),
                 ErrorCode::kUnsupported);
    EXPECT_ERROR(array.cast(kFloat32), ErrorCode::kDTypeMismatch);
  }
}

TEST_F(SaveFile, ExtensionDecides) {
  const Value value = Value::dict({{"a", Array::ones({2})}});
  save(path("x.safetensors"), value);
  save(path("x.anything"), value);
  EXPECT_EQ(describe(path("x.safetensors")).format, Format::kSafetensors);
  const Listing listing = describe(path("x.anything"));
  EXPECT_EQ(listing.format, Format::kTorchZip);
  EXPECT_EQ(listing.tensors.at(0).record, "x/data/0");
}

TEST_F(SaveFile, FullDiskAndReadOnlyFolderLoseNothing) {
  save(path("a.pt"), Value(1));
  const std::string before = get("a.pt");
  {
    const FileSizeLimit limit(1000);
    EXPECT_ERROR(save(path("a.pt"), Value(Array::zeros({1000}))), ErrorCode::kNoSpace);
  }
  EXPECT_EQ(get("a.pt"), before);
  EXPECT_THAT(names(), ElementsAre("a.pt"));
  EXPECT_ERROR(save(path("a.pt"), Value(2), {.replace = false}), ErrorCode::kExists);
  EXPECT_ERROR(save(path("no/a.pt"), Value(2)), ErrorCode::kNotFound);
  std::filesystem::permissions(folder_,
                               std::filesystem::perms::owner_read | std::filesystem::perms::owner_exec);
  const WithoutRoot nobody;
  EXPECT_ERROR(save(path("b.pt"), Value(2)), ErrorCode::kPermission);
}

}  // namespace
}  // namespace sconce::checkpoint
