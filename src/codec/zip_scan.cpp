#include "sconce/codec/zip_scan.h"

#include <algorithm>
#include <limits>
#include <map>
#include <set>
#include <utility>

#include "codec/inflate.h"
#include "codec/zip_format.h"
#include "codec/zip_records.h"
#include "sconce/codec/crc32.h"

namespace sconce::zip {
namespace {

constexpr std::size_t kDescriptorBytes = 16;
constexpr std::string_view kDescriptorMagic("PK\7\10", 4);
constexpr std::uint64_t kNoEnd = std::numeric_limits<std::uint64_t>::max();

// What stands after a record's bytes.
struct Descriptor {
  std::optional<std::uint32_t> crc;
  std::uint64_t bytes = 0;
};

// The descriptor at the start of `bytes`, if it counts `compressed` and `size` bytes. Where the file ends in
// the middle of it, as much of it as there is must fit.
std::optional<Descriptor> descriptor_in(std::string_view bytes, std::uint64_t compressed, std::uint64_t size,
                                        bool is_end_of_file) {
  if (!bytes.starts_with(kDescriptorMagic)) {
    const bool is_cut = is_end_of_file && kDescriptorMagic.starts_with(bytes);
    return is_cut ? std::optional(Descriptor{{}, bytes.size()}) : std::nullopt;
  }
  if (bytes.size() < 8) return is_end_of_file ? std::optional(Descriptor{{}, bytes.size()}) : std::nullopt;
  ByteReader in(as_byte_span(bytes), "zip");
  in.skip(4);
  const auto crc = in.little<std::uint32_t>();
  if (bytes.size() >= kDescriptor64Bytes) {
    ByteReader wide = in;
    if (wide.little<std::uint64_t>() == compressed && wide.little<std::uint64_t>() == size)
      return Descriptor{crc, kDescriptor64Bytes};
  }
  if (bytes.size() >= kDescriptorBytes) {
    if (in.little<std::uint32_t>() == compressed && in.little<std::uint32_t>() == size)
      return Descriptor{crc, kDescriptorBytes};
    if (bytes.size() >= kDescriptor64Bytes || !is_end_of_file) return std::nullopt;
  }
  return is_end_of_file ? std::optional(Descriptor{crc, bytes.size()}) : std::nullopt;
}

class Walker {
 public:
  Walker(const ByteSource& source, const ScanOptions& options) : source_(source), options_(options) {}

  Scan walk() {
    read_directory();
    std::uint64_t at = 0;
    while (at < source_.size() && !is_directory(at)) {
      if (out_.records.size() >= options_.limits.entries) {
        out_.stopped = cat("more than ", options_.limits.entries, " records");
        return std::move(out_);
      }
      const std::uint64_t end = find_record(at);
      if (end != kNoEnd && options_.is_enough && options_.is_enough(out_.records.back()))
        return std::move(out_);
      at = end == kNoEnd ? next_listed(at) : std::min(end, next_anchor(at));
      if (at == kNoEnd) return std::move(out_);
    }
    if (!has_directory_ && at < source_.size()) confirm(at);
    if (at >= source_.size() && !has_directory_) out_.stopped = cat("the file ends at byte ", source_.size());
    out_.has_directory = has_directory_;
    return std::move(out_);
  }

 private:
  // As much of the central directory as can be read where the end records say it is.
  void read_directory() {
    Directory directory;
    try {
      directory = read_directory_place(source_);
    } catch (const Error&) {
      return;  // scan() is for archives without one
    }
    directory_ = directory.offset;
    has_directory_ = read_entries(directory.offset, directory.size, directory.entries);
  }

  // True when all `count` entries were read.
  bool read_entries(std::uint64_t at, std::uint64_t size, std::uint64_t count) {
    if (count > options_.limits.entries) return false;
    DirectoryWindow in(source_, {count, at, size});
    try {
      for (std::uint64_t i = 0; i < count && in.remaining() != 0; ++i) {
        Entry entry = read_central(in.next());
        if (!takes_name(entry.name)) return false;
        const std::uint64_t place = entry.header_offset;
        if (signature_at(place) == kLocalSignature) anchors_.insert(place);
        listed_.emplace(place, std::move(entry));
      }
    } catch (const Error&) {
      return false;  // the entries before it stand
    }
    return listed_.size() == count;
  }

  // Names are kept more than once: false when there are too many bytes of them.
  bool takes_name(std::string_view name) {
    name_bytes_ += name.size();
    return name_bytes_ <= options_.limits.name_bytes / 2;
  }

  // The four bytes at `at`, 0 where the file ends.
  std::uint32_t signature_at(std::uint64_t at) const {
    if (at > source_.size() || source_.size() - at < 4) return 0;
    const auto bytes = bytes_at(source_, at, 4);
    return ByteReader(bytes, "zip").little<std::uint32_t>();
  }

  bool is_directory(std::uint64_t at) const {
    if (directory_ && at >= *directory_) return true;
    const std::uint32_t signature = signature_at(at);
    return signature == kCentralSignature || signature == kEnd64Signature || signature == kEndSignature;
  }

  bool is_known_place(std::uint64_t at) const {
    const std::uint32_t signature = signature_at(at);
    return at == source_.size() || signature == kLocalSignature || signature == kCentralSignature;
  }

  // Where the next listed record after `at` that has a header there, or else the central directory, begins.
  // An entry whose offset is damaged must not cut other records short.
  std::uint64_t next_anchor(std::uint64_t at) const {
    const auto next = anchors_.upper_bound(at);
    if (next != anchors_.end()) return *next;
    return directory_ && *directory_ > at ? *directory_ : kNoEnd;
  }

  // Where to go on when the walk is lost: to the next listed record, whatever is there.
  std::uint64_t next_listed(std::uint64_t at) const {
    const auto next = listed_.upper_bound(at);
    return next != listed_.end() ? std::min(next->first, next_anchor(at)) : next_anchor(at);
  }

  // The entry for the record at `at`: of several the one that has the header's name.
  const Entry* entry_at(std::uint64_t at, std::string_view name) const {
    const auto [first, last] = listed_.equal_range(at);
    const auto named =
        std::find_if(first, last, [&](const auto& listed) { return listed.second.name == name; });
    return first == last ? nullptr : named != last ? &named->second : &first->second;
  }

  // Appends the record at `at` and returns where it ends, kNoEnd when that cannot be told.
  std::uint64_t find_record(std::uint64_t at) {
    const std::uint64_t limit = std::min(next_anchor(at), source_.size());
    FoundRecord record;
    record.header_offset = at;
    const auto take = [&](const Entry* entry) {
      if (entry == nullptr) return;
      record.name = record.listed_name = entry->name;
      record.compressed_size = entry->compressed_size;
      record.size = entry->size;
      // Where header and directory disagree about it, the sizes tell.
      record.method = entry->size == entry->compressed_size ? Method::kStored : Method::kDeflated;
    };
    const Entry* entry = entry_at(at, "");
    take(entry);
    std::uint64_t end = kNoEnd;
    try {
      const LocalHeader header = read_local(source_, record.name, at, 0, limit);
      entry = entry_at(at, header.name);
      take(entry);
      if (entry != nullptr && header.method == static_cast<std::uint16_t>(entry->method)) {
        record.method = entry->method;
      }
      record.name = header.name;
      record.payload_offset = at + header.bytes;
      check_record_name(header.name);
      end = entry != nullptr ? locate_listed(record, header, *entry, limit) : locate(record, header, limit);
    } catch (const Error& error) {
      record.problem = error.text();
      if (entry == nullptr && record.payload_offset == 0) {  // nothing is here
        out_.stopped = record.problem;
        return kNoEnd;
      }
    }
    if (!takes_name(record.name)) {
      out_.stopped = "the names of the records are too long";
      return kNoEnd;
    }
    if (end == kNoEnd) out_.stopped = cat("record '", escaped(record.name), "': ", record.problem);
    out_.records.push_back(std::move(record));
    return end;
  }

  static void require_room(std::uint64_t at, std::uint64_t n, std::uint64_t limit, std::uint64_t file_size) {
    if (at <= limit && n <= limit - at) return;
    require_at(limit == file_size, at, ErrorCode::kUnsafe, "it overlaps what follows it");
    fail_at(at, ErrorCode::kTruncated, "the file ends at byte ", file_size, ", inside it");
  }

  std::optional<Descriptor> descriptor_at(std::uint64_t at, std::uint64_t compressed, std::uint64_t size,
                                          std::uint64_t limit) const {
    const std::uint64_t n = std::min<std::uint64_t>(limit - at, kDescriptor64Bytes);
    const auto bytes = bytes_at(source_, at, n);
    return descriptor_in(as_chars(bytes), compressed, size, at + n == source_.size());
  }

  static void add_checksum(FoundRecord& record, std::optional<std::uint32_t> crc) {
    if (crc && *crc != 0) record.checksums.push_back(*crc);
  }

  std::uint64_t locate_listed(FoundRecord& record, const LocalHeader& header, const Entry& entry,
                              std::uint64_t limit) {
    require_room(record.payload_offset, entry.compressed_size, limit, source_.size());
    add_checksum(record, entry.crc);
    add_checksum(record, header.crc);
    if (record.method == Method::kDeflated)
      count_inflated(inflated_, entry, record.header_offset, options_.limits.inflated_bytes);
    const std::uint64_t end = record.payload_offset + entry.compressed_size;
    if ((header.flags & kFlagDescriptor) == 0) return end;
    if (const auto descriptor = descriptor_at(end, entry.compressed_size, entry.size, limit)) {
      add_checksum(record, descriptor->crc);
      return end + descriptor->bytes;
    }
    return end_after_damage(end, limit);
  }

  // Where the next record stands when the data descriptor at `at` is damaged, but has its usual length.
  std::uint64_t end_after_damage(std::uint64_t at, std::uint64_t limit) const {
    for (const std::size_t bytes : {kDescriptorBytes, kDescriptor64Bytes}) {
      if (limit - at >= bytes && is_known_place(at + bytes)) return at + bytes;
    }
    return kNoEnd;
  }

  std::uint64_t locate(FoundRecord& record, const LocalHeader& header, std::uint64_t limit) {
    require_at(header.method == 0 || header.method == 8, record.header_offset, ErrorCode::kUnsupported,
               "expected a stored or deflated record, found compression method ", header.method);
    record.method = static_cast<Method>(header.method);
    if ((header.flags & kFlagDescriptor) == 0) {
      record.compressed_size = header.compressed_size;
      record.size = header.size;
      require_room(record.payload_offset, record.compressed_size, limit, source_.size());
      require_at(record.method == Method::kDeflated || record.size == record.compressed_size,
                 record.header_offset, ErrorCode::kCorrupt, "a stored record with two sizes");
      add_checksum(record, header.crc);
      return record.payload_offset + record.compressed_size;
    }
    if (record.method == Method::kDeflated) return locate_deflated(record, limit);
    const auto known =
        options_.known_size ? options_.known_size(record.name) : std::optional<std::uint64_t>{};
    return known ? locate_known(record, *known, limit) : search_end(record, limit);
  }

  // A deflate stream ends itself.
  std::uint64_t locate_deflated(FoundRecord& record, std::uint64_t limit) {
    const Inflated stream = inflate_to_end(source_, record.payload_offset, limit - record.payload_offset,
                                           options_.limits.inflated_bytes - inflated_, [](auto) {});
    inflated_ += stream.produced;
    record.compressed_size = stream.consumed;
    record.size = stream.produced;
    const std::uint64_t end = record.payload_offset + stream.consumed;
    const auto descriptor = descriptor_at(end, stream.consumed, stream.produced, limit);
    require_at(descriptor.has_value(), end, ErrorCode::kCorrupt,
               "the data descriptor after it does not fit it");
    add_checksum(record, descriptor->crc);
    return end + descriptor->bytes;
  }

  std::uint64_t locate_known(FoundRecord& record, std::uint64_t size, std::uint64_t limit) const {
    record.size = record.compressed_size = size;
    require_room(record.payload_offset, size, limit, source_.size());
    const std::uint64_t end = record.payload_offset + size;
    if (const auto descriptor = descriptor_at(end, size, size, limit)) {
      add_checksum(record, descriptor->crc);
      return end + descriptor->bytes;
    }
    record.problem = cat("the data descriptor after its ", size, " bytes, at byte ", end, ", does not fit");
    return end_after_damage(end, limit);
  }

  // Looks for the descriptor that counts the bytes up to itself. Where its checksum is wrong the record is
  // damaged, and the descriptor is believed only when something known follows it.
  std::uint64_t search_end(FoundRecord& record, std::uint64_t limit) const {
    const std::uint64_t begin = record.payload_offset;
    const std::uint64_t last = begin + std::min(limit - begin, options_.search_bytes);
    std::vector<std::byte> window;
    std::uint64_t window_at = begin;  // where window begins in the file
    std::uint32_t crc = 0;            // of [begin, summed)
    std::uint64_t summed = begin;
    while (window_at < last) {
      window.resize(static_cast<std::size_t>(std::min<std::uint64_t>(last - window_at, kChunkBytes)));
      source_.read_at(window, window_at);
      const std::string_view text = as_chars(window);
      const bool is_last = window_at + text.size() == last;
      for (std::size_t found = text.find(kDescriptorMagic); found != std::string_view::npos;
           found = text.find(kDescriptorMagic, found + 1)) {
        if (text.size() - found < kDescriptor64Bytes && !is_last) break;  // whole in the next window
        const std::uint64_t size = window_at + found - begin;
        const auto descriptor = descriptor_in(text.substr(found), size, size, false);
        if (!descriptor) continue;
        crc = crc32(std::span(window).subspan(static_cast<std::size_t>(summed - window_at),
                                              found - static_cast<std::size_t>(summed - window_at)),
                    crc);
        summed = window_at + found;
        const std::uint64_t end = summed + descriptor->bytes;
        const bool fits = *descriptor->crc == 0 || *descriptor->crc == crc;
        if (!fits && !is_known_place(end)) continue;
        record.size = record.compressed_size = size;
        add_checksum(record, descriptor->crc);
        return end;
      }
      const std::size_t kept = is_last ? 0 : kDescriptor64Bytes - 1;
      const std::size_t done = text.size() - kept;
      const auto from = static_cast<std::size_t>(summed - window_at);
      if (done > from) {
        crc = crc32(std::span(window).subspan(from, done - from), crc);
        summed = window_at + done;
      }
      window_at += done;
    }
    require_at(last == source_.size(), begin, ErrorCode::kCorrupt, "no data descriptor counts its bytes");
    fail_at(begin, ErrorCode::kTruncated, "the file ends at byte ", source_.size(), ", inside it");
  }

  // Holds what the walk found against the entries of a central directory that the end records did not lead
  // to.
  void confirm(std::uint64_t at) {
    const std::uint64_t room = source_.size() - at;
    constexpr std::uint64_t kMost = std::uint64_t{1} << 28;
    read_entries(at, std::min(room, kMost), std::min(room / kCentralBytes, options_.limits.entries));
    for (FoundRecord& record : out_.records) {
      const Entry* entry = entry_at(record.header_offset, record.name);
      if (entry == nullptr) continue;
      record.listed_name = entry->name;
      add_checksum(record, entry->crc);
    }
  }

  const ByteSource& source_;
  const ScanOptions& options_;
  Scan out_;
  std::multimap<std::uint64_t, Entry> listed_;  // by the offset of the header
  std::set<std::uint64_t> anchors_;             // those offsets where there is a header
  std::optional<std::uint64_t> directory_;      // where it begins
  std::uint64_t name_bytes_ = 0;
  bool has_directory_ = false;
  std::uint64_t inflated_ = 0;  // by all deflated records together
};

}  // namespace

Scan scan(const ByteSource& source, const ScanOptions& options) { return Walker(source, options).walk(); }

bool read_found(const ByteSource& source, const FoundRecord& record, std::span<std::byte> out) {
  require(out.size() == record.size, ErrorCode::kInvalidArgument, "zip", "expected room for ", record.size,
          " bytes, found ", out.size());
  std::uint32_t crc = 0;
  std::size_t done = 0;
  if (record.method == Method::kDeflated) {
    inflate(source, record.payload_offset, record.compressed_size, record.size,
            [&](std::span<const std::byte> bytes) {
              std::copy(bytes.begin(), bytes.end(), out.begin() + static_cast<std::ptrdiff_t>(done));
              done += bytes.size();
              crc = crc32(bytes, crc);
            });
  }
  for (; done < out.size();) {
    const auto piece = out.subspan(done, std::min(out.size() - done, kChunkBytes));
    source.read_at(piece, record.payload_offset + done);
    crc = crc32(piece, crc);
    done += piece.size();
  }
  if (record.checksums.empty()) return record.size == 0;
  require_at(std::find(record.checksums.begin(), record.checksums.end(), crc) != record.checksums.end(),
             record.payload_offset, ErrorCode::kChecksum, "the bytes of the record '", escaped(record.name),
             "' do not match their CRC-32");
  return true;
}

}  // namespace sconce::zip
