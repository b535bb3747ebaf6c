// How well a classifier does on a data set.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "sconce/data/data_loader.h"
#include "sconce/nn/module.h"

namespace sconce::train {

struct Evaluation {
  double loss = 0;  // mean cross entropy over the samples
  std::int64_t total = 0;
  std::int64_t correct = 0;                          // the largest score is the label's
  std::int64_t top5_correct = 0;                     // the label's score is among the five largest
  std::vector<std::vector<std::int64_t>> confusion;  // samples by [label][predicted class]

  // Shares of the samples; 0 when there are none.
  double accuracy() const;
  double top5_accuracy() const;
  // Samples with this label, and those of them predicted right.
  std::int64_t class_total(std::size_t label) const;
  std::int64_t class_correct(std::size_t label) const;
};

// The position of each label among its row's scores, best first: 0 when the prediction is right. Scores
// (N, classes) floating, labels (N,) int64. Of equal scores the lower class comes first, NaN before all.
// Errors: kShapeMismatch, kIndexOutOfRange for a label that is no class.
std::vector<std::int64_t> label_ranks(const Array& scores, const Array& labels);

// Runs the model, which gives scores (N, classes), over one pass of the loader in eval mode and without
// gradients; every module's mode is as before afterwards. Beginning a pass draws from the loader's generator:
// name one in its options to leave the default generator alone. `on_batch` is told how many batches are done.
// Error kInterrupted when a stop is requested.
Evaluation evaluate(nn::Layer& model, const data::DataLoader& loader,
                    const std::function<void(std::int64_t batches)>& on_batch = {});

}  // namespace sconce::train
