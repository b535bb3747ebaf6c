#include "sconce/core/print.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <complex>
#include <ostream>
#include <utility>
#include <vector>

namespace sconce {
namespace {

constexpr std::size_t kLineWidth = 80;
constexpr std::string_view kPrefix = "tensor(";

std::string number_text(double value, std::chars_format format, int precision) {
  if (std::isnan(value)) return "nan";
  std::array<char, 400> buffer;  // fixed notation of the largest double needs 314 characters
  const auto result = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value, format, precision);
  return {buffer.data(), result.ptr};
}

// One notation for all numbers of a tensor, chosen from its finite values other than zero.
class NumberFormat {
 public:
  NumberFormat(const std::vector<double>& values, int precision) : precision_(precision) {
    std::vector<double> chosen;
    std::copy_if(values.begin(), values.end(), std::back_inserter(chosen),
                 [](double value) { return std::isfinite(value) && value != 0; });
    if (chosen.empty()) return;
    const auto by_size = [](double a, double b) { return std::fabs(a) < std::fabs(b); };
    const auto [smallest, largest] = std::minmax_element(chosen.begin(), chosen.end(), by_size);
    const double low = std::fabs(*smallest);
    const double high = std::fabs(*largest);
    is_whole_ =
        std::all_of(chosen.begin(), chosen.end(), [](double value) { return value == std::ceil(value); });
    is_scientific_ = high / low > 1000.0 || high > 1.0e8 || low < 1.0e-4;
    for (const double value : chosen) width_ = std::max(width_, text(value).size());
  }

  std::size_t width() const { return width_; }

  std::string padded(double value) const {
    const std::string plain = text(value);
    return std::string(width_ - std::min(width_, plain.size()), ' ') + plain;
  }

 private:
  std::string text(double value) const {
    if (is_scientific_) return number_text(value, std::chars_format::scientific, precision_);
    if (!is_whole_) return number_text(value, std::chars_format::fixed, precision_);
    return number_text(value, std::chars_format::fixed, 0) + (std::isfinite(value) ? "." : "");
  }

  int precision_;
  bool is_whole_ = true;
  bool is_scientific_ = false;
  std::size_t width_ = 1;
};

// The elements to be shown, in row-major order, and the room that each is given when lines are broken.
struct Cells {
  std::vector<std::string> texts;
  std::size_t width = 0;
};

Cells float_cells(const std::vector<double>& values, int precision) {
  const NumberFormat format(values, precision);
  Cells cells{{}, format.width()};
  for (const double value : values) cells.texts.push_back(format.padded(value));
  return cells;
}

Cells complex_cells(const std::vector<std::complex<double>>& values, int precision) {
  std::vector<double> reals;
  std::vector<double> imaginaries;
  for (const auto& value : values) {
    reals.push_back(value.real());
    imaginaries.push_back(value.imag());
  }
  const NumberFormat real_format(reals, precision);
  const NumberFormat imaginary_format(imaginaries, precision);
  Cells cells{{}, real_format.width() + imaginary_format.width() + 1};
  for (std::size_t i = 0; i < values.size(); ++i) {
    std::string imaginary = imaginary_format.padded(imaginaries[i]) + "j";
    imaginary.erase(0, imaginary.find_first_not_of(' '));
    const bool has_sign = imaginary[0] == '-';
    cells.texts.push_back(real_format.padded(reals[i]) + (has_sign ? "" : "+") + imaginary);
  }
  return cells;
}

Cells integer_cells(const Array& dense) {
  Cells cells;
  visit_dtype(dense.dtype(), [&]<class T>(std::type_identity<T>) {
    if constexpr (std::is_integral_v<T>) {
      const T* const first = reinterpret_cast<const T*>(dense.raw());
      for (std::int64_t i = 0; i < dense.numel(); ++i) {
        if constexpr (std::is_same_v<T, bool>)
          cells.texts.emplace_back(first[i] ? "True" : "False");
        else
          cells.texts.push_back(std::to_string(first[i]));
      }
    }
  });
  for (const std::string& text : cells.texts) cells.width = std::max(cells.width, text.size());
  for (std::string& text : cells.texts) text.insert(0, cells.width - text.size(), ' ');
  return cells;
}

Cells make_cells(const Array& dense, int precision) {
  if (dense.dtype() == kFloat4E2M1FNx2) {  // PyTorch shows the bytes as if they were floats
    const auto* const first = reinterpret_cast<const std::uint8_t*>(dense.raw());
    return float_cells({first, first + dense.numel()}, precision);
  }
  if (is_floating(dense.dtype())) return float_cells(dense.to_vector<double>(), precision);
  if (is_complex(dense.dtype())) return complex_cells(dense.to_vector<std::complex<double>>(), precision);
  return integer_cells(with_integers(dense));
}

// The part of `array` that a summary shows.
Array edges_of(const Array& array, std::int64_t edge_items) {
  Array out = array;
  for (std::size_t i = 0; i < array.rank(); ++i) {
    const auto dim = static_cast<std::int64_t>(i);
    const std::int64_t size = array.size(dim);
    if (size <= 2 * edge_items) continue;
    Shape shape = out.shape();
    shape[i] = 2 * edge_items;
    Array joined = Array::empty(shape, array.dtype());
    joined.narrow(dim, 0, edge_items).copy_from(out.narrow(dim, 0, edge_items));
    joined.narrow(dim, edge_items, edge_items).copy_from(out.narrow(dim, size - edge_items, edge_items));
    out = std::move(joined);
  }
  return out.contiguous();
}

// Lays the cells out as nested lists.
class Layout {
 public:
  // `edge_items` is 0 unless the array is summarised.
  Layout(const Shape& shape, std::int64_t edge_items, Cells cells)
      : shape_(shape), edge_items_(edge_items), cells_(std::move(cells)) {}

  // Continued lines are moved to the right by `indent`.
  std::string text(std::size_t indent) { return list(0, indent); }

 private:
  bool is_cut(std::size_t dim) const { return edge_items_ > 0 && shape_[dim] > 2 * edge_items_; }

  // The items of dimension `dim`, with an ellipsis in the middle of a cut one.
  template <class Item>
  std::vector<std::string> items(std::size_t dim, const char* ellipsis, const Item& item) {
    std::vector<std::string> out;
    const std::int64_t count = is_cut(dim) ? 2 * edge_items_ : shape_[dim];
    for (std::int64_t i = 0; i < count; ++i) {
      if (is_cut(dim) && i == edge_items_) out.emplace_back(ellipsis);
      out.push_back(item());
    }
    return out;
  }

  std::string list(std::size_t dim, std::size_t indent) {
    if (dim == shape_.size()) return next_cell();
    const std::string margin(indent + 1, ' ');
    std::string out = "[";
    if (dim + 1 == shape_.size()) {
      const std::vector<std::string> row = items(dim, " ...", [this] { return next_cell(); });
      const std::size_t room = indent < kLineWidth ? kLineWidth - indent : 0;
      const std::size_t per_line = std::max<std::size_t>(1, room / (cells_.width + 2));
      for (std::size_t i = 0; i < row.size(); ++i) {
        if (i > 0) out += i % per_line == 0 ? cat(",\n", margin) : ", ";
        out += row[i];
      }
    } else {
      const auto slices = items(dim, "...", [&] { return list(dim + 1, indent + 1); });
      const std::string separator = cat(",", std::string(shape_.size() - dim - 1, '\n'), margin);
      for (std::size_t i = 0; i < slices.size(); ++i) out += (i > 0 ? separator : "") + slices[i];
    }
    return out + "]";
  }

  std::string next_cell() { return cells_.texts[next_++]; }

  Shape shape_;
  std::int64_t edge_items_;
  Cells cells_;
  std::size_t next_ = 0;
};

void append_suffix(std::string& text, std::size_t& line_length, const std::string& suffix) {
  if (line_length + suffix.size() + 2 > kLineWidth) {
    text += cat(",\n", std::string(kPrefix.size(), ' '), suffix);
    line_length = kPrefix.size() + suffix.size();
  } else {
    text += cat(", ", suffix);
    line_length += suffix.size() + 2;
  }
}

}  // namespace

Array with_integers(const Array& array) {
  if (array.itemsize() != 3) return array;
  const Array dense = array.contiguous();
  Array out = Array::empty(array.shape(), kUInt32);
  for (std::int64_t i = 0; i < dense.numel(); ++i) {
    const std::byte* const bytes = dense.raw() + 3 * i;
    out.mutable_data<std::uint32_t>()[i] = std::to_integer<std::uint32_t>(bytes[0]) |
                                           std::to_integer<std::uint32_t>(bytes[1]) << 8 |
                                           std::to_integer<std::uint32_t>(bytes[2]) << 16;
  }
  return out;
}

std::string elements_repr(const Array& array, const PrintOptions& options, std::size_t indent) {
  if (!array.defined()) return "None";
  if (array.numel() == 0) return "[]";
  const bool is_summary = array.numel() > options.threshold;
  const std::int64_t edge_items = std::max<std::int64_t>(1, options.edge_items);
  const int precision = std::clamp(options.precision, 0, PrintOptions::kMostPrecision);
  const Array shown = is_summary ? edges_of(array, edge_items) : array.contiguous();
  return Layout(array.shape(), is_summary ? edge_items : 0, make_cells(shown, precision)).text(indent);
}

std::string repr(const Array& array, std::span<const std::string> suffixes, const PrintOptions& options) {
  if (!array.defined()) return "None";
  const DType dtype = array.dtype();
  const bool is_empty = array.numel() == 0;
  std::string text = cat(kPrefix, elements_repr(array, options, kPrefix.size()));

  const std::size_t newline = text.rfind('\n');
  std::size_t line_length = newline == std::string::npos ? text.size() + 2 : text.size() - newline + 1;
  if (is_empty && array.rank() != 1) append_suffix(text, line_length, cat("size=", array.shape().str()));
  // A reader takes whole numbers for int64, True for bool and complex for complex64; [] could be anything.
  const bool is_evident =
      dtype == kFloat32 || (!is_empty && (dtype == kInt64 || dtype == kBool || dtype == kComplex64));
  if (!is_evident) append_suffix(text, line_length, cat("dtype=", dtype));
  for (const std::string& suffix : suffixes) append_suffix(text, line_length, suffix);
  return text + ")";
}

std::string Array::str() const { return repr(*this); }

std::ostream& operator<<(std::ostream& out, const Array& array) { return out << array.str(); }

}  // namespace sconce
