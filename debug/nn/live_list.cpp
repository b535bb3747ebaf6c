#include "sconce/nn/live_list.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <typeinfo>

#include "nn/walk.h"
#include "sconce/nn/module.h"

namespace sconce::nn {
namespace {

struct Live {
  MemberKind kind;
  std::size_t size = 0;  // of a module's class, as far as it is known from outside
};

struct Registry {
  std::mutex mutex;
  std::map<const void*, Live, std::less<>> entries;
};

// Never destroyed: modules may outlive everything.
Registry& registry() {
  static Registry& instance = *new Registry;
  return instance;
}

// What note_size() said.
std::size_t noted_size(const Module& module) {
  Registry& known = registry();
  const std::scoped_lock lock(known.mutex);
  const auto at = known.entries.find(&module);
  return at == known.entries.end() ? 0 : at->second.size;
}

const std::byte* bytes_of(const void* address) { return static_cast<const std::byte*>(address); }

// Everything that the lists name, below and including `root`.
class Lists final : public MemberVisitor {
 public:
  explicit Lists(Module& root) { child("", root); }

  void parameter(std::string_view, Parameter& parameter) override { met_.insert(&parameter); }
  void buffer(std::string_view, Buffer& buffer) override { met_.insert(&buffer); }
  void child(std::string_view, Module& child) override {
    met_.insert(&child);
    child.members(*this);
    // Of those with lists of their own making, only what lives longer than this call is known by its size.
    if (child.list_owner().size > 0 || noted_size(child) > 0) modules_.push_back(&child);
  }
  bool has(const void* address) const { return met_.contains(address); }
  // Those that know their size, what is inside before what it is in.
  const std::vector<Module*>& modules() const { return modules_; }

 private:
  std::set<const void*> met_;
  std::vector<Module*> modules_;
};

// The listed member of `module` that lies closest before `address` within the object.
std::string neighbour(Module& module, const void* address) {
  std::string name;
  const void* closest = &module;
  const auto look = [&](std::string_view other, const void* place) {
    if (std::less<>()(place, address) && !std::less<>()(place, closest)) {
      closest = place;
      name = other;
    }
  };
  for_each_parameter(module, [&](std::string_view other, Parameter& member) { look(other, &member); });
  for_each_buffer(module, [&](std::string_view other, Buffer& member) { look(other, &member); });
  for_each_child(module, [&](std::string_view other, Module& member) { look(other, &member); });
  return name;
}

std::string described(const void* address, MemberKind kind) {
  const auto tensor = [](const char* what, const Tensor& member) {
    return member.defined() ? cat(what, " of shape ", member.shape().str()) : cat("absent ", what);
  };
  if (kind == MemberKind::kModule) return static_cast<const Module*>(address)->class_name();
  if (kind == MemberKind::kBuffer) return tensor("Buffer", *static_cast<const Buffer*>(address));
  return tensor("Parameter", *static_cast<const Parameter*>(address));
}

// How far behind the part of a class that has a list the members of a class derived from it may begin.
constexpr std::size_t kReach = 64;

// Where the first member of `module` lies that no list names.
std::optional<std::pair<const void*, Live>> forgotten(const Module& module, const Lists& lists) {
  const ListOwner owner = module.list_owner();
  const std::size_t noted = noted_size(module);
  // A class derived from the one with the list, of unknown size: what begins right behind belongs to it.
  const bool is_derived = owner.type != nullptr && typeid(module) != *owner.type && noted < owner.size;
  const std::byte* begin = bytes_of(dynamic_cast<const void*>(&module));
  const std::byte* end = begin + std::max(owner.size, noted) + (is_derived ? kReach : 0);
  Registry& known = registry();
  const std::scoped_lock lock(known.mutex);
  for (auto at = known.entries.upper_bound(begin); at != known.entries.end() && bytes_of(at->first) < end;
       ++at) {
    if (!lists.has(at->first)) return *at;
  }
  return std::nullopt;
}

}  // namespace

namespace detail {

void add_live(const void* address, MemberKind kind) {
  Registry& known = registry();
  const std::scoped_lock lock(known.mutex);
  known.entries.insert_or_assign(address, Live{kind});
}

void remove_live(const void* address) {
  Registry& known = registry();
  const std::scoped_lock lock(known.mutex);
  known.entries.erase(address);
}

}  // namespace detail

void note_size(const Module& module, std::size_t size) {
  Registry& known = registry();
  const std::scoped_lock lock(known.mutex);
  const auto at = known.entries.find(&module);
  if (at != known.entries.end()) at->second.size = std::max(at->second.size, size);
}

void check_lists(const Module& root) {
  const Lists lists(walkable(root));
  for (Module* module : lists.modules()) {
    const auto found = forgotten(*module, lists);
    if (!found) continue;
    const auto& [address, live] = *found;
    const std::string before = neighbour(*module, address);
    fail(ErrorCode::kState, "module", "class ", module->class_name(),
         " does not list a member: ", described(address, live.kind), ", ",
         bytes_of(address) - bytes_of(module), " bytes into the object",
         before.empty() ? "" : cat(", behind '", before, "'"),
         "; name it in SCONCE_MODULE, or in SCONCE_MODULE_OF of a class that derives from another");
  }
}

}  // namespace sconce::nn
