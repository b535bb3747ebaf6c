#include "nn/measure.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <vector>

#include "sconce/base/interrupt.h"
#include "sconce/checkpoint/listing.h"
#include "sconce/checkpoint/load.h"
#include "sconce/checkpoint/save.h"
#include "sconce/kernels/random.h"
#include "sconce/optim/sgd.h"
#include "sconce/tensor/loss.h"
#include "sconce/tensor/random.h"
#include "sconce/train/progress.h"

namespace sconce::cli {
namespace {

using train::steady_seconds;

template <class Work>
double seconds_of(const Work& work) {
  const double begin = steady_seconds();
  work();
  return steady_seconds() - begin;
}

double median(std::vector<double> times) {
  const auto middle = times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2);
  std::nth_element(times.begin(), middle, times.end());
  return *middle;
}

// A path that is free, and free again afterwards.
class ScratchFile {
 public:
  explicit ScratchFile(const std::string& folder)
      : path_((std::filesystem::path(folder) / cat("sconce-bench-", ::getpid(), ".pt")).string()) {}
  ScratchFile(const ScratchFile&) = delete;
  ScratchFile& operator=(const ScratchFile&) = delete;
  ~ScratchFile() {
    std::error_code ignored;
    std::filesystem::remove(path_, ignored);
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace

StepTimes time_train_step(const models::Model& arch, std::int64_t batch, double seconds) {
  constexpr int kWarmUp = 3;
  constexpr std::size_t kFewest = 5;
  manual_seed(0);
  const std::unique_ptr<nn::Layer> model = arch.make();
  optim::SGD optimizer(model->parameters(), {.lr = 0.001, .momentum = 0.9});
  const Tensor images = randn({batch, arch.input[0], arch.input[1], arch.input[2]});
  const Tensor labels = randint(0, arch.classes, {batch});
  const auto step = [&] {
    throw_if_stop_requested();
    optimizer.zero_grad();
    cross_entropy((*model)(images), labels).backward();
    optimizer.step();
  };
  for (int i = 0; i < kWarmUp; ++i) step();
  std::vector<double> times;
  const double begin = steady_seconds();
  while (times.size() < kFewest || steady_seconds() - begin < seconds) times.push_back(seconds_of(step));
  return {.steps = static_cast<std::int64_t>(times.size()),
          .median = median(times),
          .best = *std::min_element(times.begin(), times.end())};
}

CheckpointTimes time_checkpoint(const std::string& folder, std::uint64_t size) {
  constexpr std::uint64_t kTensorBytes = std::uint64_t{4} << 20;
  constexpr int kRounds = 3;
  const std::uint64_t tensors = std::max<std::uint64_t>(1, (size + kTensorBytes - 1) / kTensorBytes);
  const auto elements = static_cast<std::int64_t>(size / tensors / sizeof(float));
  manual_seed(0);
  const Tensor numbers = rand({std::max<std::int64_t>(1, elements)});
  StateDict state;
  for (std::uint64_t i = 0; i < tensors; ++i) {
    state.set(cat("layer", i, ".weight"), numbers.array().clone());
  }

  const ScratchFile file(folder);
  CheckpointTimes out{.tensors = static_cast<std::size_t>(tensors)};
  std::vector<double> saves;
  std::vector<double> loads;
  std::vector<double> lists;
  for (int round = 0; round < kRounds; ++round) {
    throw_if_stop_requested();
    saves.push_back(seconds_of([&] { out.bytes = checkpoint::save(file.path(), state).bytes; }));
    loads.push_back(seconds_of([&] { checkpoint::load(file.path()); }));
    lists.push_back(seconds_of([&] { checkpoint::describe(file.path()); }));
  }
  out.save = median(saves);
  out.load = median(loads);
  out.list = median(lists);
  return out;
}

}  // namespace sconce::cli
