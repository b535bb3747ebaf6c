// Random numbers: PyTorch's CPU generator and the fills that draw from it, bit for bit (PyTorch 2.7 and later
// on x86-64 Linux). Sources followed: aten/src/ATen/core/MT19937RNGEngine.h, CPUGeneratorImpl.cpp,
// TransformationHelper.h and aten/src/ATen/native/cpu/DistributionTemplates.h.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "sconce/core/array.h"

namespace sconce {

// A Mersenne twister with PyTorch's seeding, saved state and cached normal. Not safe to draw from in several
// threads at once.
class Generator {
 public:
  static constexpr std::uint64_t kDefaultSeed = 67280421310721;  // torch.Generator()'s

  explicit Generator(std::uint64_t seed = kDefaultSeed) { manual_seed(seed); }

  // Restarts the stream and forgets the cached normal. All 64 bits are kept, the low 32 shape the stream.
  void manual_seed(std::uint64_t seed);
  std::uint64_t initial_seed() const { return seed_; }

  // The next 32 bits.
  std::uint32_t r32() {
    if (--left_ == 0) twist();
    std::uint32_t y = words_[next_++];
    y ^= y >> 11;
    y ^= (y << 7) & 0x9D2C5680U;
    y ^= (y << 15) & 0xEFC60000U;
    return y ^ (y >> 18);
  }
  // The next 64 bits: two draws, the first is the upper half.
  std::uint64_t r64() {
    const std::uint64_t high = r32();
    return (high << 32) | r32();
  }
  // The next 63 bits: what random_() writes into an int64, and how PyTorch draws a seed.
  std::int64_t r63() { return static_cast<std::int64_t>(r64() & (~std::uint64_t{0} >> 1)); }
  // Uniform in [0, 1) with 24 bits from one draw, as float32 fills use it.
  float uniform24() { return static_cast<float>(r32() & 0xFFFFFFU) * 0x1p-24F; }
  // Uniform in [0, 1) with 53 bits from two draws, as float64 fills and scalar samplers use it.
  double uniform53() { return static_cast<double>(r64() & ((std::uint64_t{1} << 53) - 1)) * 0x1p-53; }
  // Standard normal in double precision; every second call returns the value cached by the one before.
  double normal();

  // What torch.get_rng_state() returns: uint8, shape (5056,).
  Array state() const;
  // Restores state(); the 5048 bytes of PyTorch before 1.6 are read too. Errors: kDTypeMismatch unless uint8,
  // kInvalidArgument for another size, kCorrupt for contents no generator writes. Nothing changes on error.
  void set_state(const Array& state);

 private:
  static constexpr std::uint32_t kWords = 624;
  void twist();

  std::array<std::uint32_t, kWords> words_;
  std::uint32_t next_ = 0;  // index of the next word
  std::uint32_t left_ = 1;  // draws until the next twist, plus one
  std::uint64_t seed_ = 0;
  std::optional<double> cached_normal_;
};

// The generator used where none is named. It starts from a random seed and belongs to one thread at a time:
// the one that builds or trains a model.
Generator& default_generator();
// Seeds the default generator.
void manual_seed(std::uint64_t seed);

namespace kernels {

// The fills below write every element of `out` in the order of its memory, as PyTorch does, so a transposed
// view gets the stream in storage order. Error kInvalidArgument when elements of `out` share memory.

// Uniform in [low, high); out is floating. Errors: kDTypeMismatch, kInvalidArgument unless low <= high and
// both are in the dtype's range.
void uniform(Array& out, double low, double high, Generator& generator);
// Normal; out is floating. 16 or more contiguous elements take PyTorch's vector path, others the scalar one
// with its cached value. Errors: kDTypeMismatch, kInvalidArgument unless std >= 0.
void normal(Array& out, double mean, double std, Generator& generator);
// Exponential with rate lambda > 0; out is floating.
void exponential(Array& out, double lambda, Generator& generator);
// Normal cut to [low, high] by rejection, as trunc_normal_ of PyTorch 2.12 and later, in row-major order; out
// is float32 or float64. Error kInvalidArgument unless std > 0 and low <= high.
void trunc_normal(Array& out, double mean, double std, double low, double high, Generator& generator);

// Integers in [low, high), out of any real dtype that holds them exactly. Errors: kInvalidArgument unless
// low < high and the dtype holds the bounds, kDTypeMismatch.
void randint(Array& out, std::int64_t low, std::int64_t high, Generator& generator);
// A random order of 0..n-1 as int64, shape (n,). Error kInvalidArgument when n < 0.
Array randperm(std::int64_t n, Generator& generator);
// 1 with probability p, else 0; out of any real dtype. Two draws an element. Error kInvalidArgument unless
// 0 <= p <= 1.
void bernoulli(Array& out, double p, Generator& generator);
// The same with a probability per element: p is floating and broadcasts to out's shape. One draw an element,
// two when p is float64. Errors: kDTypeMismatch, kShapeMismatch, kInvalidArgument.
void bernoulli(Array& out, const Array& p, Generator& generator);
// Indices drawn with the given weights (float32 or float64, shape (categories,)), int64, shape (count,). A
// single draw is made as one without replacement in either mode, as in PyTorch 2; 1.13 draws another index.
// Errors: kInvalidArgument for negative or non-finite weights, a sum of 0, count < 1, or more draws without
// replacement than categories; kDTypeMismatch, kShapeMismatch.
Array multinomial(const Array& weights, std::int64_t count, bool replacement, Generator& generator);

}  // namespace kernels
}  // namespace sconce
