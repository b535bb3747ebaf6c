#include "sconce/train/evaluate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "base/error_matcher.h"
#include "sconce/base/interrupt.h"
#include "sconce/tensor/elementwise.h"
#include "sconce/tensor/grad_mode.h"
#include "train/small_run.h"

namespace sconce::train {
namespace {

using ::testing::ElementsAre;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

// Pictures whose pixels are the scores of six classes.
class Scores final : public data::Dataset {
 public:
  std::int64_t size() const override { return 5; }
  Shape image_shape() const override { return {1, 1, 6}; }
  const std::vector<std::string>& class_names() const override {
    static const std::vector<std::string> names = {"a", "b", "c", "d", "e", "f"};
    return names;
  }

 private:
  void read_image(std::int64_t index, std::span<std::uint8_t> pixels) const override {
    static constexpr std::uint8_t kScores[5][6] = {
        {9, 1, 2, 3, 4, 5},  // label 0: right
        {1, 2, 9, 3, 4, 5},  // label 1: fifth best, taken for c
        {6, 5, 0, 4, 3, 2},  // label 2: last, taken for a
        {0, 0, 7, 7, 0, 0},  // label 3: equal to c, which comes first
        {9, 1, 2, 3, 4, 5},  // label 0: right
    };
    for (std::size_t i = 0; i < 6; ++i) pixels[i] = kScores[index][i];
  }
  std::int64_t read_label(std::int64_t index) const override { return index % 4; }
};

// Gives the pixels as scores; has a child, and notes how it is called.
struct PixelScores : nn::Layer {
  SmallNet child;
  bool was_training = true;
  bool was_recording = true;
  SCONCE_MODULE(child)
  Tensor forward(const Tensor& input) override {
    was_training = is_training() || child.is_training();
    was_recording = is_grad_enabled();
    return input.reshape({-1, 6}) * 255.0;
  }
};

TEST(Evaluate, CountsAsByHand) {
  const Scores pictures;
  PixelScores model;
  for (const std::int64_t batch_size : {1, 2, 5}) {
    const data::DataLoader loader(pictures, {.batch_size = batch_size});
    std::vector<std::int64_t> batches;
    const Evaluation result = evaluate(model, loader, [&](std::int64_t batch) { batches.push_back(batch); });
    EXPECT_EQ(batches.size(), static_cast<std::size_t>(loader.size()));
    EXPECT_EQ(batches.back(), loader.size());
    EXPECT_EQ(result.total, 5);
    EXPECT_EQ(result.correct, 2);
    EXPECT_EQ(result.top5_correct, 4);
    EXPECT_DOUBLE_EQ(result.accuracy(), 0.4);
    EXPECT_DOUBLE_EQ(result.top5_accuracy(), 0.8);
    EXPECT_THAT(result.confusion, ElementsAre(ElementsAre(2, 0, 0, 0, 0, 0), ElementsAre(0, 0, 1, 0, 0, 0),
                                              ElementsAre(1, 0, 0, 0, 0, 0), ElementsAre(0, 0, 1, 0, 0, 0),
                                              ElementsAre(0, 0, 0, 0, 0, 0), ElementsAre(0, 0, 0, 0, 0, 0)));
    EXPECT_EQ(result.class_total(0), 2);
    EXPECT_EQ(result.class_correct(0), 2);
    EXPECT_EQ(result.class_total(1), 1);
    EXPECT_EQ(result.class_correct(1), 0);

    // -log softmax of each label, in double.
    const auto loss_of = [](std::vector<double> scores, std::size_t label) {
      double sum = 0;
      for (const double score : scores) sum += std::exp(score);
      return std::log(sum) - scores[label];
    };
    const double expected = (2 * loss_of({9, 1, 2, 3, 4, 5}, 0) + loss_of({1, 2, 9, 3, 4, 5}, 1) +
                             loss_of({6, 5, 0, 4, 3, 2}, 2) + loss_of({0, 0, 7, 7, 0, 0}, 3)) /
                            5;
    EXPECT_NEAR(result.loss, expected, 1e-5);
  }
}

TEST(Evaluate, RunsInEvalModeWithoutGradientsAndRestoresEveryMode) {
  const Scores pictures;
  const data::DataLoader loader(pictures, {.batch_size = 2});
  PixelScores model;
  model.child.eval();
  evaluate(model, loader);
  EXPECT_FALSE(model.was_training);
  EXPECT_FALSE(model.was_recording);
  EXPECT_TRUE(is_grad_enabled());
  EXPECT_TRUE(model.is_training());
  EXPECT_FALSE(model.child.is_training());
  model.eval();
  evaluate(model, loader);
  EXPECT_FALSE(model.is_training());
}

TEST(Evaluate, LeavesTheDefaultGeneratorAloneWhenTheLoaderHasItsOwn) {
  const Scores pictures;
  Generator own(1);
  const data::DataLoader loader(pictures, {.batch_size = 2, .generator = &own});
  PixelScores model;
  const Array before = default_generator().state();
  evaluate(model, loader);
  EXPECT_TRUE(default_generator().state().same_bits(before));
}

TEST(Evaluate, StopsOnRequest) {
  const Scores pictures;
  const data::DataLoader loader(pictures, {.batch_size = 1});
  PixelScores model;
  EXPECT_ERROR(evaluate(model, loader, [](std::int64_t) { request_stop(); }), ErrorCode::kInterrupted);
  clear_stop_request();
  EXPECT_TRUE(model.is_training());
}

TEST(Evaluate, NothingGivesZeros) {
  const SmallPictures pictures(0);
  const data::DataLoader loader(pictures, {.batch_size = 1});
  SmallNet model;
  const Evaluation result = evaluate(model, loader);
  EXPECT_EQ(result.total, 0);
  EXPECT_EQ(result.accuracy(), 0);
  EXPECT_EQ(result.loss, 0);
}

TEST(LabelRanks, OrdersTiesByClassAndNaNsFirst) {
  const Array scores = Array::from({1.0F, 2.0F, 2.0F,  //
                                    1.0F, 2.0F, 2.0F,  //
                                    kNan, 9.0F, kNan,  //
                                    kNan, 9.0F, kNan},
                                   {4, 3});
  const Array labels = Array::from({std::int64_t{1}, std::int64_t{2}, std::int64_t{1}, std::int64_t{2}}, {4});
  EXPECT_THAT(label_ranks(scores, labels), ElementsAre(0, 1, 2, 1));
}

TEST(LabelRanks, Rejects) {
  const auto labels = [](std::int64_t label) { return Array::from({label}, {1}); };
  EXPECT_ERROR(label_ranks(Array::zeros({3}), labels(0)), ErrorCode::kShapeMismatch);
  EXPECT_ERROR(label_ranks(Array::zeros({2, 3}), labels(0)), ErrorCode::kShapeMismatch);
  EXPECT_ERROR(label_ranks(Array::zeros({1, 0}), labels(0)), ErrorCode::kShapeMismatch);
  EXPECT_ERROR(label_ranks(Array::zeros({1, 3}), labels(3)), ErrorCode::kIndexOutOfRange);
  EXPECT_ERROR(label_ranks(Array::zeros({1, 3}), labels(-1)), ErrorCode::kIndexOutOfRange);
}

}  // namespace
}  // namespace sconce::train
