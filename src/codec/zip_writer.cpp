#include "sconce/codec/zip_writer.h"

#include <algorithm>
#include <bit>

#include "codec/zip_format.h"
#include "sconce/base/byte_writer.h"
#include "sconce/base/checked.h"
#include "sconce/base/error.h"
#include "sconce/codec/crc32.h"
#include "sconce/codec/zip_reader.h"

namespace sconce::zip {
namespace {

constexpr std::uint16_t kPaddingExtra = 0x4246;  // "FB"
constexpr std::uint16_t kMadeBy64 = 798;
constexpr std::uint16_t kNeeded64 = 45;

std::uint32_t saturated(std::uint64_t value) {
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(value, kMax32));
}

bool is_large(std::uint64_t value) { return value >= kMax32; }

std::uint64_t zip64_size(std::uint64_t size, std::uint64_t offset) {
  const std::uint64_t content = (is_large(size) ? 16u : 0u) + (is_large(offset) ? 8u : 0u);
  return content == 0 ? 0 : 4 + content;
}

// The zip64 extra field: sizes of a large record, offset of a far one. In local headers the compressed size
// is 0.
void zip64_extra(ByteWriter& out, std::uint64_t size, std::uint64_t compressed, std::uint64_t offset) {
  const std::uint64_t all = zip64_size(size, offset);
  if (all == 0) return;
  out.little(kZip64Extra);
  out.little(static_cast<std::uint16_t>(all - 4));
  if (is_large(size)) {
    out.little(size);
    out.little(compressed);
  }
  if (is_large(offset)) out.little(offset);
}

// The padding that puts the record's bytes at a multiple of `alignment`.
std::uint64_t padding_of(std::string_view name, std::uint64_t size, std::uint64_t offset,
                         std::uint64_t alignment) {
  const std::uint64_t start = offset + kLocalBytes + name.size() + zip64_size(size, offset) + 4;
  return (alignment - start % alignment) % alignment;
}

std::uint64_t local_size(std::string_view name, std::uint64_t size, std::uint64_t offset,
                         std::uint64_t alignment) {
  return kLocalBytes + name.size() + zip64_size(size, offset) + 4 + padding_of(name, size, offset, alignment);
}

void local_header(ByteWriter& out, std::string_view name, std::uint64_t size, std::uint64_t offset,
                  std::uint64_t alignment) {
  const std::uint64_t padding = padding_of(name, size, offset, alignment);
  out.little(kLocalSignature);
  out.little(std::uint16_t{0});  // version needed
  out.little(static_cast<std::uint16_t>(size == 0 ? kFlagUtf8 : kFlagUtf8 | kFlagDescriptor));
  out.little(std::uint16_t{0});  // stored
  out.fill(16, 0);               // time, date, and what the descriptor holds
  out.little(static_cast<std::uint16_t>(name.size()));
  out.little(static_cast<std::uint16_t>(zip64_size(size, offset) + 4 + padding));
  out.chars(name);
  zip64_extra(out, size, 0, offset);
  out.little(kPaddingExtra);
  out.little(static_cast<std::uint16_t>(padding));
  out.fill(static_cast<std::size_t>(padding), 'Z');
}

std::uint64_t descriptor_size(std::uint64_t size, std::uint64_t offset) {
  if (size == 0) return 0;
  return is_large(size) || is_large(offset) ? 24 : 16;
}

std::uint64_t central_size(std::string_view name, std::uint64_t size, std::uint64_t offset) {
  return kCentralBytes + name.size() + zip64_size(size, offset);
}

void check_options(const WriterOptions& options) {
  require(std::has_single_bit(options.alignment) && options.alignment <= 32768, ErrorCode::kInvalidArgument,
          "zip", "expected an alignment that is a power of two up to 32768, found ", options.alignment);
}

}  // namespace

Writer::Writer(ByteSink& sink, const WriterOptions& options) : sink_(sink), options_(options) {
  check_options(options);
}

void Writer::put(std::span<const std::byte> data) {
  sink_.write(data);
  position_ += data.size();
}

void Writer::begin(std::string_view name, std::uint64_t size) {
  require(!open_ && !finished_, ErrorCode::kState, "zip", "a record is begun while another is open");
  check_record_name(name);
  require(name.size() <= kMax16, ErrorCode::kLimit, "zip", "a record name of ", name.size(),
          " bytes, at most 65535 can be written");
  const auto folded = [&](std::string_view text) {
    return options_.case_sensitive ? std::string(text) : fold_case(text);
  };
  const std::string known_as = folded(name);
  const std::uint32_t hash = text_hash(known_as);
  require(!names_.find(hash, [&](std::uint32_t i) { return folded(records_[i].name) == known_as; }),
          ErrorCode::kExists, "zip", "the record '", escaped(name), "' is written twice");
  records_.push_back({std::string(name), size, 0, position_});
  names_.add(hash, static_cast<std::uint32_t>(records_.size() - 1));
  scratch_.clear();
  local_header(scratch_, name, size, position_, options_.alignment);
  put(scratch_.view());
  left_ = size;
  crc_ = 0;
  open_ = true;
}

void Writer::write(std::span<const std::byte> data) {
  require(open_, ErrorCode::kState, "zip", "bytes are written while no record is open");
  require(data.size() <= left_, ErrorCode::kState, "zip", "the record '", escaped(records_.back().name),
          "' gets more bytes than promised");
  crc_ = crc32(data, crc_);
  put(data);
  left_ -= data.size();
}

void Writer::end(std::optional<std::uint32_t> crc) {
  require(open_ && left_ == 0, ErrorCode::kState, "zip", "a record ends before its last byte");
  open_ = false;
  Written& record = records_.back();
  record.crc = crc.value_or(crc_);
  if (record.size == 0) return;
  scratch_.clear();
  ByteWriter& out = scratch_;
  out.little(kDescriptorSignature);
  out.little(record.crc);
  if (descriptor_size(record.size, record.header_offset) == 24) {
    out.little(record.size);
    out.little(record.size);
  } else {
    out.little(static_cast<std::uint32_t>(record.size));
    out.little(static_cast<std::uint32_t>(record.size));
  }
  put(out.view());
}

void Writer::add(std::string_view name, std::span<const std::byte> data, std::optional<std::uint32_t> crc) {
  begin(name, data.size());
  if (!crc) crc = crc32(data);
  put(data);
  left_ = 0;
  end(crc);
}

void Writer::finish() {
  require(!open_ && !finished_, ErrorCode::kState, "zip", "the archive is finished while a record is open");
  finished_ = true;
  const std::uint64_t directory = position_;
  for (const Written& record : records_) {
    scratch_.clear();
    ByteWriter& out = scratch_;
    out.little(kCentralSignature);
    out.little(std::uint16_t{0});  // made by
    out.little(std::uint16_t{0});  // needed
    out.little(static_cast<std::uint16_t>(record.size == 0 ? kFlagUtf8 : kFlagUtf8 | kFlagDescriptor));
    out.fill(6, 0);  // stored, time, date
    out.little(record.crc);
    out.little(saturated(record.size));
    out.little(saturated(record.size));
    out.little(static_cast<std::uint16_t>(record.name.size()));
    out.little(static_cast<std::uint16_t>(zip64_size(record.size, record.header_offset)));
    out.fill(10, 0);  // comment length, disk, attributes
    out.little(saturated(record.header_offset));
    out.chars(record.name);
    zip64_extra(out, record.size, record.size, record.header_offset);
    put(out.view());
  }
  const std::uint64_t end64 = position_;
  const std::uint64_t count = records_.size();
  const auto count16 = static_cast<std::uint16_t>(std::min<std::uint64_t>(count, kMax16));
  ByteWriter out;
  out.little(kEnd64Signature);
  out.little(std::uint64_t{kEnd64Bytes - 12});
  out.little(kMadeBy64);
  out.little(kNeeded64);
  out.fill(8, 0);  // disks
  out.little(count);
  out.little(count);
  out.little(end64 - directory);
  out.little(directory);
  out.little(kLocator64Signature);
  out.fill(4, 0);
  out.little(end64);
  out.little(std::uint32_t{1});
  out.little(kEndSignature);
  out.fill(4, 0);
  out.little(count16);
  out.little(count16);
  out.little(saturated(end64 - directory));
  out.little(saturated(directory));
  out.fill(2, 0);  // comment length
  put(out.view());
}

std::uint64_t archive_size(std::span<const Record> records, const WriterOptions& options) {
  check_options(options);
  std::uint64_t position = 0;
  std::uint64_t directory = 0;
  for (const Record& record : records) {
    const std::uint64_t offset = position;
    position += local_size(record.name, record.size, offset, options.alignment);
    position = checked_add(position, record.size, "zip");
    position += descriptor_size(record.size, offset);
    directory += central_size(record.name, record.size, offset);
  }
  return checked_add(position, directory + kEnd64Bytes + kLocator64Bytes + kEndBytes, "zip");
}

}  // namespace sconce::zip
