#include "checkpoint/array_passer.h"

#include <vector>

namespace sconce::checkpoint {

void ArrayPasser::expect(const Array& array) {
  const Storage& storage = array.storage();
  if (!storage.is_loaded()) ++users_[storage.id()];
}

void ArrayPasser::pass(const Array& array, const StorageSource::Piece& piece) {
  const Storage& storage = array.storage();
  const auto user = users_.find(storage.id());
  const bool is_unread = user != users_.end();
  const bool is_whole = array.is_contiguous() && array.nbytes() == storage.size();
  if (is_unread && is_whole && user->second == 1 && !storage.is_loaded()) {
    storage.stream(piece);
  } else if (array.numel() > 0 && array.is_contiguous()) {
    piece({array.raw(), array.nbytes()});
  } else if (array.numel() > 0) {
    std::vector<std::byte> bytes(array.nbytes());
    copy_to_contiguous(array, bytes);
    piece(bytes);
  }
  if (is_unread && --user->second == 0) storage.release();
}

}  // namespace sconce::checkpoint
