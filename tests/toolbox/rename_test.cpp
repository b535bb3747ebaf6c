#include "sconce/toolbox/rename.h"

#include <gtest/gtest.h>

#include <chrono>

#include "base/error_matcher.h"

namespace sconce::toolbox {
namespace {

std::string renamed(std::string_view rule, std::string_view name) { return Rename::parse(rule)(name); }

TEST(Rename, ReplacesEveryMatch) {
  EXPECT_EQ(renamed("conv=c", "conv1.conv2"), "c1.c2");
  EXPECT_EQ(renamed("^module\\.=", "module.module.x"), "module.x");
  EXPECT_EQ(renamed("nothing=x", "conv1.weight"), "conv1.weight");
  EXPECT_EQ(renamed("x*=-", "abc"), "-a-b-c-");
  EXPECT_EQ(renamed("$=.weight", "a.b"), "a.b.weight");
}

TEST(Rename, GroupsAreNumbered) {
  EXPECT_EQ(renamed(R"(layer(\d+)\.(\w+)=blocks.\1.$2)", "layer12.weight"), "blocks.12.weight");
  EXPECT_EQ(renamed(R"((a)|(b)=[${1}$2])", "ab"), "[a][b]");
  EXPECT_EQ(renamed("[0-9]+=<$&>", "a10b2"), "a<10>b<2>");
  EXPECT_EQ(renamed("[0-9]+=<\\0>", "a10"), "a<10>");
  EXPECT_EQ(renamed("a=$$\\\\", "a"), "$\\");
  EXPECT_EQ(renamed("(?:x)(?P<name>y)=$1", "xy"), "y");
  EXPECT_EQ(renamed("(a)(b)(c)(d)(e)(f)(g)(h)(i)(j)(k)=${11}$10", "abcdefghijk"), "ka0");
  EXPECT_EQ(renamed("(a)=${1${}${x}", "a"), "${1${}${x}");
  EXPECT_ERROR(Rename("(a)", "$2"), ErrorCode::kInvalidArgument);
}

// As Perl, Python and ECMAScript choose: leftmost, then by the order of alternatives and greed.
TEST(Rename, PrefersWhatOthersPrefer) {
  EXPECT_EQ(renamed("^.*?\\.=", "a.b.c"), "b.c");
  EXPECT_EQ(renamed("^.*\\.=", "a.b.c"), "c");
  EXPECT_EQ(renamed("a|ab=x", "ab"), "xb");
  EXPECT_EQ(renamed("ab|a=x", "ab"), "x");
  EXPECT_EQ(renamed("(a+)(a*)=[$1|$2]", "aaa"), "[aaa|]");
  EXPECT_EQ(renamed("(a+?)(a*)=[$1|$2]", "aaa"), "[a|aa]");
  EXPECT_EQ(renamed("a{2,3}=x", "aaaaaaa"), "xxa");
  EXPECT_EQ(renamed("a{2}?=x", "aaaaa"), "xxa");
  EXPECT_EQ(renamed("(a|b)*=$1", "abc"), "bc");
  EXPECT_EQ(renamed("x?y=-", "xyy"), "--");
}

TEST(Rename, ClassesAndAnchors) {
  EXPECT_EQ(renamed(R"([^a-c.]=_)", "a.x-c"), "a.__c");
  EXPECT_EQ(renamed(R"([]x]=_)", "a]x"), "a__");
  EXPECT_EQ(renamed(R"([\d-]=_)", "a1-b"), "a__b");
  EXPECT_EQ(renamed(R"(\W=_)", "a.b c"), "a_b_c");
  EXPECT_EQ(renamed(R"(\bw=v)", "w.sw.w1"), "v.sw.v1");
  EXPECT_EQ(renamed(R"(\Bw=v)", "w.sw"), "w.sv");
  EXPECT_EQ(renamed("b$=x", "b.b"), "b.x");
  EXPECT_EQ(renamed("a{=x", "a{1"), "x1");
}

TEST(Rename, TextIsCodePointsAndOddBytesSurvive) {
  EXPECT_EQ(renamed("^.=x", "\xC3\xA9t"), "xt");
  EXPECT_EQ(renamed("t=x", "\xFFt\xC3"), "\xFFx\xC3");
}

TEST(Rename, SplitsAtTheFirstFreeEqualsSign) {
  EXPECT_EQ(renamed("a=b=c", "a"), "b=c");
  EXPECT_EQ(renamed("a\\=b=c", "a=b"), "c");
  EXPECT_EQ(renamed("[=]=-", "a=b"), "a-b");
  EXPECT_ERROR(Rename::parse("conv1"), ErrorCode::kInvalidArgument);
}

TEST(Rename, RefusesWhatIsNoExpression) {
  for (const char* pattern :
       {"(", ")", "[", "[z-a]", "*a", "a**", "a{3,2}", "\\", "\\q", "(?P<n", "a{99999}", "\xFF"}) {
    EXPECT_ERROR(Rename(pattern, ""), ErrorCode::kInvalidArgument);
  }
  for (const char* pattern : {"(?=a)", "(?!a)", "(?<=a)", R"((a)\1)"}) {
    EXPECT_ERROR(Rename(pattern, ""), ErrorCode::kUnsupported);
  }
  EXPECT_ERROR(Rename(R"((\pL{500}){2})", ""), ErrorCode::kLimit);
  EXPECT_ERROR(Rename(std::string(200'000, '('), ""), ErrorCode::kInvalidArgument);
}

// A backtracking engine needs 2^n steps for these.
TEST(Rename, HostileExpressionsTakeNoLonger) {
  const std::string text(5'000, 'a');
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(Rename("^(a+)+$", "x")(text), "x");
  EXPECT_EQ(Rename("^(a|a)*b", "x")(text), text);
  EXPECT_EQ(Rename("^(a*)*b", "x")(text), text);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(20));
}

}  // namespace
}  // namespace sconce::toolbox
