// Small reads that stand close together, made few.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "sconce/base/byte_source.h"

namespace sconce {

// Another source, read in windows that grow while reads go onwards in small steps (headers and payloads of
// small records) and stay small while they jump (headers of large ones, whose payloads nobody asked for).
// Long reads pass through. From several threads at once: each that goes onwards has a window.
class ReadAhead : public ByteSource {
 public:
  explicit ReadAhead(std::shared_ptr<const ByteSource> source) : source_(std::move(source)) {}

  std::uint64_t size() const override { return source_->size(); }
  void read_at(std::span<std::byte> out, std::uint64_t offset) const override;

 private:
  struct Window {
    std::uint64_t offset = 0;
    std::vector<std::byte> bytes;
    std::uint64_t last_use = 0;
  };

  // The window that `offset` goes on from, empty and of the size to be read; else the one unused for longest.
  Window& to_fill(std::uint64_t offset, std::size_t least) const;

  std::shared_ptr<const ByteSource> source_;
  mutable std::mutex mutex_;
  mutable std::array<Window, 4> windows_;
  mutable std::uint64_t uses_ = 0;
};

}  // namespace sconce
