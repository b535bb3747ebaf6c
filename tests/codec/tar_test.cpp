#include "sconce/codec/tar.h"

#include <gtest/gtest.h>

#include <cstring>

#include "codec/codec_test_util.h"
#include "codec/tar_files.h"
#include "sconce/codec/pickle.h"

namespace sconce::tar {
namespace {

using sconce::testing::error_of;
using sconce::testing::golden;
using sconce::testing::to_bytes;

std::vector<Member> list_text(std::string_view text, const Limits& limits = {}) {
  const auto bytes = to_bytes(text);
  return list(MemorySource(bytes), limits);
}

std::optional<ErrorCode> refusal(std::string_view text, const Limits& limits = {}) {
  return error_of([&] { list_text(text, limits); });
}

TEST(Tar, ListsAnOldCheckpoint) {
  const auto bytes = golden("formats/legacy/old.tar");
  const MemorySource source(bytes);
  EXPECT_TRUE(is_tar(source));
  std::vector<std::string> names;
  for (const Member& m : list(source)) {
    names.push_back(m.name);
    if (m.name != "sys_info") continue;
    std::vector<std::byte> data(m.size);
    source.read_at(data, m.offset);
    EXPECT_EQ(pickle::parse(data).root().find("protocol_version")->as_int(), 1000);
  }
  EXPECT_EQ(names, (std::vector<std::string>{"sys_info", "pickle", "tensors", "storages"}));
}

TEST(Tar, OtherFilesAreNotTar) {
  const auto bytes = golden("formats/zip/w_26.pt");
  EXPECT_FALSE(is_tar(MemorySource(bytes)));
  EXPECT_FALSE(is_tar(MemorySource({})));
  EXPECT_EQ(error_of([&] { list(MemorySource(bytes)); }), ErrorCode::kCorrupt);
}

TEST(Tar, NamesComeFromPrefixOrPax) {
  const auto prefixed = list_text(cat(member("b", "12", '0', "a"), kEnd));
  ASSERT_EQ(prefixed.size(), 1u);
  EXPECT_EQ(prefixed[0].name, "a/b");
  EXPECT_EQ(prefixed[0].offset, 512u);
  const auto pax =
      list_text(cat(member("pax", "13 path=long\n10 size=3\n", 'x'), header("short", octal(0, 11), '0'),
                    std::string("abc").append(509, '\0'), member("next", "z"), kEnd));
  ASSERT_EQ(pax.size(), 2u);
  EXPECT_EQ(pax[0].name, "long");
  EXPECT_EQ(pax[0].size, 3u);
  EXPECT_EQ(pax[1].name, "next");
  EXPECT_EQ(list_text(cat(member("pax", "13 path=long\n", 'g'), member("a", ""), kEnd))[0].name, "a");
}

TEST(Tar, Refusals) {
  for (const char type : {'1', '2', '3', '5', '6', 'L'}) {
    EXPECT_EQ(refusal(cat(member("pickle", "", type), kEnd)), ErrorCode::kUnsafe) << type;
  }
  EXPECT_EQ(refusal(cat(member("a", "x"), member("a", "y"), kEnd)), ErrorCode::kUnsafe);
  EXPECT_EQ(refusal(cat(header("a", octal(5000, 11), '0'), kEnd)), ErrorCode::kTruncated);
  EXPECT_EQ(refusal(cat(header("a", octal(~std::uint64_t{0} >> 28, 12), '0'), kEnd)), ErrorCode::kTruncated);
  EXPECT_EQ(refusal(cat(header("a", "12x", '0'), kEnd)), ErrorCode::kCorrupt);
  EXPECT_EQ(refusal(cat(header("a", "\x80\x01\x02", '0'), kEnd)), ErrorCode::kCorrupt);
  EXPECT_EQ(refusal(member("a", "x")), ErrorCode::kTruncated);
  EXPECT_EQ(refusal(""), ErrorCode::kTruncated);
  std::string wrong_sum = cat(member("a", "x"), kEnd);
  wrong_sum[0] = 'b';
  EXPECT_EQ(refusal(wrong_sum), ErrorCode::kCorrupt);
  for (const std::string_view pax :
       {"99 path=a\n", "x", "9 path=a", "3 a\n", "8 patha\n", "9 size=x\n", "0 =\n"}) {
    EXPECT_EQ(refusal(cat(member("pax", pax, 'x'), member("a", ""), kEnd)), ErrorCode::kCorrupt) << pax;
  }
  Limits few;
  few.members = 1;
  EXPECT_EQ(refusal(cat(member("a", "x"), member("b", "y"), kEnd), few), ErrorCode::kLimit);
  Limits small;
  small.header_bytes = 4;
  EXPECT_EQ(refusal(cat(member("pax", "13 path=long\n", 'x'), member("b", "y"), kEnd), small),
            ErrorCode::kLimit);
  EXPECT_EQ(refusal(cat(member("pax", "28 size=1844674407370955161\n", 'x'), member("a", ""), kEnd)),
            ErrorCode::kTruncated);
}

TEST(Tar, DamageNeverCrashes) {
  const std::string whole = cat(member("pax", "13 path=long\n", 'x'), member("a", "xyz"), kEnd);
  std::size_t refused = 0;
  sconce::testing::for_each_damage(to_bytes(whole), [&](const std::vector<std::byte>& damaged) {
    refused += error_of([&] { list(MemorySource(damaged)); }).has_value();
  });
  EXPECT_GT(refused, 512u * 8);
}

}  // namespace
}  // namespace sconce::tar
