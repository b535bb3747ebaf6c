// The header of an array in numpy's .npy format, versions 1.0, 2.0 and 3.0 (numpy.lib.format).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "sconce/core/dtype.h"
#include "sconce/core/geometry.h"

namespace sconce::checkpoint::npy {

// Enough bytes for most headers, and for header_size().
inline constexpr std::size_t kFirstBytes = 512;

struct Header {
  DType dtype = kFloat32;
  bool needs_swap = false;  // the numbers are in the other byte order
  Geometry geometry;        // row-major, or column-major where the file says fortran_order
  std::size_t size = 0;     // of the header with its prefix: where the data begins
  std::uint64_t data_bytes = 0;
  std::uint64_t shape_at = 0;  // where the shape stands in the header
};

// The size of the header that begins with `head`. Errors: kTruncated, kCorrupt, kUnsupported, kLimit.
std::size_t header_size(std::span<const std::byte> head);

// Reads the header at the beginning of `head`. Errors: those of header_size, kOverflow, and kUnsupported, by
// name, for a dtype that tensors do not have (structured, object, text, dates). The text is parsed by a
// strict grammar, never evaluated.
Header parse_header(std::span<const std::byte> head);

// The header numpy.save writes; `dtype` must have a name in numpy.
std::vector<std::byte> write_header(DType dtype, const Shape& shape, bool is_fortran);

// numpy's name of a dtype without its byte order ("f4"); empty when numpy has none.
std::string_view dtype_code(DType dtype);

}  // namespace sconce::checkpoint::npy
