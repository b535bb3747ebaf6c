#include "sconce/base/huge_pages.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>

#include "sconce/base/sanitized.h"

namespace sconce {
namespace {

std::size_t page_size() {
  static const auto size = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  return size;
}

std::size_t to_page(std::size_t bytes) { return (bytes + page_size() - 1) / page_size() * page_size(); }

// A large block is a mapping of its own. The heap aligns by taking more and giving back both ends, and a
// block freed there is too small for the next of its size: eight files averaged one tensor at a time took the
// memory of all eight.
bool is_mapped(std::size_t bytes) { return bytes >= kHugePage && !kIsSanitized; }

void* map_block(std::size_t bytes) noexcept {
  if (bytes > static_cast<std::size_t>(-1) - 2 * kHugePage) return nullptr;
  const std::size_t wanted = to_page(bytes);
  const std::size_t room = wanted + kHugePage;
  void* const mapping = ::mmap(nullptr, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapping == MAP_FAILED) return nullptr;
  auto* const begin = static_cast<std::byte*>(mapping);
  const std::size_t before = -reinterpret_cast<std::uintptr_t>(begin) % kHugePage;
  if (before > 0) ::munmap(begin, before);
  ::munmap(begin + before + wanted, kHugePage - before);
  return begin + before;
}

}  // namespace

void* allocate_block(std::size_t bytes, std::size_t alignment) noexcept {
  const bool is_large = bytes >= kHugePage;
  void* const data =
      is_mapped(bytes)
          ? map_block(bytes)
          : ::operator new (bytes, std::align_val_t{is_large ? kHugePage : alignment}, std::nothrow);
  // A wish: without huge pages it is slower, not wrong.
  if (data != nullptr && is_large) static_cast<void>(::madvise(data, bytes, MADV_HUGEPAGE));
  return data;
}

void free_block(void* data, std::size_t bytes, std::size_t alignment) noexcept {
  if (is_mapped(bytes))
    ::munmap(data, to_page(bytes));
  else
    ::operator delete (data, std::align_val_t{bytes >= kHugePage ? kHugePage : alignment});
}

}  // namespace sconce
