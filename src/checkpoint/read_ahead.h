// Reading and checking the next pieces while the last one is being written.
#pragma once

#include <cstdint>
#include <functional>

#include "sconce/core/storage.h"

namespace sconce::checkpoint {

// produce(piece) hands over `bytes` bytes in pieces; consume gets the same pieces, in order, in the calling
// thread, a few behind. Small amounts, and everything when one thread is wanted, go straight through. What
// produce throws is thrown after the pieces before it were consumed; when consume throws, produce is stopped.
void read_ahead(std::uint64_t bytes, const std::function<void(const StorageSource::Piece& piece)>& produce,
                const StorageSource::Piece& consume);

}  // namespace sconce::checkpoint
