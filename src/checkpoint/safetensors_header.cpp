#include "checkpoint/safetensors_header.h"

#include <algorithm>
#include <array>
#include <iterator>

#include "sconce/base/byte_reader.h"
#include "sconce/base/byte_writer.h"
#include "sconce/base/checked.h"
#include "sconce/codec/json.h"

namespace sconce::checkpoint::safetensors {
namespace {

constexpr std::uint64_t kLengthBytes = 8;
constexpr std::size_t kMaxDepth = 8;
constexpr std::size_t kMaxRank = 64;

// formats.md F.2, in the order of the reference implementation.
constexpr std::array<std::string_view, 22> kOrder = {
    "BOOL",    "F4",          "F6_E2M3",     "F6_E3M2", "U8",  "I8",  "F8_E5M2", "F8_E4M3",
    "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ", "I16",     "U16", "F16", "BF16",    "I32",
    "U32",     "F32",         "C64",         "F64",     "I64", "U64"};

// Sizes in the file; as there, a product that overflows is an error even where a zero follows.
Shape shape_of(const json::Json& value) {
  std::uint64_t product = 1;
  Shape shape;
  for (const json::Json& size : value.as_array()) {
    product = checked_mul(product, size.as_uint(), "safetensors");
    shape.push_back(checked_cast<std::int64_t>(size.as_uint(), "safetensors"));
  }
  checked_cast<std::int64_t>(product, "safetensors");
  require(shape.size() <= kMaxRank, ErrorCode::kLimit, "safetensors", "a tensor has ", shape.size(),
          " dimensions, at most ", kMaxRank);
  return shape;
}

Entry entry_of(const std::string& name, const json::Json& value) {
  require(name.size() <= kMaxName, ErrorCode::kLimit, "safetensors", "a name has ", name.size(),
          " bytes, at most ", kMaxName);
  Entry entry;
  entry.name = name;
  const std::string& dtype = value.at("dtype").as_string();
  const auto known = dtype_from_safetensors(dtype);
  require(known.has_value(), ErrorCode::kUnsupported, "safetensors", "tensor '", escaped(name),
          "' has dtype '", escaped(dtype), "', which is not known");
  entry.dtype = *known;
  entry.shape = shape_of(value.at("shape"));
  if (const std::int64_t values = values_per_element(entry.dtype); values > 1) {
    require(!entry.shape.empty() && entry.shape.back() % values == 0, ErrorCode::kCorrupt, "safetensors",
            "tensor '", escaped(name), "' of ", dtype, " has no last dimension that is a multiple of ",
            values);
    entry.shape[entry.shape.size() - 1] /= values;
  }
  const json::Array& offsets = value.at("data_offsets").as_array();
  require(offsets.size() == 2, ErrorCode::kCorrupt, "safetensors", "tensor '", escaped(name), "' has ",
          offsets.size(), " data_offsets, expected 2");
  entry.begin = offsets[0].as_uint();
  entry.end = offsets[1].as_uint();
  const std::uint64_t bytes = checked_mul(static_cast<std::uint64_t>(entry.shape.numel()),
                                          static_cast<std::uint64_t>(itemsize(entry.dtype)), "safetensors");
  require(entry.begin <= entry.end && entry.end - entry.begin == bytes, ErrorCode::kCorrupt, "safetensors",
          "tensor '", escaped(name), "' of ", dtype, " ", entry.shape, " needs ", bytes,
          " bytes, its data_offsets are ", entry.begin, " and ", entry.end);
  return entry;
}

// The data must be covered from the first byte on, without holes and overlaps.
void check_coverage(const std::vector<Entry>& entries) {
  std::uint64_t position = 0;
  for (const Entry& entry : entries) {
    require(entry.begin == position, ErrorCode::kCorrupt, "safetensors", "tensor '", escaped(entry.name),
            "' begins at byte ", entry.begin, " of the data, expected ", position);
    position = entry.end;
  }
}

}  // namespace

Header read_header_alone(const ByteSource& source, std::uint64_t header_bytes) {
  require(source.size() >= kLengthBytes, ErrorCode::kTruncated, "safetensors",
          "expected 8 bytes of length, found ", source.size());
  std::array<std::byte, kLengthBytes> length{};
  source.read_at(length, 0);
  const auto size = ByteReader(length, "safetensors").little<std::uint64_t>();
  require(size <= header_bytes, ErrorCode::kLimit, "safetensors", "the header has ", size, " bytes, at most ",
          header_bytes, " are read");
  require(size <= source.size() - kLengthBytes, ErrorCode::kTruncated, "safetensors", "the header has ", size,
          " bytes, the file ends after ", source.size() - kLengthBytes);
  std::vector<std::byte> bytes(static_cast<std::size_t>(size));
  source.read_at(bytes, kLengthBytes);
  require(!bytes.empty() && bytes.front() == std::byte{'{'}, ErrorCode::kCorrupt, "safetensors",
          "the header does not begin with '{'");

  Header header;
  header.data_offset = kLengthBytes + size;
  const json::Json root = json::parse(as_chars(bytes), {.depth = kMaxDepth}, kLengthBytes);
  for (const auto& [name, value] : root.as_object()) {
    if (name != "__metadata__") {
      header.entries.push_back(entry_of(name, value));
    } else if (!value.is_null()) {
      for (const auto& [key, text] : value.as_object()) header.metadata.emplace_back(key, text.as_string());
    }
  }
  std::stable_sort(header.entries.begin(), header.entries.end(), [](const Entry& a, const Entry& b) {
    return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
  });
  check_coverage(header.entries);
  return header;
}

Header read_header(const ByteSource& source, std::uint64_t header_bytes) {
  Header header = read_header_alone(source, header_bytes);
  const std::uint64_t needed = header.entries.empty() ? 0 : header.entries.back().end;
  const std::uint64_t present = source.size() - header.data_offset;
  require(needed <= present, ErrorCode::kTruncated, "safetensors", "the tensors need ", needed,
          " bytes of data, the file has ", present);
  require(needed == present, ErrorCode::kCorrupt, "safetensors", "the file has ", present,
          " bytes of data, the tensors need ", needed);
  return header;
}

std::vector<std::byte> write_header(const Header& header) {
  std::string text = "{";
  if (!header.metadata.empty()) {
    text += "\"__metadata__\":{";
    for (const auto& [key, value] : header.metadata) {
      if (text.back() != '{') text += ',';
      text += cat(json::quoted(key), ':', json::quoted(value));
    }
    text += '}';
  }
  for (const Entry& entry : header.entries) {
    if (text.back() != '{') text += ',';
    text += cat(json::quoted(entry.name), ":{\"dtype\":\"", dtype_info(entry.dtype).safetensors,
                "\",\"shape\":[");
    for (std::size_t i = 0; i < entry.shape.size(); ++i) {
      const std::int64_t values = i + 1 == entry.shape.size() ? values_per_element(entry.dtype) : 1;
      text += cat(i == 0 ? "" : ",", checked_mul(entry.shape[i], values, "safetensors"));
    }
    text += cat("],\"data_offsets\":[", entry.begin, ',', entry.end, "]}");
  }
  text += '}';
  text.append((8 - text.size() % 8) % 8, ' ');
  ByteWriter out;
  out.little(static_cast<std::uint64_t>(text.size()));
  out.chars(text);
  return out.take();
}

int dtype_rank(DType dtype) {
  const auto* found = std::find(kOrder.begin(), kOrder.end(), dtype_info(dtype).safetensors);
  return static_cast<int>(std::distance(kOrder.begin(), found));
}

}  // namespace sconce::checkpoint::safetensors
