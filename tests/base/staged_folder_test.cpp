#include "sconce/base/staged_folder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error_matcher.h"
#include "base/temporary_folder.h"

namespace sconce {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
namespace fs = std::filesystem;

class StagedFolderTest : public TemporaryFolder {};

TEST_F(StagedFolderTest, WhatIsNotPublishedIsRemoved) {
  {
    const StagedFolder staged(folder_.string());
    std::ofstream(staged.path() + "/file") << "x";
    EXPECT_EQ(names().size(), 1u);
  }
  EXPECT_THAT(names(), IsEmpty());
}

TEST_F(StagedFolderTest, TakesAFreeName) {
  StagedFolder staged(folder_.string());
  std::ofstream(staged.path() + "/file") << "x";
  staged.take_name(path("out"));
  EXPECT_THAT(names(), ElementsAre("out"));
  EXPECT_EQ(get("out/file"), "x");
}

TEST_F(StagedFolderTest, ReplacesAFolderWhole) {
  for (const bool is_empty : {true, false}) {
    fs::create_directory(path("out"));
    if (!is_empty) put("out/old", "old");
    fs::permissions(path("out"), fs::perms::owner_all);
    {
      StagedFolder staged(folder_.string());
      std::ofstream(staged.path() + "/new") << "new";
      staged.take_name(path("out"));
    }
    EXPECT_THAT(names(), ElementsAre("out"));
    EXPECT_FALSE(fs::exists(path("out/old")));
    EXPECT_EQ(get("out/new"), "new");
    EXPECT_EQ(fs::status(path("out")).permissions(), fs::perms::owner_all);
    fs::remove_all(path("out"));
  }
}

TEST_F(StagedFolderTest, AFailureChangesNothing) {
  EXPECT_ERROR(StagedFolder(path("none")), ErrorCode::kNotFound);
  {
    StagedFolder staged(folder_.string());
    EXPECT_ERROR(staged.take_name(path("none/out")), ErrorCode::kNotFound);
    put("file", "old");
    EXPECT_THROW(staged.take_name(path("file")), Error);
  }
  EXPECT_THAT(names(), ElementsAre("file"));
  EXPECT_EQ(get("file"), "old");
}

}  // namespace
}  // namespace sconce
