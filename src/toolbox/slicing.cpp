#include "sconce/toolbox/slicing.h"

#include <algorithm>
#include <charconv>
#include <limits>

namespace sconce::toolbox {
namespace {

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  std::vector<SliceItem> parse() {
    if (!take('[')) refuse("expected '['");
    std::vector<SliceItem> items;
    while (!take(']')) {
      items.push_back(item());
      if (take(',')) continue;
      if (!next_is(']')) refuse("expected ',' or ']'");
    }
    if (at_ != text_.size()) refuse("nothing may follow the ']'");
    if (items.empty()) refuse("an empty slice");
    return items;
  }

 private:
  [[noreturn]] void refuse(std::string_view why, ErrorCode code = ErrorCode::kInvalidArgument) const {
    fail(code, "slice", "in '", escaped(text_), "', at character ", at_ + 1, ": ", why);
  }

  void skip_blanks() {
    while (at_ < text_.size() && text_[at_] == ' ') ++at_;
  }
  bool next_is(char c) {
    skip_blanks();
    return at_ < text_.size() && text_[at_] == c;
  }
  bool take(char c) {
    if (!next_is(c)) return false;
    ++at_;
    return true;
  }

  std::optional<std::int64_t> number() {
    skip_blanks();
    std::string_view rest = text_.substr(at_);
    const std::size_t sign = rest.starts_with('+') ? 1 : 0;  // from_chars knows '-' only
    std::int64_t out = 0;
    const auto [end, error] = std::from_chars(rest.data() + sign, rest.data() + rest.size(), out);
    if (error == std::errc::result_out_of_range) refuse("the number does not fit 64 bits");
    if (error != std::errc()) return std::nullopt;
    at_ += static_cast<std::size_t>(end - rest.data());
    return out;
  }

  SliceItem item() {
    skip_blanks();
    const std::string_view rest = text_.substr(at_);
    if (rest.starts_with("...")) {
      at_ += 3;
      return {SliceItem::Kind::kEllipsis, 0, {}, {}, 1};
    }
    if (rest.starts_with("None")) {
      refuse("None (a new axis) adds nothing to what is shown and is not supported", ErrorCode::kUnsupported);
    }
    if (rest.starts_with("True") || rest.starts_with("False") || rest.starts_with('[')) {
      refuse("masks and lists of indices are not supported", ErrorCode::kUnsupported);
    }
    SliceItem out;
    out.start = number();
    if (!take(':')) {
      if (!out.start) refuse("expected an index, a slice or '...'");
      out.index = *out.start;
      return out;
    }
    out.kind = SliceItem::Kind::kSlice;
    out.stop = number();
    if (take(':')) out.step = number().value_or(1);
    if (out.step == 0) refuse("the step is 0");
    if (out.step == std::numeric_limits<std::int64_t>::min()) refuse("the step does not fit");
    return out;
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

// Python's slice.indices for a negative step: the elements first, first + step, ... down to last.
Array take_backwards(const Array& array, std::int64_t dim, const SliceItem& item) {
  const std::int64_t size = array.size(dim);
  const auto clamp = [size](std::optional<std::int64_t> bound, std::int64_t otherwise) {
    if (!bound) return otherwise;
    const std::int64_t from_start = *bound < 0 ? *bound + size : *bound;
    return std::clamp<std::int64_t>(from_start, -1, size - 1);
  };
  const std::int64_t start = clamp(item.start, size - 1);
  const std::int64_t stop = clamp(item.stop, -1);
  const std::int64_t distance = -item.step;
  const std::int64_t count = start > stop ? (start - stop - 1) / distance + 1 : 0;
  Shape shape = array.shape();
  shape[static_cast<std::size_t>(dim)] = count;
  Array out = Array::empty(shape, array.dtype());
  for (std::int64_t i = 0; i < count; ++i) {
    out.narrow(dim, i, 1).copy_from(array.narrow(dim, start - i * distance, 1));
  }
  return out;
}

}  // namespace

std::vector<SliceItem> parse_slice(std::string_view text) { return Parser(text).parse(); }

std::size_t slice_begin(std::string_view text) {
  return text.ends_with(']') ? text.rfind('[') : std::string_view::npos;
}

Array apply_slice(const Array& array, const std::vector<SliceItem>& items) {
  const auto is_ellipsis = [](const SliceItem& item) { return item.kind == SliceItem::Kind::kEllipsis; };
  const auto ellipses = std::count_if(items.begin(), items.end(), is_ellipsis);
  require(ellipses <= 1, ErrorCode::kInvalidArgument, "slice", "more than one '...'");
  const std::size_t given = items.size() - static_cast<std::size_t>(ellipses);
  require(given <= array.rank(), ErrorCode::kIndexOutOfRange, "slice", "expected at most ", array.rank(),
          " indices for a tensor of shape ", array.shape(), ", found ", given);
  Array out = array;
  std::int64_t dim = 0;
  for (const SliceItem& item : items) {
    if (is_ellipsis(item)) {
      dim += static_cast<std::int64_t>(array.rank() - given);
    } else if (item.kind == SliceItem::Kind::kIndex) {
      out = out.select(dim, item.index);
    } else {
      out = item.step > 0 ? out.slice(dim, Slice{item.start, item.stop, item.step})
                          : take_backwards(out, dim, item);
      ++dim;
    }
  }
  return out;
}

}  // namespace sconce::toolbox
