#include "sconce/base/byte_reader.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <string>

#include "base/error_matcher.h"
#include "sconce/base/byte_writer.h"

using namespace std::string_view_literals;

namespace sconce {
namespace {

ByteReader reader_of(std::string_view text, std::uint64_t base = 0) {
  return ByteReader(as_byte_span(text), "test", base);
}

TEST(ByteReader, ReadsBothByteOrders) {
  ByteReader in = reader_of("\x01\x02\x03\x04\x01\x02\x03\x04\xff\xfe"sv);
  EXPECT_EQ(in.little<std::uint32_t>(), 0x04030201U);
  EXPECT_EQ(in.big<std::uint32_t>(), 0x01020304U);
  EXPECT_EQ(in.little<std::int16_t>(), -257);
  EXPECT_TRUE(in.at_end());
}

TEST(ByteReader, ReadsFloats) {
  ByteReader in = reader_of("\x3f\x80\x00\x00\x00\x00\x00\x00\x00\x00\xf0\x3f"sv);
  EXPECT_EQ(in.big<float>(), 1.0F);
  EXPECT_EQ(in.little<double>(), 1.0);
}

TEST(ByteReader, TruncationNamesTheOffsetAndMovesNothing) {
  ByteReader in = reader_of("abcde", 100);
  in.skip(3);
  EXPECT_EQ(in.offset(), 103U);
  try {
    in.little<std::uint32_t>();
    FAIL() << "read past the end";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kTruncated);
    EXPECT_EQ(error.where(), "test");
    EXPECT_EQ(error.offset(), 103U);
  }
  EXPECT_EQ(in.position(), 3U);
  EXPECT_EQ(in.chars(2), "de");
}

TEST(ByteReader, EveryReadStopsAtTheEnd) {
  ByteReader in = reader_of("");
  EXPECT_ERROR(in.u8(), ErrorCode::kTruncated);
  EXPECT_ERROR(in.big<std::uint16_t>(), ErrorCode::kTruncated);
  EXPECT_ERROR(in.bytes(1), ErrorCode::kTruncated);
  EXPECT_ERROR(in.chars(std::numeric_limits<std::uint64_t>::max()), ErrorCode::kTruncated);
  EXPECT_ERROR(in.skip(1), ErrorCode::kTruncated);
  EXPECT_ERROR(in.seek(1), ErrorCode::kTruncated);
  EXPECT_ERROR(in.line(10), ErrorCode::kTruncated);
  EXPECT_TRUE(in.bytes(0).empty());
}

TEST(ByteReader, HugeLengthAfterSomeBytesDoesNotWrap) {
  ByteReader in = reader_of("abcd");
  in.skip(2);
  EXPECT_ERROR(in.bytes(std::numeric_limits<std::uint64_t>::max() - 1), ErrorCode::kTruncated);
  EXPECT_EQ(in.remaining(), 2U);
}

TEST(ByteReader, Line) {
  ByteReader in = reader_of("one\n\nthree\nrest");
  EXPECT_EQ(in.line(3), "one");
  EXPECT_EQ(in.line(0), "");
  EXPECT_ERROR(in.line(4), ErrorCode::kLimit);
  EXPECT_EQ(in.line(5), "three");
  EXPECT_ERROR(in.line(4), ErrorCode::kTruncated);
  EXPECT_ERROR(in.line(3), ErrorCode::kLimit);
  EXPECT_ERROR(in.line(std::numeric_limits<std::size_t>::max()), ErrorCode::kTruncated);
  EXPECT_EQ(in.chars(4), "rest");
}

TEST(ByteReader, LineWithoutLimitReadsLines) {
  EXPECT_EQ(reader_of("ab\n").line(std::numeric_limits<std::size_t>::max()), "ab");
}

TEST(ByteReader, Seek) {
  ByteReader in = reader_of("abc");
  in.seek(3);
  EXPECT_TRUE(in.at_end());
  in.seek(1);
  EXPECT_EQ(in.u8(), 'b');
  EXPECT_ERROR(in.seek(4), ErrorCode::kTruncated);
  EXPECT_EQ(in.position(), 2U);
}

TEST(ByteWriter, WritesWhatByteReaderReads) {
  ByteWriter out;
  out.little<std::uint32_t>(0x01020304);
  out.big<std::uint16_t>(0xABCD);
  out.u8(7);
  out.chars("xy");
  out.fill(3, 0x5A);
  out.little(-1.5);
  EXPECT_EQ(as_chars(out.view().first(12)), "\x04\x03\x02\x01\xab\xcd\x07xyZZZ"sv);
  const std::vector<std::byte> bytes = out.take();
  ByteReader in(bytes, "test");
  EXPECT_EQ(in.little<std::uint32_t>(), 0x01020304U);
  EXPECT_EQ(in.big<std::uint16_t>(), 0xABCD);
  in.skip(6);
  EXPECT_EQ(in.little<double>(), -1.5);
  EXPECT_TRUE(in.at_end());
}

TEST(ByteWriter, ClearStartsAgain) {
  ByteWriter out;
  out.chars("abc");
  out.clear();
  EXPECT_EQ(out.size(), 0U);
  out.u8(1);
  EXPECT_EQ(out.size(), 1U);
}

}  // namespace
}  // namespace sconce
