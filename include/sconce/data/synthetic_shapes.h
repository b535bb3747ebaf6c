// A built-in image set for tutorials and tests: no download, the same bytes on every machine.
#pragma once

#include <cstdint>

#include "sconce/data/dataset.h"

namespace sconce::data {

struct SyntheticShapesOptions {
  std::int64_t size = 0;  // images; 0 means 8000 for training, 2000 for testing
  std::uint64_t seed = 0;
};

// 32 x 32 RGB images of ten drawn shapes at random places, sizes, turns and colours on noisy backgrounds.
// Labels cycle through the classes: image i shows class i % 10. Images are drawn when they are read, from the
// seed, the split and their index alone, in integer arithmetic.
class SyntheticShapes final : public Dataset {
 public:
  // Error kInvalidArgument when options.size is negative.
  explicit SyntheticShapes(Split split, const SyntheticShapesOptions& options = {});

  std::int64_t size() const override { return size_; }
  Shape image_shape() const override { return {3, 32, 32}; }
  const std::vector<std::string>& class_names() const override;

 private:
  void read_image(std::int64_t index, std::span<std::uint8_t> pixels) const override;
  std::int64_t read_label(std::int64_t index) const override { return index % 10; }

  std::int64_t size_;
  std::uint64_t stream_;  // tells splits and seeds apart
};

}  // namespace sconce::data
