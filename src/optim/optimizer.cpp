#include "sconce/optim/optimizer.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <ostream>

#include "optim/value_copy.h"
#include "sconce/state/repr.h"
#include "sconce/tensor/grad_mode.h"

namespace sconce::optim {
namespace {

// Options are printed as Python prints them, however many there are.
constexpr ReprLimits kWhole{.elements = SIZE_MAX, .depth = 32, .characters = SIZE_MAX};

bool contains(const Options& options, std::string_view name) {
  return std::any_of(options.begin(), options.end(),
                     [&](const auto& option) { return option.first == name; });
}

bool holds(const std::vector<Tensor>& tensors, const Tensor& wanted) {
  return std::any_of(tensors.begin(), tensors.end(),
                     [&](const Tensor& tensor) { return tensor.is_same(wanted); });
}

Value list_of(const std::vector<std::string>& names) {
  Value out = Value::list();
  for (const std::string& name : names) out.append(name);
  return out;
}

}  // namespace

Optimizer::Optimizer(std::string name, Options defaults)
    : name_(std::move(name)), defaults_(std::move(defaults)) {}

void Optimizer::start(const ParamGroup&, const Array&, ParamState&) const {}
void Optimizer::prepare(const ParamGroup&) {}
void Optimizer::upgrade(const ParamGroup&, const Array&, ParamState&) const {}

// torch/optim/optimizer.py, add_param_group.
void Optimizer::add_group(const Params& params, Options given) {
  const auto refuse_unless = [](bool condition, const auto&... parts) {
    require(condition, ErrorCode::kInvalidArgument, "optim", parts...);
  };
  const std::vector<Tensor>& tensors = params.tensors();
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    refuse_unless(tensors[i].defined(), "parameter ", i, " of the group is undefined");
    refuse_unless(tensors[i].is_leaf(), "can't optimize a non-leaf Tensor");
    refuse_unless(!holds({tensors.begin(), tensors.begin() + static_cast<std::ptrdiff_t>(i)}, tensors[i]),
                  "parameter ", i, " of the group appears twice in it");
  }
  const bool is_named = !params.names().empty();
  for (const ParamGroup& group : content_.groups) {
    refuse_unless(is_named == group.contains("param_names"),
                  "all optimizer param groups should be with/without names. cannot add param group ",
                  is_named ? "with" : "without", " names to the optimizer");
    for (const Tensor& tensor : tensors) {
      refuse_unless(!holds(group.params(), tensor),
                    "some parameters appear in more than one parameter group");
    }
  }
  if (is_named) given.emplace_back("param_names", list_of(params.names()));
  fill_defaults(given);
  ParamGroup group(tensors, std::move(given));
  check(group);
  content_.groups.push_back(std::move(group));
  content_.states.resize(content_.states.size() + tensors.size());
}

void Optimizer::require_groups() const {
  require(!content_.groups.empty(), ErrorCode::kInvalidArgument, "optim",
          "optimizer got an empty parameter list");
}

void Optimizer::fill_defaults(Options& options) const {
  for (const auto& [name, value] : defaults_) {
    if (!contains(options, name)) options.emplace_back(name, copy_value(value));
  }
}

void Optimizer::step() {
  const NoGradGuard no_grad;
  std::size_t number = 0;
  for (ParamGroup& group : content_.groups) {
    prepare(group);
    for (Tensor& param : group.params_) {
      const std::size_t slot = number++;
      const Tensor& grad = param.grad();
      if (!grad.defined()) continue;
      ParamState& state = content_.states[slot];
      const bool is_new = state.empty();
      if (is_new) start(group, param.array(), state);
      const Array& stored = grad.array();
      std::optional<Array> copy;
      const Array& gradient = stored.is_contiguous() ? stored : copy.emplace(stored.contiguous());
      if (param.is_contiguous()) {
        update(group, param.mutable_array(), gradient, state);
      } else {
        Array dense = param.array().contiguous();
        update(group, dense, gradient, state);
        param.mutable_array().copy_from(dense);
      }
      auto& order = content_.order;
      if (is_new && !state.empty() && std::find(order.begin(), order.end(), slot) == order.end()) {
        order.push_back(slot);
      }
    }
  }
}

void Optimizer::zero_grad(bool set_to_none) {
  for (const ParamGroup& group : content_.groups) {
    for (Tensor param : group.params()) {
      if (set_to_none) {
        param.set_grad({});
      } else if (const Tensor grad = param.grad(); grad.defined()) {
        param.set_grad(Array::zeros(grad.shape(), grad.dtype()));
      }
    }
  }
}

void Optimizer::set_lr(double lr) {
  for (ParamGroup& group : content_.groups) group.set_lr(lr);
}

std::string Optimizer::str() const {
  std::string out = name_ + " (";
  for (std::size_t i = 0; i < content_.groups.size(); ++i) {
    out += cat("\nParameter Group ", i, "\n");
    Options sorted = content_.groups[i].options();
    std::sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
    for (const auto& [name, value] : sorted) {
      out +=
          cat("    ", escaped(name), ": ",
              value.is_string() ? std::string(escaped(value.as_string())) : value_repr(value, kWhole), "\n");
    }
  }
  return out + ")";
}

std::ostream& operator<<(std::ostream& out, const Optimizer& optimizer) { return out << optimizer.str(); }

}  // namespace sconce::optim
