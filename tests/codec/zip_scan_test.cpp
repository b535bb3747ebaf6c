#include "sconce/codec/zip_scan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error_matcher.h"
#include "sconce/base/byte_reader.h"
#include "sconce/base/byte_writer.h"
#include "sconce/codec/zip_writer.h"

namespace sconce::zip {
namespace {

using Bytes = std::vector<std::byte>;

Bytes archive(bool is_finished) {
  MemorySink sink;
  Writer writer(sink);
  writer.add("t/a", as_byte_span("alpha"));
  writer.add("t/empty", {});
  writer.add("t/b", as_byte_span("beta beta"));
  if (is_finished) writer.finish();
  return sink.bytes();
}

std::string content(const Bytes& bytes, const FoundRecord& record) {
  Bytes out(static_cast<std::size_t>(record.size));
  EXPECT_TRUE(read_found(MemorySource(bytes), record, out));
  return std::string(as_chars(out));
}

TEST(ZipScan, WithAndWithoutADirectory) {
  for (const bool is_finished : {true, false}) {
    const Bytes bytes = archive(is_finished);
    const Scan found = scan(MemorySource(bytes));
    EXPECT_EQ(found.has_directory, is_finished);
    EXPECT_EQ(found.stopped.empty(), is_finished);
    ASSERT_EQ(found.records.size(), 3u);
    for (const FoundRecord& record : found.records) {
      EXPECT_EQ(record.problem, "");
      EXPECT_EQ(record.is_listed(), is_finished);
    }
    EXPECT_EQ(found.records[0].name, "t/a");
    EXPECT_EQ(content(bytes, found.records[0]), "alpha");
    EXPECT_EQ(content(bytes, found.records[1]), "");
    EXPECT_EQ(content(bytes, found.records[2]), "beta beta");
  }
}

TEST(ZipScan, ADirectoryWithoutEndRecordsConfirmsNames) {
  Bytes bytes = archive(true);
  bytes.resize(bytes.size() - 22 - 20 - 56);
  const Scan found = scan(MemorySource(bytes));
  EXPECT_FALSE(found.has_directory);
  for (const FoundRecord& record : found.records) EXPECT_EQ(record.listed_name, record.name);
  bytes[static_cast<std::size_t>(as_chars(bytes).rfind("t/b"))] ^= std::byte{1};
  const Scan other = scan(MemorySource(bytes));
  EXPECT_FALSE(other.records[2].has_one_name());
}

TEST(ZipScan, KnownSizesAreObeyed) {
  const Bytes bytes = archive(false);
  ScanOptions options;
  options.known_size = [](std::string_view name) -> std::optional<std::uint64_t> {
    return name == "t/a" ? std::optional<std::uint64_t>(4) : std::nullopt;
  };
  const Scan found = scan(MemorySource(bytes), options);
  ASSERT_FALSE(found.records.empty());
  EXPECT_NE(found.records[0].problem, "");
}

// A record whose bytes hold a descriptor that counts the bytes before it, with their checksum.
TEST(ZipScan, TheFirstDescriptorThatFitsEndsARecordOfUnknownSize) {
  MemorySink sink;
  Writer writer(sink);
  std::string tricky = "PK\7\10";
  tricky += std::string("\1\2\3\4\0\0\0\0\0\0\0\0", 12);  // counts 0 bytes, but the checksum of none is 0
  writer.add("t/a", as_byte_span(tricky));
  writer.add("t/b", as_byte_span("beta"));
  const Scan found = scan(MemorySource(sink.bytes()));
  ASSERT_EQ(found.records.size(), 2u);
  EXPECT_EQ(content(sink.bytes(), found.records[0]), tricky);
}

TEST(ZipScan, WrongBytesAreFoundWhenTheyAreRead) {
  Bytes bytes = archive(false);
  const std::size_t at = as_chars(bytes).find("beta");
  bytes[at] ^= std::byte{1};
  const Scan found = scan(MemorySource(bytes));
  ASSERT_EQ(found.records.size(), 3u);
  Bytes out(9);
  EXPECT_ERROR(read_found(MemorySource(bytes), found.records[2], out), ErrorCode::kChecksum);
  out.resize(8);
  EXPECT_ERROR(read_found(MemorySource(bytes), found.records[2], out), ErrorCode::kInvalidArgument);
}

TEST(ZipScan, SearchesOverManyWindows) {
  const std::string large(5'000'000, 'P');
  MemorySink sink;
  Writer writer(sink);
  writer.add("t/large", as_byte_span(large));
  writer.add("t/b", as_byte_span("beta"));
  for (const std::size_t limit : {std::size_t{100'000'000}, std::size_t{1'000'000}}) {
    ScanOptions options;
    options.search_bytes = limit;
    const Scan found = scan(MemorySource(sink.bytes()), options);
    ASSERT_FALSE(found.records.empty());
    if (limit > large.size()) {
      EXPECT_EQ(found.records[0].size, large.size());
      EXPECT_EQ(found.records.size(), 2u);
    } else {
      EXPECT_NE(found.records[0].problem, "");
    }
  }
}

TEST(ZipScan, Limits) {
  const Bytes bytes = archive(false);
  ScanOptions options;
  options.limits.entries = 1;
  const Scan found = scan(MemorySource(bytes), options);
  EXPECT_EQ(found.records.size(), 1u);
  EXPECT_NE(found.stopped, "");
  EXPECT_TRUE(scan(MemorySource({})).records.empty());
}

// Sizes of 8 bytes in the descriptor, as behind records beyond 4 GiB.
TEST(ZipScan, WideDescriptors) {
  ByteWriter out;
  out.little(std::uint32_t{0x04034b50});
  out.little(std::uint16_t{45});
  out.little(std::uint16_t{0x0808});
  out.fill(18, 0);
  out.little(std::uint16_t{3});
  out.little(std::uint16_t{20});
  out.chars("t/a");
  out.little(std::uint16_t{1});
  out.little(std::uint16_t{16});
  out.little(std::uint64_t{5});
  out.little(std::uint64_t{0});
  out.chars("alpha");
  out.little(std::uint32_t{0x08074b50});
  out.little(std::uint32_t{0});
  out.little(std::uint64_t{5});
  out.little(std::uint64_t{5});
  const auto with_tail = [&](std::size_t n) {
    const auto view = out.view();
    return Bytes(view.begin(), view.end() - static_cast<std::ptrdiff_t>(n));
  };
  const Bytes whole = with_tail(0);
  const Scan found = scan(MemorySource(whole));
  ASSERT_EQ(found.records.size(), 1u);
  EXPECT_EQ(found.records[0].problem, "");
  EXPECT_EQ(found.records[0].size, 5u);
  Bytes bytes(5);
  EXPECT_FALSE(read_found(MemorySource(whole), found.records[0], bytes));  // no checksum
  for (std::size_t cut = 1; cut <= 24; ++cut) {
    const Bytes content = with_tail(cut);
    ScanOptions options;
    options.known_size = [](std::string_view) { return std::optional<std::uint64_t>(5); };
    EXPECT_EQ(scan(MemorySource(content), options).records.at(0).problem, "") << cut;
  }
}

}  // namespace
}  // namespace sconce::zip
