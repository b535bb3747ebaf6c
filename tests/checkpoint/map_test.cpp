// LoadOptions::map: tensors are the file itself, and no byte of them is touched by loading.
#include <gtest/gtest.h>

#include <filesystem>

#include "base/error_matcher.h"
#include "base/temporary_folder.h"
#include "sconce/base/file.h"
#include "sconce/checkpoint/load.h"
#include "sconce/checkpoint/save.h"
#include "support/mapped.h"

namespace sconce::checkpoint {
namespace {

constexpr std::int64_t kNumbers = 4 << 20;
// What a look at the directory and the pickle may cost: the kernel maps some pages around each that is asked
// for.
constexpr std::uint64_t kLittle = 1 << 20;

class Map : public TemporaryFolder {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists("/proc/self/smaps")) GTEST_SKIP() << "no /proc/self/smaps";
  }
  static Value large() {
    return Value::dict(
        {{"a", Array::full({kNumbers}, 1, kFloat32)}, {"b", Array::full({kNumbers}, 2, kFloat32)}});
  }
  Array loaded(const std::string& name, bool map, const char* key = "b") const {
    LoadOptions options;
    options.map = map;
    return load(path(name), options).at(key).as_array();
  }
  std::optional<std::uint64_t> resident(const std::string& file, const Array& array) const {
    return test::resident_in_map(path(file), array.raw());
  }
};

TEST_F(Map, TensorsAreTheFileAndNothingIsRead) {
  for (const char* name : {"a.pt", "a.safetensors", "a.npz"}) {
    SCOPED_TRACE(name);
    save(path(name), large(), {.durable = false});
    const std::uint64_t before = bytes_read();
    const Array array = loaded(name, true);
    EXPECT_LT(bytes_read() - before, kLittle);
    const auto resident_bytes = resident(name, array);
    ASSERT_TRUE(resident_bytes.has_value()) << "a copy";
    EXPECT_LT(*resident_bytes, kLittle);
    EXPECT_EQ(array.select(0, kNumbers - 1).item<float>(), 2);
    EXPECT_FALSE(resident(name, loaded(name, false)).has_value());
  }
}

TEST_F(Map, TensorsOfShardsAreTheirFiles) {
  save(path("a.safetensors"), large(), {.durable = false, .shard_size = 4 * kNumbers});
  const Array array = loaded("a.safetensors.index.json", true);
  const auto resident_bytes = resident("a-00002-of-00002.safetensors", array);
  ASSERT_TRUE(resident_bytes.has_value()) << "a copy";
  EXPECT_LT(*resident_bytes, kLittle);
}

TEST_F(Map, ChecksumsAreNotCompared) {
  save(path("a.pt"), Value::dict({{"b", Array::full({1000}, 1, kFloat32)}}));
  std::string text = get("a.pt");
  const std::size_t at = text.find(std::string("\0\0\x80\x3f\0\0\x80\x3f", 8));
  ASSERT_NE(at, std::string::npos);
  text[at + 3] = '\x40';
  put("a.pt", text);
  EXPECT_ERROR(loaded("a.pt", false), ErrorCode::kChecksum);
  EXPECT_EQ(loaded("a.pt", true).select(0, 0).item<float>(), 4);
}

}  // namespace
}  // namespace sconce::checkpoint
