// Module: the base of everything that has named parameters and buffers.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sconce/nn/members.h"
#include "sconce/nn/parameter.h"
#include "sconce/state/load_report.h"
#include "sconce/state/state_dict.h"
#include "sconce/tensor/tensor.h"

namespace sconce::nn {

struct LoadStateOptions {
  bool strict = true;   // missing and unexpected keys are errors
  bool assign = false;  // take the checkpoint's arrays (and dtypes) instead of copying into the existing ones
  // Patterns (base/glob.h) of names whose entry is passed over when its shape differs: "fc.*" for a new head.
  std::vector<std::string> skip_mismatched = {};
};

// What load_state_dict asks a module before it compares keys: the version its part of the state_dict was
// written with, and which of its own missing names may stay as they are.
class LoadUpgrade {
 public:
  LoadUpgrade(std::optional<std::int64_t> version, std::vector<std::string>& excused)
      : version_(version), excused_(excused) {}
  // nullopt when the state_dict has no _metadata for this module: older than any version.
  std::optional<std::int64_t> version() const { return version_; }
  // The module's own `name` need not be in the state_dict.
  void excuse_missing(std::string name) { excused_.push_back(std::move(name)); }

 private:
  std::optional<std::int64_t> version_;
  std::vector<std::string>& excused_;
};

// Modules are plain objects: movable, not copyable, no shared ownership. Training one is one thread's
// business; in eval mode a module may be called from several threads at once.
class Module : public LiveMember<MemberKind::kModule> {
 public:
  Module() = default;
  Module(const Module&) = delete;
  Module& operator=(const Module&) = delete;
  Module(Module&&) = default;
  Module& operator=(Module&&) = default;
  virtual ~Module() = default;

  // Visits the module's own members; SCONCE_MODULE writes this. A class whose names are not identifiers or
  // whose children change writes it by hand.
  virtual void members(MemberVisitor& visitor) = 0;
  virtual void members_of_the_base_would_be_lost_use_SCONCE_MODULE_OF() const {}
  // Whose list that is; SCONCE_MODULE writes this, too. Debug builds look for members it forgot.
  virtual ListOwner list_owner() const { return {}; }

  // Name of the class in messages and in str(); the unqualified C++ name unless overridden.
  virtual std::string class_name() const;
  // The options as they stand in PyTorch's repr: "3, 6, kernel_size=(5, 5), stride=(1, 1)".
  virtual std::string extra_repr() const { return {}; }
  // Whether str() writes neighbours that print alike as one: "(0-2): 3 x ReLU()", as PyTorch's lists do.
  virtual bool merges_equal_children_in_repr() const { return false; }
  // PyTorch's _version, written to _metadata.
  virtual std::int64_t version() const { return 1; }
  // Lets a state_dict written by an older version of the class pass.
  virtual void upgrade_state(LoadUpgrade& upgrade) const;
  // State beyond tensors, kept under "_extra_state"; nullopt when the class has none.
  virtual std::optional<Value> extra_state() const { return std::nullopt; }
  virtual void set_extra_state(const Value& state);

  // Named tensors in PyTorch's order: each module's own first, then its children's. Tensors with several
  // names appear once, under the first.
  std::vector<std::pair<std::string, Tensor>> named_parameters() const;
  std::vector<std::pair<std::string, Tensor>> named_buffers() const;
  std::vector<Tensor> parameters() const;
  std::vector<Tensor> buffers() const;
  // Calls `function` for every module, itself first as "", with its dotted name. A std::vector member is a
  // ModuleList that lives as long as the call.
  void for_each_module(
      const std::function<void(const std::string& name, const Module& module)>& function) const;
  std::int64_t num_parameters() const;

  // Names -> arrays that share memory with the live parameters, with _metadata. Order inside a module:
  // parameters, persistent buffers, extra state, children. A tied tensor appears under each of its names.
  StateDict state_dict(std::string_view prefix = {}) const;
  // Compares every name and shape first and changes nothing unless the load can be finished: throws LoadError
  // for anything missing or unexpected (when strict), any shape mismatch and any value that is no tensor.
  // Returns the report. Optimizers keep their handles either way.
  LoadReport load_state_dict(const StateDict& state, const LoadStateOptions& options = {});

  bool is_training() const { return is_training_; }
  // Sets the mode of this module and everything below.
  void train(bool on = true);
  void eval() { train(false); }
  void zero_grad();
  // Whether the parameters are learned; frozen ones get no gradient.
  void requires_grad(bool on);
  // Converts floating parameters and buffers.
  void to(DType dtype);
  // Calls `function` on every module below, children first, itself last. std::vector members are no modules
  // here, only their elements.
  void apply(const std::function<void(Module&)>& function);

  // PyTorch's repr: the tree of modules with their options.
  std::string str() const;

 private:
  bool is_training_ = true;
};

std::ostream& operator<<(std::ostream& out, const Module& module);

// Runs before forward with its arguments; a non-empty result replaces them.
using ForwardPreHook =
    std::function<std::vector<Tensor>(const Module&, const std::vector<Tensor>& arguments)>;
// Runs after forward with its arguments and results; a non-empty result replaces the results.
using ForwardHook = std::function<std::vector<Tensor>(const Module&, const std::vector<Tensor>& arguments,
                                                      const std::vector<Tensor>& results)>;

// A Module that turns one tensor into one tensor.
class Layer : public Module {
 public:
  virtual Tensor forward(const Tensor& input) = 0;
  // forward, with the hooks around it.
  Tensor operator()(const Tensor& input);

  // Hooks run in the order they were added; the number removes one.
  int add_forward_pre_hook(ForwardPreHook hook);
  int add_forward_hook(ForwardHook hook);
  // Error kNotFound for a number that is not in use.
  void remove_hook(int number);

 private:
  struct Hooks;
  struct HooksDeleter {
    void operator()(Hooks* hooks) const;
  };
  Hooks& hooks();
  std::unique_ptr<Hooks, HooksDeleter> hooks_;
};

}  // namespace sconce::nn
