// Shapes and strides: short lists of 64-bit integers, held inline up to six dimensions.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <iosfwd>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sconce/base/error.h"

namespace sconce {

class Dims {
 public:
  using value_type = std::int64_t;

  Dims() = default;
  explicit Dims(std::size_t rank, std::int64_t value = 0) {
    resize(rank);
    std::fill(begin(), end(), value);
  }
  Dims(std::initializer_list<std::int64_t> values)
      : Dims(std::span<const std::int64_t>(values.begin(), values.size())) {}
  explicit Dims(std::span<const std::int64_t> values) {
    resize(values.size());
    std::copy(values.begin(), values.end(), begin());
  }
  // All inline values are copied, whatever the number of dimensions: that is a few moves without a loop.
  Dims(const Dims& other) : inline_(other.inline_), size_(other.size_) {
    if (other.heap_) [[unlikely]]
      copy_heap(other);
  }
  Dims(Dims&& other) noexcept
      : inline_(other.inline_),
        size_(std::exchange(other.size_, 0)),
        heap_capacity_(std::exchange(other.heap_capacity_, 0)),
        heap_(std::move(other.heap_)) {}
  Dims& operator=(const Dims& other) {
    if (this != &other) *this = Dims(other);
    return *this;
  }
  Dims& operator=(Dims&& other) noexcept {
    inline_ = other.inline_;
    size_ = std::exchange(other.size_, 0);
    heap_capacity_ = std::exchange(other.heap_capacity_, 0);
    heap_ = std::move(other.heap_);
    return *this;
  }
  ~Dims() = default;

  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  std::int64_t* begin() { return heap_ ? heap_.get() : inline_.data(); }
  std::int64_t* end() { return begin() + size_; }
  const std::int64_t* begin() const { return heap_ ? heap_.get() : inline_.data(); }
  const std::int64_t* end() const { return begin() + size_; }
  std::int64_t& operator[](std::size_t i) { return begin()[i]; }
  std::int64_t operator[](std::size_t i) const { return begin()[i]; }
  std::int64_t front() const { return (*this)[0]; }
  std::int64_t back() const { return (*this)[size_ - 1]; }

  void push_back(std::int64_t value) {
    resize(size_ + std::size_t{1});
    (*this)[size_ - 1] = value;
  }
  void insert(std::size_t at, std::int64_t value) {
    push_back(value);
    std::rotate(begin() + at, end() - 1, end());
  }
  void erase(std::size_t at) {
    std::rotate(begin() + at, begin() + at + 1, end());
    --size_;
  }
  // Keeps the values that stay; new ones are unspecified.
  void resize(std::size_t size) {
    if (size > capacity()) {
      auto grown = std::make_unique<std::int64_t[]>(size * 2);
      std::copy(begin(), end(), grown.get());
      heap_ = std::move(grown);
      heap_capacity_ = static_cast<std::uint32_t>(size * 2);
    }
    size_ = static_cast<std::uint32_t>(size);
  }
  void swap(Dims& other) noexcept { std::swap(*this, other); }
  std::vector<std::int64_t> to_vector() const { return {begin(), end()}; }

  friend bool operator==(const Dims& a, const Dims& b) {
    if (a.size_ != b.size_) return false;
    const std::int64_t* x = a.begin();
    const std::int64_t* y = b.begin();
    for (std::size_t i = 0; i < a.size_; ++i) {  // a few: a call of memcmp takes longer
      if (x[i] != y[i]) return false;
    }
    return true;
  }

 private:
  static constexpr std::size_t kInline = 6;
  std::size_t capacity() const { return heap_ ? heap_capacity_ : kInline; }

  void copy_heap(const Dims& other) {
    heap_capacity_ = other.size_;
    heap_ = std::make_unique<std::int64_t[]>(heap_capacity_);
    std::copy(other.begin(), other.end(), heap_.get());
  }

  std::array<std::int64_t, kInline> inline_ = {};
  std::uint32_t size_ = 0;
  std::uint32_t heap_capacity_ = 0;
  std::unique_ptr<std::int64_t[]> heap_;
};

// Distances between neighbours along each dimension, in elements.
using Strides = Dims;

class Shape : public Dims {
 public:
  using Dims::Dims;
  explicit Shape(Dims dims) : Dims(std::move(dims)) {}
  friend bool operator==(const Shape& a, const Shape& b) {
    return static_cast<const Dims&>(a) == static_cast<const Dims&>(b);
  }
  // Product of the sizes (1 for a scalar); Error kOverflow when it does not fit.
  std::int64_t numel() const {
    std::int64_t product = 1;
    for (const std::int64_t size : *this) {
      if (__builtin_mul_overflow(product, size, &product)) [[unlikely]]
        refuse_numel();
    }
    return product;
  }
  // "(6, 3, 5, 5)", "(6,)", "()".
  std::string str() const;
  // As PyTorch prints it: "torch.Size([6, 3, 5, 5])".
  std::string repr() const;

 private:
  [[noreturn]] void refuse_numel() const;
};

// In the texts of errors a shape is shape.str(), made only when the text is.
void append_text(std::string& out, const Shape& shape);

// Prints repr().
std::ostream& operator<<(std::ostream& out, const Shape& shape);

// `dim` counted from the end when negative; Error kIndexOutOfRange unless -rank <= dim < rank (a scalar
// counts as one dimension, as in PyTorch).
std::size_t normalize_dim(std::int64_t dim, std::size_t rank, std::string_view where);
// Row-major strides of `shape`.
Strides contiguous_strides(const Shape& shape);
// The shape both broadcast to by numpy's rules, or Error kShapeMismatch.
Shape broadcast_shapes(const Shape& a, const Shape& b, std::string_view where);

}  // namespace sconce
