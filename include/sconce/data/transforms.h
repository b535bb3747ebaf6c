// What happens to an image between the dataset and the batch, with torchvision's arithmetic and draws.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "sconce/core/array.h"
#include "sconce/kernels/random.h"

namespace sconce::data {

// Makes a new image (channels, height, width) of one; random ones draw from the generator. How much is drawn
// depends only on the image's shape, so a resumed epoch can repeat the draws without the images.
using Transform = std::function<Array(const Array& image, Generator& generator)>;

// uint8 to float32 in [0, 1]: x / 255. Error kDTypeMismatch for other dtypes.
Transform to_float();
// (x - mean[c]) / std[c] for each channel of a float32 image. Errors: kInvalidArgument when the lists differ
// in length or a std is 0; on use kShapeMismatch for another number of channels, kDTypeMismatch.
Transform normalize(std::vector<double> mean, std::vector<double> std);
// A (size, size) window of the image with `padding` zeros on each side. Draws the top row, then the left
// column, each one r32; none when only one window fits. Error kShapeMismatch when the window is too large.
Transform random_crop(std::int64_t size, std::int64_t padding = 0);
// Mirrors left and right with probability p. Draws one r32.
Transform random_horizontal_flip(double p = 0.5);
// One after the other.
Transform compose(std::vector<Transform> transforms);

}  // namespace sconce::data
