// Helpers of the kernel tests: reproducible random arrays of any layout, poisoned memory, comparison.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "kernels/isa.h"
#include "sconce/base/parallel.h"
#include "sconce/core/array.h"
#include "sconce/kernels/backend.h"

namespace sconce::test {

// Fills every storage it supplies with 0xFF bytes, which are NaN in float32 and float64: an element that a
// kernel forgets to write shows.
class PoisonAllocator final : public Allocator {
 public:
  std::byte* allocate(std::size_t size) override {
    std::byte* data = below_.allocate(size);
    std::memset(data, 0xFF, size);
    return data;
  }
  void deallocate(std::byte* data, std::size_t size) noexcept override { below_.deallocate(data, size); }

 private:
  Allocator& below_ = default_allocator();
};

// Poisons all new storages for the life of a test.
class PoisonScope {
 public:
  PoisonScope() : before_(set_default_allocator(allocator())) {}
  ~PoisonScope() { set_default_allocator(before_); }
  PoisonScope(const PoisonScope&) = delete;
  PoisonScope& operator=(const PoisonScope&) = delete;

 private:
  static PoisonAllocator& allocator() {
    static PoisonAllocator instance;
    return instance;
  }
  Allocator& before_;
};

class BackendScope {
 public:
  explicit BackendScope(kernels::Backend backend) : before_(kernels::set_backend(backend)) {}
  ~BackendScope() { kernels::set_backend(before_); }
  BackendScope(const BackendScope&) = delete;
  BackendScope& operator=(const BackendScope&) = delete;

 private:
  kernels::Backend before_;
};

class IsaScope {
 public:
  explicit IsaScope(kernels::Isa isa) : before_(kernels::set_isa(isa)) {}
  ~IsaScope() { kernels::set_isa(before_); }
  IsaScope(const IsaScope&) = delete;
  IsaScope& operator=(const IsaScope&) = delete;

 private:
  kernels::Isa before_;
};

// Every instruction set that this machine has, the plain one first.
inline std::vector<kernels::Isa> all_isas() {
  std::vector<kernels::Isa> found;
  for (const kernels::Isa isa : {kernels::Isa::kPlain, kernels::Isa::kAvx2, kernels::Isa::kAvx512}) {
    if (isa <= kernels::best_isa()) found.push_back(isa);
  }
  return found;
}

class ThreadsScope {
 public:
  explicit ThreadsScope(int threads) : before_(num_threads()) { set_num_threads(threads); }
  ~ThreadsScope() { set_num_threads(before_); }
  ThreadsScope(const ThreadsScope&) = delete;
  ThreadsScope& operator=(const ThreadsScope&) = delete;

 private:
  int before_;
};

class Random {
 public:
  explicit Random(unsigned seed) : engine_(seed) {}
  // Uniform integer in [low, high].
  std::int64_t integer(std::int64_t low, std::int64_t high) {
    return std::uniform_int_distribution<std::int64_t>(low, high)(engine_);
  }
  bool coin() { return integer(0, 1) == 1; }
  // Normally distributed values.
  Array normal(const Shape& shape, DType dtype = kFloat32) {
    std::normal_distribution<double> distribution;
    std::vector<double> values(static_cast<std::size_t>(shape.numel()));
    for (double& value : values) value = distribution(engine_);
    return Array::from(values, shape).cast(dtype);
  }
  // Small integers, so that many values are equal.
  Array digits(const Shape& shape, DType dtype = kFloat32) {
    std::vector<double> values(static_cast<std::size_t>(shape.numel()));
    for (double& value : values) value = static_cast<double>(integer(-2, 2));
    return Array::from(values, shape).cast(dtype);
  }
  // The same elements in memory of another layout: a part of a larger array, with permuted dimensions.
  Array scattered(const Array& source) {
    const std::size_t rank = source.rank();
    std::vector<std::size_t> order(rank);
    for (std::size_t d = 0; d < rank; ++d) order[d] = d;
    std::shuffle(order.begin(), order.end(), engine_);
    Geometry geometry;
    geometry.shape = source.shape();
    geometry.strides = Strides(rank);
    geometry.offset = 3;
    std::int64_t stride = 2;
    for (const std::size_t d : order) {
      geometry.strides[d] = stride;
      stride *= source.shape()[d] + 1;
    }
    Array target = Array::zeros({stride + 3}, source.dtype()).with_geometry(geometry);
    target.copy_from(source);
    return target;
  }

 private:
  std::mt19937 engine_;
};

// Largest difference divided by the largest reference value; infinity when shapes differ or a value is NaN in
// one only.
inline double relative_difference(const Array& found, const Array& expected) {
  const double infinity = std::numeric_limits<double>::infinity();
  if (found.shape() != expected.shape()) return infinity;
  const auto a = found.to_vector<double>();
  const auto b = expected.to_vector<double>();
  double largest = 0;
  double difference = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (std::isnan(a[i]) != std::isnan(b[i])) return infinity;
    if (a[i] == b[i] || std::isnan(a[i])) continue;
    difference = std::max(difference, std::abs(a[i] - b[i]));
    largest = std::max(largest, std::abs(b[i]));
  }
  return difference == 0 ? 0 : difference / std::max(largest, std::numeric_limits<double>::min());
}

// The code of the Error that `action` throws; a test failure when it throws none.
template <class Action>
ErrorCode code_of(Action&& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.code();
  }
  ADD_FAILURE() << "expected an Error, but nothing was thrown";
  return ErrorCode::kInterrupted;
}

}  // namespace sconce::test
