// Orders against PyTorch: tests/golden/data/make.py.
#include "sconce/data/data_loader.h"

#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>

#include "base/error_matcher.h"
#include "sconce/kernels/random.h"
#include "support/digest.h"
#include "support/text_data.h"

namespace sconce::data {
namespace {

using test::sha256_of;
using Values = std::vector<std::int64_t>;

// Image i is one pixel of value i % 256; its label is i.
class Counting final : public Dataset {
 public:
  explicit Counting(std::int64_t n) : n_(n) {}
  std::int64_t size() const override { return n_; }
  Shape image_shape() const override { return {1, 1, 1}; }
  const std::vector<std::string>& class_names() const override {
    static const std::vector<std::string> none;
    return none;
  }

 private:
  void read_image(std::int64_t index, std::span<std::uint8_t> pixels) const override {
    pixels[0] = static_cast<std::uint8_t>(index);
  }
  std::int64_t read_label(std::int64_t index) const override { return index; }
  std::int64_t n_;
};

// The labels of one pass, -1 after each batch.
void append_pass(const DataLoader& loader, Values& seen) {
  for (const Batch& batch : loader) {
    for (const std::int64_t label : batch.labels.to_vector<std::int64_t>()) seen.push_back(label);
    seen.push_back(-1);
  }
}

Values labels_of(const Batch& batch) { return batch.labels.to_vector<std::int64_t>(); }

TEST(DataLoader, OrderAndDrawsMatchPyTorch) {
  int cases = 0;
  for (const std::string& line : test::golden_lines("data/loader.txt")) {
    const std::vector<std::string> words = test::words_of(line);
    if (words[0] != "loader") continue;
    for (const std::int64_t prefetch : {0, 1, 3}) {
      manual_seed(0);
      Generator named(7);
      const bool use_named = words.at(5) == "1";
      const Counting dataset(std::stoll(words.at(1)));
      const DataLoader loader(dataset, {.batch_size = std::stoll(words.at(2)),
                                        .shuffle = words.at(4) == "1",
                                        .drop_last = words.at(3) == "1",
                                        .generator = use_named ? &named : nullptr,
                                        .prefetch = prefetch});
      Values seen;
      for (int epoch = 0; epoch < 3; ++epoch) append_pass(loader, seen);
      EXPECT_EQ(sha256_of(seen), words.at(6)) << line << " prefetch " << prefetch;
      EXPECT_EQ(sha256_of(default_generator().state()), words.at(7)) << line << " prefetch " << prefetch;
      if (use_named) {
        EXPECT_EQ(sha256_of(named.state()), words.at(8)) << line << " prefetch " << prefetch;
      }
      EXPECT_EQ(std::count(seen.begin(), seen.end(), -1), 3 * loader.size());
      ++cases;
    }
  }
  EXPECT_EQ(cases, 3 * 128);
}

TEST(DataLoader, Fixture) {
  manual_seed(0);
  const Counting dataset(20);
  const DataLoader loader(dataset, {.batch_size = 4, .shuffle = true});
  Values seen;
  append_pass(loader, seen);
  EXPECT_EQ(seen, (Values{6,  15, 11, 13, -1, 9,  2,  1,  17, -1, 16, 8, 5,
                          12, -1, 18, 3,  19, 10, -1, 14, 4,  7,  0,  -1}));
}

// A transform that draws two numbers, and shows them in the image beside its pixel.
Array drawn(const Array& image, Generator& generator) {
  Array first = Array::empty({}, kInt64);
  Array second = Array::empty({}, kInt64);
  kernels::randint(first, 0, 9, generator);
  kernels::randint(second, 0, 100, generator);
  return Array::from<std::int64_t>(
      {image.item<std::int64_t>(), first.item<std::int64_t>(), second.item<std::int64_t>()}, {3});
}

TEST(DataLoader, TransformsDrawAsInPyTorchsWorkerAndWithoutOne) {
  for (const std::string& line : test::golden_lines("data/loader.txt")) {
    const std::vector<std::string> words = test::words_of(line);
    if (words[0] != "worker" && words[0] != "inline") continue;
    manual_seed(0);
    const Counting dataset(10);
    const DataLoader loader(
        dataset,
        {.batch_size = 4, .shuffle = true, .transform = drawn, .prefetch = words[0] == "worker" ? 2 : 0});
    Values seen;
    for (int epoch = 0; epoch < 2; ++epoch) {
      for (const Batch& batch : loader) {
        for (const std::int64_t value : batch.images.to_vector<std::int64_t>()) seen.push_back(value);
      }
    }
    EXPECT_EQ(sha256_of(seen), words.at(1)) << words[0];
    EXPECT_EQ(sha256_of(default_generator().state()), words.at(2)) << words[0];
  }
}

TEST(DataLoader, BatchesHoldFloatImagesAndLabels) {
  const Counting dataset(5);
  const DataLoader loader(dataset, {.batch_size = 3});
  Epoch epoch = loader.epoch();
  const std::optional<Batch> batch = epoch.next();
  ASSERT_TRUE(batch);
  EXPECT_EQ(batch->images.shape(), (Shape{3, 1, 1, 1}));
  EXPECT_EQ(batch->images.dtype(), kFloat32);
  EXPECT_EQ(batch->images.to_vector<float>(), (std::vector<float>{0, 1.0F / 255.0F, 2.0F / 255.0F}));
  EXPECT_EQ(batch->labels.dtype(), kInt64);
  EXPECT_EQ(batch->size(), 3);
  EXPECT_EQ(epoch.next()->size(), 2);
  EXPECT_FALSE(epoch.next());
  EXPECT_FALSE(epoch.next());
}

TEST(DataLoader, ResumeContinuesWhereTheStateWasTaken) {
  for (const bool use_named : {false, true}) {
    for (const std::int64_t prefetch : {0, 2}) {
      for (const int done : {0, 1, 3, 6}) {
        manual_seed(4);
        Generator named(9);
        const Counting dataset(25);
        const DataLoader loader(dataset, {.batch_size = 4,
                                          .shuffle = true,
                                          .transform = drawn,
                                          .generator = use_named ? &named : nullptr,
                                          .prefetch = prefetch});
        Epoch epoch = loader.epoch();
        for (int i = 0; i < done; ++i) epoch.next();
        const EpochState state = epoch.state();
        const Array checkpoint = default_generator().state();
        EXPECT_EQ(state.batches, done);

        const auto rest = [](Epoch& pass) {
          Values seen;
          while (const std::optional<Batch> batch = pass.next()) {
            for (const std::int64_t value : batch->images.to_vector<std::int64_t>()) seen.push_back(value);
          }
          return seen;
        };
        const Values expected = rest(epoch);
        const Array expected_state = default_generator().state();
        const Array expected_named = named.state();

        manual_seed(99);
        named.manual_seed(98);
        default_generator().set_state(checkpoint);
        Epoch resumed = loader.resume(state);
        EXPECT_EQ(rest(resumed), expected) << use_named << prefetch << done;
        EXPECT_TRUE(default_generator().state().same_bits(expected_state));
        if (use_named) {
          EXPECT_TRUE(named.state().same_bits(expected_named));
        }
      }
    }
  }
}

TEST(DataLoader, ResumeRefusesStatesThatDoNotFit) {
  manual_seed(1);
  Generator named(2);
  const Counting dataset(8);
  const DataLoader plain(dataset, {.batch_size = 4});
  const DataLoader with_generator(dataset, {.batch_size = 4, .shuffle = true, .generator = &named});
  EpochState state = plain.epoch().state();
  const Array before = default_generator().state();
  EXPECT_ERROR(with_generator.resume(state), ErrorCode::kInvalidArgument);
  state.batches = 3;
  EXPECT_ERROR(plain.resume(state), ErrorCode::kInvalidArgument);
  state.batches = 1;
  state.default_generator = Array::zeros({5056}, kUInt8);
  EXPECT_ERROR(plain.resume(state), ErrorCode::kCorrupt);
  EXPECT_TRUE(default_generator().state().same_bits(before));
}

TEST(DataLoader, InvalidOptions) {
  const Counting dataset(8);
  const Counting nothing(0);
  const auto sampler = std::make_shared<SequentialSampler>(8);
  EXPECT_ERROR(DataLoader(dataset, {.batch_size = 0}), ErrorCode::kInvalidArgument);
  EXPECT_ERROR(DataLoader(dataset, {.prefetch = -1}), ErrorCode::kInvalidArgument);
  EXPECT_ERROR(DataLoader(dataset, {.shuffle = true, .sampler = sampler}), ErrorCode::kInvalidArgument);
  EXPECT_ERROR(DataLoader(nothing, {.shuffle = true}), ErrorCode::kInvalidArgument);
  const DataLoader empty(nothing, {});
  EXPECT_FALSE(empty.epoch().next());
}

TEST(DataLoader, ImagesOfABatchMustAgree) {
  const Counting dataset(4);
  const Transform growing = [](const Array& image, Generator&) {
    return Array::zeros({image.item<std::int64_t>() + 1});
  };
  const DataLoader loader(dataset, {.batch_size = 2, .transform = growing});
  EXPECT_ERROR(loader.epoch().next(), ErrorCode::kShapeMismatch);
}

TEST(DataLoaderThreads, ErrorsReachTheCallerAndLaterBatchesStillCome) {
  const Counting dataset(12);
  const Transform failing = [](const Array& image, Generator&) {
    require(image.item<std::int64_t>() != 5, ErrorCode::kNumeric, "test", "image five");
    return image;
  };
  const DataLoader loader(dataset, {.batch_size = 4, .transform = failing, .prefetch = 2});
  Epoch epoch = loader.epoch();
  EXPECT_EQ(labels_of(*epoch.next()), (Values{0, 1, 2, 3}));
  EXPECT_ERROR(epoch.next(), ErrorCode::kNumeric);
  EXPECT_EQ(labels_of(*epoch.next()), (Values{8, 9, 10, 11}));
  EXPECT_FALSE(epoch.next());
}

TEST(DataLoaderThreads, AnEpochCanBeLeftAtAnyPoint) {
  const Counting dataset(1000);
  const DataLoader loader(dataset, {.batch_size = 3, .shuffle = true, .prefetch = 4});
  for (int taken = 0; taken < 20; ++taken) {
    Epoch epoch = loader.epoch();
    for (int i = 0; i < taken; ++i) EXPECT_EQ(epoch.next()->size(), 3);
    Epoch moved = std::move(epoch);
    EXPECT_TRUE(moved.next());
  }
}

TEST(DataLoaderThreads, NoMoreBatchesAreMadeAheadThanAskedFor) {
  std::atomic<int> made{0};
  const Transform counted = [&made](const Array& image, Generator&) {
    ++made;
    return image;
  };
  const Counting dataset(100);
  const DataLoader loader(dataset, {.batch_size = 5, .transform = counted, .prefetch = 2});
  Epoch epoch = loader.epoch();
  for (int taken = 1; taken <= 20; ++taken) {
    ASSERT_TRUE(epoch.next());
    EXPECT_LE(made, 5 * (taken + 2));
  }
  EXPECT_FALSE(epoch.next());
  EXPECT_EQ(made, 100);
}

}  // namespace
}  // namespace sconce::data
