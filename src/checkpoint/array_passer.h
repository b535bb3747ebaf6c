// Hands arrays to a writer without keeping in memory what was not there before.
#pragma once

#include <cstddef>
#include <unordered_map>

#include "sconce/core/array.h"

namespace sconce::checkpoint {

class ArrayPasser {
 public:
  // Announces an array; all of them come before the first pass().
  void expect(const Array& array);
  // Its elements in row-major order, in pieces of whole elements. An unread storage that is one array is
  // streamed; one that several need is read once and let go after the last of them.
  void pass(const Array& array, const StorageSource::Piece& piece);

 private:
  std::unordered_map<const void*, std::size_t> users_;  // of storages that were unread; how many are to come
};

}  // namespace sconce::checkpoint
