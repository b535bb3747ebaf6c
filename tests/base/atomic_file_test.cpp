#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <string>

#include "base/error_matcher.h"
#include "base/file_size_limit.h"
#include "base/temporary_folder.h"
#include "sconce/base/file.h"

namespace sconce {
namespace {

using ::testing::ElementsAre;

class AtomicFileTest : public TemporaryFolder {
 protected:
  static mode_t mode_of(const std::string& path) {
    struct stat info {};
    EXPECT_EQ(::stat(path.c_str(), &info), 0);
    return info.st_mode & 07777;
  }
  void write(std::string_view name, std::string_view text, const WriteOptions& options = {}) const {
    AtomicFile file(path(name), options);
    file.write(text);
    file.commit();
  }
};

TEST_F(AtomicFileTest, NewFileAppearsAtCommit) {
  AtomicFile file(path("a"));
  file.write("hello ");
  file.write("world");
  EXPECT_EQ(file.position(), 11U);
  EXPECT_FALSE(std::filesystem::exists(path("a")));
  file.commit();
  EXPECT_EQ(get("a"), "hello world");
  EXPECT_THAT(names(), ElementsAre("a"));
}

TEST_F(AtomicFileTest, EmptyFile) {
  write("a", "");
  EXPECT_TRUE(std::filesystem::exists(path("a")));
  EXPECT_EQ(get("a"), "");
}

TEST_F(AtomicFileTest, WithoutCommitNothingChanges) {
  put("a", "old");
  {
    AtomicFile file(path("a"));
    file.write("new");
  }
  { AtomicFile file(path("b")); }
  EXPECT_EQ(get("a"), "old");
  EXPECT_THAT(names(), ElementsAre("a"));
}

TEST_F(AtomicFileTest, LargeAndSmallWritesKeepTheirOrder) {
  std::string expected;
  AtomicFile file(path("a"));
  for (const std::size_t size : {1, 700'000, 700'000, 3'000'000, 5, 1 << 20, (1 << 20) - 1, 2}) {
    const std::string piece(size, static_cast<char>('a' + expected.size() % 26));
    file.write(piece);
    expected += piece;
    EXPECT_EQ(file.position(), expected.size());
  }
  file.commit();
  EXPECT_EQ(get("a") == expected, true);
}

TEST_F(AtomicFileTest, ReplacingKeepsPermissions) {
  put("a", "old");
  ASSERT_EQ(::chmod(path("a").c_str(), 0640), 0);
  write("a", "new");
  EXPECT_EQ(get("a"), "new");
  EXPECT_EQ(mode_of(path("a")), 0640U);
}

TEST_F(AtomicFileTest, NewFileFollowsUmask) {
  const mode_t old = ::umask(027);
  write("a", "x");
  ::umask(old);
  EXPECT_EQ(mode_of(path("a")), 0640U);
}

TEST_F(AtomicFileTest, SymbolicLinkStaysAndItsTargetIsReplaced) {
  std::filesystem::create_directory(path("below"));
  put("below/real", "old");
  std::filesystem::create_symlink("below/real", path("link"));
  std::filesystem::create_symlink("link", path("link to link"));
  write("link to link", "new");
  EXPECT_EQ(get("below/real"), "new");
  EXPECT_TRUE(std::filesystem::is_symlink(path("link")));
  EXPECT_TRUE(std::filesystem::is_symlink(path("link to link")));
}

TEST_F(AtomicFileTest, DanglingLinkGetsItsTarget) {
  std::filesystem::create_symlink("real", path("link"));
  write("link", "new", {.replace = false});
  EXPECT_TRUE(std::filesystem::is_symlink(path("link")));
  EXPECT_EQ(get("real"), "new");
}

TEST_F(AtomicFileTest, CircleOfLinksIsAnError) {
  std::filesystem::create_symlink("b", path("a"));
  std::filesystem::create_symlink("a", path("b"));
  EXPECT_ERROR(AtomicFile(path("a")), ErrorCode::kIo);
}

TEST_F(AtomicFileTest, NoReplaceRefusesAnExistingFile) {
  put("a", "old");
  EXPECT_ERROR(AtomicFile(path("a"), {.replace = false}), ErrorCode::kExists);
  EXPECT_EQ(get("a"), "old");
  write("b", "new", {.replace = false});
  EXPECT_EQ(get("b"), "new");
}

TEST_F(AtomicFileTest, NoReplaceRefusesAFileThatAppearedMeanwhile) {
  AtomicFile file(path("a"), {.replace = false});
  file.write("new");
  put("a", "other");
  EXPECT_ERROR(file.commit(), ErrorCode::kExists);
  EXPECT_EQ(get("a"), "other");
  EXPECT_THAT(names(), ElementsAre("a"));
}

TEST_F(AtomicFileTest, TargetsThatAreNoFiles) {
  ASSERT_EQ(::mkfifo(path("fifo").c_str(), 0600), 0);
  EXPECT_ERROR(AtomicFile(folder_.string()), ErrorCode::kInvalidArgument);
  EXPECT_ERROR(AtomicFile(path("fifo")), ErrorCode::kInvalidArgument);
  EXPECT_ERROR(AtomicFile(path("new/")), ErrorCode::kInvalidArgument);
  EXPECT_ERROR(AtomicFile(""), ErrorCode::kInvalidArgument);
  EXPECT_ERROR(AtomicFile(path("no/such/folder/a")), ErrorCode::kNotFound);
  EXPECT_THAT(names(), ElementsAre("fifo"));
}

TEST_F(AtomicFileTest, RelativePathWithoutFolder) {
  const auto before = std::filesystem::current_path();
  std::filesystem::current_path(folder_);
  AtomicFile file("plain");
  file.write("x");
  file.commit();
  std::filesystem::current_path(before);
  EXPECT_EQ(get("plain"), "x");
}

TEST_F(AtomicFileTest, LongestFileName) {
  const std::string name(255, 'n');
  write(name, "x");
  write(name, "y");
  EXPECT_EQ(get(name), "y");
}

TEST_F(AtomicFileTest, ReadOnlyFolderIsAPermissionError) {
  put("a", "old");
  ASSERT_EQ(::chmod(folder_.c_str(), 0555), 0);
  {
    const WithoutRoot nobody;
    EXPECT_ERROR(AtomicFile(path("a")), ErrorCode::kPermission);
    EXPECT_ERROR(AtomicFile(path("b")), ErrorCode::kPermission);
  }
  EXPECT_EQ(get("a"), "old");
  EXPECT_THAT(names(), ElementsAre("a"));
}

TEST_F(AtomicFileTest, ReserveMoreThanIsWrittenAndLess) {
  for (const std::uint64_t reserved : {0, 1, 3, 100'000}) {
    AtomicFile file(path("a"));
    file.reserve(reserved);
    file.write("abc");
    file.commit();
    EXPECT_EQ(get("a"), "abc") << reserved;
  }
}

TEST_F(AtomicFileTest, FullDiskIsFoundWhenReserving) {
  put("a", "old");
  {
    AtomicFile file(path("a"));
    const FileSizeLimit limit(1000);
    EXPECT_ERROR(file.reserve(5000), ErrorCode::kNoSpace);
  }
  EXPECT_EQ(get("a"), "old");
  EXPECT_THAT(names(), ElementsAre("a"));
}

TEST_F(AtomicFileTest, FullDiskWhileWritingGivesTheFileUp) {
  put("a", "old");
  {
    AtomicFile file(path("a"));
    const FileSizeLimit limit(3 << 20);
    EXPECT_ERROR(file.write(std::string(std::size_t{5} << 20, 'x')), ErrorCode::kNoSpace);
    EXPECT_ERROR(file.write("more"), ErrorCode::kState);
    EXPECT_ERROR(file.reserve(1), ErrorCode::kState);
    EXPECT_ERROR(file.commit(), ErrorCode::kState);
  }
  EXPECT_EQ(get("a"), "old");
  EXPECT_THAT(names(), ElementsAre("a"));
}

TEST_F(AtomicFileTest, FullDiskFoundAtCommitKeepsTheOldFile) {
  put("a", "old");
  {
    AtomicFile file(path("a"));
    file.write(std::string(5000, 'x'));  // still in the buffer
    const FileSizeLimit limit(1000);
    EXPECT_ERROR(file.commit(), ErrorCode::kNoSpace);
  }
  EXPECT_EQ(get("a"), "old");
  EXPECT_THAT(names(), ElementsAre("a"));
}

TEST_F(AtomicFileTest, NothingAfterCommit) {
  AtomicFile file(path("a"));
  file.commit();
  EXPECT_ERROR(file.write("x"), ErrorCode::kState);
  EXPECT_ERROR(file.commit(), ErrorCode::kState);
}

TEST_F(AtomicFileTest, NotDurableWritesTheSameBytes) {
  write("a", "fast", {.durable = false});
  EXPECT_EQ(get("a"), "fast");
}

TEST_F(AtomicFileTest, FolderThatVanishesIsAnError) {
  std::filesystem::create_directory(path("below"));
  AtomicFile file(path("below/a"));
  file.write("x");
  std::filesystem::remove_all(path("below"));
  EXPECT_ERROR(file.commit(), ErrorCode::kNotFound);
}

TEST_F(AtomicFileTest, KilledWriterLeavesNothing) {
  const int nameless = ::open(folder_.c_str(), O_TMPFILE | O_WRONLY, 0600);
  if (nameless < 0) GTEST_SKIP() << "no nameless files in " << folder_;
  ::close(nameless);
  put("a", "old");
  int ready[2];
  ASSERT_EQ(::pipe(ready), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    AtomicFile file(path("a"));
    file.write(std::string(std::size_t{3} << 20, 'x'));
    if (::write(ready[1], "r", 1) != 1) ::_exit(1);
    ::pause();
    ::_exit(1);
  }
  ASSERT_GT(child, 0);
  char byte = 0;
  ASSERT_EQ(::read(ready[0], &byte, 1), 1);
  ASSERT_EQ(::kill(child, SIGKILL), 0);
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFSIGNALED(status));
  ::close(ready[0]);
  ::close(ready[1]);
  EXPECT_EQ(get("a"), "old");
  EXPECT_THAT(names(), ElementsAre("a"));
}

}  // namespace
}  // namespace sconce
