#include "checkpoint/safetensors_header.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <optional>
#include <tuple>

#include "checkpoint/read_limits.h"
#include "sconce/base/byte_reader.h"
#include "sconce/base/byte_writer.h"
#include "sconce/base/checked.h"
#include "sconce/codec/json.h"
#include "sconce/codec/json_cursor.h"

namespace sconce::checkpoint::safetensors {
namespace {

constexpr std::uint64_t kLengthBytes = 8;
constexpr std::size_t kMaxDepth = 8;

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
  if (!known) {
    throw Error(ErrorCode::kUnsupported, "safetensors",
                cat("tensor '", escaped(name), "' has dtype '", escaped(dtype), "', which is not known"))
        .with_advice("save it with another dtype");
  }
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

// Where the bytes of a tensor lie, and where it stands in the text.
struct Extent {
  std::uint64_t begin;
  std::uint64_t end;
  std::size_t position;
};

// The tensors that the text has, one at a time: `entry(entry, position)` and `pair(key, text)` are called
// with what it says, and nothing is kept of it.
class Text {
 public:
  Text(std::string_view text, std::uint64_t offset) : text_(text), offset_(offset) {}

  // How many there are; nothing but the syntax is checked.
  std::size_t count() const {
    json::Cursor cursor(text_, kLimits, offset_);
    std::size_t out = 0;
    cursor.members([&](const std::string&, std::size_t) {
      cursor.skip();
      ++out;
    });
    cursor.finish();
    return out;
  }

  // `expected`: how many there are, if that is known.
  template <class OnEntry, class OnPair>
  void read(std::size_t expected, const OnEntry& on_entry, const OnPair& on_pair) const {
    json::Cursor cursor(text_, kLimits, offset_);
    json::DistinctKeys names;
    names.reserve(expected);
    cursor.members([&](const std::string& name, std::size_t position) {
      names.add(name, position);
      if (name != "__metadata__") return on_entry(entry(cursor, name), position);
      if (cursor.first() == 'n') return cursor.word("null");
      read_metadata(cursor, on_pair);
    });
    cursor.finish();
    names.check(text_, offset_);
  }

  // That of the tensor whose name stands at `position`.
  std::string name_at(std::size_t position) const { return json::Cursor(text_.substr(position)).string(); }

 private:
  static constexpr std::size_t kMaxEntry = 65536;           // bytes of the text of one tensor
  static constexpr std::size_t kMaxPairs = 1'000'000;       // of the metadata
  static constexpr std::size_t kMaxEscaped = 6 * kMaxName;  // \\uXXXX for each byte
  static constexpr json::Limits kLimits = {.depth = kMaxDepth, .string_bytes = kMaxEscaped + 2};

  Entry entry(json::Cursor& cursor, const std::string& name) const {
    cursor.first();
    const std::size_t begin = cursor.position();
    const std::string_view text = cursor.skip();
    require(text.size() <= kMaxEntry, ErrorCode::kLimit, "safetensors", "the tensor '", escaped(name),
            "' is described by ", text.size(), " bytes, at most ", kMaxEntry);
    try {
      return entry_of(name, json::parse(text, {.depth = kMaxDepth - 1}, offset_ + begin));
    } catch (const Error& error) {
      // Numbers that fit no tensor do not say where they stand.
      const bool has_place = error.offset() || error.text().find(escaped(name)) != std::string::npos;
      if (has_place || name.size() > kMaxName) throw error.at_offset(offset_ + begin);
      throw Error(error.code(), error.where(), cat("tensor '", escaped(name), "': ", error.text()))
          .at_offset(offset_ + begin)
          .with_limit(error.limit())
          .with_advice(error.advice());
    }
  }
  template <class OnPair>
  void read_metadata(json::Cursor& cursor, const OnPair& on_pair) const {
    json::DistinctKeys keys;
    cursor.members([&](const std::string& key, std::size_t position) {
      keys.add(key, position);
      if (keys.size() > kMaxPairs) {
        cursor.refuse(ErrorCode::kLimit, position, cat("more than ", kMaxPairs, " pairs of metadata"));
      }
      if (cursor.first() != '"') cursor.string();  // says so
      on_pair(key, cursor.skip());
    });
    keys.check(text_, offset_);
  }

  std::string_view text_;
  std::uint64_t offset_;
};

// The data must be covered from the first byte on, without holes and overlaps. `present`: how many bytes
// there are, where that matters.
void check_coverage(std::vector<Extent>& extents, const Text& text, std::optional<std::uint64_t> present) {
  std::sort(extents.begin(), extents.end(), [](const Extent& a, const Extent& b) {
    return std::tuple(a.begin, a.end, a.position) < std::tuple(b.begin, b.end, b.position);
  });
  std::uint64_t position = 0;
  for (const Extent& extent : extents) {
    if (extent.begin != position) {
      fail(ErrorCode::kCorrupt, "safetensors", "tensor '", escaped(text.name_at(extent.position)),
           "' begins at byte ", extent.begin, " of the data, expected ", position);
    }
    position = extent.end;
  }
  if (!present) return;
  require(position <= *present, ErrorCode::kTruncated, "safetensors", "the tensors need ", position,
          " bytes of data, the file has ", *present);
  require(position == *present, ErrorCode::kCorrupt, "safetensors", "the file has ", *present,
          " bytes of data, the tensors need ", position);
}

// All that can be wrong with a large header is found before its tensors take memory.
void check_header(const Text& text, std::optional<std::uint64_t> present) {
  const std::size_t count = text.count();
  std::vector<Extent> extents;
  extents.reserve(count);
  text.read(
      count,
      [&](const Entry& entry, std::size_t position) {
        extents.push_back({entry.begin, entry.end, position});
      },
      [](const std::string&, std::string_view) {});
  check_coverage(extents, text, present);
}

Header read(const ByteSource& source, std::uint64_t header_bytes, bool is_whole) {
  constexpr std::uint64_t kLarge = std::uint64_t{16} << 20;
  require(source.size() >= kLengthBytes, ErrorCode::kTruncated, "safetensors",
          "expected 8 bytes of length, found ", source.size());
  std::array<std::byte, kLengthBytes> length{};
  source.read_at(length, 0);
  const auto size = ByteReader(length, "safetensors").little<std::uint64_t>();
  require_limit(size <= header_bytes, "header", "safetensors", "the header has ", size, " bytes, at most ",
                header_bytes, " are read");
  require(size <= source.size() - kLengthBytes, ErrorCode::kTruncated, "safetensors", "the header has ", size,
          " bytes, the file ends after ", source.size() - kLengthBytes);
  std::vector<std::byte> bytes(static_cast<std::size_t>(size));
  source.read_at(bytes, kLengthBytes);
  require(!bytes.empty() && bytes.front() == std::byte{'{'}, ErrorCode::kCorrupt, "safetensors",
          "the header does not begin with '{'");

  Header header;
  header.data_offset = kLengthBytes + size;
  std::optional<std::uint64_t> present;
  if (is_whole) present = source.size() - header.data_offset;
  const Text text(as_chars(bytes), kLengthBytes);
  if (size > kLarge) check_header(text, present);
  std::vector<Extent> extents;
  text.read(
      0,
      [&](Entry entry, std::size_t position) {
        extents.push_back({entry.begin, entry.end, position});
        header.entries.push_back(std::move(entry));
      },
      [&](const std::string& key, std::string_view value) {
        header.metadata.emplace_back(key, json::Cursor(value).string());
      });
  check_coverage(extents, text, present);
  std::stable_sort(header.entries.begin(), header.entries.end(), [](const Entry& a, const Entry& b) {
    return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
  });
  return header;
}

}  // namespace

Header read_header_alone(const ByteSource& source, std::uint64_t header_bytes) {
  return read(source, header_bytes, false);
}

Header read_header(const ByteSource& source, std::uint64_t header_bytes) {
  return read(source, header_bytes, true);
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
