// Salvage of legacy streams: the pickles come first, the storages one after the other, none with a checksum.
#include <algorithm>

#include "checkpoint/legacy_stream.h"
#include "checkpoint/salvage_backend.h"
#include "checkpoint/salvagers.h"

namespace sconce::checkpoint {
namespace {

class LegacySalvage : public SalvageBackend {
 public:
  LegacySalvage(const LegacyStream& stream, const LoadOptions& options)
      : SalvageBackend(options), stream_(stream) {}

 protected:
  Bytes read(const StorageInfo& storage, std::size_t word) override {
    if (storage.bytes == 0) return {Storage::allocate(0), true};
    const std::string loss = stream_.loss_of(storage);
    require(loss.empty(), ErrorCode::kCorrupt, "salvage", loss);
    Bytes out{Storage::allocate(static_cast<std::size_t>(storage.bytes)), false};
    stream_.read(storage, {out.storage.mutable_data(), out.storage.size()}, word);
    return out;
  }
  bool needs_swap() const override { return stream_.needs_swap(); }

 private:
  const LegacyStream& stream_;
};

}  // namespace

Salvage salvage_torch_legacy(const Source& source, const LoadOptions& options) {
  Salvage out;
  out.format = Format::kTorchLegacy;
  out.file_size = source.bytes->size();
  out.notes.emplace_back("legacy streams have no checksums: whether the bytes are right cannot be told");
  const LegacyStream stream(source, options, {}, Damage::kKeep);
  LegacySalvage backend(stream, options);
  out.pickles.push_back(pickle_facts("", stream.graph()));
  ValueReader reader(stream.graph(), backend, true, legacy_ids());
  Value root = reader.read();
  sort_out(out, root, reader, backend, false, options.walk);
  return out;
}

bool can_salvage_torch_legacy(const Source& source, const LoadOptions& options) {
  const LegacyStream stream(source, options, {}, Damage::kKeep);
  DescribingBackend describing;
  ValueReader reader(stream.graph(), describing, false, legacy_ids());
  reader.read();
  return std::any_of(reader.storages().begin(), reader.storages().end(), [&](const StorageInfo& storage) {
    return storage.bytes > 0 && storage.is_in_file && stream.loss_of(storage).empty();
  });
}

}  // namespace sconce::checkpoint
