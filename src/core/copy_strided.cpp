#include <cstring>

#include "sconce/core/array.h"

namespace sconce {
namespace {

// Shape and strides with size-1 dimensions dropped and neighbours merged that lie densely on both sides:
// most views become one or two loops.
struct Merged {
  Shape shape;
  Strides target;
  Strides source;
};

Merged merge(const Shape& shape, const Strides& target, const Strides& source) {
  Merged out;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] == 1) continue;
    if (!out.shape.empty() && out.target.back() == target[i] * shape[i] &&
        out.source.back() == source[i] * shape[i]) {
      const std::size_t last = out.shape.size() - 1;
      out.shape[last] *= shape[i];
      out.target[last] = target[i];
      out.source[last] = source[i];
    } else {
      out.shape.push_back(shape[i]);
      out.target.push_back(target[i]);
      out.source.push_back(source[i]);
    }
  }
  return out;
}

template <std::size_t kItemsize>
void copy_row(std::byte* target, std::int64_t target_step, const std::byte* source, std::int64_t source_step,
              std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i) {
    std::memcpy(target + i * target_step, source + i * source_step, kItemsize);
  }
}

using RowCopy = void (*)(std::byte*, std::int64_t, const std::byte*, std::int64_t, std::int64_t);

RowCopy row_copy_for(std::size_t itemsize) {
  switch (itemsize) {
    case 1:
      return copy_row<1>;
    case 2:
      return copy_row<2>;
    case 3:
      return copy_row<3>;
    case 4:
      return copy_row<4>;
    case 8:
      return copy_row<8>;
    default:
      return copy_row<16>;
  }
}

}  // namespace

void copy_strided(std::byte* target, const Strides& target_strides, const std::byte* source,
                  const Strides& source_strides, const Shape& shape, std::size_t itemsize) {
  if (shape.numel() == 0) return;
  const auto size = static_cast<std::int64_t>(itemsize);
  const Merged m = merge(shape, target_strides, source_strides);
  if (m.shape.empty()) {
    std::memcpy(target, source, itemsize);
    return;
  }
  const std::size_t inner = m.shape.size() - 1;
  const std::int64_t count = m.shape[inner];
  const bool dense = m.target[inner] == 1 && m.source[inner] == 1;
  const RowCopy copy = row_copy_for(itemsize);

  Dims position(inner);
  while (true) {
    std::int64_t to = 0;
    std::int64_t from = 0;
    for (std::size_t i = 0; i < inner; ++i) {
      to += position[i] * m.target[i];
      from += position[i] * m.source[i];
    }
    if (dense) {
      std::memcpy(target + to * size, source + from * size, static_cast<std::size_t>(count * size));
    } else {
      copy(target + to * size, m.target[inner] * size, source + from * size, m.source[inner] * size, count);
    }
    std::size_t i = inner;
    while (i > 0 && ++position[i - 1] == m.shape[i - 1]) position[--i] = 0;
    if (i == 0) return;
  }
}

}  // namespace sconce
