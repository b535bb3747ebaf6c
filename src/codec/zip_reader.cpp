// Zip as PKWARE's APPNOTE 6.3 describes it, held to what PyTorch's reader accepts and stricter where two
// readers could see different files in one archive.
#include "sconce/codec/zip_reader.h"

#include <algorithm>
#include <utility>

#include "codec/inflate.h"
#include "codec/read_ahead.h"
#include "codec/zip_format.h"
#include "codec/zip_records.h"
#include "sconce/base/byte_reader.h"
#include "sconce/base/error.h"
#include "sconce/codec/crc32.h"

namespace sconce::zip {
namespace {

char in_lower_case(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

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

// What is wrong with a record names it; offsets are the file's.
template <class Read>
auto in_record(const Entry& entry, Read read) {
  try {
    return read();
  } catch (const Error& error) {
    if (error.where() != "zip") throw;
    throw error.in_record(entry.name, OffsetIn::kFile);
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
  for (char& c : out) c = in_lower_case(c);
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
    : source_(std::make_shared<ReadAhead>(std::move(source))), case_sensitive_(limits.case_sensitive) {
  const Directory directory = read_directory_place(*source_);
  require_limit(directory.entries <= limits.entries, "records", "zip", "the archive has ", directory.entries,
                " records, the limit is ", limits.entries);
  require_at(directory.entries <= directory.size / kCentralBytes, directory.offset, ErrorCode::kCorrupt,
             "expected ", directory.entries, " records, but the central directory has ", directory.size,
             " bytes");
  DirectoryWindow in(*source_, directory);
  entries_.reserve(static_cast<std::size_t>(directory.entries));
  index_.reserve(static_cast<std::size_t>(directory.entries));
  for (std::uint64_t i = 0; i < directory.entries; ++i) {
    const std::uint64_t at = in.offset();
    const ByteReader one = in.next();
    tolerate(faults, [&] { add_entry(read_central(one), at, limits); });
  }
  require_at(in.remaining() == 0, in.offset(), ErrorCode::kCorrupt, "the central directory has ",
             in.remaining(), " bytes after its last entry");
  const std::size_t before = entries_.size();
  check_places(entries_, directory.offset, faults);
  if (entries_.size() == before) return;
  index_ = {};
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    index_.add(hash_of(entries_[i].name), static_cast<std::uint32_t>(i));
  }
}

void Reader::add_entry(Entry entry, std::uint64_t at, const ReaderLimits& limits) {
  if (entry.method == Method::kDeflated) {
    count_inflated(inflated_, entry, at, limits.inflated_bytes);
  }
  const std::uint32_t hash = hash_of(entry.name);
  require_at(!number_of(entry.name, hash), at, ErrorCode::kCorrupt, "duplicate record '", escaped(entry.name),
             "'");
  name_bytes_ += entry.name.size();
  require_limit(name_bytes_ <= limits.name_bytes, "names", "zip", "the names of the records have more than ",
                limits.name_bytes, " bytes");
  entries_.push_back(std::move(entry));
  index_.add(hash, static_cast<std::uint32_t>(entries_.size() - 1));
}

bool Reader::is_same_name(std::string_view a, std::string_view b) const {
  if (case_sensitive_ || a == b) return a == b;
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) {
           return in_lower_case(x) == in_lower_case(y);
         });
}

std::uint32_t Reader::hash_of(std::string_view name) const {
  const bool is_folded =
      case_sensitive_ || std::all_of(name.begin(), name.end(), [](char c) { return c == in_lower_case(c); });
  return is_folded ? text_hash(name) : text_hash(fold_case(name));
}

std::optional<std::uint32_t> Reader::number_of(std::string_view name, std::uint32_t hash) const {
  return index_.find(hash, [&](std::uint32_t i) { return is_same_name(entries_[i].name, name); });
}

const Entry* Reader::find(std::string_view name) const {
  const auto found = number_of(name, hash_of(name));
  return found ? &entries_[*found] : nullptr;
}

std::uint64_t Reader::payload_offset(const Entry& entry) const {
  const std::uint64_t at = entry.header_offset;
  const LocalHeader header = in_record(
      entry, [&] { return read_local(*source_, entry.name, at, entry.compressed_size, entry.next_offset); });
  require_at(header.name == entry.name && header.flags == entry.flags &&
                 header.method == static_cast<std::uint16_t>(entry.method),
             at, ErrorCode::kCorrupt, "the header of the record '", escaped(entry.name),
             "' contradicts the central directory");
  // With a descriptor the header may leave these 0; without one it must repeat them. A CRC of 0 is "not
  // recorded".
  const bool late = (header.flags & kFlagDescriptor) != 0;
  const auto agrees = [late](std::uint64_t local, std::uint64_t central) {
    return local == central || (late && local == 0);
  };
  require_at(agrees(header.size, entry.size) && agrees(header.compressed_size, entry.compressed_size) &&
                 (header.crc == entry.crc || header.crc == 0 || entry.crc == 0),
             at, ErrorCode::kCorrupt, "the sizes or the checksum of the record '", escaped(entry.name),
             "' contradict the central directory");
  return at + header.bytes;
}

std::unique_ptr<ByteSource> Reader::open(const Entry& entry) const {
  const std::uint64_t begin = payload_offset(entry);
  if (entry.method == Method::kStored) return std::make_unique<SourcePart>(*source_, begin, entry.size);
  return std::make_unique<InflatedSource>(*source_, begin, entry.compressed_size, entry.size);
}

std::vector<std::byte> Reader::read_prefix(const Entry& entry, std::size_t n) const {
  n = static_cast<std::size_t>(std::min<std::uint64_t>(n, entry.size));
  const std::uint64_t begin = payload_offset(entry);
  if (entry.method == Method::kStored) return in_record(entry, [&] { return bytes_at(*source_, begin, n); });
  std::vector<std::byte> out;
  const Chunk keep = [&](std::span<const std::byte> bytes) {
    bytes = bytes.first(std::min(bytes.size(), n - out.size()));
    out.insert(out.end(), bytes.begin(), bytes.end());
  };
  in_record(entry, [&] { inflate(*source_, begin, entry.compressed_size, entry.size, keep, n); });
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
    in_record(entry, [&] { inflate(*source_, begin, entry.compressed_size, entry.size, deliver); });
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
