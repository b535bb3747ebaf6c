// Optimizer: what every optimizer shares. Groups, state, and the files that hold them.
#pragma once

#include <cstddef>
#include <iosfwd>
#include <string>
#include <utility>
#include <vector>

#include "sconce/optim/param_group.h"
#include "sconce/state/state_dict.h"
#include "sconce/state/value.h"
#include "sconce/tensor/tensor.h"

namespace sconce::optim {

// What an optimizer remembers about one parameter: arrays, or other values, by PyTorch's names. Empty until
// the parameter's first step.
using ParamState = StateDict;

// An optimizer holds handles of the parameters it updates, and schedulers hold its address: it stays where it
// was made. It belongs to the thread that trains.
class Optimizer {
 public:
  Optimizer(const Optimizer&) = delete;
  Optimizer& operator=(const Optimizer&) = delete;
  virtual ~Optimizer() = default;

  // Updates every parameter that has a gradient. Nothing is recorded.
  void step();
  // Clears the gradients of all parameters; with set_to_none = false they become zeros.
  void zero_grad(bool set_to_none = true);

  std::vector<ParamGroup>& param_groups() { return content_.groups; }
  const std::vector<ParamGroup>& param_groups() const { return content_.groups; }
  // The learning rate of every group.
  void set_lr(double lr);

  // {'state': {number: {name: array}}, 'param_groups': [{options, 'params': [numbers]}]} as PyTorch 2 writes
  // it. Parameters are numbered through all groups. Arrays share memory with the live state.
  Value state_dict() const;
  // Takes what state_dict() gave, here or in PyTorch from 1.13 on: the state, converted to the dtypes of the
  // parameters, and all options; options the file lacks get their defaults, further ones are kept. Nothing is
  // shared with `state` afterwards. Errors, before anything has changed: kKeyMismatch when groups or sizes
  // differ or the layout is no optimizer's, kShapeMismatch when state does not fit its parameter.
  void load_state_dict(const Value& state);

  // PyTorch's repr: the options of each group, sorted.
  std::string str() const;

 protected:
  // `name` is the class in messages and in str(); `defaults` are what a group has unless told otherwise.
  Optimizer(std::string name, Options defaults);
  // Adds a group; options that are not `given` are the defaults. Errors kInvalidArgument for parameters that
  // are undefined, not leaves, given twice, or named in some groups only, and what check() throws.
  void add_group(const Params& params, Options given);
  // Throws unless the constructor added a parameter group: call it last there.
  void require_groups() const;

  // --- what an optimizer is ---
  // Fills the empty state of a parameter before its first step, where update() does not.
  virtual void start(const ParamGroup& group, const Array& param, ParamState& state) const;
  // Reads the options of a group, before its parameters are updated in a step.
  virtual void prepare(const ParamGroup& group);
  // One step of one parameter. `param` and `grad` are contiguous, of one shape and dtype, float32 or float64.
  virtual void update(const ParamGroup& group, Array& param, const Array& grad, ParamState& state) = 0;
  // Makes a loaded state what update() expects, or throws.
  virtual void upgrade(const ParamGroup& group, const Array& param, ParamState& state) const;
  // Throws for options that make no sense; also asked before a load changes anything.
  virtual void check(const ParamGroup& group) const = 0;

 private:
  // What a load replaces.
  struct Content {
    std::vector<ParamGroup> groups;
    std::vector<ParamState> states;                // by the number of the parameter
    std::vector<std::size_t> order;                // numbers in the order their state was made
    std::vector<std::pair<Value, Value>> foreign;  // loaded state of no parameter, kept as it was
  };
  ParamGroup read_group(const Value& saved, const ParamGroup& own) const;
  void read_states(const Value& saved, const std::vector<Value>& saved_groups, Content& content) const;
  // Appends the defaults that `options` lacks.
  void fill_defaults(Options& options) const;

  std::string name_;
  Options defaults_;
  Content content_;
};

std::ostream& operator<<(std::ostream& out, const Optimizer& optimizer);

}  // namespace sconce::optim
