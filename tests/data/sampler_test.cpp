// Against PyTorch: tests/golden/data/make.py.
#include "sconce/data/sampler.h"

#include <gtest/gtest.h>

#include "base/error_matcher.h"
#include "support/digest.h"
#include "support/text_data.h"

namespace sconce::data {
namespace {

using test::sha256_of;
using Values = std::vector<std::int64_t>;

void append_pass(const Sampler& sampler, Values& seen) {
  const std::unique_ptr<IndexStream> stream = sampler.start();
  while (const std::optional<std::int64_t> index = stream->next()) seen.push_back(*index);
  seen.push_back(-1);
}

std::unique_ptr<Sampler> sampler_of(const std::vector<std::string>& words, Generator* generator) {
  const std::int64_t n = std::stoll(words.at(2));
  const std::int64_t count = std::stoll(words.at(3));
  const bool replacement = words.at(4) == "1";
  if (words[1] == "random") {
    return std::make_unique<RandomSampler>(
        n, RandomSamplerOptions{.replacement = replacement, .num_samples = count, .generator = generator});
  }
  if (words[1] == "subset") {
    Values indices;
    for (std::int64_t i = 0; i < n; ++i) indices.push_back(100 + i);
    return std::make_unique<SubsetRandomSampler>(indices, generator);
  }
  std::vector<double> weights;
  for (std::int64_t i = 0; i < n; ++i) weights.push_back(static_cast<double>(i % 5) + 0.5);
  return std::make_unique<WeightedRandomSampler>(weights, count, replacement, generator);
}

TEST(Sampler, OrderAndDrawsMatchPyTorch) {
  int cases = 0;
  for (const std::string& line : test::golden_lines("data/loader.txt")) {
    const std::vector<std::string> words = test::words_of(line);
    if (words[0] != "sampler") continue;
    manual_seed(0);
    Generator named(7);
    const bool use_named = words.at(5) == "1";
    const std::unique_ptr<Sampler> sampler = sampler_of(words, use_named ? &named : nullptr);
    Values seen;
    for (int pass = 0; pass < 3; ++pass) append_pass(*sampler, seen);
    EXPECT_EQ(sha256_of(seen), words.at(6)) << line;
    EXPECT_EQ(sha256_of(default_generator().state()), words.at(7)) << line;
    if (use_named) {
      EXPECT_EQ(sha256_of(named.state()), words.at(8)) << line;
    }
    EXPECT_EQ(static_cast<std::int64_t>(seen.size()), 3 * (sampler->size() + 1));
    ++cases;
  }
  EXPECT_EQ(cases, 26);
}

TEST(Sampler, DistributedMatchesPyTorch) {
  int cases = 0;
  for (const std::string& line : test::golden_lines("data/loader.txt")) {
    const std::vector<std::string> words = test::words_of(line);
    if (words[0] != "distributed") continue;
    DistributedSampler sampler(std::stoll(words.at(1)), {.replicas = std::stoll(words.at(2)),
                                                         .rank = std::stoll(words.at(3)),
                                                         .shuffle = words.at(4) == "1",
                                                         .seed = 3,
                                                         .drop_last = words.at(5) == "1"});
    Values seen;
    for (int epoch = 0; epoch < 3; ++epoch) {
      sampler.set_epoch(epoch);
      append_pass(sampler, seen);
    }
    EXPECT_EQ(sha256_of(seen), words.at(6)) << line;
    ++cases;
  }
  EXPECT_EQ(cases, 7);
}

TEST(Sampler, SplitMatchesPyTorch) {
  Generator generator(7);
  Values seen;
  for (const Values& part : random_split({30, 15, 5}, generator)) {
    seen.insert(seen.end(), part.begin(), part.end());
    seen.push_back(-1);
  }
  for (const std::string& line : test::golden_lines("data/loader.txt")) {
    const std::vector<std::string> words = test::words_of(line);
    if (words[0] == "split") {
      EXPECT_EQ(sha256_of(seen), words.at(1));
    }
  }
}

TEST(Sampler, NothingIsDrawnBeforeTheFirstIndex) {
  manual_seed(3);
  const Array before = default_generator().state();
  const RandomSampler sampler(10);
  const std::unique_ptr<IndexStream> stream = sampler.start();
  EXPECT_TRUE(default_generator().state().same_bits(before));
  stream->next();
  EXPECT_FALSE(default_generator().state().same_bits(before));
}

TEST(Sampler, InvalidArguments) {
  EXPECT_ERROR(RandomSampler(0), ErrorCode::kInvalidArgument);
  EXPECT_ERROR(RandomSampler(5, {.num_samples = 0}), ErrorCode::kInvalidArgument);
  EXPECT_ERROR(WeightedRandomSampler({1.0}, 0), ErrorCode::kInvalidArgument);
  EXPECT_ERROR(WeightedRandomSampler({-1.0}, 1).start()->next(), ErrorCode::kInvalidArgument);
  EXPECT_ERROR(DistributedSampler(5, {.replicas = 2, .rank = 2}), ErrorCode::kInvalidArgument);
  EXPECT_ERROR(DistributedSampler(-1, {.replicas = 2, .rank = 0}), ErrorCode::kInvalidArgument);
  EXPECT_ERROR(random_split({3, -1}), ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace sconce::data
