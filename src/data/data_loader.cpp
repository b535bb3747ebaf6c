#include "sconce/data/data_loader.h"

#include <utility>

#include "data/prefetcher.h"

namespace sconce::data {
namespace {

Batch make_batch(const Dataset& dataset, const Transform& transform, const std::vector<std::int64_t>& indices,
                 Generator& generator) {
  const auto count = static_cast<std::int64_t>(indices.size());
  Array images;
  Array labels = Array::empty({count}, kInt64);
  auto* const label = labels.mutable_data<std::int64_t>();
  for (std::int64_t i = 0; i < count; ++i) {
    const Example example = dataset.get(indices[static_cast<std::size_t>(i)]);
    const Array image = transform(example.image, generator);
    if (i == 0) {
      Shape shape = image.shape();
      shape.insert(0, count);
      images = Array::empty(shape, image.dtype());
    }
    Array place = images.select(0, i);
    require(image.shape() == place.shape() && image.dtype() == place.dtype(), ErrorCode::kShapeMismatch,
            "data_loader", "images of one batch must agree: ", place.shape(), " of ", place.dtype(), " and ",
            image.shape(), " of ", image.dtype());
    place.copy_from(image);
    label[i] = example.label;
  }
  return {Tensor(std::move(images)), Tensor(std::move(labels))};
}

// Puts the default generator back when a pass has been replayed, or failed to be.
class DefaultGeneratorGuard {
 public:
  DefaultGeneratorGuard() = default;
  DefaultGeneratorGuard(const DefaultGeneratorGuard&) = delete;
  DefaultGeneratorGuard& operator=(const DefaultGeneratorGuard&) = delete;
  ~DefaultGeneratorGuard() { default_generator() = saved_; }

 private:
  const Generator saved_ = default_generator();
};

void restore(Generator* generator, const Array& state) {
  if (generator == nullptr) return;
  require(state.defined(), ErrorCode::kInvalidArgument, "data_loader",
          "the saved state lacks a generator that this loader draws from");
  generator->set_state(state);
}

}  // namespace

Epoch::Epoch(const Dataset& dataset, const DataLoaderOptions& options, const Sampler& sampler,
             std::int64_t first_batch)
    : dataset_(&dataset), options_(&options) {
  state_.default_generator = default_generator().state();
  if (options.generator != nullptr) state_.loader_generator = options.generator->state();
  if (sampler.generator() != nullptr) state_.sampler_generator = sampler.generator()->state();
  state_.batches = first_batch;

  Generator& seeder = options.generator != nullptr ? *options.generator : default_generator();
  const auto base_seed = static_cast<std::uint64_t>(seeder.r63());
  indices_ = sampler.start();
  if (options.prefetch == 0) {
    for (std::int64_t i = 0; i < first_batch; ++i) pull();
    return;
  }
  Generator worker(base_seed);
  const Array blank = Array::zeros(dataset.image_shape(), kUInt8);
  for (std::int64_t i = 0; i < first_batch; ++i) {
    const std::size_t skipped = pull().size();
    for (std::size_t image = 0; image < skipped; ++image) options.transform(blank, worker);
  }
  prefetcher_ = std::make_unique<Prefetcher>(
      [&dataset, &options, worker](const std::vector<std::int64_t>& indices) mutable {
        return make_batch(dataset, options.transform, indices, worker);
      });
  for (std::int64_t i = 0; i < options.prefetch; ++i) prefetch();
}

Epoch::Epoch(Epoch&&) noexcept = default;
Epoch& Epoch::operator=(Epoch&&) noexcept = default;
Epoch::~Epoch() = default;

// The indices of the next batch, empty at the end. The stream is asked past its end only when a batch is not
// full, because samplers may draw then.
std::vector<std::int64_t> Epoch::pull() {
  std::vector<std::int64_t> batch;
  while (static_cast<std::int64_t>(batch.size()) < options_->batch_size) {
    const std::optional<std::int64_t> index = indices_->next();
    if (!index) {
      if (options_->drop_last) batch.clear();
      break;
    }
    batch.push_back(*index);
  }
  return batch;
}

void Epoch::prefetch() {
  std::vector<std::int64_t> indices = pull();
  if (!indices.empty()) prefetcher_->submit(std::move(indices));
}

std::optional<Batch> Epoch::next() {
  if (!prefetcher_) {
    const std::vector<std::int64_t> indices = pull();
    if (indices.empty()) return std::nullopt;
    ++state_.batches;
    return make_batch(*dataset_, options_->transform, indices, default_generator());
  }
  if (prefetcher_->pending() == 0) return std::nullopt;
  Prefetcher::Result result = prefetcher_->take();
  ++state_.batches;
  prefetch();
  if (result.error) std::rethrow_exception(result.error);
  return std::move(result.batch);
}

EpochState Epoch::state() const { return state_; }

DataLoader::DataLoader(const Dataset& dataset, DataLoaderOptions options)
    : dataset_(&dataset), options_(std::move(options)) {
  require(options_.batch_size >= 1, ErrorCode::kInvalidArgument, "data_loader",
          "expected a batch size of 1 or more, found ", options_.batch_size);
  require(options_.prefetch >= 0, ErrorCode::kInvalidArgument, "data_loader",
          "expected prefetch of 0 or more, found ", options_.prefetch);
  require(!(options_.shuffle && options_.sampler), ErrorCode::kInvalidArgument, "data_loader",
          "shuffle and a sampler exclude each other");
  if (options_.sampler) return;
  if (options_.shuffle) {
    options_.sampler = std::make_shared<RandomSampler>(dataset.size(),
                                                       RandomSamplerOptions{.generator = options_.generator});
  } else {
    options_.sampler = std::make_shared<SequentialSampler>(dataset.size());
  }
}

std::int64_t DataLoader::size() const {
  const std::int64_t whole = options_.sampler->size() / options_.batch_size;
  const bool has_rest = options_.sampler->size() % options_.batch_size != 0;
  return whole + (has_rest && !options_.drop_last ? 1 : 0);
}

Epoch DataLoader::start(std::int64_t first_batch) const {
  return {*dataset_, options_, *options_.sampler, first_batch};
}

Epoch DataLoader::epoch() const { return start(0); }

Epoch DataLoader::resume(const EpochState& state) const {
  require(state.batches >= 0 && state.batches <= size(), ErrorCode::kInvalidArgument, "data_loader",
          "cannot continue after ", state.batches, " batches of ", size());
  const DefaultGeneratorGuard guard;
  default_generator().set_state(state.default_generator);
  restore(options_.generator, state.loader_generator);
  restore(options_.sampler->generator(), state.sampler_generator);
  return start(state.batches);
}

}  // namespace sconce::data
