// Memory of one thread that lives from call to call.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace sconce::kernels::direct {

// A buffer of at least `size` elements, of any content, until the next call with the same Tag in this thread.
template <class Tag, class T = float>
T* scratch(std::int64_t size) {
  thread_local std::vector<T> buffer;
  if (buffer.size() < static_cast<std::size_t>(size)) buffer = std::vector<T>(static_cast<std::size_t>(size));
  return buffer.data();
}

}  // namespace sconce::kernels::direct
