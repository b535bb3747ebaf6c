#include "checkpoint/npy_header.h"

#include <algorithm>
#include <bit>
#include <optional>
#include <string>

#include "checkpoint/read_limits.h"
#include "sconce/base/byte_reader.h"
#include "sconce/base/byte_writer.h"
#include "sconce/base/checked.h"

namespace sconce::checkpoint::npy {
namespace {

constexpr std::string_view kMagic = "\x93NUMPY";
constexpr std::uint32_t kMostText = 65535;
constexpr std::size_t kAlignment = 64;
// numpy leaves room in the header for the first dimension to grow to this many digits.
constexpr std::size_t kGrowthDigits = 21;

struct Code {
  std::string_view code;
  DType dtype;
};
constexpr Code kCodes[] = {
    {"b1", kBool},    {"u1", kUInt8},   {"i1", kInt8},      {"i2", kInt16},       {"i4", kInt32},
    {"i8", kInt64},   {"u2", kUInt16},  {"u4", kUInt32},    {"u8", kUInt64},      {"f2", kFloat16},
    {"f4", kFloat32}, {"f8", kFloat64}, {"c8", kComplex64}, {"c16", kComplex128},
};

// What the kinds stand for that no tensor can hold.
std::string_view kind_name(char kind) {
  switch (kind) {
    case 'O':
      return " (Python objects, which are pickles)";
    case 'U':
      return " (text)";
    case 'S':
      return " (byte strings)";
    case 'V':
      return " (raw bytes, as bfloat16 and float8 of ml_dtypes are saved)";
    case 'M':
    case 'm':
      return " (dates)";
    default:
      return "";
  }
}

// Reads the one Python literal a header may be: a dict of exactly descr, fortran_order and shape.
class Parser {
 public:
  Parser(std::string_view text, std::uint64_t offset) : text_(text), offset_(offset) {}

  struct Fields {
    std::optional<std::string> descr;
    std::optional<bool> fortran_order;
    std::optional<Shape> shape;
    std::uint64_t descr_at = 0;  // where they stand
    std::uint64_t shape_at = 0;
  };

  Fields parse() {
    Fields out;
    expect('{');
    while (!accept('}')) {
      const std::string key = string();
      expect(':');
      if (key == "descr" && !out.descr) {
        out.descr_at = next();
        out.descr = descr();
      } else if (key == "fortran_order" && !out.fortran_order) {
        out.fortran_order = boolean();
      } else if (key == "shape" && !out.shape) {
        out.shape_at = next();
        out.shape = shape();
      } else {
        corrupt(cat("an unexpected key '", escaped(key), "'"));
      }
      if (accept(',')) continue;
      expect('}');
      break;
    }
    skip_spaces();
    if (at_ != text_.size()) corrupt("text after the dict");
    if (!out.descr || !out.fortran_order || !out.shape) corrupt("not all of descr, fortran_order and shape");
    return out;
  }

 private:
  [[noreturn]] void corrupt(std::string_view what) const {
    throw Error(ErrorCode::kCorrupt, "npy", cat("the header has ", what)).at_offset(offset_ + at_);
  }
  // Where what comes next stands.
  std::uint64_t next() {
    skip_spaces();
    return offset_ + at_;
  }
  void skip_spaces() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n')) ++at_;
  }
  bool accept(char c) {
    skip_spaces();
    if (at_ == text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  void expect(char c) {
    if (!accept(c)) corrupt(cat("no '", c, "' where one is expected"));
  }

  std::string string() {
    skip_spaces();
    const char quote = at_ < text_.size() ? text_[at_] : '\0';
    if (quote != '\'' && quote != '"') corrupt("no string where one is expected");
    const std::size_t end = text_.find(quote, at_ + 1);
    if (end == std::string_view::npos) corrupt("a string without an end");
    const std::string_view out = text_.substr(at_ + 1, end - at_ - 1);
    if (out.find('\\') != std::string_view::npos) corrupt("a backslash in a string");
    at_ = end + 1;
    return std::string(out);
  }

  std::string descr() {
    skip_spaces();
    if (at_ < text_.size() && (text_[at_] == '[' || text_[at_] == '(')) {
      throw Error(ErrorCode::kUnsupported, "npy", "a structured dtype, which no tensor can hold")
          .at_offset(offset_ + at_)
          .with_advice("save its fields as arrays of their own");
    }
    return string();
  }

  bool boolean() {
    skip_spaces();
    for (const bool value : {true, false}) {
      const std::string_view word = value ? "True" : "False";
      if (!text_.substr(at_).starts_with(word)) continue;
      at_ += word.size();
      return value;
    }
    corrupt("neither True nor False for fortran_order");
  }

  Shape shape() {
    Shape out;
    expect('(');
    bool has_comma = true;  // before the next number
    while (!accept(')')) {
      if (!has_comma) corrupt("a shape without a comma between two numbers");
      out.push_back(number());
      if (out.size() > kMaxRank) {
        throw Error(ErrorCode::kLimit, "npy", cat("an array has more than ", kMaxRank, " dimensions"))
            .at_offset(offset_ + at_);
      }
      has_comma = accept(',');
    }
    if (out.size() == 1 && !has_comma) corrupt("a number in parentheses for a shape");
    return out;
  }

  std::int64_t number() {
    skip_spaces();
    const std::size_t begin = at_;
    std::int64_t out = 0;
    while (at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9') {
      out = checked_add(checked_mul(out, std::int64_t{10}, "npy"), std::int64_t{text_[at_] - '0'}, "npy");
      ++at_;
    }
    if (at_ == begin) corrupt("no number where one is expected");
    if (at_ < text_.size() && text_[at_] == 'L') ++at_;  // Python 2
    return out;
  }

  std::string_view text_;
  std::uint64_t offset_;
  std::size_t at_ = 0;
};

struct ByteType {
  DType dtype;
  bool needs_swap;
};

ByteType type_of(const std::string& descr) {
  const char order = descr.empty() ? '\0' : descr.front();
  const std::string_view code = std::string_view(descr).substr(descr.empty() ? 0 : 1);
  const Code* known = std::find_if(std::begin(kCodes), std::end(kCodes),
                                   [&](const Code& candidate) { return candidate.code == code; });
  const bool has_order = order == '<' || order == '>';
  if (known == std::end(kCodes) || !(has_order || (order == '|' && itemsize(known->dtype) == 1))) {
    throw Error(ErrorCode::kUnsupported, "npy",
                cat("dtype '", escaped(descr), "'", kind_name(code.empty() ? '\0' : code.front()),
                    ", which no tensor can hold"))
        .with_advice("save it as numbers, or leave it out");
  }
  const bool is_little = std::endian::native == std::endian::little;
  return {known->dtype, dtype_info(known->dtype).word > 1 && order == (is_little ? '>' : '<')};
}

// Column-major strides.
Geometry fortran_geometry(const Shape& shape) {
  Geometry out = Geometry::contiguous(shape);
  if (shape.numel() == 0) return out;
  std::int64_t stride = 1;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    out.strides[i] = stride;
    stride *= shape[i];
  }
  return out;
}

}  // namespace

std::size_t header_size(std::span<const std::byte> head) {
  ByteReader in(head, "npy");
  if (!as_chars(head).starts_with(kMagic.substr(0, head.size()))) {
    throw Error(ErrorCode::kCorrupt, "npy", "expected an array of numpy, which begins with \\x93NUMPY")
        .at_offset(0);
  }
  in.skip(kMagic.size());
  const unsigned major = in.u8();
  const unsigned minor = in.u8();
  if (major < 1 || major > 3 || minor != 0) {
    throw Error(ErrorCode::kUnsupported, "npy",
                cat("format version ", major, ".", minor, ", expected 1.0, 2.0 or 3.0"))
        .at_offset(kMagic.size())
        .with_advice("save it anew with numpy.save");
  }
  const std::uint32_t length = major == 1 ? in.little<std::uint16_t>() : in.little<std::uint32_t>();
  if (length > kMostText) {
    throw Error(ErrorCode::kLimit, "npy",
                cat("a header of ", length, " bytes, at most ", kMostText, " are read"))
        .at_offset(kMagic.size() + 2);
  }
  return in.position() + length;
}

Header parse_header(std::span<const std::byte> head) {
  const std::size_t size = header_size(head);
  const std::size_t prefix = kMagic.size() + (static_cast<unsigned>(head[kMagic.size()]) == 1 ? 4 : 6);
  ByteReader in(head, "npy");
  in.skip(prefix);
  std::string_view text = in.chars(size - prefix);
  if (!text.ends_with('\n')) {
    throw Error(ErrorCode::kCorrupt, "npy", "the header does not end with a newline").at_offset(in.offset());
  }
  text.remove_suffix(1);
  const Parser::Fields fields = Parser(text, prefix).parse();

  Header out;
  const ByteType type = at_offset(fields.descr_at, [&] { return type_of(*fields.descr); });
  out.dtype = type.dtype;
  out.needs_swap = type.needs_swap;
  out.size = size;
  out.shape_at = fields.shape_at;
  at_offset(fields.shape_at, [&] {
    // Zeros must not hide a product that overflows.
    std::int64_t product = 1;
    for (const std::int64_t dim : *fields.shape)
      product = checked_mul(product, std::max<std::int64_t>(dim, 1), "npy");
    out.data_bytes = static_cast<std::uint64_t>(
        checked_mul(fields.shape->numel(), static_cast<std::int64_t>(itemsize(out.dtype)), "npy"));
    out.geometry =
        *fields.fortran_order ? fortran_geometry(*fields.shape) : Geometry::contiguous(*fields.shape);
  });
  return out;
}

std::vector<std::byte> write_header(DType dtype, const Shape& shape, bool is_fortran) {
  constexpr std::string_view kOrder = std::endian::native == std::endian::little ? "<" : ">";
  std::string text = cat("{'descr': '", itemsize(dtype) == 1 ? "|" : kOrder, dtype_code(dtype),
                         "', 'fortran_order': ", is_fortran ? "True" : "False", ", 'shape': (");
  for (std::size_t i = 0; i < shape.size(); ++i) {
    text += cat(i == 0 ? "" : " ", shape[i], i + 1 < shape.size() || i == 0 ? "," : "");
  }
  text += "), }";
  if (!shape.empty()) {
    const std::size_t digits = std::to_string(is_fortran ? shape.back() : shape.front()).size();
    if (digits < kGrowthDigits) text.append(kGrowthDigits - digits, ' ');
  }
  text.append(kAlignment - (kMagic.size() + 4 + text.size() + 1) % kAlignment, ' ');
  text += '\n';
  ByteWriter out;
  out.chars(kMagic);
  out.u8(1);
  out.u8(0);
  out.little(checked_cast<std::uint16_t>(text.size(), "npy"));
  out.chars(text);
  return out.take();
}

std::string_view dtype_code(DType dtype) {
  const Code* known = std::find_if(std::begin(kCodes), std::end(kCodes),
                                   [&](const Code& candidate) { return candidate.dtype == dtype; });
  return known == std::end(kCodes) ? std::string_view() : known->code;
}

}  // namespace sconce::checkpoint::npy
