// CIFAR-10 in its binary form (https://www.cs.toronto.edu/~kriz/cifar.html): records of one label byte and
// 3072 pixel bytes, red plane, green plane, blue plane.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "sconce/data/dataset.h"

namespace sconce::data {

class Cifar10 final : public Dataset {
 public:
  // Reads data_batch_1.bin to data_batch_5.bin, or test_batch.bin, of `folder` or of cifar-10-batches-bin in
  // it. Errors name the file: kNotFound, kTruncated when it is not whole records, kCorrupt for a label
  // above 9.
  explicit Cifar10(const std::string& folder, Split split = Split::kTrain);

  std::int64_t size() const override;
  Shape image_shape() const override { return {3, 32, 32}; }
  const std::vector<std::string>& class_names() const override;

 private:
  void read_image(std::int64_t index, std::span<std::uint8_t> pixels) const override;
  std::int64_t read_label(std::int64_t index) const override;
  std::span<const std::byte> record(std::int64_t index) const;

  std::vector<std::byte> records_;
};

}  // namespace sconce::data
