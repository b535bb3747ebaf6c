// sconce_probe_nn layers IN OUT: IN is a list of {layer, training, state, input, grad}; for each, OUT has the
// layer's result, the gradients of the input and of each parameter, its repr, and its state after the call.
#include "../probe/probe.h"
#include "network.h"
#include "sconce/checkpoint/load.h"
#include "sconce/checkpoint/save.h"

namespace sconce::probe {
namespace {

Value run(const Value& entry) {
  const auto layer = make_layer(entry.at("layer"));
  layer->train(entry.at("training").as_bool());
  layer->load_state_dict(entry.at("state").as_state_dict());
  Tensor input = entry.at("input").as_array();
  input.set_requires_grad();
  const Tensor result = (*layer)(input);
  result.backward(entry.at("grad").as_array());
  Value grads = Value::dict({{"input", input.grad().array()}});
  for (const auto& [name, parameter] : layer->named_parameters()) {
    grads.set_item(name, parameter.grad().array());
  }
  return Value::dict(
      {{"result", result.array()}, {"grads", grads}, {"state", layer->state_dict()}, {"repr", layer->str()}});
}

int layers(const Arguments& arguments) {
  Value out = Value::list();
  for (const Value& entry : checkpoint::load(arguments.at(0)).elements()) out.append(run(entry));
  checkpoint::save(arguments.at(1), out, {.durable = false});
  return 0;
}

const Command kLayers("layers", layers);

}  // namespace
}  // namespace sconce::probe
