#include "sconce/data/sampler.h"

#include <algorithm>
#include <functional>
#include <numeric>
#include <utility>

#include "sconce/base/checked.h"

namespace sconce::data {
namespace {

// Indices that are known when the pass begins, or made when the first is asked for.
class ListStream final : public IndexStream {
 public:
  template <class Make>
  explicit ListStream(Make make) : make_(std::move(make)) {}

  std::optional<std::int64_t> next() override {
    if (make_) {
      indices_ = make_();
      make_ = nullptr;
    }
    if (at_ == indices_.size()) return std::nullopt;
    return indices_[at_++];
  }

 private:
  std::function<std::vector<std::int64_t>()> make_;
  std::vector<std::int64_t> indices_;
  std::size_t at_ = 0;
};

class CountingStream final : public IndexStream {
 public:
  explicit CountingStream(std::int64_t n) : n_(n) {}
  std::optional<std::int64_t> next() override {
    if (at_ == n_) return std::nullopt;
    return at_++;
  }

 private:
  std::int64_t n_;
  std::int64_t at_ = 0;
};

// Chunks of indices drawn one after the other: whole permutations, or 32 draws with replacement; the last
// chunk is cut to what is left, which may be nothing.
class RandomStream final : public IndexStream {
 public:
  RandomStream(std::int64_t n, std::int64_t count, const RandomSamplerOptions& options)
      : n_(n), replacement_(options.replacement), left_(count), generator_(options.generator) {}

  std::optional<std::int64_t> next() override {
    if (!own_ && generator_ == nullptr) {
      own_ = Generator(static_cast<std::uint64_t>(default_generator().r63()));
    }
    while (at_ == chunk_.size()) {
      if (is_done_) return std::nullopt;
      draw_chunk();
    }
    return chunk_[at_++];
  }

 private:
  void draw_chunk() {
    constexpr std::int64_t kDraws = 32;
    Generator& generator = generator_ != nullptr ? *generator_ : *own_;
    const std::int64_t whole = replacement_ ? kDraws : n_;
    const std::int64_t used = std::min(left_, whole);
    is_done_ = used < whole;
    at_ = 0;
    left_ -= used;
    if (!replacement_) {
      chunk_ = kernels::randperm(n_, generator).to_vector<std::int64_t>();
      chunk_.resize(static_cast<std::size_t>(used));
      return;
    }
    Array drawn = Array::empty({used}, kInt64);
    kernels::randint(drawn, 0, n_, generator);
    chunk_ = drawn.to_vector<std::int64_t>();
  }

  std::int64_t n_;
  bool replacement_;
  std::int64_t left_;
  Generator* generator_;
  std::optional<Generator> own_;
  std::vector<std::int64_t> chunk_;
  std::size_t at_ = 0;
  bool is_done_ = false;
};

Generator& named_or_default(Generator* generator) {
  return generator != nullptr ? *generator : default_generator();
}

}  // namespace

std::unique_ptr<IndexStream> SequentialSampler::start() const { return std::make_unique<CountingStream>(n_); }

RandomSampler::RandomSampler(std::int64_t n, const RandomSamplerOptions& options)
    : n_(n), options_(options), num_samples_(options.num_samples == -1 ? n : options.num_samples) {
  require(n >= 1 && num_samples_ >= 1, ErrorCode::kInvalidArgument, "random_sampler",
          "expected at least 1 example and 1 sample, found ", n, " and ", num_samples_);
}

std::unique_ptr<IndexStream> RandomSampler::start() const {
  return std::make_unique<RandomStream>(n_, num_samples_, options_);
}

SubsetRandomSampler::SubsetRandomSampler(std::vector<std::int64_t> indices, Generator* generator)
    : indices_(std::move(indices)), generator_(generator) {}

std::unique_ptr<IndexStream> SubsetRandomSampler::start() const {
  return std::make_unique<ListStream>([this] {
    std::vector<std::int64_t> order =
        kernels::randperm(size(), named_or_default(generator_)).to_vector<std::int64_t>();
    for (std::int64_t& i : order) i = indices_[static_cast<std::size_t>(i)];
    return order;
  });
}

WeightedRandomSampler::WeightedRandomSampler(const std::vector<double>& weights, std::int64_t num_samples,
                                             bool replacement, Generator* generator)
    : weights_(Array::from(weights, Shape{static_cast<std::int64_t>(weights.size())})),
      num_samples_(num_samples),
      replacement_(replacement),
      generator_(generator) {
  require(num_samples >= 1, ErrorCode::kInvalidArgument, "weighted_random_sampler",
          "expected at least 1 sample, found ", num_samples);
}

std::unique_ptr<IndexStream> WeightedRandomSampler::start() const {
  return std::make_unique<ListStream>([this] {
    return kernels::multinomial(weights_, num_samples_, replacement_, named_or_default(generator_))
        .to_vector<std::int64_t>();
  });
}

DistributedSampler::DistributedSampler(std::int64_t n, const DistributedSamplerOptions& options)
    : n_(n), options_(options) {
  require(n >= 0, ErrorCode::kInvalidArgument, "distributed_sampler", "expected 0 or more examples, found ",
          n);
  require(options.rank >= 0 && options.rank < options.replicas, ErrorCode::kInvalidArgument,
          "distributed_sampler", "expected a rank from 0 to ", options.replicas - 1, ", found ",
          options.rank);
}

std::int64_t DistributedSampler::size() const {
  if (options_.drop_last) return n_ / options_.replicas;
  return (n_ + options_.replicas - 1) / options_.replicas;
}

std::unique_ptr<IndexStream> DistributedSampler::start() const {
  std::vector<std::int64_t> order(static_cast<std::size_t>(n_));
  if (options_.shuffle) {
    Generator shared(options_.seed + static_cast<std::uint64_t>(epoch_));
    order = kernels::randperm(n_, shared).to_vector<std::int64_t>();
  } else {
    std::iota(order.begin(), order.end(), std::int64_t{0});
  }
  std::vector<std::int64_t> mine;
  for (std::int64_t i = 0; i < size(); ++i) {
    const std::int64_t at = i * options_.replicas + options_.rank;
    mine.push_back(order[static_cast<std::size_t>(at % n_)]);
  }
  return std::make_unique<ListStream>([mine = std::move(mine)] { return mine; });
}

std::vector<std::vector<std::int64_t>> random_split(const std::vector<std::int64_t>& lengths,
                                                    Generator& generator) {
  std::int64_t total = 0;
  for (const std::int64_t length : lengths) {
    require(length >= 0, ErrorCode::kInvalidArgument, "random_split", "a length is negative: ", length);
    total = checked_add(total, length, "random_split");
  }
  const std::vector<std::int64_t> order = kernels::randperm(total, generator).to_vector<std::int64_t>();
  std::vector<std::vector<std::int64_t>> parts;
  auto at = order.begin();
  for (const std::int64_t length : lengths) {
    parts.emplace_back(at, at + length);
    at += length;
  }
  return parts;
}

}  // namespace sconce::data
