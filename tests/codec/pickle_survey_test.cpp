// Going through a pickle without building it says what building it would.
#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "codec/codec_test_util.h"
#include "sconce/base/byte_source.h"
#include "sconce/codec/pickle.h"

namespace sconce::pickle {
namespace {

using namespace std::string_view_literals;

Survey survey_of(std::string_view text, const Limits& limits = {}) {
  return survey(MemorySource(std::as_bytes(std::span(text))), 0, text.size(), limits);
}

Parsed parsed_of(std::string_view text) { return parse_at({std::as_bytes(std::span(text))}, 0); }

std::string repeated(std::string_view piece, std::size_t times) {
  std::string out;
  for (std::size_t i = 0; i < times; ++i) out += piece;
  return out;
}

TEST(PickleSurvey, CountsWhatParsingMakes) {
  for (const std::string_view text : {
           "N."sv,
           "(K\1M\2\1J\1\0\0\0G\x3f\xf0\0\0\0\0\0\0\x88\x89t."sv,
           "(I7\nI01\nL123456789012345678901L\nF1.5\nl."sv,
           "}(X\1\0\0\0aK\1U\1bK\2\x8c\1cK\3T\1\0\0\0dNu."sv,
           "]q\0(h\0h\0e."sv,
           "(dp0\nS'a'\nV\\u00e9\ns."sv,
           "\x8f(K\1K\1\x90."sv,
           "(K\1K\2\x91."sv,
           "cos\npath\n)R}b."sv,
           "(icos\npath\n."sv,
           "(cos\npath\nK\1o."sv,
           "\x8c\2os\x8c\4path\x93)\x81."sv,
           "cos\npath\n)}\x92."sv,
           "Pname\nK\1Q0."sv,
           "C\2abB\1\0\0\0c\x96\1\0\0\0\0\0\0\0d\x87."sv,
           "\x80\4\x95\2\0\0\0\0\0\0\0N.behind"sv,
           "N(1N0(02\x86."sv,
       }) {
    SCOPED_TRACE(::testing::PrintToString(text));
    const Survey found = survey_of(text);
    const Parsed parsed = parsed_of(text);
    EXPECT_EQ(found.error.has_value(), parsed.error.has_value());
    EXPECT_EQ(found.end, parsed.end);
    EXPECT_EQ(found.nodes, parsed.graph.node_count());
  }
}

TEST(PickleSurvey, RefusesAsParsingDoes) {
  for (const std::string_view text : {
           ""sv,
           "N"sv,
           "."sv,
           "0."sv,
           "1."sv,
           "(."sv,
           "\0"sv,
           "K\1K\2a."sv,
           "]N(K\1e."sv,
           "}(Nu."sv,
           "}]Ns."sv,
           "}]\x85Ns."sv,
           "(]\x91."sv,
           "\x8f(]\x90."sv,
           "h\0."sv,
           "N)R."sv,
           "cos\npath\nNR."sv,
           "K\1\x93."sv,
           "Nb."sv,
           "\x80\7N."sv,
           "X\5\0\0\0ab."sv,
           "X\1\0\0\0\xff."sv,
           "Iabc\n."sv,
           "S'a\n."sv,
           "V\\u12\n."sv,
           "I1"sv,
           "\x8b\xff\xff\xff\xff."sv,
           "T\xff\xff\xff\xff."sv,
           "\x95\5\0\0\0\0\0\0\0N."sv,
           "\x85."sv,
           "o."sv,
           "(o."sv,
           "\x82\1."sv,
       }) {
    SCOPED_TRACE(::testing::PrintToString(text));
    const Survey found = survey_of(text);
    const Parsed parsed = parsed_of(text);
    ASSERT_TRUE(parsed.error.has_value());
    ASSERT_TRUE(found.error.has_value());
    EXPECT_EQ(found.error->code(), parsed.error->code());
    EXPECT_EQ(found.error->offset(), parsed.error->offset());
    EXPECT_EQ(found.end, parsed.end);
  }
}

TEST(PickleSurvey, ReadsOverTheEndsOfWindows) {
  const std::string long_text = repeated("ab", 400'000);
  const std::string line = cat("V", repeated("x", 300'000), "\n0");
  const std::string counted = cat("X\0\x35\x0c\0"sv, long_text, "0");  // 800,000 bytes
  const std::string text =
      cat("(", repeated("K\1cos\npath\n00", 100'000), line, counted, repeated("M\1\1"sv, 100'000), "t.");
  const Survey found = survey_of(text);
  const Parsed parsed = parsed_of(text);
  ASSERT_FALSE(parsed.error.has_value());
  ASSERT_FALSE(found.error.has_value()) << found.error->what();
  EXPECT_EQ(found.end, text.size());
  EXPECT_EQ(found.nodes, parsed.graph.node_count());

  for (const std::size_t n : {std::size_t{10}, std::size_t{700'000}, text.size() - 1}) {
    const std::string_view cut = std::string_view(text).substr(0, n);
    ASSERT_TRUE(survey_of(cut).error.has_value());
    EXPECT_EQ(survey_of(cut).error->code(), ErrorCode::kTruncated);
  }
}

TEST(PickleSurvey, LimitsHold) {
  const auto code = [](const std::string& text, const Limits& limits) {
    const Survey found = survey_of(text, limits);
    return found.error ? std::optional(found.error->code()) : std::nullopt;
  };
  Limits limits;
  limits.memory = 10'000;
  EXPECT_EQ(code(repeated("N", 1000), limits), ErrorCode::kLimit);
  EXPECT_EQ(code(cat(repeated("N", 100), "."), limits), std::nullopt);
  limits = {};
  limits.opcodes = 10;
  EXPECT_EQ(code(repeated("N", 11), limits), ErrorCode::kLimit);
  limits = {};
  limits.memo_entries = 3;
  EXPECT_EQ(code("N\x94\x94\x94\x94.", limits), ErrorCode::kLimit);
  EXPECT_EQ(code(repeated("(", 9 << 20), {}),
            ErrorCode::kLimit);  // of the stack, whatever the nodes may take
}

TEST(PickleSurvey, OffsetsCountFromTheBase) {
  const std::string text = "....N?";
  const Survey found = survey(MemorySource(std::as_bytes(std::span(text))), 4, 6, {}, 1000);
  ASSERT_TRUE(found.error.has_value());
  EXPECT_EQ(found.error->offset(), 1001u);
  EXPECT_EQ(found.end, 6u);
}

}  // namespace
}  // namespace sconce::pickle
