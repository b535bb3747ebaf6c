#include "sconce/base/folder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "base/error_matcher.h"
#include "base/temporary_folder.h"

namespace sconce {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

using FolderTest = TemporaryFolder;

TEST_F(FolderTest, NamesAreSorted) {
  EXPECT_THAT(folder_names(folder_.string()), IsEmpty());
  put("b", "x");
  put(".a", "x");
  std::filesystem::create_directory(path("c"));
  EXPECT_THAT(folder_names(folder_.string()), ElementsAre(".a", "b", "c"));
}

TEST_F(FolderTest, WhatIsNoFolderIsAnErrorThatNamesIt) {
  EXPECT_ERROR(folder_names(path("none")), ErrorCode::kNotFound);
  put("file", "x");
  try {
    folder_names(path("file"));
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kNotFound);
    EXPECT_EQ(error.path(), path("file"));
  }
}

}  // namespace
}  // namespace sconce
