// The debug build's sconce/nn/live_list.h, which see: every living Parameter, Buffer and Module is known by
// its address.
#pragma once

#include <cstddef>
#include <cstdint>

namespace sconce::nn {

class Module;

enum class MemberKind : std::uint8_t { kParameter, kBuffer, kModule };

namespace detail {
void add_live(const void* address, MemberKind kind);
void remove_live(const void* address);
}  // namespace detail

// An empty base, so that its address is that of what derives from it.
template <MemberKind kKind>
class LiveMember {
 public:
  LiveMember() { detail::add_live(this, kKind); }
  LiveMember(const LiveMember&) : LiveMember() {}
  LiveMember(LiveMember&&) noexcept : LiveMember() {}
  LiveMember& operator=(const LiveMember&) = default;
  LiveMember& operator=(LiveMember&&) noexcept = default;
  ~LiveMember() { detail::remove_live(this); }
};

void note_size(const Module& module, std::size_t size);
void check_lists(const Module& root);

}  // namespace sconce::nn
