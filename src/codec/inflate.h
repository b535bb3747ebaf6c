// Raw deflate streams (RFC 1951).
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <span>

#include "sconce/base/byte_source.h"

namespace sconce::zip {

// The most bytes that `compressed` bytes of deflate can stand for (258 bytes per 2 bits, and some slack).
constexpr std::uint64_t max_inflated(std::uint64_t compressed) {
  constexpr std::uint64_t kRatio = 1032;
  if (compressed > std::numeric_limits<std::uint64_t>::max() / kRatio - 1) {
    return std::numeric_limits<std::uint64_t>::max();
  }
  return (compressed + 1) * kRatio;
}

// The stream at `offset` of a source, inflated as it is asked for. Reading onwards takes no memory; reading
// what lies before it inflates anew. For one thread.
class InflatedSource : public ByteSource {
 public:
  // `size` is what it is said to give; Error kCorrupt when it gives less.
  InflatedSource(const ByteSource& source, std::uint64_t offset, std::uint64_t compressed,
                 std::uint64_t size);
  ~InflatedSource() override;
  std::uint64_t size() const override { return size_; }
  void read_at(std::span<std::byte> out, std::uint64_t offset) const override;

 private:
  class Stream;
  const ByteSource& source_;
  std::uint64_t offset_;
  std::uint64_t compressed_;
  std::uint64_t size_;
  mutable std::unique_ptr<Stream> stream_;
};

// How far a deflate stream reached.
struct Inflated {
  std::uint64_t consumed = 0;
  std::uint64_t produced = 0;
};

// Inflates the stream at `offset` to its own end in pieces of at most 1 MiB. Error kCorrupt when it is none,
// or needs more than `available` bytes or gives more than `most`. It stops once `enough` bytes are delivered.
Inflated inflate_to_end(const ByteSource& source, std::uint64_t offset, std::uint64_t available,
                        std::uint64_t most, const std::function<void(std::span<const std::byte>)>& chunk,
                        std::uint64_t enough = std::numeric_limits<std::uint64_t>::max());

// Inflates `compressed_size` bytes at `offset` in pieces of at most 1 MiB. Error kCorrupt unless the stream
// ends with its last byte and gives exactly `size` bytes. Once `enough` bytes are delivered the rest is left
// unread and unchecked.
void inflate(const ByteSource& source, std::uint64_t offset, std::uint64_t compressed_size,
             std::uint64_t size, const std::function<void(std::span<const std::byte>)>& chunk,
             std::uint64_t enough = std::numeric_limits<std::uint64_t>::max());

}  // namespace sconce::zip
