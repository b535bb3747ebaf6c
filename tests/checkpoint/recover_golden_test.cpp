// Files of real PyTorch with whole modules, TorchScript and numpy against what PyTorch says is in them.
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <sstream>

#include "codec/codec_test_util.h"
#include "sconce/checkpoint/load.h"
#include "sconce/checkpoint/objects.h"
#include "sconce/checkpoint/recover.h"
#include "sconce/codec/sha256.h"

namespace sconce::checkpoint {
namespace {

std::string line_of(const std::string& name, const Array& array) {
  std::string shape;
  for (const std::int64_t size : array.shape()) shape += cat(shape.empty() ? "" : ",", size);
  std::vector<std::byte> bytes(array.nbytes());
  copy_to_contiguous(array, bytes);
  return cat(name, " ", dtype_name(array.dtype()), " ", shape.empty() ? "-" : shape, " ", sha256_hex(bytes));
}

// The lines that make.py wrote, by file.
std::map<std::string, std::vector<std::string>> expected(const std::string& version) {
  std::ifstream in(testing::golden_path(cat("recover/", version, ".txt")));
  std::map<std::string, std::vector<std::string>> out;
  std::string file;
  std::string line;
  while (in >> file && std::getline(in >> std::ws, line)) out[file].push_back(line);
  return out;
}

TEST(RecoverGolden, NamesAndBytesAreThoseOfPyTorch) {
  for (const char* version : {"113", "213"}) {
    const auto files = expected(version);
    ASSERT_EQ(files.size(), 4u) << version;
    for (const auto& [file, lines] : files) {
      const Recovery recovery = recover_modules(load(testing::golden_path(cat("recover/", file))));
      EXPECT_TRUE(recovery.notes.empty()) << file;
      std::vector<std::string> actual;
      if (file.starts_with("numpy")) {
        for (const auto& [key, value] : recovery.value.items()) {
          const auto array = numpy_array(value);
          ASSERT_TRUE(array) << file;
          actual.push_back(line_of(key.as_string(), *array));
        }
      } else {
        for (const NamedLeaf& leaf : named_arrays(recovery.value)) {
          actual.push_back(line_of(leaf.name, leaf.value.as_array()));
        }
      }
      EXPECT_EQ(actual, lines) << file;
    }
  }
}

}  // namespace
}  // namespace sconce::checkpoint
