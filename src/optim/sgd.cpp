#include "sconce/optim/sgd.h"

namespace sconce::optim {
namespace {

constexpr const char* kBuffer = "momentum_buffer";

// PyTorch's defaults are the int 0.
Value plain_zero(double value) { return value == 0 ? Value(0) : Value(value); }

Options defaults(const SgdOptions& options) {
  return {{"lr", options.lr},
          {"momentum", plain_zero(options.momentum)},
          {"dampening", plain_zero(options.dampening)},
          {"weight_decay", plain_zero(options.weight_decay)},
          {"nesterov", options.nesterov},
          {"maximize", options.maximize},
          {"foreach", nullptr},
          {"differentiable", false},
          {"fused", nullptr}};
}

}  // namespace

SGD::SGD(const Params& params, const SgdOptions& options) : Optimizer("SGD", defaults(options)) {
  require(!params.tensors().empty(), ErrorCode::kInvalidArgument, "optim",
          "optimizer got an empty parameter list");
  add_group(params, {});
}

SGD::SGD(const std::vector<SgdGroup>& groups, const SgdOptions& options)
    : Optimizer("SGD", defaults(options)) {
  for (const SgdGroup& group : groups) add_param_group(group);
  require_groups();
}

void SGD::add_param_group(const SgdGroup& group) {
  Options given;
  if (group.lr) given.emplace_back("lr", *group.lr);
  if (group.momentum) given.emplace_back("momentum", plain_zero(*group.momentum));
  if (group.dampening) given.emplace_back("dampening", plain_zero(*group.dampening));
  if (group.weight_decay) given.emplace_back("weight_decay", plain_zero(*group.weight_decay));
  if (group.nesterov) given.emplace_back("nesterov", *group.nesterov);
  if (group.maximize) given.emplace_back("maximize", *group.maximize);
  add_group(group.params, std::move(given));
}

void SGD::check(const ParamGroup& group) const {
  const auto refuse_unless = [](bool condition, const auto&... parts) {
    require(condition, ErrorCode::kInvalidArgument, "optim", parts...);
  };
  const double momentum = group.number("momentum");
  refuse_unless(group.lr() >= 0, "Invalid learning rate: ", group.lr());
  refuse_unless(momentum >= 0, "Invalid momentum value: ", momentum);
  refuse_unless(group.number("weight_decay") >= 0,
                "Invalid weight_decay value: ", group.number("weight_decay"));
  const bool is_damped = group.number("dampening") != 0;
  group.flag("maximize");  // throws when it is no truth value
  refuse_unless(!group.flag("nesterov") || (momentum > 0 && !is_damped),
                "Nesterov momentum requires a momentum and zero dampening");
}

void SGD::upgrade(const ParamGroup&, const Array& param, ParamState& state) const {
  const StateValue* buffer = state.find(kBuffer);
  // PyTorch 1.13 writes None where there is no momentum.
  if (buffer == nullptr || (!buffer->is_array() && buffer->to_value().is_none())) return;
  require(buffer->is_array(), ErrorCode::kKeyMismatch, "load_state_dict", kBuffer,
          " should be a tensor, found ", value_kind_name(buffer->to_value().kind()));
  require(buffer->shape() == param.shape(), ErrorCode::kShapeMismatch, "load_state_dict", kBuffer,
          " has shape ", buffer->shape(), ", its parameter ", param.shape());
}

void SGD::prepare(const ParamGroup& group) {
  rule_ = {.lr = group.lr(),
           .momentum = group.number("momentum"),
           .dampening = group.number("dampening"),
           .weight_decay = group.number("weight_decay"),
           .nesterov = group.flag("nesterov"),
           .maximize = group.flag("maximize")};
}

void SGD::update(const ParamGroup&, Array& param, const Array& grad, ParamState& state) {
  StateValue* const kept = rule_.momentum != 0 ? state.find(kBuffer) : nullptr;
  if (kept != nullptr && kept->is_array()) return kernels::sgd_step(param, grad, kept->array(), false, rule_);
  Array buffer;
  if (rule_.momentum != 0) buffer = Array::empty(param.shape(), param.dtype());
  kernels::sgd_step(param, grad, buffer, true, rule_);
  if (buffer.defined()) state.set(kBuffer, buffer);
}

}  // namespace sconce::optim
