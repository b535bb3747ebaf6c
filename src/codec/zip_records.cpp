// Zip as PKWARE's APPNOTE 6.3 describes it.
#include "codec/zip_records.h"

#include <algorithm>
#include <array>

#include "codec/inflate.h"
#include "codec/zip_format.h"

namespace sconce::zip {
namespace {

constexpr std::uint16_t kAllowedFlags = 0x0006 | kFlagDescriptor | kFlagUtf8;  // 1, 2: deflate's effort
constexpr std::uint16_t kEncryptionFlags = (1u << 0) | (1u << 6) | (1u << 13);

struct EndRecord {
  std::uint64_t at = 0;
  std::uint16_t entries = 0;
  std::uint32_t size = 0;
  std::uint32_t offset = 0;
};

// The end record is the last signature in the file and its comment reaches the last byte.
EndRecord read_end(const ByteSource& source) {
  const std::uint64_t size = source.size();
  require(size > 0, ErrorCode::kTruncated, "zip", "expected a zip archive, found an empty file");
  const std::vector<std::byte> head = bytes_at(source, 0, std::min<std::uint64_t>(size, 4));
  const std::string_view magic = as_chars(head);
  require_at(magic == std::string_view("PK\3\4", 4) || magic == std::string_view("PK\5\6", 4), 0,
             ErrorCode::kCorrupt, "expected a zip archive, which begins with PK\\3\\4");
  const std::uint64_t tail_size = std::min<std::uint64_t>(size, kEndBytes + kMax16);
  const std::vector<std::byte> tail = bytes_at(source, size - tail_size, tail_size);
  const std::size_t found = as_chars(tail).rfind(std::string_view("PK\5\6", 4));
  require(found != std::string_view::npos, ErrorCode::kTruncated, "zip",
          "central directory missing: the file ends at byte ", size, " (incomplete copy or download?)");
  EndRecord end;
  end.at = size - tail_size + found;
  require(tail.size() - found >= kEndBytes, ErrorCode::kTruncated, "zip",
          "central directory missing: the file ends at byte ", size, " (incomplete copy or download?)");
  const std::span<const std::byte> record(tail.data() + found, tail.size() - found);
  ByteReader in(record, "zip", end.at);
  in.skip(4);
  const auto disk = in.little<std::uint16_t>();
  const auto directory_disk = in.little<std::uint16_t>();
  const auto entries_here = in.little<std::uint16_t>();
  end.entries = in.little<std::uint16_t>();
  end.size = in.little<std::uint32_t>();
  end.offset = in.little<std::uint32_t>();
  const auto comment = in.little<std::uint16_t>();
  require_at(disk == 0 && directory_disk == 0 && entries_here == end.entries, end.at, ErrorCode::kUnsupported,
             "the archive is split over several disks");
  require_at(in.remaining() == comment, end.at, ErrorCode::kCorrupt, "expected a comment of ", comment,
             " bytes up to the end of the file, found ", in.remaining(), " bytes");
  return end;
}

struct Zip64Fields {
  std::optional<std::uint64_t> size;
  std::optional<std::uint64_t> compressed_size;
  std::optional<std::uint64_t> offset;
};

// Walks the extra fields; the zip64 one holds, in this order, those values whose 32-bit field is saturated.
Zip64Fields read_extra(std::span<const std::byte> extra, std::uint64_t at, bool size, bool compressed_size,
                       bool offset) {
  Zip64Fields out;
  bool seen = false;
  ByteReader in(extra, "zip", at);
  while (!in.at_end()) {
    require_at(in.remaining() >= 4, in.offset(), ErrorCode::kCorrupt, "an extra field is cut off");
    const auto id = in.little<std::uint16_t>();
    const auto length = in.little<std::uint16_t>();
    require_at(length <= in.remaining(), in.offset(), ErrorCode::kCorrupt, "an extra field is cut off");
    ByteReader field(in.bytes(length), "zip", in.offset() - length);
    if (id != kZip64Extra) continue;
    require_at(!seen, in.offset(), ErrorCode::kCorrupt, "two zip64 extra fields in one record");
    seen = true;
    if (size) out.size = field.little<std::uint64_t>();
    if (compressed_size) out.compressed_size = field.little<std::uint64_t>();
    if (offset) out.offset = field.little<std::uint64_t>();
  }
  return out;
}

void check_flags(std::uint16_t flags, std::uint16_t method, std::uint64_t at) {
  require_at((flags & kEncryptionFlags) == 0, at, ErrorCode::kUnsupported, "the record is encrypted");
  require_at((flags & ~kAllowedFlags) == 0, at, ErrorCode::kUnsupported, "unknown flag bits ", flags);
  require_at(method == 0 || method == 8, at, ErrorCode::kUnsupported,
             "expected a stored or deflated record, found compression method ", method);
}

}  // namespace

void count_inflated(std::uint64_t& inflated, const Entry& entry, std::uint64_t offset, std::uint64_t most) {
  require_at(entry.size <= max_inflated(entry.compressed_size), offset, ErrorCode::kCorrupt,
             "the deflated record '", escaped(entry.name), "' cannot hold ", entry.size, " bytes");
  if (entry.size > most - inflated) {
    throw Error(ErrorCode::kLimit, "zip", cat("the deflated records hold more than ", most, " bytes"))
        .at_offset(offset)
        .with_limit("inflated");
  }
  inflated += entry.size;
}

std::vector<std::byte> bytes_at(const ByteSource& source, std::uint64_t offset, std::uint64_t n) {
  require_at(offset <= source.size() && n <= source.size() - offset, offset, ErrorCode::kTruncated,
             "expected ", n, " bytes, but the file ends at byte ", source.size());
  std::vector<std::byte> out(static_cast<std::size_t>(n));
  source.read_at(out, offset);
  return out;
}

Directory read_directory_place(const ByteSource& source) {
  const EndRecord end = read_end(source);
  Directory directory{end.entries, end.offset, end.size};
  std::uint64_t after = end.at;  // what the central directory must reach
  bool has64 = false;
  if (end.at >= kLocator64Bytes) {
    const auto raw = bytes_at(source, end.at - kLocator64Bytes, kLocator64Bytes);
    ByteReader locator(raw, "zip", end.at - kLocator64Bytes);
    has64 = locator.little<std::uint32_t>() == kLocator64Signature;
    if (has64) {
      const auto disk = locator.little<std::uint32_t>();
      after = locator.little<std::uint64_t>();
      const auto disks = locator.little<std::uint32_t>();
      require_at(disk == 0 && disks <= 1, locator.offset(), ErrorCode::kUnsupported,
                 "the archive is split over several disks");
    }
  }
  if (has64) {
    require_at(after <= end.at - kLocator64Bytes && end.at - kLocator64Bytes - after >= kEnd64Bytes, after,
               ErrorCode::kCorrupt, "the zip64 end record does not lie before its locator");
    const auto raw = bytes_at(source, after, kEnd64Bytes);
    ByteReader in(raw, "zip", after);
    require_at(in.little<std::uint32_t>() == kEnd64Signature, after, ErrorCode::kCorrupt,
               "expected a zip64 end record");
    const auto record_size = in.little<std::uint64_t>();
    require_at(record_size == end.at - kLocator64Bytes - after - 12, after, ErrorCode::kCorrupt,
               "the zip64 end record does not end at its locator");
    in.skip(4);  // versions
    const auto disk = in.little<std::uint32_t>();
    const auto directory_disk = in.little<std::uint32_t>();
    const auto entries_here = in.little<std::uint64_t>();
    directory.entries = in.little<std::uint64_t>();
    directory.size = in.little<std::uint64_t>();
    directory.offset = in.little<std::uint64_t>();
    require_at(disk == 0 && directory_disk == 0 && entries_here == directory.entries, after,
               ErrorCode::kUnsupported, "the archive is split over several disks");
    const auto agrees = [](std::uint64_t wide, std::uint64_t narrow, std::uint64_t saturated) {
      return narrow == wide || narrow == saturated;
    };
    require_at(agrees(directory.entries, end.entries, kMax16) && agrees(directory.size, end.size, kMax32) &&
                   agrees(directory.offset, end.offset, kMax32),
               end.at, ErrorCode::kCorrupt, "the end record and the zip64 end record contradict each other");
  }
  require_at(directory.offset <= after && after - directory.offset == directory.size, end.at,
             ErrorCode::kCorrupt, "expected the central directory to end at byte ", after, ", found ",
             directory.size, " bytes at byte ", directory.offset);
  return directory;
}

// The bytes of the next central entry, up to where the one after it begins.
std::span<const std::byte> next_central(ByteReader& in) {
  const std::uint64_t at = in.offset();
  const std::size_t begin = in.position();
  require_at(in.remaining() >= kCentralBytes, at, ErrorCode::kCorrupt, "the central directory is cut off");
  require_at(in.little<std::uint32_t>() == kCentralSignature, at, ErrorCode::kCorrupt,
             "expected an entry of the central directory");
  in.skip(24);
  const std::size_t variable =
      std::size_t{in.little<std::uint16_t>()} + in.little<std::uint16_t>() + in.little<std::uint16_t>();
  in.seek(begin);
  require_at(in.remaining() - kCentralBytes >= variable, at, ErrorCode::kCorrupt,
             "the central directory is cut off");
  return in.bytes(kCentralBytes + variable);
}

DirectoryWindow::DirectoryWindow(const ByteSource& source, const Directory& directory)
    : source_(source), begin_(directory.offset), end_(directory.offset + directory.size), in_({}, "zip") {
  require_at(directory.offset <= source.size() && directory.size <= source.size() - directory.offset,
             directory.offset, ErrorCode::kTruncated, "expected ", directory.size,
             " bytes, but the file ends at byte ", source.size());
}

ByteReader DirectoryWindow::next() {
  constexpr std::size_t kLongest = kCentralBytes + 3 * std::size_t{kMax16};
  const std::uint64_t at = offset();
  if (in_.remaining() < kLongest && in_.remaining() < end_ - at) {
    window_ = bytes_at(source_, at, std::min<std::uint64_t>(end_ - at, 4 * kChunkBytes));
    begin_ = at;
    in_ = ByteReader(window_, "zip", at);
  }
  return ByteReader(next_central(in_), "zip", at);
}

namespace {

void fill_central(ByteReader& in, Entry& entry) {
  const std::uint64_t at = in.offset();
  in.skip(8);  // signature, versions
  entry.flags = in.little<std::uint16_t>();
  const auto method = in.little<std::uint16_t>();
  in.skip(4);  // time and date
  entry.crc = in.little<std::uint32_t>();
  const auto compressed_size = in.little<std::uint32_t>();
  const auto size = in.little<std::uint32_t>();
  const auto name_length = in.little<std::uint16_t>();
  const auto extra_length = in.little<std::uint16_t>();
  in.skip(2);  // length of the comment, which comes last
  const auto disk = in.little<std::uint16_t>();
  in.skip(6);  // attributes
  const auto offset = in.little<std::uint32_t>();
  entry.name = in.chars(name_length);
  const std::uint64_t extra_at = in.offset();
  const Zip64Fields wide = read_extra(in.bytes(extra_length), extra_at, size == kMax32,
                                      compressed_size == kMax32, offset == kMax32);
  require_at((size != kMax32 || wide.size) && (compressed_size != kMax32 || wide.compressed_size) &&
                 (offset != kMax32 || wide.offset),
             at, ErrorCode::kCorrupt, "a large record without its zip64 extra field");
  entry.size = wide.size.value_or(size);
  entry.compressed_size = wide.compressed_size.value_or(compressed_size);
  entry.header_offset = wide.offset.value_or(offset);
  require_at(disk == 0, at, ErrorCode::kUnsupported, "the archive is split over several disks");
  check_flags(entry.flags, method, at);
  entry.method = static_cast<Method>(method);
  at_offset(at, [&] { check_record_name(entry.name); });
  require_at(entry.method != Method::kStored || entry.size == entry.compressed_size, at, ErrorCode::kCorrupt,
             "a stored record with two sizes, ", entry.compressed_size, " and ", entry.size);
  require_at(!entry.is_directory() || entry.size == 0, at, ErrorCode::kCorrupt, "a directory with content");
}

}  // namespace

Entry read_central(ByteReader in) {
  Entry entry;
  try {
    fill_central(in, entry);
  } catch (const Error& error) {
    throw error.in_record(entry.name, OffsetIn::kFile);
  }
  return entry;
}

namespace {

// The header at `at`, of which most are read at once: names are short, and so is what aligns a payload.
class LocalBytes {
 public:
  // What follows the header begins at `limit`.
  LocalBytes(const ByteSource& source, std::uint64_t at, std::uint64_t limit) : source_(source), at_(at) {
    const std::uint64_t there = std::min(limit, source.size());
    near_size_ = static_cast<std::size_t>(std::min<std::uint64_t>(there > at ? there - at : 0, near_.size()));
    if (near_size_ > 0) source.read_at(std::span(near_).first(near_size_), at);
  }
  // Its first n bytes; Error kTruncated.
  std::span<const std::byte> first(std::size_t n) const {
    if (n <= near_size_) return std::span(near_).first(n);
    all_ = bytes_at(source_, at_, n);
    return all_;
  }

 private:
  const ByteSource& source_;
  std::uint64_t at_;
  std::array<std::byte, 256> near_;
  std::size_t near_size_ = 0;
  mutable std::vector<std::byte> all_;
};

}  // namespace

LocalHeader read_local(const ByteSource& source, std::string_view record, std::uint64_t at,
                       std::uint64_t payload, std::uint64_t limit) {
  const LocalBytes bytes(source, at, limit);
  ByteReader in(bytes.first(kLocalBytes), "zip", at);
  require_at(in.little<std::uint32_t>() == kLocalSignature, at, ErrorCode::kCorrupt,
             "expected the header of the record '", escaped(record), "'");
  in.skip(2);  // version
  LocalHeader out;
  out.flags = in.little<std::uint16_t>();
  out.method = in.little<std::uint16_t>();
  in.skip(4);  // time and date
  out.crc = in.little<std::uint32_t>();
  out.compressed_size = in.little<std::uint32_t>();
  out.size = in.little<std::uint32_t>();
  const auto name_length = in.little<std::uint16_t>();
  const std::uint64_t variable = std::uint64_t{name_length} + in.little<std::uint16_t>();
  out.bytes = kLocalBytes + variable;
  require_at(limit >= at && out.bytes <= limit - at && payload <= limit - at - out.bytes, at,
             ErrorCode::kUnsafe, "the record '", escaped(record), "' overlaps what follows it");
  const auto name_and_extra = bytes.first(static_cast<std::size_t>(out.bytes)).subspan(kLocalBytes);
  out.name = as_chars(name_and_extra.first(name_length));
  const Zip64Fields wide = read_extra(name_and_extra.subspan(name_length), at + kLocalBytes + name_length,
                                      out.size == kMax32, out.compressed_size == kMax32, false);
  out.size = wide.size.value_or(out.size);
  out.compressed_size = wide.compressed_size.value_or(out.compressed_size);
  return out;
}

}  // namespace sconce::zip
