// A file may end anywhere, also in the middle of what tells its format.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error_matcher.h"
#include "sconce/base/byte_reader.h"
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

TEST(Sniff, NamesWhatAFileIsInstead) {
  using namespace std::string_view_literals;
  constexpr std::pair<std::string_view, std::string_view> kFiles[] = {
      {""sv, "the file is empty"},
      {"hello\n"sv, "a text file"},
      {"\x89HDF\r\n"sv, "an HDF5 file"},
      {"GGUF\3"sv, "a GGUF file"},
      {"\x08\x07\x12\x07pytorch\x1A\x03"sv, "an ONNX model"},
      {"\x08\x0D:\x23\x12"sv, "an ONNX model"},
      {"\x1F\x8B\x08"sv, "gzip-compressed"},
      {"BZh91AY"sv, "bzip2-compressed"},
      {"\xFD\x37zXZ\0"sv, "xz-compressed"},
      {"\x28\xB5\x2F\xFD\x04"sv, "zstd-compressed"},
      {"7z\xBC\xAF\x27\x1C"sv, "a 7z archive"},
      {"PYTORCH1"sv, "a TorchScript preview file"},
      {"\x1C\0\0\0PTMF"sv, "for mobile devices"},
      {"PK\5\6"sv, "an empty zip archive"},
      {"  <!DOCTYPE HTML>"sv, "an HTML page"},
      {"\xEF\xBB\xBF<!DOCTYPE html>"sv, "an HTML page"},
      {"<?xml version='1.0'?>\n<!DOCTYPE html PUBLIC ''>\n<html xmlns=''>"sv, "an HTML page"},
      {"<?xml version=\"1.0\"?>\n<Error><Code>AccessDenied</Code></Error>"sv, "an XML document"},
      {"\xEF\xBB\xBF\r\n<?xml version='1.0'?>"sv, "an XML document"},
      {"version https://git-lfs.github.com/spec/v1\n"sv, "a Git LFS pointer"},
      {"\0\0\0\0"sv, "zero bytes"},
      {"\1\2\3"sv, "not a checkpoint of a format that is known"},
      // TensorFlow's SavedModel begins as an ONNX model of 2017 would.
      {"\x08\x01\x12\x80\x02\x0A"sv, "not a checkpoint of a format that is known"},
  };
  for (const auto& [bytes, what] : kFiles) {
    try {
      load(as_byte_span(bytes));
      ADD_FAILURE() << what << ": it was loaded";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kUnsupported) << what;
      EXPECT_THAT(error.what(), ::testing::HasSubstr(std::string(what)));
    }
  }
  EXPECT_ERROR(load(std::string(SCONCE_SOURCE_DIR)), ErrorCode::kUnsupported);
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
