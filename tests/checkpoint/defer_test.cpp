// load(..., {.defer = true}): storages that are read when someone looks, and writers that pass them through.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <utility>

#include "base/error_matcher.h"
#include "base/temporary_folder.h"
#include "codec/codec_test_util.h"
#include "sconce/checkpoint/load.h"
#include "sconce/checkpoint/named.h"
#include "sconce/checkpoint/save.h"

namespace sconce::checkpoint {
namespace {

class Defer : public TemporaryFolder {
 protected:
  static Value values() {
    std::vector<float> numbers(1'000'000);
    for (std::size_t i = 0; i < numbers.size(); ++i) numbers[i] = static_cast<float>(i);
    const Array large = Array::from(numbers, {1000, 1000});
    return Value::dict({{"large", large},
                        {"view", large.select(1, 3)},
                        {"small", Array::from<std::int64_t>({1, 2, 3}, {3})},
                        {"empty", Array::zeros({0, 4})}});
  }
  Value deferred(const std::string& name) const { return load(path(name), {.defer = true}); }
};

TEST_F(Defer, NothingIsReadBeforeSomeoneLooks) {
  const std::map<std::string, Format> formats{{"x.pt", Format::kTorchZip},
                                              {"x.safetensors", Format::kSafetensors},
                                              {"x.npz", Format::kNpz},
                                              {"x.th", Format::kTorchLegacy}};
  for (const auto& [name, format] : formats) {
    SCOPED_TRACE(name);
    save(path(name), values(), {.format = format, .merge_aliases = true});
    const Value value = deferred(name);
    const Array& small = value.at("small").as_array();
    EXPECT_FALSE(value.at("large").as_array().storage().is_loaded());
    EXPECT_FALSE(small.storage().is_loaded());
    EXPECT_THAT(small.to_vector<int>(), ::testing::ElementsAre(1, 2, 3));
    EXPECT_TRUE(small.storage().is_loaded());
    EXPECT_FALSE(value.at("large").as_array().storage().is_loaded());
    EXPECT_EQ(value.at("view").as_array().to_vector<int>().at(2), 2003);
  }
}

TEST_F(Defer, FixturesOfFormatsThatAreNotWritten) {
  for (const char* name : {"formats/legacy/old.tar", "recover/script_213.pt", "formats/jit/jit_26.pt"}) {
    SCOPED_TRACE(name);
    const std::string file = testing::golden_path(name);
    const auto tensors = named_arrays(load(file));
    const auto later = named_arrays(load(file, {.defer = true}));
    ASSERT_FALSE(tensors.empty());
    ASSERT_EQ(later.size(), tensors.size());
    for (std::size_t i = 0; i < later.size(); ++i) {
      const Array& array = later[i].value.as_array();
      EXPECT_EQ(later[i].name, tensors[i].name);
      if (i == 0) {
        EXPECT_FALSE(array.storage().is_loaded());
      }
      EXPECT_TRUE(array.same_bits(tensors[i].value.as_array())) << tensors[i].name;
    }
  }
}

TEST_F(Defer, WritersPassThroughTheSameBytes) {
  save(path("a.pt"), values());
  save(path("a.safetensors"), values(), {.merge_aliases = true});
  save(path("a.npz"), values(), {.merge_aliases = true});
  save(path("a.th"), values(), {.format = Format::kTorchLegacy});
  const std::pair<const char*, Format> cases[] = {{"a.pt", Format::kTorchZip},
                                                  {"a.pt", Format::kSafetensors},
                                                  {"a.npz", Format::kTorchZip},
                                                  {"a.th", Format::kTorchZip}};
  for (const auto& [name, format] : cases) {
    SCOPED_TRACE(name);
    const Value value = deferred(name);
    const SaveReport report = save(path("b"), value, {.format = format, .merge_aliases = true});
    EXPECT_EQ(report.bytes, get("b").size());
    EXPECT_FALSE(value.at("large").as_array().storage().is_loaded());
    Value again = load(path("b"));
    for (const char* part : {"large", "view", "small", "empty"}) {
      EXPECT_TRUE(again.at(part).as_array().same_bits(values().at(part).as_array())) << part;
    }
    if (format == Format::kSafetensors) {
      EXPECT_EQ(get("b"), get("a.safetensors"));
    }
  }
}

TEST_F(Defer, NpzOfAnotherOrderOfBytesAndWithAWrongChecksum) {
  save(path("a.npz"), Value::dict({{"x", Array::from<std::int16_t>({1, 258}, {2})}}));
  std::string bytes = get("a.npz");
  const std::size_t order = bytes.find("'<i2'");
  ASSERT_NE(order, std::string::npos);
  bytes[order + 1] = '>';
  put("b.npz", bytes);
  EXPECT_ERROR(deferred("b.npz").at("x").as_array().raw(), ErrorCode::kChecksum);
  try {
    save(path("b.pt"), deferred("b.npz"));
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kChecksum);
    EXPECT_EQ(error.path(), path("b.npz"));
  }
  const Value swapped = load(path("b.npz"), {.check_crc = false, .defer = true});
  save(path("b.pt"), swapped);
  EXPECT_FALSE(swapped.at("x").as_array().storage().is_loaded());
  EXPECT_THAT(load(path("b.pt")).at("x").as_array().to_vector<int>(), ::testing::ElementsAre(256, 513));
}

TEST_F(Defer, TheFileMayBeReplacedByWhatItHolds) {
  save(path("a.pt"), values());
  save(path("a.pt"), deferred("a.pt"));
  EXPECT_TRUE(load(path("a.pt")).at("large").as_array().same_bits(values().at("large").as_array()));
}

TEST_F(Defer, ABadChecksumShowsWhenSomeoneLooksAndNamesTheFile) {
  save(path("a.pt"), values());
  std::string bytes = get("a.pt");
  bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
  put("a.pt", bytes);
  put("b.pt", "old");
  const Value value = deferred("a.pt");
  EXPECT_ERROR(value.at("large").as_array().raw(), ErrorCode::kChecksum);
  try {
    save(path("b.pt"), value);
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kChecksum);
    EXPECT_EQ(error.path(), path("a.pt"));
  }
  EXPECT_EQ(get("b.pt"), "old");
  EXPECT_ERROR(save(path("b.safetensors"), value, {.merge_aliases = true}), ErrorCode::kChecksum);
  EXPECT_EQ(names(), (std::vector<std::string>{"a.pt", "b.pt"}));
}

TEST_F(Defer, DoesNotApplyToMemory) {
  save(path("a.pt"), values());
  Value value;
  {
    const std::string bytes = get("a.pt");
    value = load(std::as_bytes(std::span(bytes)), {.defer = true});
  }
  EXPECT_TRUE(value.at("small").as_array().storage().is_loaded());
}

}  // namespace
}  // namespace sconce::checkpoint
