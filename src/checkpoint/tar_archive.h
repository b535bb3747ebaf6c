// The tar archive that torch.save of PyTorch 0.1 wrote (formats.md D.2). Nothing is extracted: members are
// read where they stand.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "checkpoint/distinct_facts.h"
#include "checkpoint/persistent_ids.h"
#include "checkpoint/source.h"
#include "checkpoint/storage_file.h"
#include "sconce/checkpoint/load.h"
#include "sconce/codec/pickle.h"
#include "sconce/codec/tar.h"

namespace sconce::checkpoint {

class TarArchive : public StorageFile, public PersistentIds {
 public:
  // Reads the descriptions of storages and tensors, and the pickle. Errors: those of tar::list and
  // read_pickle; NoCheckpoint (another tar archive), kCorrupt, kTruncated, kNotFound, kOverflow, kLimit.
  TarArchive(Source source, const LoadOptions& options);

  // The object that was saved.
  const pickle::Graph& graph() const { return *graph_; }
  // Of the pickles in the members.
  const std::vector<PickleFacts>& facts() const { return facts_.all(); }
  // Bytes behind what the members need.
  std::uint64_t trailing_bytes() const { return trailing_bytes_; }

  // A storage, tensor or class of `graph()`.
  Referent resolve(pickle::Node node) const override;

  std::uint64_t size_of(const StorageInfo& storage) const override;
  StoragePlace place_of(const StorageInfo& storage) const override;
  void read(const StorageInfo& storage, std::span<std::byte> out, std::size_t word) const override;
  std::optional<Storage> map(const StorageInfo& storage, std::size_t word) const override;
  bool needs_swap() const override;
  std::string path() const override { return source_.path; }

 private:
  // A place in a member that moves on as it is read.
  struct Cursor {
    std::string_view member;
    std::uint64_t at = 0;
    std::uint64_t end = 0;
  };
  struct Place {
    std::uint64_t offset = 0;
    std::uint64_t bytes = 0;
  };

  Cursor member(const std::vector<tar::Member>& members, std::string_view name) const;
  pickle::Graph next_pickle(Cursor& cursor);
  std::int64_t next_count(Cursor& cursor);
  // The next `count` little-endian numbers.
  std::vector<std::int64_t> next_numbers(Cursor& cursor, std::uint64_t count) const;
  void read_storages(Cursor cursor);
  // Returns true when the storage was described as alpha versions did, without a location.
  bool read_storage(Cursor& cursor);
  void read_views(Cursor& cursor);
  void read_tensors(Cursor cursor);
  void read_tensor(Cursor& cursor);
  void add(pickle::Node key, Referent referent);
  void finish(const Cursor& cursor) { trailing_bytes_ += cursor.end - cursor.at; }

  Source source_;
  LoadOptions options_;
  std::unordered_map<std::string, Referent> objects_;  // by key: storages, views and tensors
  std::unordered_map<std::string, Place> places_;      // of storages
  std::optional<pickle::Graph> graph_;
  std::uint64_t trailing_bytes_ = 0;
  DistinctFacts facts_;
};

}  // namespace sconce::checkpoint
