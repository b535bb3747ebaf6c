#include "nn/walk.h"

#include "sconce/nn/module.h"

namespace sconce::nn {
namespace {

template <class Member>
using Function = std::function<void(std::string_view, Member&)>;

class Visitor final : public MemberVisitor {
 public:
  explicit Visitor(const Function<Parameter>& function) : on_parameter_(&function) {}
  explicit Visitor(const Function<Buffer>& function) : on_buffer_(&function) {}
  explicit Visitor(const Function<Module>& function) : on_child_(&function) {}

  void parameter(std::string_view name, Parameter& parameter) override {
    if (on_parameter_ != nullptr) (*on_parameter_)(name, parameter);
  }
  void buffer(std::string_view name, Buffer& buffer) override {
    if (on_buffer_ != nullptr) (*on_buffer_)(name, buffer);
  }
  void child(std::string_view name, Module& child) override {
    if (on_child_ != nullptr) (*on_child_)(name, child);
  }

 private:
  const Function<Parameter>* on_parameter_ = nullptr;
  const Function<Buffer>* on_buffer_ = nullptr;
  const Function<Module>* on_child_ = nullptr;
};

class LastingVisitor final : public MemberVisitor {
 public:
  explicit LastingVisitor(const std::function<void(Module&)>& function) : function_(function) {}

  void parameter(std::string_view, Parameter&) override {}
  void buffer(std::string_view, Buffer&) override {}
  void child(std::string_view, Module& child) override { function_(child); }
  void list(std::string_view, const std::vector<Module*>& children) override {
    for (Module* child : children) {
      if (child != nullptr) function_(*child);
    }
  }
  void list(std::string_view, const std::vector<Parameter*>&) override {}

 private:
  const std::function<void(Module&)>& function_;
};

template <class Member>
void visit(Module& module, const Function<Member>& function) {
  Visitor visitor(function);
  module.members(visitor);
}

}  // namespace

Module& walkable(const Module& module) {
  return const_cast<Module&>(module);  // NOLINT(cppcoreguidelines-pro-type-const-cast)
}

void for_each_parameter(Module& module, const Function<Parameter>& function) { visit(module, function); }
void for_each_buffer(Module& module, const Function<Buffer>& function) { visit(module, function); }
void for_each_child(Module& module, const Function<Module>& function) { visit(module, function); }

void for_each_lasting_child(Module& module, const std::function<void(Module&)>& function) {
  LastingVisitor visitor(function);
  module.members(visitor);
}

void for_each_module(Module& module, const std::string& prefix,
                     const std::function<void(const std::string&, Module&)>& function) {
  function(prefix, module);
  for_each_child(module, [&](std::string_view name, Module& child) {
    for_each_module(child, cat(prefix, name, "."), function);
  });
}

}  // namespace sconce::nn
