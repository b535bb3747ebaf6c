// sconce_probe_nn losses IN OUT: IN is a list of {type, options, state, input, target, grad}, where `state`
// is loaded after the loss was made; for each, OUT has the result, the gradients of the input and of a target
// of probabilities, its repr, and its state.
#include "../probe/probe.h"
#include "options.h"
#include "sconce/checkpoint/load.h"
#include "sconce/checkpoint/save.h"
#include "sconce/nn/loss.h"

namespace sconce::probe {
namespace {

std::unique_ptr<nn::Loss> make_loss(const std::string& type, const Options& options) {
  if (type == "MSELoss") return std::make_unique<nn::MSELoss>(options.get("reduction", Reduction::kMean));
  require(type == "CrossEntropyLoss", ErrorCode::kNotFound, "probe", "no such loss: ", type);
  return std::make_unique<nn::CrossEntropyLoss>(cross_entropy_options(options));
}

Value run(const Value& entry) {
  const auto loss = make_loss(entry.at("type").as_string(), Options(entry.at("options")));
  loss->load_state_dict(entry.at("state").as_state_dict());
  Tensor input = entry.at("input").as_array();
  input.set_requires_grad();
  Tensor target = entry.at("target").as_array();
  if (is_floating(target.dtype())) target.set_requires_grad();
  const Tensor result = (*loss)(input, target);
  result.backward(entry.at("grad").as_array());
  Value grads = Value::list({input.grad().array()});
  if (target.requires_grad()) grads.append(target.grad().array());
  return Value::dict(
      {{"result", result.array()}, {"grads", grads}, {"state", loss->state_dict()}, {"repr", loss->str()}});
}

int losses(const Arguments& arguments) {
  Value out = Value::list();
  for (const Value& entry : checkpoint::load(arguments.at(0)).elements()) out.append(run(entry));
  checkpoint::save(arguments.at(1), out, {.durable = false});
  return 0;
}

const Command kLosses("losses", losses);

}  // namespace
}  // namespace sconce::probe
