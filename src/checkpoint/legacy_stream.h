// The stream that torch.save wrote until 1.5: five pickles, then the storages (formats.md D.1).
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "checkpoint/persistent_ids.h"
#include "checkpoint/source.h"
#include "checkpoint/storage_file.h"
#include "sconce/checkpoint/load.h"
#include "sconce/codec/pickle.h"

namespace sconce::checkpoint {

// What to do when storages are missing or contradict the object.
enum class Damage : std::uint8_t { kRefuse, kKeep };

class LegacyStream : public StorageFile {
 public:
  // Reads the pickles and the heads of the storages, and holds them against each other. Errors: those of
  // read_pickle; kCorrupt (the parts contradict each other), kTruncated, kNotFound (a storage that a tensor
  // needs is missing), kUnsupported (another version), kOverflow. `on_pickle` is told of each of the five.
  // With Damage::kKeep the pickles must be whole, but any storage may be lost: see loss_of().
  using OnPickle = std::function<void(const pickle::Graph& graph)>;
  LegacyStream(Source source, const LoadOptions& options, const OnPickle& on_pickle = {},
               Damage damage = Damage::kRefuse);

  // The fourth pickle: the object that was saved.
  const pickle::Graph& graph() const { return *graph_; }
  std::uint64_t trailing_bytes() const { return trailing_bytes_; }
  // Where a storage's bytes begin.
  std::uint64_t offset_of(const StorageInfo& storage) const { return place(storage).offset; }

  // Why a storage's bytes cannot be had; empty when they can.
  std::string loss_of(const StorageInfo& storage) const;

  std::uint64_t size_of(const StorageInfo& storage) const override { return place(storage).info.bytes; }
  StoragePlace place_of(const StorageInfo& storage) const override { return {"", offset_of(storage), false}; }
  void read(const StorageInfo& storage, std::span<std::byte> out, std::size_t word) const override;
  std::optional<Storage> map(const StorageInfo& storage, std::size_t word) const override;
  bool needs_swap() const override;
  std::string path() const override { return source_.path; }

 private:
  struct Place {
    StorageInfo info;
    bool is_found = false;  // in the list of storages
    std::uint64_t offset = 0;
    std::string loss = "the list of storages does not have it";
  };

  const Place& place(const StorageInfo& storage) const;
  void collect_storages();
  // Where `place`, whose number of elements stands at `at`, ends. Errors: kTruncated, kCorrupt.
  std::uint64_t find_place(Place& place, std::uint64_t at) const;
  // Places the storages that `keys` lists from `at` on; returns where they end.
  std::uint64_t place_storages(const pickle::Graph& keys, std::uint64_t at, Damage damage);
  void require_places() const;

  Source source_;
  std::optional<pickle::Graph> graph_;
  std::unordered_map<std::string, Place> places_;
  std::vector<std::string>
      order_;  // keys in order of first mention, so that messages do not depend on hashes
  std::uint64_t trailing_bytes_ = 0;
};

}  // namespace sconce::checkpoint
