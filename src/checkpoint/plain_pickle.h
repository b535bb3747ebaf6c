// A pickle without torch.save around it: pickle.dump of anything. Tensors in it carry their storages along,
// each as a whole legacy stream in a byte string (formats.md B.9).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "checkpoint/distinct_facts.h"
#include "checkpoint/file_pickle.h"
#include "checkpoint/legacy_stream.h"
#include "checkpoint/persistent_ids.h"
#include "checkpoint/source.h"
#include "checkpoint/storage_file.h"

namespace sconce::checkpoint {

class PlainPickle : public StorageFile, public PersistentIds {
 public:
  // Reads the pickle and the streams in it. Errors: those of read_pickle and LegacyStream; kUnsupported
  // (persistent ids, byte strings that are no stream of one storage).
  PlainPickle(const Source& source, const LoadOptions& options);

  const pickle::Graph& graph() const { return pickle_.graph; }
  std::uint64_t trailing_bytes() const { return size_ - pickle_.end; }
  // Bytes behind the storages in its byte strings.
  std::uint64_t inner_trailing_bytes() const { return inner_trailing_bytes_; }

  // Of the pickles in its byte strings.
  const std::vector<PickleFacts>& inner_facts() const { return inner_facts_.all(); }

  Referent resolve(pickle::Node node) const override;
  bool is_storage(pickle::Node node) const override { return storages_.count(node.id()) != 0; }

  std::uint64_t size_of(const StorageInfo& storage) const override { return carried(storage).inner.bytes; }
  StoragePlace place_of(const StorageInfo& storage) const override;
  void read(const StorageInfo& storage, std::span<std::byte> out, std::size_t word) const override;
  std::optional<Storage> map(const StorageInfo&, std::size_t) const override { return std::nullopt; }
  bool needs_swap() const override;

 private:
  // A legacy stream in a byte string.
  struct Stream {
    std::vector<std::byte>
        decoded;                    // of a byte string that is spelled as text; else the pickle has the bytes
    std::uint64_t file_offset = 0;  // of its first byte, or near it where it is spelled as text
    std::unique_ptr<LegacyStream> stream;
  };
  // A storage under the key that is unique in the whole pickle.
  struct Carried {
    const Stream* stream = nullptr;
    StorageInfo inner;  // as its stream has it
    Referent referent;
  };

  const Carried& carried(const StorageInfo& storage) const;
  void open(pickle::Node call, const LoadOptions& options);
  const Stream& stream_of(pickle::Node content, const LoadOptions& options);

  std::uint64_t size_ = 0;
  std::uint64_t inner_trailing_bytes_ = 0;
  DistinctFacts inner_facts_;
  FilePickle pickle_;
  std::unordered_map<std::uint32_t, Stream> streams_;     // by node of the bytes or text
  std::unordered_map<std::uint32_t, Carried> storages_;   // by node of the call
  std::unordered_map<std::string, std::uint32_t> calls_;  // by key: node of the call
};

}  // namespace sconce::checkpoint
