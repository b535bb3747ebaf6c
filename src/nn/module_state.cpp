// state_dict and load_state_dict. Follows torch/nn/modules/module.py, with one difference: nothing is changed
// before everything has been compared.
#include <algorithm>
#include <map>
#include <set>

#include "nn/copy_refusal.h"
#include "nn/walk.h"
#include "sconce/base/glob.h"
#include "sconce/nn/module.h"
#include "sconce/state/python_class.h"
#include "sconce/state/python_text.h"
#include "sconce/tensor/grad_mode.h"

namespace sconce::nn {
namespace {

constexpr std::string_view kExtraState = "_extra_state";

// The name of a module from the prefix of its members: "layer1.0." -> "layer1.0".
std::string module_name(std::string_view prefix) {
  if (!prefix.empty() && prefix.back() == '.') prefix.remove_suffix(1);
  return std::string(prefix);
}

struct TensorCopy {
  Tensor target;
  Array source;
};

struct ExtraStateCopy {
  Module* module;
  Value state;
};

// Reads the whole comparison before anything is written.
class LoadPlan {
 public:
  LoadPlan(Module& root, const StateDict& state, const LoadStateOptions& options)
      : state_(state), options_(options) {
    nn::for_each_module(root, "",
                        [&](const std::string& prefix, Module& module) { compare(prefix, module); });
    find_unexpected();
  }

  LoadReport take_report() { return std::move(report_); }

  // What modules refuse of their own comes first, and those that took theirs before get back what they had.
  void run() {
    const NoGradGuard no_grad;
    std::vector<ExtraStateCopy> before;
    try {
      for (const ExtraStateCopy& copy : extra_) {
        before.push_back({copy.module, *copy.module->extra_state()});
        copy.module->set_extra_state(copy.state);
      }
    } catch (...) {
      if (!before.empty()) before.pop_back();
      for (const ExtraStateCopy& copy : before) copy.module->set_extra_state(copy.state);
      throw;
    }
    for (TensorCopy& copy : tensors_) {
      if (options_.assign) {
        adopt(copy.target, copy.source);
      } else {
        copy.target.mutable_array().copy_from(copy.source);
      }
    }
  }

 private:
  void compare(const std::string& prefix, Module& module) {
    Level& level = levels_[prefix];
    level.order = levels_.size();
    std::vector<std::string> excused;
    LoadUpgrade upgrade(state_.version(module_name(prefix)), excused);
    module.upgrade_state(upgrade);

    const auto tensor = [&](std::string_view name, const Tensor& member) {
      level.own.emplace(name);
      const std::string key = cat(prefix, name);
      if (const StateValue* value = state_.find(key)) {
        compare_tensor(key, member, *value);
      } else if (std::find(excused.begin(), excused.end(), name) == excused.end()) {
        report_.missing.push_back({.name = key, .shape = member.shape()});
      }
    };
    for_each_parameter(module, [&](std::string_view name, Parameter& member) {
      if (member.defined()) tensor(name, member);
    });
    for_each_buffer(module, [&](std::string_view name, Buffer& member) {
      if (member.defined() && member.is_persistent()) tensor(name, member);
    });
    if (module.extra_state()) {
      level.own.emplace(kExtraState);
      const std::string key = cat(prefix, kExtraState);
      if (const StateValue* value = state_.find(key)) {
        extra_.push_back({&module, value->to_value()});
      } else {
        report_.missing.push_back({.name = key});
      }
    }
    for_each_child(module, [&](std::string_view name, Module&) { level.children.emplace(name); });
  }

  void compare_tensor(const std::string& key, const Tensor& target, const StateValue& value) {
    std::optional<Shape> shape = tensor_shape(value);
    if (!shape) {
      report_.errors.push_back(
          cat("While copying the parameter named \"", key,
              "\", expected torch.Tensor or Tensor-like object from checkpoint but received <class '",
              python_class(value.to_value()), "'>"));
      return;
    }
    // Files of PyTorch 0.3 hold scalars as one element.
    if (target.rank() == 0 && *shape == Shape{1}) shape = Shape{};
    if (*shape != target.shape()) {
      auto& list = may_differ(key) ? report_.skipped : report_.mismatched;
      list.push_back({key, target.shape(), *shape, report_.errors.size()});
      return;
    }
    if (const auto refusal = copy_refusal(target, value, options_.assign)) {
      report_.errors.push_back(cat("While copying the parameter named \"", key,
                                   "\", whose dimensions in the model are ", target.shape().repr(),
                                   " and whose dimensions in the checkpoint are ", shape->repr(),
                                   ", an exception occurred : (", string_repr(*refusal), ",)."));
      return;
    }
    Array source = value.array();
    if (source.shape() != *shape) source = source.reshape(*shape);
    tensors_.push_back({target, std::move(source)});
  }

  bool may_differ(const std::string& key) const {
    return std::any_of(options_.skip_mismatched.begin(), options_.skip_mismatched.end(),
                       [&](const std::string& pattern) { return glob_match(pattern, key); });
  }

  // PyTorch's order: by the innermost module a key reaches, in order of traversal; within it by file order.
  void find_unexpected() {
    std::vector<std::pair<std::size_t, std::string>> found;
    for (const auto& [key, value] : state_) {
      auto level = levels_.find("");
      std::size_t begin = 0;
      for (std::size_t dot = key.find('.'); dot != std::string::npos; dot = key.find('.', dot + 1)) {
        if (!level->second.children.contains(key.substr(begin, dot - begin))) break;
        begin = dot + 1;
        level = levels_.find(key.substr(0, begin));
      }
      if (!level->second.own.contains(key.substr(begin))) found.emplace_back(level->second.order, key);
    }
    std::stable_sort(found.begin(), found.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
    for (auto& [order, key] : found) {
      const std::optional<Shape> shape = tensor_shape(*state_.find(key));
      report_.unexpected.push_back({.name = std::move(key), .shape = shape});
    }
  }

  static void adopt(Tensor& target, const Array& source) {
    if (source.dtype() == target.dtype()) {
      target.mutable_array() = source;
      return;
    }
    // The gradient's place knows the old dtype; it is made anew for the new one.
    const bool learned = target.requires_grad();
    target.set_grad({});
    target.set_requires_grad(false);
    target.mutable_array() = source;
    if (learned) target.set_requires_grad();
  }

  struct Level {
    std::size_t order = 0;
    std::set<std::string, std::less<>> own;
    std::set<std::string, std::less<>> children;
  };

  const StateDict& state_;
  const LoadStateOptions& options_;
  LoadReport report_;
  std::vector<TensorCopy> tensors_;
  std::vector<ExtraStateCopy> extra_;
  std::map<std::string, Level, std::less<>> levels_;  // by prefix
};

}  // namespace

StateDict Module::state_dict(std::string_view prefix) const {
  check_lists(*this);
  StateDict out;
  nn::for_each_module(walkable(*this), std::string(prefix), [&](const std::string& path, Module& module) {
    out.set_version(module_name(path), module.version());
    const auto add = [&](std::string_view name, const Tensor& member) {
      out.set(cat(path, name), member.array());
    };
    for_each_parameter(module, [&](std::string_view name, Parameter& member) {
      if (member.defined()) add(name, member);
    });
    for_each_buffer(module, [&](std::string_view name, Buffer& member) {
      if (member.defined() && member.is_persistent()) add(name, member);
    });
    if (auto extra = module.extra_state()) {
      out.set(cat(path, kExtraState), StateValue::from_value(*extra));
    }
  });
  return out;
}

LoadReport Module::load_state_dict(const StateDict& state, const LoadStateOptions& options) {
  check_lists(*this);
  LoadPlan plan(*this, state, options);
  LoadReport report = plan.take_report();
  report.find_nearest();
  LoadReport blocking = report;
  if (!options.strict) {
    blocking.missing.clear();
    blocking.unexpected.clear();
  }
  if (!blocking.is_clean()) throw LoadError(std::move(blocking), class_name());
  plan.run();
  return report;
}

}  // namespace sconce::nn
