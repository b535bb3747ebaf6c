// sconce_probe_nn loader IN OUT: IN is a list of {size, epochs, seed, loader_seed, batch_size, shuffle,
// drop_last, prefetch, sampler}; for each, OUT has the batches of every epoch and the generators' states at
// the end.
#include <map>

#include "../probe/probe.h"
#include "options.h"
#include "sconce/checkpoint/load.h"
#include "sconce/checkpoint/save.h"
#include "sconce/data/data_loader.h"

namespace sconce::probe {
namespace {

// Pictures of one pixel; the label is the index.
class Numbers final : public data::Dataset {
 public:
  explicit Numbers(std::int64_t size) : size_(size) {}
  std::int64_t size() const override { return size_; }
  Shape image_shape() const override { return {1, 1, 1}; }
  const std::vector<std::string>& class_names() const override { return names_; }

 private:
  void read_image(std::int64_t index, std::span<std::uint8_t> pixels) const override {
    pixels[0] = static_cast<std::uint8_t>(index % 256);
  }
  std::int64_t read_label(std::int64_t index) const override { return index; }

  std::int64_t size_;
  std::vector<std::string> names_;
};

using SamplerPointer = std::shared_ptr<const data::Sampler>;
using MakeSampler = SamplerPointer (*)(const Options& options, Generator* generator);

std::int64_t integer(const Options& options, std::string_view name, std::int64_t fallback) {
  return options.get(name, fallback);
}

SamplerPointer replacement(const Options& options, Generator* generator) {
  return std::make_shared<data::RandomSampler>(
      integer(options, "size", 0),
      data::RandomSamplerOptions{
          .replacement = true, .num_samples = integer(options, "samples", 1), .generator = generator});
}

SamplerPointer subset(const Options& options, Generator* generator) {
  return std::make_shared<data::SubsetRandomSampler>(
      options.at("indices").as_array().to_vector<std::int64_t>(), generator);
}

SamplerPointer weighted(const Options& options, Generator* generator) {
  return std::make_shared<data::WeightedRandomSampler>(options.at("weights").as_array().to_vector<double>(),
                                                       integer(options, "samples", 1),
                                                       options.get("replacement", true), generator);
}

SamplerPointer distributed(const Options& options, Generator*) {
  return std::make_shared<data::DistributedSampler>(
      integer(options, "size", 0),
      data::DistributedSamplerOptions{.replicas = integer(options, "replicas", 1),
                                      .rank = integer(options, "rank", 0),
                                      .seed = static_cast<std::uint64_t>(integer(options, "sampler_seed", 0)),
                                      .drop_last = options.get("sampler_drop_last", false)});
}

SamplerPointer make_sampler(const Options& options, Generator* generator) {
  static const std::map<std::string, MakeSampler> table{
      {"replacement", replacement}, {"subset", subset}, {"weighted", weighted}, {"distributed", distributed}};
  return options.has("sampler") ? table.at(options.at("sampler").as_string())(options, generator) : nullptr;
}

Value run(const Value& entry) {
  const Options options(entry);
  const Numbers dataset(integer(options, "size", 0));
  manual_seed(static_cast<std::uint64_t>(options.at("seed").as_int()));
  std::optional<Generator> generator;
  if (options.has("loader_seed")) {
    generator.emplace(static_cast<std::uint64_t>(options.at("loader_seed").as_int()));
  }
  Generator* const named = generator ? &*generator : nullptr;
  const data::DataLoader loader(dataset, {.batch_size = integer(options, "batch_size", 1),
                                          .shuffle = options.get("shuffle", false),
                                          .drop_last = options.get("drop_last", false),
                                          .generator = named,
                                          .sampler = make_sampler(options, named),
                                          .prefetch = integer(options, "prefetch", 0)});
  Value epochs = Value::list();
  for (std::int64_t epoch = 0; epoch < options.at("epochs").as_int(); ++epoch) {
    Value batches = Value::list();
    for (const data::Batch& batch : loader) batches.append(batch.labels.array());
    epochs.append(batches);
  }
  return Value::dict({{"epochs", epochs},
                      {"length", loader.size()},
                      {"rng_state", default_generator().state()},
                      {"loader_state", generator ? Value(generator->state()) : Value()}});
}

int loader(const Arguments& arguments) {
  Value out = Value::list();
  for (const Value& entry : checkpoint::load(arguments.at(0)).elements()) out.append(run(entry));
  checkpoint::save(arguments.at(1), out, {.durable = false});
  return 0;
}

const Command kLoader("loader", loader);

}  // namespace
}  // namespace sconce::probe
