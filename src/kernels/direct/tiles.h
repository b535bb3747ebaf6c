// The two loops in which direct convolutions spend their time, in the best instruction set that the processor
// has. They know nothing of images: channels are rows of floats, and a tap is an offset into them.
#pragma once

#include <cstdint>

namespace sconce::kernels::direct {

// Reads and writes may pass the end of what is asked for by less than this many floats: buffers hold that
// many more.
constexpr std::int64_t kSlack = 16;

// out[c * out_stride + i] = bias[c] + sum over t of weights[t * channels + c] * source[offsets[t] + i],
// for 0 <= c < channels and 0 <= i < count.
struct Correlation {
  const float* source;
  const std::int64_t* offsets;  // `terms` of them
  std::int64_t terms;
  const float* weights;  // terms x channels
  const float* bias;     // channels
  std::int64_t channels;
  float* out;
  std::int64_t out_stride;
  std::int64_t count;
};
void correlate(const Correlation& task);

// out[c * terms + t] = sum over n < images, i < count of
//     grad[n * grad_image + c * grad_stride + i] * source[n * source_image + offsets[t] + i].
// `count` is a multiple of kCountStep; whoever calls fills up `grad` with zeros.
struct Products {
  const float* source;
  std::int64_t source_image;
  const std::int64_t* offsets;  // `terms` of them
  std::int64_t terms;
  const float* grad;
  std::int64_t grad_image;
  std::int64_t grad_stride;
  std::int64_t channels;
  std::int64_t images;
  std::int64_t count;
  float* out;
};
void sum_products(const Products& task);
constexpr std::int64_t kCountStep = 16;

}  // namespace sconce::kernels::direct
