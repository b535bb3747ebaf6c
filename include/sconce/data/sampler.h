// The order in which a dataset's examples are visited: PyTorch's samplers, index for index.
// Source followed: torch/utils/data/sampler.py and distributed.py.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "sconce/kernels/random.h"

namespace sconce::data {

// One pass over the examples. Numbers are drawn when an index is asked for, not before.
class IndexStream {
 public:
  virtual ~IndexStream() = default;
  // The next index, or nothing at the end.
  virtual std::optional<std::int64_t> next() = 0;
};

class Sampler {
 public:
  virtual ~Sampler() = default;
  // Indices in one pass.
  virtual std::int64_t size() const = 0;
  // A new pass; the sampler must outlive it.
  virtual std::unique_ptr<IndexStream> start() const = 0;
  // The generator that passes draw from: null when they draw from none or the default one.
  virtual Generator* generator() const { return nullptr; }
};

// 0, 1, ..., n - 1.
class SequentialSampler final : public Sampler {
 public:
  explicit SequentialSampler(std::int64_t n) : n_(n) {}
  std::int64_t size() const override { return n_; }
  std::unique_ptr<IndexStream> start() const override;

 private:
  std::int64_t n_;
};

struct RandomSamplerOptions {
  bool replacement = false;
  std::int64_t num_samples = -1;   // -1: as many as there are examples
  Generator* generator = nullptr;  // null: each pass seeds a generator of its own from the default one
};

// Shuffles. With a named generator, a pass without replacement that is followed to its end draws one more
// permutation, as PyTorch's does.
class RandomSampler final : public Sampler {
 public:
  // Error kInvalidArgument when n < 0, or n is 0 and samples are asked for.
  explicit RandomSampler(std::int64_t n, const RandomSamplerOptions& options = {});
  std::int64_t size() const override { return num_samples_; }
  std::unique_ptr<IndexStream> start() const override;
  Generator* generator() const override { return options_.generator; }

 private:
  std::int64_t n_;
  RandomSamplerOptions options_;
  std::int64_t num_samples_;
};

// The given indices in random order.
class SubsetRandomSampler final : public Sampler {
 public:
  explicit SubsetRandomSampler(std::vector<std::int64_t> indices, Generator* generator = nullptr);
  std::int64_t size() const override { return static_cast<std::int64_t>(indices_.size()); }
  std::unique_ptr<IndexStream> start() const override;
  Generator* generator() const override { return generator_; }

 private:
  std::vector<std::int64_t> indices_;
  Generator* generator_;
};

// Indices 0, 1, ... drawn with the given weights.
class WeightedRandomSampler final : public Sampler {
 public:
  // Error kInvalidArgument when num_samples < 1; bad weights are reported by start().
  WeightedRandomSampler(const std::vector<double>& weights, std::int64_t num_samples, bool replacement = true,
                        Generator* generator = nullptr);
  std::int64_t size() const override { return num_samples_; }
  std::unique_ptr<IndexStream> start() const override;
  Generator* generator() const override { return generator_; }

 private:
  Array weights_;
  std::int64_t num_samples_;
  bool replacement_;
  Generator* generator_;
};

struct DistributedSamplerOptions {
  std::int64_t replicas = 1;
  std::int64_t rank = 0;
  bool shuffle = true;
  std::uint64_t seed = 0;
  bool drop_last = false;  // false: the order is padded from its start until it divides evenly
};

// Every replicas-th index of one order that all ranks share.
class DistributedSampler final : public Sampler {
 public:
  // Error kInvalidArgument unless 0 <= rank < replicas.
  explicit DistributedSampler(std::int64_t n, const DistributedSamplerOptions& options);
  // Chooses the order of the next pass.
  void set_epoch(std::int64_t epoch) { epoch_ = epoch; }
  std::int64_t size() const override;
  std::unique_ptr<IndexStream> start() const override;

 private:
  std::int64_t n_;
  DistributedSamplerOptions options_;
  std::int64_t epoch_ = 0;
};

// Splits 0..sum(lengths)-1 at random into consecutive parts of one permutation.
std::vector<std::vector<std::int64_t>> random_split(const std::vector<std::int64_t>& lengths,
                                                    Generator& generator = default_generator());

}  // namespace sconce::data
