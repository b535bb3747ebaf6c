// A file may end anywhere, also in the middle of what tells its format.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sconce/base/file.h"
#include "sconce/checkpoint/listing.h"
#include "sconce/checkpoint/load.h"

namespace sconce::checkpoint {
namespace {

// Anything but an Error fails the test: nothing else may leave the library.
void expect_refused(std::span<const std::byte> bytes) {
  EXPECT_THROW(load(bytes), Error);
  EXPECT_THROW(describe(bytes), Error);
}

TEST(Sniff, EveryBeginningOfEveryFormatIsRefusedCleanly) {
  const std::filesystem::path formats = std::filesystem::path(SCONCE_SOURCE_DIR) / "tests/golden/formats";
  int files = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(formats)) {
    if (!entry.is_regular_file()) continue;
    SCOPED_TRACE(entry.path().filename().string());
    const std::vector<std::byte> whole = read_file(entry.path().string());
    for (std::size_t size = 0; size < std::min<std::size_t>(whole.size(), 300); ++size) {
      expect_refused(std::span(whole).first(size));
    }
    ++files;
  }
  EXPECT_GT(files, 10);
}

TEST(Sniff, EveryShortFileIsRefusedCleanly) {
  using namespace std::string_view_literals;
  for (int first = 0; first < 256; ++first) {
    const std::byte one[] = {std::byte(first)};
    expect_refused(one);
    for (int second = 0; second < 256; ++second) {
      const std::byte two[] = {std::byte(first), std::byte(second)};
      // Pickles of an empty tuple, list and dict.
      const bool is_pickle =
          second == '.' && ")]}"sv.find(static_cast<char>(first)) != std::string_view::npos;
      if (!is_pickle) {
        expect_refused(two);
      } else {
        EXPECT_EQ(load(two).size(), 0u);
      }
    }
    const std::byte framed[] = {std::byte{0x80}, std::byte{4}, std::byte(first)};
    expect_refused(framed);
  }
}

}  // namespace
}  // namespace sconce::checkpoint
