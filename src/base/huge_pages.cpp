#include "sconce/base/huge_pages.h"

#include <sys/mman.h>

namespace sconce {
namespace {

std::align_val_t alignment_of(std::size_t bytes, std::size_t alignment) {
  return std::align_val_t{bytes >= kHugePage ? kHugePage : alignment};
}

}  // namespace

void* allocate_block(std::size_t bytes, std::size_t alignment) noexcept {
  void* const data = ::operator new(bytes, alignment_of(bytes, alignment), std::nothrow);
  // A wish: without huge pages it is slower, not wrong.
  if (data != nullptr && bytes >= kHugePage) static_cast<void>(::madvise(data, bytes, MADV_HUGEPAGE));
  return data;
}

void free_block(void* data, std::size_t bytes, std::size_t alignment) noexcept {
  ::operator delete(data, alignment_of(bytes, alignment));
}

}  // namespace sconce
