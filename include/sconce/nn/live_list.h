// A check of debug builds: that a module's list of members forgot none. Here it is off and costs nothing;
// -DSCONCE_LIVE_LIST=ON (the default of Debug) puts debug/include before include, where the other file of
// this name lies.
#pragma once

#include <cstddef>
#include <cstdint>

namespace sconce::nn {

class Module;

enum class MemberKind : std::uint8_t { kParameter, kBuffer, kModule };

// A base of what a list of members may name. On, it knows where every living one is.
template <MemberKind kKind>
class LiveMember {};

// `module` is of a class of `size` bytes.
inline void note_size(const Module& /*module*/, std::size_t /*size*/) {}

// Error kState when `root`, or a module that it lists, has a Parameter, a Buffer or a Module for a member
// that the walk over all lists does not meet. Members in memory of their own (behind a pointer, in a vector)
// are not looked for.
inline void check_lists(const Module& /*root*/) {}

}  // namespace sconce::nn
