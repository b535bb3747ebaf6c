#include "sconce/train/run_folder.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "base/error_matcher.h"
#include "base/file_size_limit.h"
#include "base/temporary_folder.h"
#include "sconce/checkpoint/load.h"

namespace sconce::train {
namespace {

using RunFolderTest = TemporaryFolder;

Value state_with(std::int64_t step) { return Value::dict({{"step", step}, {"w", Array::ones({1000})}}); }

TEST_F(RunFolderTest, MakesTheFoldersAndNamesItsFiles) {
  const RunFolder folder(path("a/b"));
  EXPECT_TRUE(std::filesystem::is_directory(path("a/b")));
  EXPECT_EQ(folder.last(), path("a/b/last.pt"));
  EXPECT_EQ(folder.best(), path("a/b/best.pt"));
  EXPECT_EQ(folder.metrics(), path("a/b/metrics.jsonl"));
  EXPECT_FALSE(folder.has_run());
}

TEST_F(RunFolderTest, SavesAndReplaces) {
  const RunFolder folder(path("run"));
  folder.save_last(state_with(1));
  EXPECT_TRUE(folder.has_run());
  folder.save_last(state_with(2));
  folder.save_best(state_with(3));
  EXPECT_EQ(checkpoint::load(folder.last()).at("step").as_int(), 2);
  EXPECT_EQ(checkpoint::load(folder.best()).at("step").as_int(), 3);
}

TEST_F(RunFolderTest, RemovesTheBest) {
  const RunFolder folder(path("run"));
  folder.remove_best();
  folder.save_best(state_with(1));
  folder.save_last(state_with(2));
  folder.remove_best();
  EXPECT_FALSE(std::filesystem::exists(folder.best()));
  EXPECT_TRUE(folder.has_run());
}

TEST_F(RunFolderTest, AFullDiskLeavesTheCheckpointBefore) {
  const RunFolder folder(path("run"));
  folder.save_last(state_with(1));
  {
    const FileSizeLimit limit(1000);
    EXPECT_THROW(folder.save_last(state_with(2)), Error);
  }
  EXPECT_EQ(checkpoint::load(folder.last()).at("step").as_int(), 1);
  folder.save_last(state_with(3));
  EXPECT_EQ(checkpoint::load(folder.last()).at("step").as_int(), 3);
}

TEST_F(RunFolderTest, AReadOnlyFolderLeavesTheCheckpointBefore) {
  const RunFolder folder(path("run"));
  folder.save_last(state_with(1));
  std::filesystem::permissions(folder_, std::filesystem::perms(0755));
  std::filesystem::permissions(path("run"), std::filesystem::perms(0555));
  {
    const WithoutRoot nobody;
    EXPECT_ERROR(folder.save_last(state_with(2)), ErrorCode::kPermission);
    EXPECT_ERROR(RunFolder(path("run/deeper")), ErrorCode::kPermission);
  }
  std::filesystem::permissions(path("run"), std::filesystem::perms(0755));
  EXPECT_EQ(checkpoint::load(folder.last()).at("step").as_int(), 1);
}

TEST_F(RunFolderTest, RejectsAFileInItsPlace) {
  put("file", "x");
  EXPECT_ERROR(RunFolder(path("file")), ErrorCode::kInvalidArgument);
  EXPECT_ERROR(RunFolder(path("file/below")), ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace sconce::train
