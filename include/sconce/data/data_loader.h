// Batches of a dataset, in PyTorch's order. Source followed: torch/utils/data/dataloader.py.
#pragma once

#include <cstdint>
#include <iterator>
#include <memory>
#include <optional>
#include <vector>

#include "sconce/data/dataset.h"
#include "sconce/data/sampler.h"
#include "sconce/data/transforms.h"
#include "sconce/tensor/tensor.h"

namespace sconce::data {

class Prefetcher;

struct Batch {
  Tensor images;  // (N, channels, height, width), float32 unless the transform makes something else
  Tensor labels;  // (N,) int64
  std::int64_t size() const { return labels.numel(); }
};

struct DataLoaderOptions {
  std::int64_t batch_size = 1;
  bool shuffle = false;
  bool drop_last = false;                            // leave out a last batch that is not full
  Transform transform = to_float();                  // every image passes through it
  Generator* generator = nullptr;                    // draws the order; null: the default generator seeds it
  std::shared_ptr<const Sampler> sampler = nullptr;  // another order; shuffle must be off
  std::int64_t prefetch = 0;                         // batches that a background thread makes ahead
};

// Where an epoch stands, for DataLoader::resume(). Undefined arrays: there is no such generator.
struct EpochState {
  Array default_generator;  // generator states when the epoch began
  Array loader_generator;
  Array sampler_generator;
  std::int64_t batches = 0;  // handed out since
};

// One pass over the data. Random numbers, in PyTorch's order: one 63-bit seed when the pass begins; the
// sampler's when the first batch is asked for. Without prefetch (PyTorch's num_workers=0) transforms draw
// from the default generator as each batch is made. With prefetch (num_workers=1 and that prefetch_factor)
// the sampler is asked ahead, and transforms draw from a generator seeded with the pass's seed, so the
// background thread never touches the caller's generators and results do not depend on timing.
class Epoch {
 public:
  Epoch(Epoch&&) noexcept;
  Epoch& operator=(Epoch&&) noexcept;
  ~Epoch();  // stops the background thread, wherever it is

  // The next batch, or nothing at the end. Throws what reading or transforming that batch threw; the batches
  // after it can still be had.
  std::optional<Batch> next();
  // Enough to continue after the batches handed out so far.
  EpochState state() const;

 private:
  friend class DataLoader;
  Epoch(const Dataset& dataset, const DataLoaderOptions& options, const Sampler& sampler,
        std::int64_t first_batch);
  std::vector<std::int64_t> pull();
  void prefetch();

  const Dataset* dataset_;
  const DataLoaderOptions* options_;
  EpochState state_;
  std::unique_ptr<IndexStream> indices_;
  std::unique_ptr<Prefetcher> prefetcher_;
};

class DataLoader {
 public:
  // The dataset must outlive the loader, the loader its epochs. Error kInvalidArgument for a batch size below
  // 1, a negative prefetch, or shuffle together with a sampler.
  DataLoader(const Dataset& dataset, DataLoaderOptions options);
  DataLoader(Dataset&&, DataLoaderOptions) = delete;

  // Batches in one pass.
  std::int64_t size() const;
  // Begins a pass.
  Epoch epoch() const;
  // Continues the pass that `state` was taken from; loader and dataset must be set up as they were. Named
  // generators end up where they were then; the default generator keeps the state it has now, so restore it
  // from the checkpoint before or after. Errors as Generator::set_state; kInvalidArgument when `state` lacks
  // a generator that this loader uses.
  Epoch resume(const EpochState& state) const;

  // for (const Batch& batch : loader): one pass.
  class Iterator {
   public:
    explicit Iterator(Epoch epoch) : epoch_(std::move(epoch)), batch_(epoch_.next()) {}
    const Batch& operator*() const { return *batch_; }
    Iterator& operator++() {
      batch_ = epoch_.next();
      return *this;
    }
    bool operator==(std::default_sentinel_t) const { return !batch_; }

   private:
    Epoch epoch_;
    std::optional<Batch> batch_;
  };
  Iterator begin() const { return Iterator(epoch()); }
  std::default_sentinel_t end() const { return {}; }

 private:
  Epoch start(std::int64_t first_batch) const;

  const Dataset* dataset_;
  DataLoaderOptions options_;
};

}  // namespace sconce::data
