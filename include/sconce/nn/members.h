// How a module tells what it is made of: one list of its members, walked whenever someone asks.
#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <typeinfo>
#include <vector>

#include "sconce/nn/live_list.h"
#include "sconce/nn/parameter.h"

namespace sconce::nn {

class Module;

// The class that wrote a module's list of members. A class derived from it may have forgotten its own.
struct ListOwner {
  const std::type_info* type = nullptr;  // null when the list is written by hand
  std::size_t size = 0;
};

// Receives the members of one module, in the order they are listed. What a callback gets may live only as
// long as the call.
class MemberVisitor {
 public:
  virtual ~MemberVisitor() = default;
  virtual void parameter(std::string_view name, Parameter& parameter) = 0;
  virtual void buffer(std::string_view name, Buffer& buffer) = 0;
  virtual void child(std::string_view name, Module& child) = 0;
  // Members named "0", "1", ... below `name`: what std::vector and std::array members are. Unless overridden,
  // they are visited as one child that lives as long as the call: PyTorch's ModuleList or ParameterList.
  virtual void list(std::string_view name, const std::vector<Module*>& children);
  virtual void list(std::string_view name, const std::vector<Parameter*>& parameters);
};

// Visits one member: Parameter, Buffer, anything derived from Module, and std::optional, std::unique_ptr,
// std::vector, std::array of them. An empty optional or pointer has no names.
inline void visit_member(MemberVisitor& visitor, std::string_view name, Parameter& member) {
  visitor.parameter(name, member);
}
inline void visit_member(MemberVisitor& visitor, std::string_view name, Buffer& member) {
  visitor.buffer(name, member);
}
template <std::derived_from<Module> M>
void visit_member(MemberVisitor& visitor, std::string_view name, M& member) {
  note_size(member, sizeof(M));
  visitor.child(name, member);
}
template <class T>
void visit_member(MemberVisitor& visitor, std::string_view name, std::optional<T>& member) {
  if (member) visit_member(visitor, name, *member);
}
template <class T>
void visit_member(MemberVisitor& visitor, std::string_view name, std::unique_ptr<T>& member) {
  if (member) visit_member(visitor, name, *member);
}

namespace detail {

inline Parameter* listed(Parameter& member) { return &member; }
template <std::derived_from<Module> M>
Module* listed(M& member) {
  return &member;
}
template <class T>
auto listed(std::unique_ptr<T>& member) {
  return member ? listed(*member) : nullptr;
}
template <class T>
auto listed(std::optional<T>& member) {
  return member ? listed(*member) : nullptr;
}

template <class Range>
void visit_list(MemberVisitor& visitor, std::string_view name, Range& members) {
  std::vector<decltype(listed(*members.begin()))> pointers;
  for (auto& member : members) pointers.push_back(listed(member));
  visitor.list(name, pointers);
}

// "conv1, pool, fc1" -> the first name, and the rest behind the comma.
std::string_view next_name(std::string_view& names);

}  // namespace detail

template <class T>
void visit_member(MemberVisitor& visitor, std::string_view name, std::vector<T>& member) {
  detail::visit_list(visitor, name, member);
}
template <class T, std::size_t kSize>
void visit_member(MemberVisitor& visitor, std::string_view name, std::array<T, kSize>& member) {
  detail::visit_list(visitor, name, member);
}

// Visits members under the names of a comma-separated list, as the macros below pass them.
template <class... Members>
void visit_members([[maybe_unused]] MemberVisitor& visitor, [[maybe_unused]] std::string_view names,
                   Members&... members) {
  (visit_member(visitor, detail::next_name(names), members), ...);
}

}  // namespace sconce::nn

// Lists the members of a module class, in the order of their definition (PyTorch's order of registration).
// The names become the keys of the state_dict. Works with no members.
#define SCONCE_MODULE(...)                                                                                  \
 public:                                                                                                    \
  void members([[maybe_unused]] ::sconce::nn::MemberVisitor& sconce_visitor) override {                     \
    ::sconce::nn::visit_members(sconce_visitor, #__VA_ARGS__ __VA_OPT__(, ) __VA_ARGS__);                   \
  }                                                                                                         \
  ::sconce::nn::ListOwner list_owner() const override { return {&typeid(decltype(*this)), sizeof(*this)}; } \
  void members_of_the_base_would_be_lost_use_SCONCE_MODULE_OF() const final {}

// The same for a class derived from a class that has members itself: `base`'s members come first. (Using
// SCONCE_MODULE there does not compile.)
#define SCONCE_MODULE_OF(base, ...)                                                       \
 public:                                                                                  \
  void members(::sconce::nn::MemberVisitor& sconce_visitor) override {                    \
    base::members(sconce_visitor);                                                        \
    ::sconce::nn::visit_members(sconce_visitor, #__VA_ARGS__ __VA_OPT__(, ) __VA_ARGS__); \
  }                                                                                       \
  ::sconce::nn::ListOwner list_owner() const override { return {&typeid(decltype(*this)), sizeof(*this)}; }
