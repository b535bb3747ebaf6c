// Containers whose children are given, not written down as members.
#pragma once

#include <concepts>
#include <cstddef>
#include <initializer_list>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "sconce/nn/module.h"

namespace sconce::nn {

// One child of a container, with or without a name: an element of `Sequential{Linear{2, 3}, ReLU{}}` or of
// `Sequential{{"fc", Linear{2, 3}}, {"act", ReLU{}}}`.
template <class Base>
class Child {
 public:
  template <std::derived_from<Base> M>  // so M is no reference and no Child
  // NOLINTNEXTLINE(google-explicit-constructor, bugprone-forwarding-reference-overload): stands for its child
  Child(M&& module) : Child(std::string(), std::forward<M>(module)) {}
  Child(std::unique_ptr<Base> module) : module_(std::move(module)) {}  // NOLINT(google-explicit-constructor)
  template <std::derived_from<Base> M>
  Child(std::string name, M&& module)
      : name_(std::move(name)), module_(std::make_unique<std::remove_cvref_t<M>>(std::forward<M>(module))) {
    note_size(*module_, sizeof(M));
  }

  const std::string& name() const { return name_; }
  // Empties the child. Const because the elements of an initializer list are.
  std::unique_ptr<Base> take() const { return std::move(module_); }

 private:
  std::string name_;
  mutable std::unique_ptr<Base> module_;
};

// The children of a container with their names ("0", "1", ... unless named).
template <class Base>
class Children {
 public:
  using Entry = std::pair<std::string, std::unique_ptr<Base>>;

  Children() = default;
  Children(std::initializer_list<Child<Base>> children) {
    for (const Child<Base>& child : children) push_back(child);
  }
  void push_back(const Child<Base>& child) {
    std::string name = child.name().empty() ? std::to_string(entries_.size()) : child.name();
    for (const Entry& entry : entries_) {
      require(entry.first != name, ErrorCode::kInvalidArgument, "container", "two children are named '", name,
              "'");
    }
    require(name.find('.') == std::string::npos, ErrorCode::kInvalidArgument, "container",
            "the name of a child cannot contain \".\": '", name, "'");
    entries_.emplace_back(std::move(name), child.take());
  }
  std::size_t size() const { return entries_.size(); }
  // Error kIndexOutOfRange.
  Base& at(std::size_t index) const {
    require(index < entries_.size(), ErrorCode::kIndexOutOfRange, "container", "child ", index, " of ",
            entries_.size());
    return *entries_[index].second;
  }
  const std::vector<Entry>& entries() const { return entries_; }
  void visit(MemberVisitor& visitor) {
    for (auto& [name, module] : entries_) visitor.child(name, *module);
  }

 private:
  std::vector<Entry> entries_;
};

// Layers one after the other. Braces only: they build the layers from left to right, so random initial
// weights come in PyTorch's order; `Sequential(a, b)`, which builds from right to left on some compilers,
// does not compile.
class Sequential : public Layer {
 public:
  Sequential() = default;
  Sequential(std::initializer_list<Child<Layer>> layers) : children_(layers) {}

  Tensor forward(const Tensor& input) override;
  void members(MemberVisitor& visitor) override { children_.visit(visitor); }
  void members_of_the_base_would_be_lost_use_SCONCE_MODULE_OF() const final {}

  void push_back(const Child<Layer>& layer) { children_.push_back(layer); }
  std::size_t size() const { return children_.size(); }
  // Error kIndexOutOfRange.
  Layer& operator[](std::size_t index) { return children_.at(index); }

 private:
  Children<Layer> children_;
};

// A list of modules; how they are called is the owner's business. `M` is what the elements have in common.
template <std::derived_from<Module> M = Layer>
class ModuleList : public Module {
 public:
  ModuleList() = default;
  ModuleList(std::initializer_list<Child<M>> modules) : children_(modules) {}

  void members(MemberVisitor& visitor) override { children_.visit(visitor); }
  void members_of_the_base_would_be_lost_use_SCONCE_MODULE_OF() const final {}
  std::string class_name() const override { return "ModuleList"; }
  bool merges_equal_children_in_repr() const override { return true; }

  void push_back(const Child<M>& module) { children_.push_back(module); }
  std::size_t size() const { return children_.size(); }
  // Error kIndexOutOfRange.
  M& operator[](std::size_t index) { return children_.at(index); }

 private:
  Children<M> children_;
};

}  // namespace sconce::nn
