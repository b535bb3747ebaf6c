#include <algorithm>
#include <cmath>
#include <numbers>
#include <random>

#include "sconce/base/byte_reader.h"
#include "sconce/base/byte_writer.h"
#include "sconce/kernels/random.h"

namespace sconce {
namespace {

// Sizes of CPUGeneratorImplStateLegacy and CPUGeneratorImplState in CPUGeneratorImpl.cpp.
constexpr std::int64_t kLegacyStateSize = 5048;
constexpr std::int64_t kStateSize = 5056;

constexpr std::uint32_t twisted(std::uint32_t upper, std::uint32_t lower) {
  const std::uint32_t mixed = (upper & 0x80000000U) | (lower & 0x7FFFFFFFU);
  return (mixed >> 1) ^ ((lower & 1) != 0 ? 0x9908B0DFU : 0U);
}

}  // namespace

void Generator::manual_seed(std::uint64_t seed) {
  seed_ = seed;
  words_[0] = static_cast<std::uint32_t>(seed);
  for (std::uint32_t i = 1; i < kWords; ++i) {
    words_[i] = 1812433253U * (words_[i - 1] ^ (words_[i - 1] >> 30)) + i;
  }
  next_ = 0;
  left_ = 1;
  cached_normal_.reset();
}

void Generator::twist() {
  constexpr std::uint32_t kShift = 397;
  for (std::uint32_t i = 0; i < kWords - kShift; ++i) {
    words_[i] = words_[i + kShift] ^ twisted(words_[i], words_[i + 1]);
  }
  for (std::uint32_t i = kWords - kShift; i < kWords - 1; ++i) {
    words_[i] = words_[i + kShift - kWords] ^ twisted(words_[i], words_[i + 1]);
  }
  words_[kWords - 1] = words_[kShift - 1] ^ twisted(words_[kWords - 1], words_[0]);
  left_ = kWords;
  next_ = 0;
}

double Generator::normal() {
  if (cached_normal_) {
    const double value = *cached_normal_;
    cached_normal_.reset();
    return value;
  }
  const double u1 = uniform53();
  const double u2 = uniform53();
  const double radius = std::sqrt(-2.0 * std::log1p(-u2));
  const double angle = 2.0 * std::numbers::pi * u1;
  cached_normal_ = radius * std::sin(angle);
  return radius * std::cos(angle);
}

Array Generator::state() const {
  ByteWriter out;
  out.little<std::uint64_t>(seed_);
  out.little<std::int32_t>(static_cast<std::int32_t>(left_));
  out.little<std::int32_t>(1);  // seeded
  out.little<std::uint64_t>(next_);
  for (const std::uint32_t word : words_) out.little<std::uint64_t>(word);
  out.little<double>(0.0);
  out.little<double>(cached_normal_.value_or(0.0));
  out.little<double>(0.0);
  out.little<std::int32_t>(cached_normal_ ? 1 : 0);
  out.fill(kStateSize - out.size(), 0);  // padding and the float normal that nothing in PyTorch draws
  return Array::from_bytes(out.view(), kUInt8, Shape{kStateSize});
}

void Generator::set_state(const Array& state) {
  require(state.dtype() == kUInt8, ErrorCode::kDTypeMismatch, "generator",
          "expected a state of uint8, found ", state.dtype());
  require(state.rank() == 1 && (state.numel() == kStateSize || state.numel() == kLegacyStateSize),
          ErrorCode::kInvalidArgument, "generator", "expected a state of shape (5056,), found ",
          state.shape());
  const Array dense = state.contiguous();
  ByteReader in({dense.raw(), dense.nbytes()}, "generator");
  Generator read(in.little<std::uint64_t>());
  const auto left = in.little<std::int32_t>();
  const auto seeded = in.little<std::int32_t>();
  const auto next = in.little<std::uint64_t>();
  require(seeded == 1, ErrorCode::kCorrupt, "generator", "the state is not marked as seeded");
  // The words still to be handed out before the next twist must lie inside the block.
  require(left >= 1 && left <= static_cast<std::int32_t>(kWords) &&
              next <= kWords - static_cast<std::uint64_t>(left - 1),
          ErrorCode::kCorrupt, "generator", "the state claims ", left - 1, " words left after word ", next,
          " of ", kWords);
  read.left_ = static_cast<std::uint32_t>(left);
  read.next_ = static_cast<std::uint32_t>(next);
  for (std::uint32_t& word : read.words_) {
    const auto wide = in.little<std::uint64_t>();
    require(wide <= 0xFFFFFFFFU, ErrorCode::kCorrupt, "generator", "a word of the state exceeds 32 bits");
    word = static_cast<std::uint32_t>(wide);
  }
  const auto normal_x = in.little<double>();
  const auto normal_y = in.little<double>();
  const auto normal_rho = in.little<double>();
  if (in.little<std::int32_t>() != 0) {
    // The old format keeps the radius and the angle of the pair instead of its second value.
    const bool is_legacy = state.numel() == kLegacyStateSize;
    read.cached_normal_ = is_legacy ? normal_rho * std::sin(2.0 * std::numbers::pi * normal_x) : normal_y;
  }
  *this = read;
}

Generator& default_generator() {
  static Generator generator = [] {
    std::random_device entropy;
    return Generator((static_cast<std::uint64_t>(entropy()) << 32) | entropy());
  }();
  return generator;
}

void manual_seed(std::uint64_t seed) { default_generator().manual_seed(seed); }

}  // namespace sconce
