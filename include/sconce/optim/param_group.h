// Parameters that share the options of an optimizer.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sconce/state/value.h"
#include "sconce/tensor/tensor.h"

namespace sconce::optim {

// What an optimizer is given: tensors, with or without names.
class Params {
 public:
  Params() = default;
  Params(std::vector<Tensor> tensors) : tensors_(std::move(tensors)) {}  // NOLINT: model.parameters()
  Params(std::initializer_list<Tensor> tensors) : tensors_(tensors) {}   // NOLINT: {weight, bias}
  Params(const std::vector<std::pair<std::string, Tensor>>& named);      // NOLINT: named_parameters()

  const std::vector<Tensor>& tensors() const { return tensors_; }
  // One name per tensor, or none at all.
  const std::vector<std::string>& names() const { return names_; }

 private:
  std::vector<Tensor> tensors_;
  std::vector<std::string> names_;
};

// Options by name, in PyTorch's order. Values are copied in and out.
using Options = std::vector<std::pair<std::string, Value>>;

// One entry of PyTorch's param_groups: parameters, and options that the next step reads by name. A checkpoint
// or a scheduler may add options of its own.
class ParamGroup {
 public:
  ParamGroup(std::vector<Tensor> params, Options options)
      : params_(std::move(params)), options_(std::move(options)) {}

  const std::vector<Tensor>& params() const { return params_; }
  const Options& options() const { return options_; }
  bool contains(std::string_view name) const { return find(name) != nullptr; }
  // A copy of the option; Error kNotFound.
  Value at(std::string_view name) const;
  // The option as a number (a one-element tensor counts), as a truth value. Errors kNotFound, kDTypeMismatch.
  double number(std::string_view name) const;
  bool flag(std::string_view name) const;
  // Replaces an option (its place stays) or appends a new one.
  void set(std::string_view name, const Value& value);

  double lr() const { return number("lr"); }
  void set_lr(double lr) { set("lr", lr); }

 private:
  friend class Optimizer;  // writes to the parameters
  const Value* find(std::string_view name) const;
  const Value& get(std::string_view name) const;

  std::vector<Tensor> params_;
  Options options_;
};

}  // namespace sconce::optim
