#include "sconce/nn/members.h"

#include <type_traits>

#include "sconce/nn/module.h"

namespace sconce::nn {
namespace {

// Stands for a std::vector or std::array member while it is visited, as ModuleList does in PyTorch: it has no
// state of its own, but a name and an entry in _metadata.
template <class Element>
class ListView final : public Module {
 public:
  ListView(std::string class_name, const std::vector<Element*>& elements)
      : class_name_(std::move(class_name)), elements_(elements) {}
  void members(MemberVisitor& visitor) override {
    for (std::size_t i = 0; i < elements_.size(); ++i) {
      if (elements_[i] != nullptr) visit_member(visitor, std::to_string(i), *elements_[i]);
    }
  }
  std::string class_name() const override { return class_name_; }
  bool merges_equal_children_in_repr() const override { return true; }
  // torch/nn/modules/container.py: only ParameterList has something to say.
  std::string extra_repr() const override {
    std::string out;
    if constexpr (std::is_same_v<Element, Parameter>) {
      for (std::size_t i = 0; i < elements_.size(); ++i) {
        if (elements_[i] == nullptr || !elements_[i]->defined()) continue;
        std::string sizes;
        for (const std::int64_t size : elements_[i]->shape()) sizes += cat(sizes.empty() ? "" : "x", size);
        out += cat(out.empty() ? "" : "\n", "  (", i, "): Parameter containing: [", elements_[i]->dtype(),
                   " of size ", sizes, "]");
      }
    }
    return out;
  }

 private:
  std::string class_name_;
  const std::vector<Element*>& elements_;
};

}  // namespace

void MemberVisitor::list(std::string_view name, const std::vector<Module*>& children) {
  ListView view("ModuleList", children);
  child(name, view);
}

void MemberVisitor::list(std::string_view name, const std::vector<Parameter*>& parameters) {
  ListView view("ParameterList", parameters);
  child(name, view);
}

namespace detail {

std::string_view next_name(std::string_view& names) {
  const std::size_t comma = names.find(',');
  std::string_view name = names.substr(0, comma);
  names.remove_prefix(comma == std::string_view::npos ? names.size() : comma + 1);
  while (!name.empty() && name.front() == ' ') name.remove_prefix(1);
  while (!name.empty() && name.back() == ' ') name.remove_suffix(1);
  // A private member `weight_` is known as "weight".
  if (name.size() > 1 && name.back() == '_') name.remove_suffix(1);
  return name;
}

}  // namespace detail
}  // namespace sconce::nn
