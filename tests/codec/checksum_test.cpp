#include <gtest/gtest.h>

#include <span>
#include <vector>

#include "codec/codec_test_util.h"
#include "sconce/codec/crc32.h"
#include "sconce/codec/sha256.h"

namespace sconce {
namespace {

TEST(Crc32, KnownValues) {
  EXPECT_EQ(crc32(as_byte_span("")), 0u);
  EXPECT_EQ(crc32(as_byte_span("123456789")), 0xCBF43926u);
  EXPECT_EQ(crc32(as_byte_span("3\n")), 0x55679ED1u);
}

TEST(Crc32, Incremental) {
  const std::uint32_t part = crc32(as_byte_span("1234"));
  EXPECT_EQ(crc32(as_byte_span("56789"), part), 0xCBF43926u);
  EXPECT_EQ(crc32({}, part), part);
}

// Long pieces take another way than short ones; one byte at a time is always the short way.
TEST(Crc32, EveryLengthAndPlace) {
  std::vector<std::byte> bytes(700);
  std::uint32_t random = 1;
  for (std::byte& byte : bytes) byte = static_cast<std::byte>((random = random * 1664525 + 1013904223) >> 24);
  for (std::size_t first = 0; first < 17; ++first) {
    std::uint32_t expected = random;
    for (std::size_t size = 1; first + size <= bytes.size(); ++size) {
      const std::span<const std::byte> piece = std::span(bytes).subspan(first, size);
      expected = crc32(piece.last(1), expected);
      ASSERT_EQ(crc32(piece, random), expected) << size << " bytes from byte " << first;
    }
  }
}

TEST(Crc32, Combined) {
  const std::uint32_t first = crc32(as_byte_span("1234"));
  EXPECT_EQ(crc32_combine(first, crc32(as_byte_span("56789")), 5), 0xCBF43926u);
  EXPECT_EQ(crc32_combine(first, 0, 0), first);
  EXPECT_EQ(crc32_combine(0, first, 4), first);
}

// Examples of FIPS 180-4 published by NIST.
TEST(Sha256, KnownValues) {
  EXPECT_EQ(sha256_hex({}), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256_hex(as_byte_span("abc")),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256_hex(as_byte_span("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq")),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(sha256_hex(as_byte_span(std::string(1'000'000, 'a'))),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Sha256, PiecesGiveTheSameDigest) {
  const std::string text(300, 'x');
  for (std::size_t cut = 0; cut <= text.size(); ++cut) {
    Sha256 hash;
    hash.update(as_byte_span(std::string_view(text).substr(0, cut)));
    hash.update(as_byte_span(std::string_view(text).substr(cut)));
    EXPECT_EQ(to_hex(hash.finish()), sha256_hex(as_byte_span(text))) << cut;
  }
}

}  // namespace
}  // namespace sconce
