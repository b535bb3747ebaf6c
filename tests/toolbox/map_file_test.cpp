#include "sconce/toolbox/map_file.h"

#include <gtest/gtest.h>

#include "base/error_matcher.h"

namespace sconce::toolbox {
namespace {

TEST(MapFile, WhatIsWrittenReadsBack) {
  const std::vector<KeyInfo> targets{
      {.name = "a"}, {.name = "turned"}, {.name = "bn.num_batches_tracked"}, {.name = "open"}};
  const std::vector<KeyInfo> sources{{.name = "x"}, {.name = "y"}, {.name = "z\n"}};
  KeyMatching matching;
  matching.matches = {{.target = 0, .source = 2},
                      {.target = 1, .source = 1, .transpose = true},
                      {.target = 2, .source = std::nullopt}};
  matching.unmatched = {{.target = 3, .reason = NoMatch::kAmbiguous, .candidates = {0, 1}}};
  const std::string text = map_text(matching, targets, sources);
  const auto entries = parse_map(text);
  ASSERT_EQ(entries.size(), 3U);  // what is open says nothing
  EXPECT_EQ(entries[0].target, "a");
  EXPECT_EQ(entries[0].source, "z\n");
  EXPECT_TRUE(entries[1].transpose);
  EXPECT_EQ(entries[2].source, std::nullopt);
  EXPECT_NE(text.find("\"open\": null"), std::string::npos) << text;
  EXPECT_NE(text.find("\"candidates\""), std::string::npos) << text;
  EXPECT_EQ(text.back(), '\n');
}

TEST(MapFile, RefusesWhatItDoesNotKnow) {
  EXPECT_TRUE(parse_map(R"({"sconce_map": 1, "map": {}})").empty());
  for (const char* text : {
           "",
           "[]",
           "{}",
           R"({"map": {}})",
           R"({"sconce_map": 2, "map": {}})",
           R"({"sconce_map": 1})",
           R"({"sconce_map": 1, "map": [], "x": 1})",
           R"({"sconce_map": 1, "map": {}, "x": 1})",
           R"({"sconce_map": 1, "map": {"a": 1}})",
           R"({"sconce_map": 1, "map": {"a": {}}})",
           R"({"sconce_map": 1, "map": {"a": {"source": "b", "fill": 0}}})",
           R"({"sconce_map": 1, "map": {"a": {"fill": 1}}})",
           R"({"sconce_map": 1, "map": {"a": {"sauce": "b"}}})",
           R"({"sconce_map": 1, "map": {"a": "b", "a": "c"}})",
       }) {
    if (std::string_view(text).empty()) {
      EXPECT_ERROR(parse_map(text), ErrorCode::kTruncated);
    } else {
      SCOPED_TRACE(text);
      EXPECT_ERROR(parse_map(text), ErrorCode::kCorrupt);
    }
  }
}

}  // namespace
}  // namespace sconce::toolbox
