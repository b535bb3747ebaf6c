// sconce_probe_nn continue IN OUT STEPS: trains the tutorial's network on from {model, optimizer, scheduler,
// step, data, labels}, where data[step] is a batch, and writes the same again.
#include "../probe/probe.h"
#include "sconce/checkpoint/load.h"
#include "sconce/checkpoint/save.h"
#include "sconce/models/lenet.h"
#include "sconce/optim/sgd.h"
#include "sconce/optim/step_lr.h"
#include "sconce/tensor/loss.h"

namespace sconce::probe {
namespace {

int continue_training(const Arguments& arguments) {
  const Value start = checkpoint::load(arguments.at(0));
  const Tensor data = start.at("data").as_array();
  const Tensor labels = start.at("labels").as_array();
  const std::int64_t first = start.at("step").as_int();
  const std::int64_t last = first + std::stoll(arguments.at(2));

  // Whatever the options are here, those of the file replace them.
  models::LeNet net;
  net.to(data.dtype());
  optim::SGD optimizer(net.parameters());
  optim::StepLR scheduler(optimizer, 1);
  net.load_state_dict(start.at("model").as_state_dict());
  optimizer.load_state_dict(start.at("optimizer"));
  scheduler.load_state_dict(start.at("scheduler"));
  for (std::int64_t step = first; step < last; ++step) {
    optimizer.zero_grad();
    cross_entropy(net(data[step]), labels[step]).backward();
    optimizer.step();
    scheduler.step();
  }
  checkpoint::save(arguments.at(1),
                   Value::dict({{"model", net.state_dict()},
                                {"optimizer", optimizer.state_dict()},
                                {"scheduler", scheduler.state_dict()},
                                {"step", last},
                                {"data", data.array()},
                                {"labels", labels.array()}}),
                   {.durable = false});
  return 0;
}

const Command kContinue("continue", continue_training);

}  // namespace
}  // namespace sconce::probe
