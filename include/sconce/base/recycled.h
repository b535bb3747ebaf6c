// Memory of small objects that come and go all the time: each thread keeps some of what it frees.
#pragma once

#include <cstddef>
#include <cstdint>
#include <new>
#include <utility>

#include "sconce/base/sanitized.h"

namespace sconce {

// Base of T, whose objects are made by new: memory that was kept takes a few instructions, the heap a
// hundred.
template <class T>
class Recycled {
 public:
  static void* operator new(std::size_t bytes) {
    Link* const kept = list.first;
    if (kept == nullptr || bytes != sizeof(T)) return ::operator new(bytes);
    list.first = kept->next;
    ++list.room;
    return kept;
  }
  static void operator delete(void* memory, std::size_t bytes) noexcept {
    if (bytes == sizeof(T) && (list.room > 0 || open())) {
      list.first = new (memory) Link{list.first};
      --list.room;
    } else {
      ::operator delete(memory);
    }
  }

 private:
  static constexpr std::uint32_t kMost = 32;
  struct Link {
    Link* next;
  };
  // Of one thread. Trivial, so that looking at it costs nothing.
  struct List {
    Link* first;
    std::uint32_t room;  // how many more are kept
    bool was_opened;
  };
  // Gives back what a thread kept when it ends; what it frees later goes to the heap.
  struct Cleaner {
    ~Cleaner() {
      while (list.first != nullptr) ::operator delete(std::exchange(list.first, list.first->next));
      list.room = 0;
    }
  };
  // Makes room when the thread frees its first object. False where there is to be none.
  static bool open() noexcept {
    if (kIsSanitized || list.was_opened) return false;
    static_assert(sizeof(T) >= sizeof(Link) && alignof(T) <= __STDCPP_DEFAULT_NEW_ALIGNMENT__);
    [[maybe_unused]] thread_local const Cleaner cleaner;
    list = {nullptr, kMost, true};
    return true;
  }
  static inline thread_local constinit List list{};
};

}  // namespace sconce
