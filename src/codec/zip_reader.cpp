// Zip as PKWARE's APPNOTE 6.3 describes it, held to what PyTorch's reader accepts and stricter where two
// readers could see different files in one archive.
#include "sconce/codec/zip_reader.h"

#include <algorithm>
#include <utility>

#include "codec/inflate.h"
#include "codec/zip_format.h"
#include "sconce/base/byte_reader.h"
#include "sconce/base/error.h"
#include "sconce/codec/crc32.h"

namespace sconce::zip {
namespace {

constexpr std::size_t kChunkBytes = std::size_t{1} << 20;
constexpr std::uint16_t kAllowedFlags = 0x0006 | kFlagDescriptor | kFlagUtf8;  // 1, 2: deflate's effort
constexpr std::uint16_t kEncryptionFlags = (1u << 0) | (1u << 6) | (1u << 13);

template <class... Parts>
[[noreturn]] void fail_at(std::uint64_t offset, ErrorCode code, const Parts&... parts) {
  throw Error(code, "zip", cat(parts...)).at_offset(offset);
}

template <class... Parts>
void require_at(bool condition, std::uint64_t offset, ErrorCode code, const Parts&... parts) {
  if (!condition) fail_at(offset, code, parts...);
}

std::vector<std::byte> bytes_at(const ByteSource& source, std::uint64_t offset, std::uint64_t n) {
  require_at(offset <= source.size() && n <= source.size() - offset, offset, ErrorCode::kTruncated,
             "expected ", n, " bytes, but the file ends at byte ", source.size());
  std::vector<std::byte> out(static_cast<std::size_t>(n));
  source.read_at(out, offset);
  return out;
}

struct Directory {
  std::uint64_t entries = 0;
  std::uint64_t offset = 0;
  std::uint64_t size = 0;
};

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

Entry read_central(ByteReader in) {
  const std::uint64_t at = in.offset();
  in.skip(8);  // signature, versions
  Entry entry;
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
  try {
    check_record_name(entry.name);
  } catch (const Error& error) {
    throw error.at_offset(at);
  }
  require_at(entry.method != Method::kStored || entry.size == entry.compressed_size, at, ErrorCode::kCorrupt,
             "a stored record with two sizes, ", entry.compressed_size, " and ", entry.size);
  require_at(!entry.is_directory() || entry.size == 0, at, ErrorCode::kCorrupt, "a directory with content");
  return entry;
}

// Runs `check`; what it throws goes to `faults` if there is such a list. False when it threw.
template <class Check>
bool tolerate(std::vector<Error>* faults, Check check) {
  if (faults == nullptr) {
    check();
    return true;
  }
  try {
    check();
    return true;
  } catch (const Error& error) {
    faults->push_back(error);
    return false;
  }
}

// Records may not share bytes with each other or with the central directory. Fills next_offset; those that do
// are left out.
void check_places(std::vector<Entry>& entries, std::uint64_t directory_offset, std::vector<Error>* faults) {
  std::vector<Entry*> order;
  order.reserve(entries.size());
  for (Entry& entry : entries) order.push_back(&entry);
  std::sort(order.begin(), order.end(),
            [](const Entry* a, const Entry* b) { return a->header_offset < b->header_offset; });
  tolerate(faults, [&] {
    require(order.empty() || order.front()->header_offset == 0, ErrorCode::kUnsafe, "zip",
            "expected the first record at byte 0, found other bytes before it");
  });
  bool has_bad = false;
  for (std::size_t i = 0; i < order.size(); ++i) {
    Entry& entry = *order[i];
    entry.next_offset = i + 1 < order.size() ? order[i + 1]->header_offset : directory_offset;
    const std::uint64_t room =
        entry.next_offset >= entry.header_offset ? entry.next_offset - entry.header_offset : 0;
    const std::uint64_t header = kLocalBytes + entry.name.size();
    const bool is_good = tolerate(faults, [&] {
      require_at(room >= header && entry.compressed_size <= room - header, entry.header_offset,
                 ErrorCode::kUnsafe, "the record '", escaped(entry.name), "' overlaps what follows it");
    });
    if (!is_good) entry.name.clear();
    has_bad = has_bad || !is_good;
  }
  if (has_bad) std::erase_if(entries, [](const Entry& entry) { return entry.name.empty(); });
}

}  // namespace

std::string fold_case(std::string_view name) {
  std::string out(name);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

void check_record_name(std::string_view name) {
  const auto unsafe = [&](std::string_view why) {
    fail(ErrorCode::kUnsafe, "zip", "the record name '", escaped(name), "' ", why);
  };
  if (name.empty()) unsafe("is empty");
  if (!is_utf8(name)) unsafe("is not valid UTF-8");
  if (name.find('\0') != std::string_view::npos) unsafe("contains NUL");
  if (name.find('\\') != std::string_view::npos) unsafe("contains a backslash");
  const char first = static_cast<char>(name[0] | 0x20);
  if (name.size() >= 2 && name[1] == ':' && first >= 'a' && first <= 'z')
    unsafe("begins with a drive letter");
  std::string_view rest = name.ends_with('/') ? name.substr(0, name.size() - 1) : name;
  while (true) {
    const std::size_t slash = rest.find('/');
    const std::string_view part = rest.substr(0, slash);
    if (part.empty() || part == "." || part == "..") unsafe("has an empty, '.' or '..' component");
    if (slash == std::string_view::npos) return;
    rest.remove_prefix(slash + 1);
  }
}

Reader::Reader(std::shared_ptr<const ByteSource> source, const ReaderLimits& limits,
               std::vector<Error>* faults)
    : source_(std::move(source)), case_sensitive_(limits.case_sensitive) {
  const Directory directory = read_directory_place(*source_);
  require(directory.entries <= limits.entries, ErrorCode::kLimit, "zip", "the archive has ",
          directory.entries, " records, the limit is ", limits.entries);
  require_at(directory.entries <= directory.size / kCentralBytes, directory.offset, ErrorCode::kCorrupt,
             "expected ", directory.entries, " records, but the central directory has ", directory.size,
             " bytes");
  const std::vector<std::byte> raw = bytes_at(*source_, directory.offset, directory.size);
  ByteReader in(raw, "zip", directory.offset);
  entries_.reserve(static_cast<std::size_t>(directory.entries));
  index_.reserve(static_cast<std::size_t>(directory.entries));
  for (std::uint64_t i = 0; i < directory.entries; ++i) {
    const std::uint64_t at = in.offset();
    const ByteReader one(next_central(in), "zip", at);
    tolerate(faults, [&] { add_entry(read_central(one), at, limits); });
  }
  require_at(in.at_end(), in.offset(), ErrorCode::kCorrupt, "the central directory has ", in.remaining(),
             " bytes after its last entry");
  const std::size_t before = entries_.size();
  check_places(entries_, directory.offset, faults);
  if (entries_.size() == before) return;
  index_.clear();
  for (std::size_t i = 0; i < entries_.size(); ++i) index_.emplace(key_of(entries_[i].name), i);
}

void Reader::add_entry(Entry entry, std::uint64_t at, const ReaderLimits& limits) {
  if (entry.method == Method::kDeflated) {
    require_at(entry.size <= max_inflated(entry.compressed_size), at, ErrorCode::kCorrupt,
               "the deflated record '", escaped(entry.name), "' cannot hold ", entry.size, " bytes");
    require_at(entry.size <= limits.inflated_bytes - inflated_, at, ErrorCode::kLimit,
               "the deflated records hold more than ", limits.inflated_bytes, " bytes");
    inflated_ += entry.size;
  }
  require_at(index_.emplace(key_of(entry.name), entries_.size()).second, at, ErrorCode::kCorrupt,
             "duplicate record '", escaped(entry.name), "'");
  entries_.push_back(std::move(entry));
}

std::string Reader::key_of(std::string_view name) const {
  return case_sensitive_ ? std::string(name) : fold_case(name);
}

const Entry* Reader::find(std::string_view name) const {
  const auto at = index_.find(key_of(name));
  return at == index_.end() ? nullptr : &entries_[at->second];
}

std::uint64_t Reader::payload_offset(const Entry& entry) const {
  const std::uint64_t at = entry.header_offset;
  const auto header = bytes_at(*source_, at, kLocalBytes);
  ByteReader in(header, "zip", at);
  require_at(in.little<std::uint32_t>() == kLocalSignature, at, ErrorCode::kCorrupt,
             "expected the header of the record '", escaped(entry.name), "'");
  in.skip(2);  // version
  const auto flags = in.little<std::uint16_t>();
  const auto method = in.little<std::uint16_t>();
  in.skip(4);  // time and date
  const auto crc = in.little<std::uint32_t>();
  const auto compressed_size = in.little<std::uint32_t>();
  const auto size = in.little<std::uint32_t>();
  const auto name_length = in.little<std::uint16_t>();
  const auto extra_length = in.little<std::uint16_t>();

  const std::uint64_t room = entry.next_offset - at - kLocalBytes;
  const std::uint64_t variable = std::uint64_t{name_length} + extra_length;
  require_at(variable <= room && entry.compressed_size <= room - variable, at, ErrorCode::kUnsafe,
             "the record '", escaped(entry.name), "' overlaps what follows it");
  const auto raw = bytes_at(*source_, at + kLocalBytes, variable);
  const bool same_name = as_chars(raw).substr(0, name_length) == entry.name;
  require_at(same_name && flags == entry.flags && method == static_cast<std::uint16_t>(entry.method), at,
             ErrorCode::kCorrupt, "the header of the record '", escaped(entry.name),
             "' contradicts the central directory");
  const Zip64Fields wide = read_extra(std::span(raw).subspan(name_length), at + kLocalBytes + name_length,
                                      size == kMax32, compressed_size == kMax32, false);
  // With a descriptor the header may leave these 0; without one it must repeat them. A CRC of 0 is "not
  // recorded".
  const bool late = (flags & kFlagDescriptor) != 0;
  const auto agrees = [late](std::uint64_t local, std::uint64_t central) {
    return local == central || (late && local == 0);
  };
  require_at(agrees(wide.size.value_or(size), entry.size) &&
                 agrees(wide.compressed_size.value_or(compressed_size), entry.compressed_size) &&
                 (crc == entry.crc || crc == 0 || entry.crc == 0),
             at, ErrorCode::kCorrupt, "the sizes or the checksum of the record '", escaped(entry.name),
             "' contradict the central directory");
  return at + kLocalBytes + variable;
}

std::vector<std::byte> Reader::read_prefix(const Entry& entry, std::size_t n) const {
  n = static_cast<std::size_t>(std::min<std::uint64_t>(n, entry.size));
  const std::uint64_t begin = payload_offset(entry);
  if (entry.method == Method::kStored) return bytes_at(*source_, begin, n);
  std::vector<std::byte> out;
  const Chunk keep = [&](std::span<const std::byte> bytes) {
    bytes = bytes.first(std::min(bytes.size(), n - out.size()));
    out.insert(out.end(), bytes.begin(), bytes.end());
  };
  inflate(*source_, begin, entry.compressed_size, entry.size, keep, n);
  return out;
}

void Reader::check_descriptor(const Entry& entry) const {
  if ((entry.flags & kFlagDescriptor) == 0) return;
  const std::uint64_t at = payload_offset(entry) + entry.compressed_size;
  const auto raw =
      bytes_at(*source_, at, std::min<std::uint64_t>(entry.next_offset - at, kDescriptor64Bytes));
  // Nothing says whether it begins with a signature, nor how wide its sizes are: any form that agrees will
  // do.
  const auto agrees = [&](bool has_signature, bool is_wide) {
    ByteReader in(raw, "zip", at);
    const std::size_t size = (has_signature ? 4u : 0u) + (is_wide ? 20u : 12u);
    if (raw.size() < size) return false;
    if (has_signature && in.little<std::uint32_t>() != kDescriptorSignature) return false;
    if (const auto crc = in.little<std::uint32_t>(); crc != entry.crc && crc != 0) return false;
    const auto number = [&] { return is_wide ? in.little<std::uint64_t>() : in.little<std::uint32_t>(); };
    return number() == entry.compressed_size && number() == entry.size;
  };
  require_at(agrees(true, false) || agrees(true, true) || agrees(false, false) || agrees(false, true), at,
             ErrorCode::kCorrupt, "the data descriptor of the record '", escaped(entry.name),
             "' contradicts the central directory");
}

void Reader::read_chunks(const Entry& entry, const Chunk& chunk, Check check) const {
  const std::uint64_t begin = payload_offset(entry);
  std::uint32_t crc = 0;
  const auto deliver = [&](std::span<const std::byte> bytes) {
    if (check == Check::kCrc) crc = crc32(bytes, crc);
    chunk(bytes);
  };
  if (entry.method == Method::kDeflated) {
    inflate(*source_, begin, entry.compressed_size, entry.size, deliver);
  } else {
    std::vector<std::byte> buffer(static_cast<std::size_t>(std::min<std::uint64_t>(entry.size, kChunkBytes)));
    for (std::uint64_t done = 0; done < entry.size;) {
      const auto n = static_cast<std::size_t>(std::min<std::uint64_t>(entry.size - done, kChunkBytes));
      source_->read_at(std::span(buffer).first(n), begin + done);
      deliver(std::span(buffer).first(n));
      done += n;
    }
  }
  require_at(check == Check::kNone || !entry.crc_recorded() || crc == entry.crc, begin, ErrorCode::kChecksum,
             "the bytes of the record '", escaped(entry.name), "' do not match their CRC-32");
}

void Reader::read_into(const Entry& entry, std::span<std::byte> out, Check check) const {
  require(out.size() == entry.size, ErrorCode::kInvalidArgument, "zip", "expected room for ", entry.size,
          " bytes, found ", out.size());
  if (entry.method == Method::kDeflated) {
    std::size_t done = 0;
    const Chunk copy = [&](std::span<const std::byte> bytes) {
      std::copy(bytes.begin(), bytes.end(), out.begin() + static_cast<std::ptrdiff_t>(done));
      done += bytes.size();
    };
    return read_chunks(entry, copy, check);
  }
  const std::uint64_t begin = payload_offset(entry);
  // Checked piece by piece while the bytes are still in the cache.
  std::uint32_t crc = 0;
  for (std::size_t done = 0; done < out.size();) {
    const auto piece = out.subspan(done, std::min(out.size() - done, kChunkBytes));
    source_->read_at(piece, begin + done);
    if (check == Check::kCrc) crc = crc32(piece, crc);
    done += piece.size();
  }
  require_at(check == Check::kNone || !entry.crc_recorded() || crc == entry.crc, begin, ErrorCode::kChecksum,
             "the bytes of the record '", escaped(entry.name), "' do not match their CRC-32");
}

std::vector<std::byte> Reader::read(const Entry& entry, Check check) const {
  std::vector<std::byte> out(static_cast<std::size_t>(entry.size));
  read_into(entry, out, check);
  return out;
}

}  // namespace sconce::zip
