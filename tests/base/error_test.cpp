#include "sconce/base/error.h"

#include <gtest/gtest.h>

#include <optional>
#include <set>
#include <string>
#include <utility>

namespace sconce {
namespace {

TEST(Error, WhatNamesWhereAndText) {
  const Error error(ErrorCode::kCorrupt, "zip", "central directory missing");
  EXPECT_EQ(error.code(), ErrorCode::kCorrupt);
  EXPECT_EQ(error.where(), "zip");
  EXPECT_EQ(error.text(), "central directory missing");
  EXPECT_EQ(error.path(), "");
  EXPECT_FALSE(error.offset().has_value());
  EXPECT_STREQ(error.what(), "[zip] central directory missing");
  EXPECT_STREQ(Error(ErrorCode::kIo, "", "gone").what(), "gone");
}

TEST(Error, InFilePutsThePathInFrontOnce) {
  const Error error = Error(ErrorCode::kCorrupt, "zip", "bad").in_file("net.pt");
  EXPECT_STREQ(error.what(), "net.pt: [zip] bad");
  EXPECT_EQ(error.path(), "net.pt");
  EXPECT_EQ(error.code(), ErrorCode::kCorrupt);
  EXPECT_EQ(error.in_file("other.pt").path(), "net.pt");
}

TEST(Error, PathIsEscapedInWhatOnly) {
  const Error error = Error(ErrorCode::kNotFound, "file", "no").in_file("a\x1b[2J");
  EXPECT_STREQ(error.what(), "a\\x1b[2J: [file] no");
  EXPECT_EQ(error.path(), "a\x1b[2J");
}

TEST(Error, AtOffsetKeepsTheInnermostOffset) {
  const Error error = Error(ErrorCode::kTruncated, "pickle", "cut").at_offset(17).at_offset(99);
  EXPECT_EQ(error.offset(), 17U);
  EXPECT_STREQ(error.what(), "[pickle] cut (at byte 17)");
  EXPECT_EQ(error.in_file("a").offset(), 17U);
}

TEST(Error, AdviceStandsAtTheEndAndIsKept) {
  const Error error = Error(ErrorCode::kUnsupported, "zip", "split").with_advice("join it");
  const Error placed =
      error.at_offset(3).in_record("a", OffsetIn::kRecord).in_file("net.pt").with_advice("no");
  EXPECT_EQ(placed.advice(), "join it");
  EXPECT_EQ(placed.text(), "split (at byte 3 of the record 'a')");
  EXPECT_STREQ(placed.what(), "net.pt: [zip] split (at byte 3 of the record 'a'); join it");
  EXPECT_STREQ(error.with_advice("").what(), "[zip] split; join it");
}

TEST(Error, WorkAtAnOffsetGivesItToItsErrors) {
  EXPECT_EQ(at_offset(7, [] { return 5; }), 5);
  for (const auto& [made, found] : {std::pair{std::optional<std::uint64_t>(), 7U}, {2U, 2U}}) {
    try {
      at_offset(7, [made = made] {
        const Error error(ErrorCode::kCorrupt, "json", "bad");
        throw made ? error.at_offset(*made) : error;
      });
      FAIL();
    } catch (const Error& error) {
      EXPECT_EQ(error.offset(), found);
    }
  }
}

TEST(Error, ALimitKeepsItsName) {
  try {
    require_limit(false, "inflated", "zip", "more than ", 5);
    FAIL() << "require_limit returned";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kLimit);
    EXPECT_EQ(error.limit(), "inflated");
    EXPECT_EQ(error.at_offset(3).in_record("r", OffsetIn::kFile).in_file("a").limit(), "inflated");
    EXPECT_STREQ(error.at_offset(3).what(), "[zip] more than 5 (at byte 3)");
  }
  EXPECT_NO_THROW(require_limit(true, "inflated", "zip", "unused"));
  EXPECT_EQ(Error(ErrorCode::kLimit, "zip", "deep").limit(), "");
}

TEST(Error, FailAndRequireBuildTheText) {
  try {
    fail(ErrorCode::kLimit, "json", "depth ", 65);
    FAIL() << "fail returned";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kLimit);
    EXPECT_EQ(error.text(), "depth 65");
  }
  EXPECT_NO_THROW(require(true, ErrorCode::kLimit, "json", "unused"));
  EXPECT_THROW(require(false, ErrorCode::kLimit, "json", "used"), Error);
}

TEST(Error, EveryCodeHasItsOwnName) {
  std::set<std::string_view> names;
  for (int code = 0; code <= static_cast<int>(ErrorCode::kInterrupted); ++code) {
    names.insert(error_code_name(static_cast<ErrorCode>(code)));
  }
  EXPECT_EQ(names.size(), static_cast<std::size_t>(ErrorCode::kInterrupted) + 1);
  EXPECT_EQ(error_code_name(ErrorCode::kInvalidArgument), "invalid_argument");
  EXPECT_EQ(error_code_name(ErrorCode::kTruncated), "truncated");
  EXPECT_EQ(error_code_name(ErrorCode::kInterrupted), "interrupted");
}

TEST(Error, NamesARecordOnce) {
  const Error plain(ErrorCode::kCorrupt, "pickle", "bad opcode");
  EXPECT_EQ(plain.record(), "");
  EXPECT_STREQ(plain.in_record("a/data.pkl", OffsetIn::kRecord).what(),
               "[pickle] bad opcode (in the record 'a/data.pkl')");
  const Error placed = plain.at_offset(12);
  const Error inside = placed.in_record("a/data.pkl", OffsetIn::kRecord).in_file("x.pt");
  EXPECT_STREQ(inside.what(), "x.pt: [pickle] bad opcode (at byte 12 of the record 'a/data.pkl')");
  EXPECT_EQ(inside.record(), "a/data.pkl");
  EXPECT_EQ(inside.offset(), 12U);
  EXPECT_EQ(inside.offset_in(), OffsetIn::kRecord);
  EXPECT_EQ(inside.code(), ErrorCode::kCorrupt);
  EXPECT_STREQ(inside.in_record("b", OffsetIn::kFile).what(), inside.what());
  const Error beside = placed.in_record("a\x1b", OffsetIn::kFile);
  EXPECT_STREQ(beside.what(), "[pickle] bad opcode (at byte 12) (in the record 'a\\x1b')");
  EXPECT_EQ(beside.offset_in(), OffsetIn::kFile);
  const Error told =
      Error(ErrorCode::kChecksum, "zip", "the record 'a' is bad").in_record("a", OffsetIn::kFile);
  EXPECT_EQ(told.text(), "the record 'a' is bad");
  EXPECT_EQ(told.record(), "a");
}

}  // namespace
}  // namespace sconce
