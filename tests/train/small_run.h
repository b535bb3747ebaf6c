// A run small enough to be repeated many times: twenty pictures, a network with dropout, augmentation.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "sconce/checkpoint/load.h"
#include "sconce/checkpoint/save.h"
#include "sconce/kernels/random.h"
#include "sconce/nn/module.h"
#include "sconce/optim/sgd.h"
#include "sconce/optim/step_lr.h"
#include "sconce/tensor/dropout.h"
#include "sconce/tensor/elementwise.h"
#include "sconce/tensor/matmul.h"
#include "sconce/train/trainer.h"

namespace sconce::train {

// Pictures (3, 6, 6) of 4 classes, each with a pattern of its own.
class SmallPictures final : public data::Dataset {
 public:
  explicit SmallPictures(std::int64_t size) : size_(size) {}
  std::int64_t size() const override { return size_; }
  Shape image_shape() const override { return {3, 6, 6}; }
  const std::vector<std::string>& class_names() const override {
    static const std::vector<std::string> names = {"a", "b", "c", "d"};
    return names;
  }

 private:
  void read_image(std::int64_t index, std::span<std::uint8_t> pixels) const override {
    for (std::size_t i = 0; i < pixels.size(); ++i) {
      pixels[i] = static_cast<std::uint8_t>((i * 37 + static_cast<std::size_t>(index) * 101) % 251);
    }
  }
  std::int64_t read_label(std::int64_t index) const override { return index % 4; }
  std::int64_t size_;
};

inline nn::Parameter random_parameter(const Shape& shape) {
  Array values = Array::empty(shape);
  kernels::uniform(values, -0.2, 0.2, default_generator());
  return nn::Parameter(Tensor(values));
}

// 108 -> 16 -> 4 with dropout between.
struct SmallNet : nn::Layer {
  nn::Parameter first = random_parameter({108, 16});
  nn::Parameter second = random_parameter({16, 4});
  SCONCE_MODULE(first, second)

  Tensor forward(const Tensor& input) override {
    const Tensor hidden = relu(matmul(input.flatten(1), first));
    return matmul(dropout(hidden, 0.3, is_training()), second);
  }
};

struct SmallRunOptions {
  TrainerOptions trainer = {.epochs = 3};
  std::int64_t prefetch = 0;
  std::uint64_t seed = 7;
};

// Everything a run consists of: 3 epochs of 5 batches unless told otherwise.
struct SmallRun {
  explicit SmallRun(SmallRunOptions options = {})
      : loader(pictures, {.batch_size = 4,
                          .shuffle = true,
                          .transform = data::compose(
                              {data::random_crop(6, 2), data::random_horizontal_flip(), data::to_float()}),
                          .prefetch = options.prefetch}) {
    manual_seed(options.seed);
    model.emplace();
    optimizer.emplace(model->parameters(), optim::SgdOptions{.lr = 0.1, .momentum = 0.9});
    scheduler.emplace(*optimizer, 1, optim::StepLROptions{.gamma = 0.5});
    options.trainer.scheduler = &*scheduler;
    options.trainer.validation = &validation;
    trainer.emplace(*model, *optimizer, loader, options.trainer);
  }

  // The checkpoint as a file has it.
  std::vector<std::byte> bytes() const {
    MemorySink sink;
    checkpoint::save(sink, trainer->state_dict());
    return sink.bytes();
  }
  void load(const std::vector<std::byte>& bytes) { trainer->load_state_dict(checkpoint::load(bytes)); }

  SmallPictures pictures{20};
  SmallPictures test_pictures{8};
  data::DataLoader loader;
  Generator validation_generator{1};
  data::DataLoader validation{test_pictures, {.batch_size = 3, .generator = &validation_generator}};
  std::optional<SmallNet> model;
  std::optional<optim::SGD> optimizer;
  std::optional<optim::StepLR> scheduler;
  std::optional<Trainer> trainer;
};

}  // namespace sconce::train
