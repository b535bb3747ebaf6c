#include <gtest/gtest.h>

#include <cstring>
#include <memory>

#include "codec/codec_test_util.h"
#include "codec/zip_format.h"
#include "sconce/base/byte_writer.h"
#include "sconce/codec/crc32.h"
#include "sconce/codec/zip_reader.h"
#include "sconce/codec/zip_writer.h"

namespace sconce::zip {
namespace {

using sconce::testing::error_of;
using sconce::testing::golden;
using sconce::testing::to_bytes;
using Bytes = std::vector<std::byte>;

Reader open(const Bytes& bytes, const ReaderLimits& limits = {}) {
  return Reader(std::make_shared<MemorySource>(bytes), limits);
}

// Opens the archive and reads every record.
void read_all(const Bytes& bytes, const ReaderLimits& limits = {}) {
  const Reader reader = open(bytes, limits);
  for (const Entry& entry : reader.entries()) reader.read(entry);
}

std::optional<ErrorCode> refusal(const Bytes& bytes, const ReaderLimits& limits = {}) {
  return error_of([&] { read_all(bytes, limits); });
}

Bytes archive(const std::vector<std::pair<std::string, std::string>>& records) {
  MemorySink sink;
  Writer writer(sink);
  for (const auto& record : records) writer.add(record.first, as_byte_span(record.second));
  writer.finish();
  return sink.bytes();
}

std::size_t find(const Bytes& bytes, std::string_view what, std::size_t from = 0) {
  const std::size_t at = as_chars(bytes).find(what, from);
  EXPECT_NE(at, std::string_view::npos);
  return at;
}

template <class T>
Bytes patched(Bytes bytes, std::size_t at, T value) {
  value = in_order(value, std::endian::little);
  std::memcpy(bytes.data() + at, &value, sizeof(T));
  return bytes;
}

constexpr std::string_view kCentral("PK\1\2", 4);
constexpr std::string_view kEnd("PK\5\6", 4);
constexpr std::string_view kEnd64("PK\6\6", 4);

// A zip as other programs write it: no descriptors, no zip64 records; `deflated` is a raw deflate stream.
Bytes plain_zip(std::string_view name, std::uint16_t method, std::string_view payload, std::uint32_t size,
                std::uint32_t crc, std::uint16_t flags = 0, std::string_view comment = "") {
  ByteWriter out;
  const auto fields = [&] {
    out.little(flags);
    out.little(method);
    out.little(std::uint32_t{0x21});
    out.little(crc);
    out.little(static_cast<std::uint32_t>(payload.size()));
    out.little(size);
    out.little(static_cast<std::uint16_t>(name.size()));
    out.little(std::uint16_t{0});
  };
  out.little(kLocalSignature);
  out.little(std::uint16_t{20});
  fields();
  out.chars(name);
  out.chars(payload);
  const std::size_t directory = out.size();
  out.little(kCentralSignature);
  out.little(std::uint32_t{0x00140314});
  fields();
  out.fill(14, 0);
  out.chars(name);
  const std::size_t size_of_directory = out.size() - directory;
  out.little(kEndSignature);
  out.fill(4, 0);
  out.little(std::uint16_t{1});
  out.little(std::uint16_t{1});
  out.little(static_cast<std::uint32_t>(size_of_directory));
  out.little(static_cast<std::uint32_t>(directory));
  out.little(static_cast<std::uint16_t>(comment.size()));
  out.chars(comment);
  return out.take();
}

// "hello hello hello hello" as one fixed block.
constexpr std::string_view kHello = "hello hello hello hello";
constexpr std::string_view kHelloDeflated("\xcb\x48\xcd\xc9\xc9\x57\xc8\x40\x27\x01", 10);

TEST(ZipReader, ReadsTorchArchives) {
  const Bytes bytes = golden("formats/zip/w_113.pt");
  const Reader reader = open(bytes);
  ASSERT_EQ(reader.entries().size(), 3u);
  const Entry* data = reader.find("w_113/data/0");
  ASSERT_NE(data, nullptr);
  EXPECT_EQ(data->crc, 0x91E79017u);
  EXPECT_EQ(data->header_offset, 246u);
  EXPECT_EQ(reader.payload_offset(*data), 320u);
  EXPECT_EQ(reader.read(*data).size(), 24u);
  EXPECT_EQ(reader.find("W_113/DATA/0"), data);
  EXPECT_EQ(reader.find("w_113/data/1"), nullptr);
  EXPECT_TRUE(data->crc_recorded());
}

TEST(ZipReader, ReadsEveryFixture) {
  for (const std::string_view name : {"min.pt", "mod_17.pt", "mod_113.pt", "mod_26.pt", "nocrc.pt",
                                      "sd_17.pt", "sd_113.pt", "sd_26.pt", "w_17.pt", "w_26.pt"}) {
    EXPECT_EQ(refusal(golden(cat("formats/zip/", name))), std::nullopt) << name;
  }
  const Bytes without_crc = golden("formats/zip/nocrc.pt");
  const Reader reader = open(without_crc);
  EXPECT_FALSE(reader.entries()[0].crc_recorded());
}

TEST(ZipReader, ReadsFilesFromDisk) {
  const Reader reader(
      std::make_shared<File>(File::open(sconce::testing::golden_path("formats/zip/w_26.pt"))));
  EXPECT_EQ(as_chars(reader.read(*reader.find("w_26/byteorder"))), "little");
}

TEST(ZipReader, ReadsDeflatedRecordsAndComments) {
  const Bytes bytes =
      plain_zip("a/b", 8, kHelloDeflated, kHello.size(), crc32(as_byte_span(kHello)), 0, "a comment");
  const Reader reader = open(bytes);
  EXPECT_EQ(as_chars(reader.read(reader.entries()[0])), kHello);
}

TEST(ZipReader, AcceptsDirectories) {
  EXPECT_EQ(refusal(plain_zip("a/", 0, "", 0, 0)), std::nullopt);
  EXPECT_EQ(refusal(plain_zip("a/", 0, "x", 1, 0)), ErrorCode::kCorrupt);
}

TEST(ZipReader, RefusesBrokenDeflate) {
  const std::uint32_t crc = crc32(as_byte_span(kHello));
  const auto size = static_cast<std::uint32_t>(kHello.size());
  EXPECT_EQ(refusal(plain_zip("a", 8, kHelloDeflated, size - 1, crc)), ErrorCode::kCorrupt);
  EXPECT_EQ(refusal(plain_zip("a", 8, kHelloDeflated, size + 1, crc)), ErrorCode::kCorrupt);
  EXPECT_EQ(refusal(plain_zip("a", 8, cat(kHelloDeflated, "x"), size, crc)), ErrorCode::kCorrupt);
  EXPECT_EQ(refusal(plain_zip("a", 8, kHelloDeflated.substr(0, 5), size, crc)), ErrorCode::kCorrupt);
  EXPECT_EQ(refusal(plain_zip("a", 8, "", 0, 0)), ErrorCode::kCorrupt);
  EXPECT_EQ(refusal(plain_zip("a", 8, "\xff\xff", 5, 0)), ErrorCode::kCorrupt);
  // 4 GB cannot come out of so few bytes: refused before memory is taken.
  EXPECT_EQ(error_of([&] { open(plain_zip("a", 8, kHelloDeflated, 4'000'000'000u, crc)); }),
            ErrorCode::kCorrupt);
  EXPECT_EQ(refusal(plain_zip("a", 8, kHelloDeflated, size, crc + 1)), ErrorCode::kChecksum);
}

TEST(ZipReader, LimitsHold) {
  ReaderLimits few;
  few.entries = 1;
  EXPECT_EQ(refusal(archive({{"a/b", "x"}, {"a/c", "y"}}), few), ErrorCode::kLimit);
  ReaderLimits small;
  small.inflated_bytes = kHello.size() - 1;
  EXPECT_EQ(refusal(plain_zip("a", 8, kHelloDeflated, kHello.size(), crc32(as_byte_span(kHello))), small),
            ErrorCode::kLimit);
}

TEST(ZipReader, TruncationAtEveryByte) {
  const Bytes bytes = golden("formats/zip/w_26.pt");
  for (std::size_t n = 0; n < bytes.size(); ++n) {
    const auto code = refusal(Bytes(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(n)));
    ASSERT_TRUE(code == ErrorCode::kTruncated || code == ErrorCode::kCorrupt) << n;
  }
}

TEST(ZipReader, FlippedBitsNeverCrash) {
  const Bytes bytes = archive({{"a/b", "hello"}, {"a/c", ""}});
  std::size_t refused = 0;
  sconce::testing::for_each_damage(bytes,
                                   [&](const Bytes& damaged) { refused += refusal(damaged).has_value(); });
  EXPECT_GT(refused, bytes.size());
}

TEST(ZipReader, FlippedPayloadBitIsAChecksumError) {
  Bytes bytes = archive({{"a/b", "hello"}});
  bytes[64] ^= std::byte{1};
  EXPECT_EQ(refusal(bytes), ErrorCode::kChecksum);
  const Reader reader = open(bytes);
  EXPECT_EQ(as_chars(reader.read(reader.entries()[0], Check::kNone)), "iello");
  EXPECT_EQ(error_of([&] { reader.read_chunks(reader.entries()[0], [](auto) {}); }), ErrorCode::kChecksum);
}

TEST(ZipReader, RefusesOtherFiles) {
  EXPECT_EQ(refusal({}), ErrorCode::kTruncated);
  EXPECT_EQ(refusal(to_bytes("PK\3\4 and nothing else")), ErrorCode::kTruncated);
  EXPECT_EQ(refusal(to_bytes("hello, this is a text file")), ErrorCode::kCorrupt);
  Bytes prefixed = to_bytes(std::string(64, '#'));
  const Bytes inner = archive({{"a/b", "x"}});
  prefixed.insert(prefixed.end(), inner.begin(), inner.end());
  EXPECT_EQ(refusal(prefixed), ErrorCode::kCorrupt);
  Bytes followed = inner;
  followed.push_back(std::byte{0});
  EXPECT_EQ(refusal(followed), ErrorCode::kCorrupt);
}

TEST(ZipReader, RefusesContradictingEndRecords) {
  const Bytes bytes = archive({{"a/b", "x"}, {"a/c", "y"}});
  const std::size_t end = find(bytes, kEnd);
  const std::size_t end64 = find(bytes, kEnd64);
  EXPECT_EQ(refusal(patched<std::uint16_t>(bytes, end + 4, 1)), ErrorCode::kUnsupported);
  EXPECT_EQ(refusal(patched<std::uint16_t>(bytes, end + 8, 1)), ErrorCode::kUnsupported);
  EXPECT_EQ(refusal(patched<std::uint32_t>(bytes, end + 8, 0x00010001)), ErrorCode::kCorrupt);
  EXPECT_EQ(refusal(patched<std::uint32_t>(bytes, end + 12, 5)), ErrorCode::kCorrupt);
  EXPECT_EQ(refusal(patched<std::uint32_t>(bytes, end + 16, 5)), ErrorCode::kCorrupt);
  EXPECT_EQ(refusal(patched<std::uint16_t>(bytes, end + 20, 5)), ErrorCode::kCorrupt);
  EXPECT_EQ(refusal(patched<std::uint64_t>(bytes, end64 + 4, 45)), ErrorCode::kCorrupt);
  EXPECT_EQ(refusal(patched<std::uint32_t>(bytes, end64 + 16, 1)), ErrorCode::kUnsupported);
  EXPECT_EQ(refusal(patched<std::uint64_t>(bytes, end64 + 40, 5)), ErrorCode::kCorrupt);
  EXPECT_EQ(refusal(patched<std::uint32_t>(bytes, end64, 0)), ErrorCode::kCorrupt);
  EXPECT_EQ(refusal(patched<std::uint64_t>(bytes, end - 12, bytes.size())), ErrorCode::kCorrupt);
  EXPECT_EQ(refusal(patched<std::uint32_t>(bytes, end - 4, 2)), ErrorCode::kUnsupported);
  Bytes many = patched<std::uint64_t>(bytes, end64 + 24, 1u << 20);
  many = patched<std::uint64_t>(many, end64 + 32, 1u << 20);
  EXPECT_EQ(refusal(patched<std::uint32_t>(many, end + 8, 0xFFFFFFFF)), ErrorCode::kLimit);
}

TEST(ZipReader, RefusesABrokenDirectory) {
  const Bytes bytes = archive({{"a/b", "x"}, {"a/c", "y"}});
  const std::size_t first = find(bytes, kCentral);
  const std::size_t second = find(bytes, kCentral, first + 4);
  EXPECT_EQ(refusal(patched<std::uint32_t>(bytes, second, 0)), ErrorCode::kCorrupt);
  EXPECT_EQ(refusal(patched<std::uint16_t>(bytes, second + 32, 500)), ErrorCode::kCorrupt);
  EXPECT_EQ(refusal(patched<std::uint32_t>(bytes, second + 20, 7)), ErrorCode::kCorrupt);  // two sizes
  EXPECT_EQ(refusal(patched<std::uint16_t>(bytes, second + 8, 0x0809)),
            ErrorCode::kUnsupported);  // encrypted
  EXPECT_EQ(refusal(patched<std::uint16_t>(bytes, second + 8, 0x0848)),
            ErrorCode::kUnsupported);  // encrypted
  EXPECT_EQ(refusal(patched<std::uint16_t>(bytes, second + 8, 0x2808)), ErrorCode::kUnsupported);  // masked
  EXPECT_EQ(refusal(patched<std::uint16_t>(bytes, second + 8, 0x0818)),
            ErrorCode::kUnsupported);                                                           // unknown bit
  EXPECT_EQ(refusal(patched<std::uint16_t>(bytes, second + 10, 12)), ErrorCode::kUnsupported);  // bzip2
  EXPECT_EQ(refusal(patched<std::uint16_t>(bytes, second + 34, 1)), ErrorCode::kUnsupported);   // disk
  EXPECT_EQ(refusal(patched<std::uint32_t>(bytes, second + 42, 0xFFFFFFFF)),
            ErrorCode::kCorrupt);                                                         // no zip64
  EXPECT_EQ(refusal(patched<std::uint32_t>(bytes, second + 42, 0)), ErrorCode::kUnsafe);  // overlap
  EXPECT_EQ(refusal(patched<std::uint32_t>(bytes, second + 42, 1)), ErrorCode::kUnsafe);  // overlap
  EXPECT_EQ(refusal(patched<std::uint32_t>(bytes, second + 42, static_cast<std::uint32_t>(first))),
            ErrorCode::kUnsafe);
  EXPECT_EQ(refusal(patched<std::uint32_t>(bytes, first + 42, 5)), ErrorCode::kUnsafe);  // first not at 0
  Bytes large = patched<std::uint32_t>(bytes, second + 20, 4096);
  EXPECT_EQ(refusal(patched<std::uint32_t>(large, second + 24, 4096)), ErrorCode::kUnsafe);
}

TEST(ZipReader, RefusesLocalHeadersThatContradict) {
  const Bytes bytes = archive({{"a/b", "x"}});
  EXPECT_EQ(refusal(patched<std::uint32_t>(bytes, 0, 0x04034b51)), ErrorCode::kCorrupt);
  EXPECT_EQ(refusal(patched<std::uint16_t>(bytes, 6, 0x0800)), ErrorCode::kCorrupt);  // flags
  EXPECT_EQ(refusal(patched<std::uint16_t>(bytes, 8, 8)), ErrorCode::kCorrupt);       // method
  EXPECT_EQ(refusal(patched<std::uint32_t>(bytes, 14, 77)), ErrorCode::kCorrupt);     // checksum
  EXPECT_EQ(refusal(patched<std::uint32_t>(bytes, 18, 77)), ErrorCode::kCorrupt);     // compressed size
  EXPECT_EQ(refusal(patched<std::uint32_t>(bytes, 22, 77)), ErrorCode::kCorrupt);     // size
  EXPECT_EQ(refusal(patched<std::uint16_t>(bytes, 26, 2)), ErrorCode::kCorrupt);      // name length
  EXPECT_EQ(refusal(patched<std::uint16_t>(bytes, 28, 60000)), ErrorCode::kUnsafe);   // extra length
  EXPECT_EQ(refusal(patched<std::uint16_t>(bytes, 35, 60000)), ErrorCode::kCorrupt);  // extra field overruns
  EXPECT_EQ(refusal(patched<std::uint8_t>(bytes, 32, 'c')), ErrorCode::kCorrupt);     // name
  const Bytes plain = plain_zip("a", 0, "xy", 2, crc32(as_byte_span("xy")));
  EXPECT_EQ(refusal(plain), std::nullopt);
  EXPECT_EQ(refusal(patched<std::uint32_t>(plain, 22, 0)),
            ErrorCode::kCorrupt);  // no descriptor to say it later
}

TEST(ZipReader, RefusesUnsafeNames) {
  for (const std::string_view name :
       {std::string_view("/a"), std::string_view("a\\b"), std::string_view("a//b"), std::string_view("../a"),
        std::string_view("a/.."), std::string_view("./a"), std::string_view("a/./b"),
        std::string_view("C:/a"), std::string_view("c:a"), std::string_view("a\0b", 3),
        std::string_view("\xff"), std::string_view("/"), std::string_view("")}) {
    EXPECT_EQ(refusal(plain_zip(name, 0, "x", 1, 0)), ErrorCode::kUnsafe) << escaped(name);
  }
  EXPECT_EQ(refusal(plain_zip("a.b/..c/d..", 0, "x", 1, 0)), std::nullopt);
}

TEST(ZipReader, RefusesDuplicateNamesIgnoringCase) {
  Bytes bytes = archive({{"a/b", "x"}, {"a/c", "y"}});
  const std::size_t name = find(bytes, kCentral, find(bytes, kCentral) + 4) + kCentralBytes;
  bytes[name + 2] = std::byte{'B'};
  EXPECT_EQ(refusal(bytes), ErrorCode::kCorrupt);
}

TEST(ZipReader, CaseCountsWhereItIsAskedFor) {
  const std::vector<Record> records = {{"a/b", 1}, {"a/B", 1}};
  const WriterOptions options{.case_sensitive = true};
  MemorySink sink;
  Writer writer(sink, options);
  writer.add("a/b", as_byte_span("x"));
  writer.add("a/B", as_byte_span("y"));
  EXPECT_EQ(error_of([&] { writer.add("a/B", as_byte_span("z")); }), ErrorCode::kExists);
  writer.finish();
  EXPECT_EQ(sink.bytes().size(), archive_size(records, options));
  EXPECT_EQ(refusal(sink.bytes()), ErrorCode::kCorrupt);
  const Reader reader = open(sink.bytes(), {.case_sensitive = true});
  EXPECT_EQ(as_chars(reader.read(*reader.find("a/B"))), "y");
  EXPECT_EQ(as_chars(reader.read(*reader.find("a/b"))), "x");
  EXPECT_EQ(reader.find("A/b"), nullptr);
}

TEST(ZipReader, TheBeginningOfARecord) {
  const Bytes stored = archive({{"a/b", std::string(kHello)}});
  const Bytes deflated = plain_zip("a/b", 8, kHelloDeflated, kHello.size(), crc32(as_byte_span(kHello)));
  for (const Bytes& bytes : {stored, deflated}) {
    const Reader reader = open(bytes);
    const Entry& entry = reader.entries()[0];
    EXPECT_EQ(as_chars(reader.read_prefix(entry, 5)), "hello");
    EXPECT_EQ(as_chars(reader.read_prefix(entry, 1000)), kHello);
    EXPECT_EQ(reader.read_prefix(entry, 0).size(), 0u);
  }
}

TEST(ZipReader, GoesOnPastBrokenRecordsWhenAsked) {
  Bytes bytes = archive({{"top/a", "first"}, {"top/b", "second"}, {"top/c", "third"}});
  const std::size_t b = find(bytes, "top/b", find(bytes, kCentral));
  bytes[b + 4] = std::byte{'/'};  // top//, an unsafe name
  EXPECT_EQ(refusal(bytes), ErrorCode::kUnsafe);
  std::vector<Error> faults;
  const Reader reader(std::make_shared<MemorySource>(bytes), {}, &faults);
  ASSERT_EQ(faults.size(), 1u);
  EXPECT_EQ(faults[0].code(), ErrorCode::kUnsafe);
  ASSERT_EQ(reader.entries().size(), 2u);
  EXPECT_EQ(as_chars(reader.read(*reader.find("top/c"))), "third");
}

TEST(ZipReader, LeavesOutRecordsThatOverlap) {
  Bytes bytes = archive({{"top/a", "first"}, {"top/b", "second"}, {"top/c", "third"}});
  // The second record says that it begins where the third does.
  const std::size_t b = find(bytes, "top/b", find(bytes, kCentral)) - kCentralBytes;
  const std::size_t c = find(bytes, "top/c", find(bytes, kCentral)) - kCentralBytes;
  std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(c + 42), 4,
              bytes.begin() + static_cast<std::ptrdiff_t>(b + 42));
  std::vector<Error> faults;
  const Reader reader(std::make_shared<MemorySource>(bytes), {}, &faults);
  ASSERT_EQ(faults.size(), 1u);
  EXPECT_EQ(faults[0].code(), ErrorCode::kUnsafe);
  ASSERT_EQ(reader.entries().size(), 2u);
  for (const Entry& entry : reader.entries()) EXPECT_EQ(reader.find(entry.name), &entry);
}

TEST(ZipReader, ChecksDescriptors) {
  const Bytes bytes = archive({{"top/a", "first"}});
  const Reader good = open(bytes);
  good.check_descriptor(good.entries()[0]);
  const std::size_t descriptor = find(bytes, "first") + 5;
  for (const std::size_t at : {4u, 8u, 12u}) {  // checksum, sizes
    const Bytes wrong = patched<std::uint8_t>(bytes, descriptor + at, 0x77);
    const Reader reader = open(wrong);
    reader.read(reader.entries()[0]);  // nobody needs it
    EXPECT_EQ(error_of([&] { reader.check_descriptor(reader.entries()[0]); }), ErrorCode::kCorrupt) << at;
  }
}

TEST(ZipReader, OpensManyRecords) {
  MemorySink sink;
  Writer writer(sink);
  constexpr std::size_t kRecords = 100'000;
  for (std::size_t i = 0; i < kRecords; ++i) writer.add(cat("archive/data/", i), as_byte_span("x"));
  writer.finish();
  const Reader reader = open(sink.bytes());
  ASSERT_EQ(reader.entries().size(), kRecords);
  EXPECT_EQ(as_chars(reader.read(*reader.find("archive/data/99999"))), "x");
}

// Writes an archive's records again, in the order of their headers.
Bytes rewritten(const Bytes& bytes) {
  const Reader reader = open(bytes);
  MemorySink sink;
  Writer writer(sink);
  std::vector<Record> plan;
  for (const Entry& entry : reader.entries()) {
    writer.add(entry.name, reader.read(entry), entry.crc);
    plan.push_back({entry.name, entry.size});
  }
  writer.finish();
  EXPECT_EQ(archive_size(plan), sink.bytes().size());
  EXPECT_EQ(writer.position(), sink.bytes().size());
  return sink.bytes();
}

TEST(ZipWriter, RebuildsTorchArchivesByteForByte) {
  for (const std::string_view name :
       {"min.pt", "mod_17.pt", "mod_113.pt", "mod_26.pt", "nocrc.pt", "sd_17.pt", "sd_113.pt", "sd_26.pt",
        "w_17.pt", "w_113.pt", "w_26.pt", "views.weird.name_113.pt.tar", "views.weird.name_26.pt.tar"}) {
    const Bytes bytes = golden(cat("formats/zip/", name));
    EXPECT_EQ(rewritten(bytes), bytes) << name;
  }
}

TEST(ZipWriter, PiecesGiveTheSameArchive) {
  MemorySink sink;
  Writer writer(sink);
  writer.begin("a/b", 5);
  writer.write(as_byte_span("he"));
  writer.write(as_byte_span("llo"));
  writer.end();
  writer.begin("a/empty", 0);
  writer.end();
  writer.finish();
  EXPECT_EQ(sink.bytes(), archive({{"a/b", "hello"}, {"a/empty", ""}}));
}

TEST(ZipWriter, AlignsPayloads) {
  for (const std::uint64_t alignment : {1u, 8u, 64u, 4096u}) {
    MemorySink sink;
    Writer writer(sink, {alignment});
    for (int i = 0; i < 5; ++i)
      writer.add(cat("a/", std::string(static_cast<std::size_t>(i) + 1, 'n')), as_byte_span("12345"));
    writer.finish();
    const Reader reader = open(sink.bytes());
    for (const Entry& entry : reader.entries()) EXPECT_EQ(reader.payload_offset(entry) % alignment, 0u);
  }
}

TEST(ZipWriter, Refusals) {
  MemorySink sink;
  Writer writer(sink);
  EXPECT_EQ(error_of([&] { writer.add("../a", {}); }), ErrorCode::kUnsafe);
  EXPECT_EQ(error_of([&] { writer.write(as_byte_span("x")); }), ErrorCode::kState);
  EXPECT_EQ(error_of([&] { writer.add(cat("a/", std::string(70000, 'x')), {}); }), ErrorCode::kLimit);
  writer.add("a/b", {});
  EXPECT_EQ(error_of([&] { writer.add("A/B", {}); }), ErrorCode::kExists);
  writer.begin("a/c", 2);
  EXPECT_EQ(error_of([&] { writer.begin("a/d", 1); }), ErrorCode::kState);
  EXPECT_EQ(error_of([&] { writer.write(as_byte_span("xyz")); }), ErrorCode::kState);
  EXPECT_EQ(error_of([&] { writer.end(); }), ErrorCode::kState);
  EXPECT_EQ(error_of([&] { writer.finish(); }), ErrorCode::kState);
  writer.write(as_byte_span("xy"));
  writer.end();
  writer.finish();
  EXPECT_EQ(error_of([&] { writer.finish(); }), ErrorCode::kState);
  EXPECT_EQ(error_of([&] { Writer(sink, {3}); }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(error_of([&] { Writer(sink, {0}); }), ErrorCode::kInvalidArgument);
}

// A file of several GiB of which only the parts around the records are kept; the rest reads as zeros.
class SparseFile : public ByteSink, public ByteSource {
 public:
  void write(std::span<const std::byte> data) override {
    if (data.size() < 100'000) pieces_.emplace_back(size_, Bytes(data.begin(), data.end()));
    size_ += data.size();
  }
  std::uint64_t size() const override { return size_; }
  void read_at(std::span<std::byte> out, std::uint64_t offset) const override {
    std::fill(out.begin(), out.end(), std::byte{0});
    for (const auto& piece : pieces_) {
      for (std::size_t i = 0; i < piece.second.size(); ++i) {
        const std::uint64_t at = piece.first + i;
        if (at >= offset && at - offset < out.size())
          out[static_cast<std::size_t>(at - offset)] = piece.second[i];
      }
    }
  }
  Bytes at(std::uint64_t offset, std::size_t n) const {
    Bytes out(n);
    read_at(out, offset);
    return out;
  }

 private:
  std::vector<std::pair<std::uint64_t, Bytes>> pieces_;
  std::uint64_t size_ = 0;
};

TEST(ZipWriter, Zip64) {
  auto file = std::make_shared<SparseFile>();
  Writer writer(*file);
  writer.add("a/small", as_byte_span("x"));
  constexpr std::uint64_t kLarge = 4294967312;
  const Bytes zeros(1 << 26);
  writer.begin("a/large", kLarge);
  for (std::uint64_t left = kLarge; left != 0;) {
    const auto n = static_cast<std::size_t>(std::min<std::uint64_t>(left, zeros.size()));
    writer.write(std::span(zeros).first(n));
    left -= n;
  }
  writer.end();
  writer.add("a/far", as_byte_span("yz"));
  writer.add("a/far_empty", {});
  writer.finish();
  const Record plan[] = {{"a/small", 1}, {"a/large", kLarge}, {"a/far", 2}, {"a/far_empty", 0}};
  EXPECT_EQ(archive_size(plan), file->size());

  const Reader reader(file);
  ASSERT_EQ(reader.entries().size(), 4u);
  const Entry& large = reader.entries()[1];
  EXPECT_EQ(large.size, kLarge);
  const Entry& far = reader.entries()[2];
  EXPECT_GT(far.header_offset, std::uint64_t{kMax32});
  EXPECT_EQ(as_chars(reader.read(far)), "yz");

  // Local header of the large record: id 1, 16 bytes, the size, a compressed size of 0.
  const Bytes extra = file->at(large.header_offset + kLocalBytes + 7, 20);
  EXPECT_EQ(sconce::testing::to_hex(extra), "0100100010000000010000000000000000000000");
  // Of the far record: id 1, 8 bytes, its own offset.
  const Bytes far_extra = file->at(far.header_offset + kLocalBytes + 5, 12);
  EXPECT_EQ(sconce::testing::to_hex(std::span(far_extra).first(4)), "01000800");
  EXPECT_EQ(ByteReader(std::span<const std::byte>(far_extra).subspan(4), "test").little<std::uint64_t>(),
            far.header_offset);
  // Both have descriptors of 24 bytes; an empty record has none.
  EXPECT_EQ(far.header_offset, reader.payload_offset(large) + kLarge + 24);
  EXPECT_EQ(reader.entries()[3].header_offset, reader.payload_offset(far) + 2 + 24);
  EXPECT_EQ(reader.payload_offset(far) % 64, 0u);
}

}  // namespace
}  // namespace sconce::zip
