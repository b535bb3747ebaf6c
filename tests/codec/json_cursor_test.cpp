#include "sconce/codec/json_cursor.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "codec/codec_test_util.h"

namespace sconce::json {
namespace {

using sconce::testing::error_of;

TEST(JsonCursor, GoesThroughValues) {
  Cursor cursor(R"( {"a": [1, -2, 1.5], "b\n": "text", "c": {"d": [true, null]}} )");
  std::vector<std::string> keys;
  std::vector<double> numbers;
  cursor.members([&](const std::string& key, std::size_t) {
    keys.push_back(key);
    if (key == "a") {
      cursor.items([&] {
        numbers.push_back(std::visit([](auto n) { return static_cast<double>(n); }, cursor.number()));
      });
    } else if (cursor.first() == '"') {
      EXPECT_EQ(cursor.string(), "text");
    } else {
      EXPECT_EQ(cursor.skip(), R"({"d": [true, null]})");
    }
  });
  cursor.finish();
  EXPECT_EQ(keys, (std::vector<std::string>{"a", "b\n", "c"}));
  EXPECT_EQ(numbers, (std::vector<double>{1, -2, 1.5}));
}

TEST(JsonCursor, SkippingIsAsStrictAsParsing) {
  for (const std::string_view text :
       {"{'a':1}",  "[1,]",        "{\"a\":1,}", "[",    "{\"a\"", "\"a", "\"\x01\"",
        "\"\xff\"", "\"\\ud800\"", "\"\\x\"",    "01",   "1.",     "1e",  "-",
        "tru",      "nul",         "1 2",        "[[[[", "1e400",  ""}) {
    SCOPED_TRACE(::testing::PrintToString(text));
    const auto skipped = error_of([&] {
      Cursor cursor(text, {.depth = 3});
      cursor.skip();
      cursor.finish();
    });
    EXPECT_TRUE(skipped.has_value());
    EXPECT_EQ(skipped, error_of([&] { parse(text, {.depth = 3}); }));
  }
}

TEST(JsonCursor, SaysWhatIsWrongWithAValueOfAnotherKind) {
  const auto as_string = [](std::string_view text) {
    return error_of([&] { Cursor(text, {.depth = 2}).string(); });
  };
  EXPECT_EQ(as_string("[1]"), ErrorCode::kCorrupt);
  EXPECT_EQ(as_string("[[[1]]]"), ErrorCode::kLimit);
  EXPECT_EQ(as_string("[1"), ErrorCode::kTruncated);
  EXPECT_EQ(error_of([] { Cursor("[1]").members([](const std::string&, std::size_t) {}); }),
            ErrorCode::kCorrupt);
}

TEST(JsonCursor, Limits) {
  EXPECT_EQ(error_of([] { parse("[1,2,3]", {.values = 3}); }), ErrorCode::kLimit);
  EXPECT_EQ(error_of([] { parse("[1,2]", {.values = 3}); }), std::nullopt);
  EXPECT_EQ(error_of([] { parse("\"abcdef\"", {.string_bytes = 4}); }), ErrorCode::kLimit);
  EXPECT_EQ(error_of([] { Cursor("\"abcdef\"", {.string_bytes = 4}).skip(); }), std::nullopt);
}

TEST(DistinctKeys, FindsAKeyThatOccursTwice) {
  const std::string text = R"({"a":1,"b":2,"\u0061":3})";
  const auto check = [](std::string_view json) {
    DistinctKeys keys;
    Cursor cursor(json);
    cursor.members([&](const std::string& key, std::size_t position) {
      keys.add(key, position);
      cursor.skip();
    });
    keys.check(json);
  };
  EXPECT_EQ(error_of([&] { check(text); }), ErrorCode::kCorrupt);
  EXPECT_EQ(error_of([&] { check(R"({"a":1,"b":2})"); }), std::nullopt);
}

}  // namespace
}  // namespace sconce::json
