// The built-in pictures are worth training on: chance for a new network, hard for a linear classifier, easy
// for the tutorial's network.
#include <gtest/gtest.h>

#include "sconce/data/data_loader.h"
#include "sconce/data/synthetic_shapes.h"
#include "sconce/kernels/random.h"
#include "sconce/models/lenet.h"
#include "sconce/nn/nn.h"
#include "sconce/optim/sgd.h"
#include "sconce/train/evaluate.h"
#include "sconce/train/trainer.h"

namespace sconce::train {
namespace {

struct Accuracy {
  double before = 0;
  double after = 0;
};

Accuracy train_on_shapes(nn::Layer& model, std::int64_t epochs) {
  const data::SyntheticShapes train_set(data::Split::kTrain);
  const data::SyntheticShapes test_set(data::Split::kTest);
  const auto transform = data::compose({data::to_float(), data::normalize({0.5, 0.5, 0.5}, {0.5, 0.5, 0.5})});
  Generator generator;
  const data::DataLoader train_loader(
      train_set, {.batch_size = 32, .shuffle = true, .transform = transform, .prefetch = 2});
  const data::DataLoader test_loader(test_set,
                                     {.batch_size = 100, .transform = transform, .generator = &generator});
  Accuracy out;
  out.before = evaluate(model, test_loader).accuracy();
  optim::SGD optimizer(model.parameters(), {.lr = 0.01, .momentum = 0.9});
  Trainer trainer(model, optimizer, train_loader, {.epochs = epochs});
  EXPECT_EQ(trainer.run(), Outcome::kFinished);
  out.after = evaluate(model, test_loader).accuracy();
  return out;
}

TEST(SyntheticTask, TheTutorialsNetworkPassesNinetyPercent) {
  manual_seed(0);
  models::LeNet model;
  const Accuracy accuracy = train_on_shapes(model, 8);
  EXPECT_NEAR(accuracy.before, 0.10, 0.06);
  EXPECT_GT(accuracy.after, 0.90);
}

TEST(SyntheticTask, ALinearClassifierStaysUnderSixtyPercent) {
  manual_seed(0);
  nn::Sequential model{nn::Flatten(), nn::Linear(3 * 32 * 32, 10)};
  const Accuracy accuracy = train_on_shapes(model, 8);
  EXPECT_NEAR(accuracy.before, 0.10, 0.06);
  EXPECT_LT(accuracy.after, 0.60);
}

}  // namespace
}  // namespace sconce::train
