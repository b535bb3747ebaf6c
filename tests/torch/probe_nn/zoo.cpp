// sconce_probe_nn zoo IN OUT: IN is a list of {arch, seed, dtype, images, labels, sgd}, with images[step] and
// labels[step] a batch; for each, OUT has what the model begins with, its gradients in the first step, its
// losses, its state after the last one, and its scores for the first batch then, in eval mode.
#include "../probe/probe.h"
#include "options.h"
#include "sconce/checkpoint/load.h"
#include "sconce/checkpoint/save.h"
#include "sconce/kernels/random.h"
#include "sconce/models/registry.h"
#include "sconce/optim/sgd.h"
#include "sconce/tensor/grad_mode.h"
#include "sconce/tensor/loss.h"

namespace sconce::probe {
namespace {

StateDict clone(const StateDict& state) {
  StateDict copy;
  for (const auto& [name, value] : state) copy.set(name, value.array().clone());
  copy.set_metadata(state.metadata());
  return copy;
}

Value gradients(const nn::Module& model) {
  Value out = Value::dict();
  for (const auto& [name, parameter] : model.named_parameters()) {
    out.set_item(name, parameter.grad().array().clone());
  }
  return out;
}

Value run(const Value& value) {
  const Options entry(value);
  manual_seed(static_cast<std::uint64_t>(entry.at("seed").as_int()));
  const auto model = models::make(entry.at("arch").as_string());
  Value out =
      Value::dict({{"initial", clone(model->state_dict())}, {"rng_state", default_generator().state()}});
  if (!entry.has("images")) return out;

  model->to(entry.get("dtype", kFloat32));
  const Tensor images = entry.at("images").as_array();
  const Tensor labels = entry.at("labels").as_array();
  const Options sgd(entry.at("sgd"));
  optim::SGD optimizer(model->parameters(), {.lr = sgd.get("lr", 1e-3),
                                             .momentum = sgd.get("momentum", 0.0),
                                             .weight_decay = sgd.get("weight_decay", 0.0)});
  Value losses = Value::list();
  for (std::int64_t step = 0; step < images.size(0); ++step) {
    const Tensor loss = cross_entropy((*model)(images[step]), labels[step]);
    optimizer.zero_grad();
    loss.backward();
    if (step == 0) out.set_item("grads", gradients(*model));
    optimizer.step();
    losses.append(loss.item());
  }
  out.set_item("losses", losses);
  out.set_item("model", model->state_dict());
  model->eval();
  const NoGradGuard no_grad;
  out.set_item("scores", (*model)(images[0]).array());
  return out;
}

int zoo(const Arguments& arguments) {
  Value out = Value::list();
  for (const Value& entry : checkpoint::load(arguments.at(0)).elements()) out.append(run(entry));
  checkpoint::save(arguments.at(1), out, {.durable = false});
  return 0;
}

const Command kZoo("zoo", zoo);

}  // namespace
}  // namespace sconce::probe
