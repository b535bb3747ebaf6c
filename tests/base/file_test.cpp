#include "sconce/base/file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <array>
#include <string>
#include <utility>

#include "base/error_matcher.h"
#include "base/temporary_folder.h"
#include "sconce/base/byte_reader.h"

namespace sconce {
namespace {

class FileTest : public TemporaryFolder {};

TEST_F(FileTest, ReadsAnywhere) {
  put("a", "0123456789");
  const File file = File::open(path("a"));
  EXPECT_EQ(file.size(), 10U);
  EXPECT_EQ(file.path(), path("a"));
  EXPECT_EQ(as_chars(file.read_at(3, 4)), "3456");
  EXPECT_TRUE(file.read_at(10, 0).empty());
  std::array<std::byte, 2> two{};
  file.read_at(two, 8);
  EXPECT_EQ(as_chars(two), "89");
}

TEST_F(FileTest, ReadsStopAtTheEnd) {
  put("a", "0123456789");
  const File file = File::open(path("a"));
  std::array<std::byte, 2> two{};
  EXPECT_ERROR(file.read_at(two, 9), ErrorCode::kTruncated);
  EXPECT_ERROR(file.read_at(two, 11), ErrorCode::kTruncated);
  EXPECT_ERROR(file.read_at(0, 11), ErrorCode::kTruncated);
  EXPECT_ERROR(file.read_at(5, ~std::uint64_t{0}), ErrorCode::kTruncated);
  EXPECT_ERROR(file.read_at(~std::uint64_t{0}, 2), ErrorCode::kTruncated);
}

TEST_F(FileTest, FileThatShrinksIsTruncated) {
  put("a", "0123456789");
  const File file = File::open(path("a"));
  std::filesystem::resize_file(path("a"), 4);
  EXPECT_ERROR(file.read_at(2, 8), ErrorCode::kTruncated);
}

TEST_F(FileTest, MovesKeepTheFileOpen) {
  put("a", "aa");
  put("b", "bbb");
  File first = File::open(path("a"));
  File second = std::move(first);
  EXPECT_EQ(as_chars(second.read_at(0, 2)), "aa");
  second = File::open(path("b"));
  EXPECT_EQ(second.size(), 3U);
  EXPECT_EQ(as_chars(second.read_at(0, 3)), "bbb");
}

TEST_F(FileTest, OpenRefusals) {
  put("plain", "");
  ASSERT_EQ(::mkfifo(path("fifo").c_str(), 0600), 0);
  EXPECT_ERROR(File::open(path("missing")), ErrorCode::kNotFound);
  EXPECT_ERROR(File::open(path("plain/below")), ErrorCode::kNotFound);
  EXPECT_ERROR(File::open(folder_.string()), ErrorCode::kInvalidArgument);
  EXPECT_ERROR(File::open(path("fifo")), ErrorCode::kInvalidArgument);
  EXPECT_ERROR(File::open("/dev/null"), ErrorCode::kInvalidArgument);
  EXPECT_ERROR(File::open(""), ErrorCode::kNotFound);
  try {
    File::open(path("missing"));
  } catch (const Error& error) {
    EXPECT_EQ(error.path(), path("missing"));
  }
}

TEST_F(FileTest, UnreadableFileIsAPermissionError) {
  put("secret", "x");
  ASSERT_EQ(::chmod(path("secret").c_str(), 0), 0);
  const WithoutRoot nobody;
  EXPECT_ERROR(File::open(path("secret")), ErrorCode::kPermission);
}

TEST_F(FileTest, ReadFile) {
  put("a", "abc");
  put("empty", "");
  EXPECT_EQ(as_chars(read_file(path("a"), 3)), "abc");
  EXPECT_TRUE(read_file(path("empty"), 0).empty());
  EXPECT_ERROR(read_file(path("a"), 2), ErrorCode::kLimit);
}

TEST_F(FileTest, MapSeesTheBytesAndKeepsWritesToItself) {
  put("a", "abc");
  const MappedFile map(File::open(path("a")));  // outlives the File
  EXPECT_EQ(as_chars(map.bytes()), "abc");
  map.bytes()[0] = std::byte{'X'};
  EXPECT_EQ(as_chars(map.bytes()), "Xbc");
  EXPECT_EQ(get("a"), "abc");
}

TEST_F(FileTest, MapOfAnEmptyFileIsEmpty) {
  put("a", "");
  EXPECT_TRUE(MappedFile(File::open(path("a"))).bytes().empty());
}

}  // namespace
}  // namespace sconce
