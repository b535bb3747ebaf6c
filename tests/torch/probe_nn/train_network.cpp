// sconce_probe_nn network IN OUT: IN is a list of {layers, seed, steps, input_size, classes, dtype, sgd,
// scheduler}; each network is built and trained from its seed on alone, and OUT tells everything about it.
#include "../probe/probe.h"
#include "network.h"
#include "options.h"
#include "sconce/checkpoint/load.h"
#include "sconce/checkpoint/save.h"
#include "sconce/optim/clip_grad.h"
#include "sconce/optim/sgd.h"
#include "sconce/optim/step_lr.h"
#include "sconce/tensor/elementwise.h"
#include "sconce/tensor/loss.h"
#include "sconce/tensor/random.h"

namespace sconce::probe {
namespace {

optim::SgdOptions sgd_options(const Options& sgd) {
  return {.lr = sgd.get("lr", 1e-3),
          .momentum = sgd.get("momentum", 0.0),
          .dampening = sgd.get("dampening", 0.0),
          .weight_decay = sgd.get("weight_decay", 0.0),
          .nesterov = sgd.get("nesterov", false),
          .maximize = sgd.get("maximize", false)};
}

// Every other parameter learns at another rate when the description says so.
std::vector<optim::SgdGroup> groups(const nn::Module& net, const Options& entry) {
  const std::vector<Tensor> parameters = net.parameters();
  if (!entry.has("second_lr")) return {{.params = parameters}};
  std::vector<Tensor> parts[2];
  for (std::size_t i = 0; i < parameters.size(); ++i) parts[i % 2].push_back(parameters[i]);
  return {{.params = parts[0]}, {.params = parts[1], .lr = entry.get("second_lr", 0.0)}};
}

Value clone(const StateDict& state) {
  StateDict copy;
  for (const auto& [name, value] : state) copy.set(name, value.array().clone());
  return copy;
}

Value run(const Value& value) {
  const Options entry(value);
  manual_seed(static_cast<std::uint64_t>(entry.at("seed").as_int()));
  nn::Sequential net = make_network(entry.at("layers"));
  const Value initial = clone(net.state_dict());

  const Shape input_size = entry.get("input_size", Shape());  // (steps, batch, ...)
  const TensorOptions options{.dtype = entry.get("dtype", kFloat32)};
  const Tensor inputs = randn(input_size, options);
  const Tensor labels = randint(0, entry.at("classes").as_int(), {input_size[0], input_size[1]});

  optim::SGD optimizer(groups(net, entry), sgd_options(Options(entry.at("sgd"))));
  std::optional<optim::StepLR> scheduler;
  if (entry.has("scheduler")) {
    const Options step(entry.at("scheduler"));
    scheduler.emplace(optimizer, step.at("step_size").as_int(),
                      optim::StepLROptions{.gamma = step.get("gamma", 0.1)});
  }
  const double sign = Options(entry.at("sgd")).get("maximize", false) ? -1 : 1;
  Value losses = Value::list();
  for (std::int64_t step = 0; step < input_size[0]; ++step) {
    const Tensor loss = cross_entropy(net(inputs[step]), labels[step]) * sign;
    optimizer.zero_grad();
    loss.backward();
    if (entry.has("clip_norm")) optim::clip_grad_norm(net.parameters(), entry.get("clip_norm", 0.0));
    if (entry.has("clip_value")) optim::clip_grad_value(net.parameters(), entry.get("clip_value", 0.0));
    optimizer.step();
    if (scheduler) scheduler->step();
    losses.append(loss.item());
  }
  return Value::dict({{"initial", initial},
                      {"inputs", inputs.array()},
                      {"labels", labels.array()},
                      {"losses", losses},
                      {"model", net.state_dict()},
                      {"optimizer", optimizer.state_dict()},
                      {"scheduler", scheduler ? scheduler->state_dict() : Value()},
                      {"rng_state", default_generator().state()}});
}

int network(const Arguments& arguments) {
  Value out = Value::list();
  for (const Value& entry : checkpoint::load(arguments.at(0)).elements()) out.append(run(entry));
  checkpoint::save(arguments.at(1), out, {.durable = false});
  return 0;
}

const Command kNetwork("network", network);

}  // namespace
}  // namespace sconce::probe
