#include <algorithm>
#include <cstring>

#include "kernels/blocks.h"
#include "sconce/kernels/blocked.h"

namespace sconce::kernels::blocked {
namespace {

// As wide as the registers that this code is compiled for, AVX2's: see blocked_pool.cpp.
constexpr int kLanes = 8;
typedef float Floats __attribute__((vector_size(kLanes * sizeof(float))));

enum class Kind : std::uint8_t { kNone, kImage, kScaled };

Kind kind_of(const Joined::Term& term) { return term.scale.empty() ? Kind::kImage : Kind::kScaled; }

// One operand, block by block.
template <Kind kKind, int kBlock>
class Operand {
 public:
  SCONCE_ALWAYS_INLINE Operand(const Joined::Term& term, const float* image, std::int64_t channel)
      : image_(image) {
    if constexpr (kKind != Kind::kScaled) return;
    std::memcpy(scale_, term.scale.data() + channel, sizeof scale_);
    std::memcpy(shift_, term.shift.data() + channel, sizeof shift_);
  }
  SCONCE_ALWAYS_INLINE void read(std::int64_t i, int part, Floats& value) const {
    std::memcpy(&value, image_ + i + part * kLanes, sizeof value);
    if constexpr (kKind == Kind::kScaled) value = value * scale_[part] + shift_[part];
  }

 private:
  const float* image_;
  Floats scale_[kBlock / kLanes];
  Floats shift_[kBlock / kLanes];
};

template <Kind kFirst, Kind kSecond, bool kHasRelu>
void join(const Joined& joined, const Blocks& s, float* out) {
  const Joined::Term& other = joined.second ? *joined.second : joined.first;
  const float* first_image = joined.first.image.data<float>();
  const float* second_image = other.image.data<float>();
  for_each_block(s, [&](auto block, std::int64_t channel, std::int64_t begin) SCONCE_ALWAYS_INLINE {
    constexpr int kBlock = decltype(block)::value;
    const Operand<kFirst, kBlock> first(joined.first, first_image, channel);
    const Operand<kSecond, kBlock> second(other, second_image, channel);
    for (std::int64_t i = begin; i < begin + s.plane * kBlock; i += kBlock) {
      for (int part = 0; part < kBlock / kLanes; ++part) {
        Floats value;
        first.read(i, part, value);
        if constexpr (kSecond != Kind::kNone) {
          Floats more;
          second.read(i, part, more);
          value += more;
        }
        if constexpr (kHasRelu) value = value <= 0 ? Floats{} : value;  // NaN stays
        std::memcpy(out + i + part * kLanes, &value, sizeof value);
      }
    }
  });
}

template <Kind kFirst, Kind kSecond>
void join_of(const Joined& joined, const Blocks& s, float* out) {
  return joined.has_relu ? join<kFirst, kSecond, true>(joined, s, out)
                         : join<kFirst, kSecond, false>(joined, s, out);
}

template <Kind kFirst>
void join_from(const Joined& joined, const Blocks& s, float* out) {
  if (!joined.second) return join_of<kFirst, Kind::kNone>(joined, s, out);
  if (kind_of(*joined.second) == Kind::kImage) return join_of<kFirst, Kind::kImage>(joined, s, out);
  join_of<kFirst, Kind::kScaled>(joined, s, out);
}

void check_term(const Joined::Term& term, const Array& image) {
  const Blocks s = blocks_of(term.image, "join");
  require(term.image.shape() == image.shape(), ErrorCode::kShapeMismatch, "join",
          "expected images of one shape, found ", plain_shape(image), " and ", plain_shape(term.image));
  const auto channels = static_cast<std::size_t>(s.channels());
  require(term.scale.size() == term.shift.size() && (term.scale.empty() || term.scale.size() == channels),
          ErrorCode::kShapeMismatch, "join", "expected a scale and a shift for each of ", channels,
          " channels, found ", term.scale.size(), " and ", term.shift.size());
}

// Where the result goes.
Array room_for(const Joined& joined) {
  if (joined.first.image.storage().is_ours_alone()) return joined.first.image;
  if (joined.second && joined.second->image.storage().is_ours_alone()) return joined.second->image;
  return Array::empty(joined.first.image.shape());
}

}  // namespace

Array evaluate(Joined& joined) {
  check_term(joined.first, joined.first.image);
  if (joined.second) check_term(*joined.second, joined.first.image);
  const Blocks s = blocks_of(joined.first.image, "join");
  Array out = room_for(joined);
  float* result = out.mutable_data<float>();
  if (kind_of(joined.first) == Kind::kImage) {
    join_from<Kind::kImage>(joined, s, result);
  } else {
    join_from<Kind::kScaled>(joined, s, result);
  }
  return out;
}

}  // namespace sconce::kernels::blocked
