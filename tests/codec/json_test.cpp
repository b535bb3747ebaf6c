#include "sconce/codec/json.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "codec/codec_test_util.h"

namespace sconce::json {
namespace {

using sconce::testing::error_of;
using namespace std::string_view_literals;

std::optional<ErrorCode> refusal(std::string_view text, const Limits& limits = {}) {
  return error_of([&] { parse(text, limits); });
}

TEST(Json, ReadsValues) {
  const Json json = parse(R"( {"a": [1, -2, 3.5, 1e3, true, false, null], "b": {"c": "text"}, "": {}} )"
                          "\r\n\t");
  const Array& a = json.at("a").as_array();
  EXPECT_EQ(a[0].as_int(), 1);
  EXPECT_EQ(a[1].as_int(), -2);
  EXPECT_FALSE(a[2].is_integer());
  EXPECT_EQ(a[2].as_double(), 3.5);
  EXPECT_FALSE(a[3].is_integer());
  EXPECT_TRUE(a[4].as_bool());
  EXPECT_FALSE(a[5].as_bool());
  EXPECT_TRUE(a[6].is_null());
  EXPECT_EQ(json.at("b").at("c").as_string(), "text");
  EXPECT_EQ(json.find("x"), nullptr);
  EXPECT_EQ(json.as_object()[2].first, "");
  EXPECT_EQ(a[0].offset(), 8u);
}

TEST(Json, KeepsNumbersExactly) {
  EXPECT_EQ(parse("9223372036854775807").as_int(), INT64_MAX);
  EXPECT_EQ(parse("-9223372036854775808").as_int(), INT64_MIN);
  EXPECT_EQ(parse("18446744073709551615").as_uint(), UINT64_MAX);
  EXPECT_TRUE(parse("18446744073709551615").is_integer());
  EXPECT_FALSE(parse("18446744073709551616").is_integer());
  EXPECT_FALSE(parse("1.0").is_integer());
  EXPECT_FALSE(parse("1e0").is_integer());
  EXPECT_TRUE(std::signbit(parse("-0.0").as_double()));
  EXPECT_EQ(parse("0.1").as_double(), 0.1);
  EXPECT_EQ(refusal("1e400"), ErrorCode::kLimit);
}

TEST(Json, ReadsEscapes) {
  EXPECT_EQ(parse(R"("\"\\\/\b\f\n\r\t\u0041\u00e9\u20ac\ud83d\ude00")").as_string(),
            "\"\\/\b\f\n\r\tA\u00e9\u20ac\U0001f600");
  EXPECT_EQ(parse("\"\\u0000\"").as_string(), "\0"sv);
}

TEST(Json, RefusesWhatIsNotJson) {
  for (const std::string_view text : {"{'a':1}"sv,
                                      "[1,]"sv,
                                      "{\"a\":1,}"sv,
                                      "[1 2]"sv,
                                      "{\"a\" 1}"sv,
                                      "{1:2}"sv,
                                      "01"sv,
                                      "+1"sv,
                                      ".5"sv,
                                      "1.x"sv,
                                      "1ex"sv,
                                      "-x"sv,
                                      "nul "sv,
                                      "True"sv,
                                      "NaN"sv,
                                      "// c\n1"sv,
                                      "1 2"sv,
                                      "{}x"sv,
                                      "[]\0"sv,
                                      "\xEF\xBB\xBF{}"sv,
                                      "\"\n\""sv,
                                      "\"\x01\""sv,
                                      "\"\\x\""sv,
                                      "\"\\u12g4\""sv,
                                      "\"\xff\""sv,
                                      "\"\xed\xa0\x80\""sv,
                                      "\"\\ud800\""sv,
                                      "\"\\udc00\""sv,
                                      "\"\\ud800\\u0041\""sv,
                                      "\"\\ud800x\""sv,
                                      "{\"a\":1,\"a\":2}"sv,
                                      "{\"a\":1,\"\\u0061\":2}"sv}) {
    EXPECT_EQ(refusal(text), ErrorCode::kCorrupt) << escaped(text);
  }
  const std::string_view whole = R"({"key": [1.5e3, "\u0041\ud83d\ude00", true, null]})";
  for (std::size_t n = 0; n < whole.size(); ++n) {
    EXPECT_EQ(refusal(whole.substr(0, n)), ErrorCode::kTruncated) << whole.substr(0, n);
  }
}

TEST(Json, FlippedBitsNeverCrash) {
  std::size_t refused = 0;
  sconce::testing::for_each_damage(
      sconce::testing::to_bytes(R"({"key": [1.5e3, "\u0041\ud83d\ude00", true, null], "w": {"": -12}})"),
      [&](const std::vector<std::byte>& damaged) { refused += refusal(as_chars(damaged)).has_value(); });
  EXPECT_GT(refused, 200u);
}

TEST(Json, LimitsDepth) {
  Limits limits;
  limits.depth = 3;
  EXPECT_EQ(refusal("[[[]]]", limits), std::nullopt);
  EXPECT_EQ(refusal("[[[[]]]]", limits), ErrorCode::kLimit);
  EXPECT_EQ(refusal(std::string(1'000'000, '[')), ErrorCode::kLimit);
}

TEST(Json, ErrorsCarryOffsets) {
  try {
    parse("{\"a\": x}", {}, 100);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.offset(), 106u);
  }
}

TEST(Json, AccessorsThatDoNotFitAreCorrupt) {
  const Json null;
  EXPECT_EQ(error_of([&] { null.as_bool(); }), ErrorCode::kCorrupt);
  EXPECT_EQ(error_of([&] { null.as_int(); }), ErrorCode::kCorrupt);
  EXPECT_EQ(error_of([&] { null.as_uint(); }), ErrorCode::kCorrupt);
  EXPECT_EQ(error_of([&] { null.as_double(); }), ErrorCode::kCorrupt);
  EXPECT_EQ(error_of([&] { null.as_string(); }), ErrorCode::kCorrupt);
  EXPECT_EQ(error_of([&] { null.as_array(); }), ErrorCode::kCorrupt);
  EXPECT_EQ(error_of([&] { null.as_object(); }), ErrorCode::kCorrupt);
  EXPECT_EQ(error_of([&] { Json(Object{}).at("a"); }), ErrorCode::kCorrupt);
  EXPECT_EQ(error_of([&] { Json(-1).as_uint(); }), ErrorCode::kCorrupt);
  EXPECT_EQ(error_of([&] { Json(UINT64_MAX).as_int(); }), ErrorCode::kCorrupt);
  EXPECT_EQ(error_of([&] { Json(1.0).as_int(); }), ErrorCode::kCorrupt);
}

TEST(Json, Writes) {
  const Json json(Object{{"b", Array{1, -2, 0.1, 2.0, true, nullptr, UINT64_MAX}},
                         {"a", "x\"\\\n\t\r\x01\x7f\u00e9\xff"},
                         {"none", Array{}},
                         {"nan", std::numeric_limits<double>::quiet_NaN()},
                         {"inf", -std::numeric_limits<double>::infinity()}});
  EXPECT_EQ(write(json),
            "{\"b\":[1,-2,0.1,2.0,true,null,18446744073709551615],"
            "\"a\":\"x\\\"\\\\\\n\\t\\r\\u0001\\u007f\u00e9\uFFFD\",\"none\":[],\"nan\":null,\"inf\":null}");
  EXPECT_EQ(write(Object{{"a", Array{1, 2}}, {"b", Object{}}}, {2}),
            "{\n  \"a\": [\n    1,\n    2\n  ],\n  \"b\": {}\n}");
}

TEST(Json, RoundTripsDoubles) {
  for (const double value : {0.1, 1e300, 5e-324, -0.0, 123456789.125, 1e22}) {
    const Json again = parse(write(Json(value)));
    EXPECT_FALSE(again.is_integer());
    EXPECT_EQ(again.as_double(), value);
  }
}

}  // namespace
}  // namespace sconce::json
