// How a listing gets at the bytes of a tensor.
#pragma once

#include <cstddef>
#include <optional>

#include "sconce/checkpoint/listing.h"
#include "sconce/core/storage.h"

namespace sconce::checkpoint::detail {

class TensorStore {
 public:
  explicit TensorStore(const LoadOptions& options) : options_(options) {}
  virtual ~TensorStore() = default;

  // The tensor over its storage, lazy bits resolved. Views of one storage in a row read it once.
  Array array(const TensorInfo& tensor) const;
  // Lets go of the storage that was read last.
  void release() const {
    last_storage_.reset();
    last_ = {};
  }
  // The whole storage of a tensor, checked.
  virtual Storage read(const TensorInfo& tensor) const = 0;

 private:
  LoadOptions options_;
  mutable std::optional<std::size_t> last_storage_;
  mutable std::size_t last_word_ = 0;
  mutable Storage last_;
};

}  // namespace sconce::checkpoint::detail
