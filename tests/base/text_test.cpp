#include "sconce/base/text.h"

#include <gtest/gtest.h>

#include <locale>
#include <string>

using namespace std::string_literals;

namespace sconce {
namespace {

TEST(Text, CatStreamsEveryPart) {
  EXPECT_EQ(cat("expected ", 3, " channels, got ", 1.5, '!'), "expected 3 channels, got 1.5!");
  EXPECT_EQ(cat(), "");
}

TEST(Text, CatIgnoresTheGlobalLocale) {
  struct Grouping : std::numpunct<char> {
    char do_decimal_point() const override { return ','; }
    char do_thousands_sep() const override { return '.'; }
    std::string do_grouping() const override { return "\3"; }
  };
  const std::locale before = std::locale::global(std::locale(std::locale::classic(), new Grouping));
  const std::string text = cat(1234567, " ", 0.5);
  std::locale::global(before);
  EXPECT_EQ(text, "1234567 0.5");
}

TEST(Text, EscapedKeepsPlainTextAndUtf8) {
  EXPECT_EQ(cat(escaped("conv1.weight")), "conv1.weight");
  EXPECT_EQ(cat(escaped("")), "");
  EXPECT_EQ(cat(escaped("größe 層 🔥")), "größe 層 🔥");
}

TEST(Text, EscapedWritesControlCharactersAndBackslashes) {
  EXPECT_EQ(cat(escaped("a\nb\tc\rd\\e")), "a\\nb\\tc\\rd\\\\e");
  EXPECT_EQ(cat(escaped("\x1b[31m")), "\\x1b[31m");
  EXPECT_EQ(cat(escaped("\0\x01\x7f"s)), "\\x00\\x01\\x7f");
}

TEST(Text, EscapedWritesInvalidBytesOneByOne) {
  EXPECT_EQ(cat(escaped("\xff")), "\\xff");
  EXPECT_EQ(cat(escaped("a\xc3")), "a\\xc3");                         // cut off
  EXPECT_EQ(cat(escaped("\xc0\xaf")), "\\xc0\\xaf");                  // overlong
  EXPECT_EQ(cat(escaped("\xed\xa0\x80")), "\\xed\\xa0\\x80");         // surrogate
  EXPECT_EQ(cat(escaped("\x80z")), "\\x80z");                         // continuation without a lead
  EXPECT_EQ(cat(escaped("\xe2\x82\xc3\xa9")), "\\xe2\\x82\xc3\xa9");  // resynchronises at the next character
}

TEST(Text, EscapedWritesInvisibleControls) {
  EXPECT_EQ(cat(escaped("\xc2\x9b")), "\\xc2\\x9b");           // U+009B, the one-character escape sequence
  EXPECT_EQ(cat(escaped("\xc2\xa0")), "\xc2\xa0");             // U+00A0 is above the C1 controls
  EXPECT_EQ(cat(escaped("\xe2\x80\xae")), "\\xe2\\x80\\xae");  // U+202E right-to-left override
  EXPECT_EQ(cat(escaped("\xe2\x80\xa8")), "\\xe2\\x80\\xa8");  // U+2028 line separator
  EXPECT_EQ(cat(escaped("\xe2\x81\xa6")), "\\xe2\\x81\\xa6");  // U+2066 isolate
  EXPECT_EQ(cat(escaped("\xe2\x80\x93")), "\xe2\x80\x93");     // U+2013 en dash
  EXPECT_EQ(cat(escaped("\xd8\x9c")), "\\xd8\\x9c");           // U+061C Arabic letter mark
}

TEST(Text, IsUtf8AcceptsEveryLengthAtItsLimits) {
  for (const char* good : {"", "a", "\x7f", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf",
                           "\xee\x80\x80", "\xef\xbf\xbf", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf"}) {
    EXPECT_TRUE(is_utf8(good)) << escaped(good);
  }
  EXPECT_TRUE(is_utf8("a\0b"s));
}

TEST(Text, IsUtf8RefusesMalformedSequences) {
  for (const char* bad :
       {"\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xc2", "\xc2\x7f", "\xc2\xc0", "\xe0\x9f\xbf", "\xe1\x80",
        "\xe1\x80\xc0", "\xed\xa0\x80", "\xed\xbf\xbf", "\xf0\x8f\xbf\xbf", "\xf1\x80\x80",
        "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xfe", "\xff", "ok\xff"}) {
    EXPECT_FALSE(is_utf8(bad)) << escaped(bad);
  }
}

}  // namespace
}  // namespace sconce
