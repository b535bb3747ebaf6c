#include "sconce/train/evaluate.h"

#include <cmath>
#include <utility>

#include "sconce/base/interrupt.h"
#include "sconce/tensor/grad_mode.h"
#include "sconce/tensor/loss.h"

namespace sconce::train {
namespace {

// Eval mode for a scope; every module gets back the mode of its own.
class EvalModeGuard {
 public:
  explicit EvalModeGuard(nn::Module& model) {
    model.apply([this](nn::Module& module) { modes_.emplace_back(&module, module.is_training()); });
    model.eval();
  }
  EvalModeGuard(const EvalModeGuard&) = delete;
  EvalModeGuard& operator=(const EvalModeGuard&) = delete;
  ~EvalModeGuard() {
    // train() reaches everything below, so parents come before their children.
    for (auto entry = modes_.rbegin(); entry != modes_.rend(); ++entry) entry->first->train(entry->second);
  }

 private:
  std::vector<std::pair<nn::Module*, bool>> modes_;
};

double share(std::int64_t part, std::int64_t total) {
  return total == 0 ? 0.0 : static_cast<double>(part) / static_cast<double>(total);
}

bool is_before(double score, std::int64_t index, double other_score, std::int64_t other_index) {
  const bool is_nan = std::isnan(score);
  const bool other_is_nan = std::isnan(other_score);
  if (is_nan != other_is_nan) return is_nan;
  if (is_nan || score == other_score) return index < other_index;
  return score > other_score;
}

// The class of each row that comes first.
std::vector<std::int64_t> predictions(const std::vector<double>& scores, std::int64_t classes) {
  std::vector<std::int64_t> best;
  for (const double* row = scores.data(); row != scores.data() + scores.size(); row += classes) {
    std::int64_t first = 0;
    for (std::int64_t c = 1; c < classes; ++c) {
      if (is_before(row[c], c, row[first], first)) first = c;
    }
    best.push_back(first);
  }
  return best;
}

void check_scores(const Array& scores, const Array& labels) {
  require(scores.rank() == 2 && labels.rank() == 1 && scores.size(0) == labels.size(0) && scores.size(1) >= 1,
          ErrorCode::kShapeMismatch, "evaluate", "expected scores (N, classes) and labels (N,), found ",
          scores.shape(), " and ", labels.shape());
  for (const std::int64_t label : labels.to_vector<std::int64_t>()) {
    require(label >= 0 && label < scores.size(1), ErrorCode::kIndexOutOfRange, "evaluate", "label ", label,
            " is none of the model's ", scores.size(1), " classes");
  }
}

}  // namespace

double Evaluation::accuracy() const { return share(correct, total); }
double Evaluation::top5_accuracy() const { return share(top5_correct, total); }

std::int64_t Evaluation::class_total(std::size_t label) const {
  std::int64_t sum = 0;
  for (const std::int64_t count : confusion.at(label)) sum += count;
  return sum;
}

std::int64_t Evaluation::class_correct(std::size_t label) const { return confusion.at(label).at(label); }

std::vector<std::int64_t> label_ranks(const Array& scores, const Array& labels) {
  check_scores(scores, labels);
  const std::int64_t classes = scores.size(1);
  const std::vector<double> all = scores.to_vector<double>();
  std::vector<std::int64_t> ranks;
  const double* row = all.data();
  for (const std::int64_t label : labels.to_vector<std::int64_t>()) {
    std::int64_t rank = 0;
    for (std::int64_t c = 0; c < classes; ++c) rank += is_before(row[c], c, row[label], label) ? 1 : 0;
    ranks.push_back(rank);
    row += classes;
  }
  return ranks;
}

Evaluation evaluate(nn::Layer& model, const data::DataLoader& loader,
                    const std::function<void(std::int64_t batches)>& on_batch) {
  constexpr std::int64_t kTop = 5;
  const NoGradGuard no_grad;
  const EvalModeGuard eval_mode(model);
  Evaluation result;
  double loss_sum = 0;
  std::int64_t batches = 0;
  for (const data::Batch& batch : loader) {
    throw_if_stop_requested();
    const Tensor scores = model(batch.images);
    const std::vector<std::int64_t> ranks = label_ranks(scores.array(), batch.labels.array());
    loss_sum += cross_entropy(scores, batch.labels).item() * static_cast<double>(batch.size());

    const auto classes = static_cast<std::size_t>(scores.size(1));
    if (result.confusion.empty()) result.confusion.assign(classes, std::vector<std::int64_t>(classes));
    const auto predicted = predictions(scores.to_vector<double>(), scores.size(1));
    const auto labels = batch.labels.to_vector<std::int64_t>();
    for (std::size_t i = 0; i < labels.size(); ++i) {
      ++result.confusion.at(static_cast<std::size_t>(labels[i])).at(static_cast<std::size_t>(predicted[i]));
      result.correct += ranks[i] == 0 ? 1 : 0;
      result.top5_correct += ranks[i] < kTop ? 1 : 0;
    }
    result.total += batch.size();
    if (on_batch) on_batch(++batches);
  }
  if (result.total > 0) result.loss = loss_sum / static_cast<double>(result.total);
  return result;
}

}  // namespace sconce::train
