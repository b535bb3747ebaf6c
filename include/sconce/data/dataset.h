// Labelled images.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "sconce/core/array.h"

namespace sconce::data {

enum class Split : std::uint8_t { kTrain, kTest };

struct Example {
  Array image;  // uint8 (channels, height, width)
  std::int64_t label = 0;
};

// Images of one shape with an integer label each. Reading changes nothing and may happen in several threads
// at once.
class Dataset {
 public:
  virtual ~Dataset() = default;

  virtual std::int64_t size() const = 0;
  // (channels, height, width)
  virtual Shape image_shape() const = 0;
  // Names of the labels 0, 1, ...
  virtual const std::vector<std::string>& class_names() const = 0;

  // The example at `index`; Error kIndexOutOfRange outside [0, size()).
  Example get(std::int64_t index) const;
  // The images [begin, begin + count) as uint8 (count, channels, height, width).
  Array images(std::int64_t begin, std::int64_t count) const;
  // Their labels as int64 (count,).
  Array labels(std::int64_t begin, std::int64_t count) const;

 protected:
  Dataset() = default;
  Dataset(const Dataset&) = default;
  Dataset& operator=(const Dataset&) = default;

 private:
  void check_range(std::int64_t begin, std::int64_t count) const;
  // Writes the pixels of a valid index, plane after plane.
  virtual void read_image(std::int64_t index, std::span<std::uint8_t> pixels) const = 0;
  virtual std::int64_t read_label(std::int64_t index) const = 0;
};

}  // namespace sconce::data
