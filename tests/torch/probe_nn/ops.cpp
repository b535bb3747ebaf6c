// sconce_probe_nn ops IN OUT: IN is a list of {op, options, inputs, grads}; for each, OUT has the results and
// the gradients that `grads` (one per result, None for those without) give the inputs that require grad.
#include "ops.h"

#include <map>

#include "../probe/probe.h"
#include "sconce/checkpoint/load.h"
#include "sconce/checkpoint/save.h"
#include "sconce/tensor/autograd.h"

namespace sconce::probe {
namespace {

std::map<std::string, Op>& table() {
  static std::map<std::string, Op> ops;
  return ops;
}

Tensor input_tensor(const Value& value) {
  if (value.is_none()) return {};
  Tensor tensor = value.as_array();
  if (value.as_tensor().requires_grad) tensor.set_requires_grad();
  return tensor;
}

Value output_value(const Tensor& tensor) { return tensor.defined() ? Value(tensor.array()) : Value(); }

Value run(const Value& entry) {
  OpCall call{{}, Options(entry.at("options"))};
  for (const Value& input : entry.at("inputs").elements()) call.inputs.push_back(input_tensor(input));
  const std::string name = entry.at("op").as_string();
  const auto op = table().find(name);
  require(op != table().end(), ErrorCode::kNotFound, "probe", "no such operation: ", name);
  const std::vector<Tensor> results = op->second(call);

  std::vector<Tensor> outputs;
  std::vector<Tensor> gradients;
  Value found = Value::list();
  const std::vector<Value> grads = entry.at("grads").elements();
  require(grads.size() == results.size(), ErrorCode::kShapeMismatch, "probe", name, " has ", results.size(),
          " results, expected ", grads.size());
  for (std::size_t i = 0; i < results.size(); ++i) {
    found.append(output_value(results[i]));
    if (grads[i].is_none()) continue;
    outputs.push_back(results[i]);
    gradients.emplace_back(grads[i].as_array());
  }
  if (!outputs.empty()) backward(outputs, gradients);

  Value input_grads = Value::list();
  for (const Tensor& input : call.inputs) {
    input_grads.append(output_value(input.defined() ? input.grad() : Tensor()));
  }
  return Value::dict({{"results", found}, {"grads", input_grads}});
}

int ops(const Arguments& arguments) {
  Value out = Value::list();
  for (const Value& entry : checkpoint::load(arguments.at(0)).elements()) {
    try {
      out.append(run(entry));
    } catch (const Error& error) {
      out.append(Value::dict({{"error", error.what()}}));
    }
  }
  checkpoint::save(arguments.at(1), out, {.durable = false});
  return 0;
}

const Command kOps("ops", ops);

}  // namespace

OpFamily::OpFamily(std::initializer_list<std::pair<const char*, Op>> ops) {
  table().insert(ops.begin(), ops.end());
}

}  // namespace sconce::probe
