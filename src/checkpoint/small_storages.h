// Memory for the many small storages of a file.
#pragma once

#include <cstddef>
#include <memory>

#include "sconce/core/storage.h"

namespace sconce::checkpoint {

// Storages that were loaded together lie together, as long as they are small: memory for each by itself costs
// more than reading it. What lies together goes when the last of it goes; it is at most 2 MiB, on a huge page
// where the system has them.
class SmallStorages {
 public:
  // `size` bytes, uninitialised; large ones have memory of their own. Error kLimit.
  Storage allocate(std::size_t size);

 private:
  std::shared_ptr<std::byte> slab_;
  std::size_t size_ = 0;
  std::size_t used_ = 0;
};

}  // namespace sconce::checkpoint
