#include "sconce/data/dataset.h"

namespace sconce::data {

void Dataset::check_range(std::int64_t begin, std::int64_t count) const {
  require(begin >= 0 && count >= 0 && begin <= size() && count <= size() - begin, ErrorCode::kIndexOutOfRange,
          "dataset", "examples ", begin, " to ", begin + count, " are outside the ", size(), " there are");
}

Example Dataset::get(std::int64_t index) const {
  require(index >= 0 && index < size(), ErrorCode::kIndexOutOfRange, "dataset", "example ", index,
          " is outside the ", size(), " there are");
  Example example{Array::empty(image_shape(), kUInt8), read_label(index)};
  read_image(index, {example.image.mutable_data<std::uint8_t>(), example.image.nbytes()});
  return example;
}

Array Dataset::images(std::int64_t begin, std::int64_t count) const {
  check_range(begin, count);
  Shape shape = image_shape();
  shape.insert(0, count);
  Array out = Array::empty(shape, kUInt8);
  const std::size_t image_size = static_cast<std::size_t>(image_shape().numel());
  std::uint8_t* pixels = out.mutable_data<std::uint8_t>();
  for (std::int64_t i = 0; i < count; ++i, pixels += image_size) read_image(begin + i, {pixels, image_size});
  return out;
}

Array Dataset::labels(std::int64_t begin, std::int64_t count) const {
  check_range(begin, count);
  Array out = Array::empty({count}, kInt64);
  auto* const values = out.mutable_data<std::int64_t>();
  for (std::int64_t i = 0; i < count; ++i) values[i] = read_label(begin + i);
  return out;
}

}  // namespace sconce::data
