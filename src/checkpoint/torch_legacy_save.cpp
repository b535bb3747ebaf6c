// Writes the stream of torch.save until 1.5 (formats.md D.1, J.1).
#include <algorithm>
#include <bit>
#include <string_view>
#include <utility>
#include <vector>

#include "checkpoint/source.h"
#include "checkpoint/value_writer.h"
#include "checkpoint/writers.h"
#include "sconce/base/byte_writer.h"

namespace sconce::checkpoint {
namespace {

// 0x1950A86A20F9469CFC6C, least significant byte first.
constexpr std::string_view kMagic("\x6C\xFC\x9C\x46\xF9\x20\x6A\xA8\x50\x19", 10);
constexpr std::int64_t kVersion = 1001;
constexpr std::size_t kPiece = std::size_t{1} << 20;

// torch.save's description of its machine, as every machine of today has it.
void put_system(pickle::Writer& out) {
  out.empty_dict();
  out.memoize();
  out.mark();
  out.shared_text("protocol_version");
  out.integer(kVersion);
  out.shared_text("little_endian");
  out.boolean(true);
  out.shared_text("type_sizes");
  out.empty_dict();
  out.memoize();
  out.mark();
  for (const auto& [name, size] : {std::pair{"short", 2}, std::pair{"int", 4}, std::pair{"long", 4}}) {
    out.shared_text(name);
    out.integer(size);
  }
  out.setitems();
  out.setitems();
}

void put_keys(pickle::Writer& out, const std::vector<PlannedStorage>& storages) {
  pickle::Batches batches(out, pickle::Batches::Target::kList, pickle::Batches::Source::kPlain,
                          storages.size());
  out.empty_list();
  out.memoize();
  for (const PlannedStorage& storage : storages) {
    batches.begin_item();
    out.text(storage.key);
    out.memoize();
    batches.end_item();
  }
}

template <class Put>
void append_pickle(ByteWriter& out, Put put) {
  pickle::Writer writer;
  writer.proto();
  put(writer);
  writer.stop();
  out.bytes(writer.take());
}

class TorchLegacyFile : public PlannedFile {
 public:
  TorchLegacyFile(const std::vector<std::byte>& pickle, std::vector<PlannedStorage> storages)
      : storages_(std::move(storages)) {
    // As strings, which is how torch.save sorts them: "10" before "2".
    std::sort(storages_.begin(), storages_.end(),
              [](const PlannedStorage& a, const PlannedStorage& b) { return a.key < b.key; });
    ByteWriter head;
    append_pickle(head, [](pickle::Writer& out) { out.big_integer(as_byte_span(kMagic)); });
    append_pickle(head, [](pickle::Writer& out) { out.integer(kVersion); });
    append_pickle(head, put_system);
    head.bytes(pickle);
    append_pickle(head, [this](pickle::Writer& out) { put_keys(out, storages_); });
    head_ = head.take();
  }

  std::uint64_t size() const override {
    std::uint64_t size = head_.size();
    for (const PlannedStorage& storage : storages_) size += sizeof(std::uint64_t) + storage.bytes;
    return size;
  }

  void write(ByteSink& sink) const override {
    sink.write(head_);
    for (const PlannedStorage& storage : storages_) {
      ByteWriter numel;
      numel.little<std::uint64_t>(storage.bytes / itemsize(storage.dtype));
      sink.write(numel.view());
      write_little_endian(sink, {storage.storage.data(), static_cast<std::size_t>(storage.bytes)},
                          dtype_info(storage.dtype).word);
    }
  }

 private:
  static void write_little_endian(ByteSink& sink, std::span<const std::byte> bytes, std::size_t word) {
    if (std::endian::native == std::endian::little || word == 1) return sink.write(bytes);
    for (std::size_t at = 0; at < bytes.size(); at += kPiece) {
      const auto piece = bytes.subspan(at, std::min(kPiece, bytes.size() - at));
      std::vector<std::byte> turned(piece.begin(), piece.end());
      swap_words(turned, word);
      sink.write(turned);
    }
  }

  std::vector<std::byte> head_;  // the five pickles
  std::vector<PlannedStorage> storages_;
};

}  // namespace

std::unique_ptr<PlannedFile> plan_torch_legacy(const Value& value, const SaveOptions& options,
                                               const std::string&, SaveReport& report) {
  ValueWriter writer(options, report);
  const auto pickle = writer.write(value);
  return std::make_unique<TorchLegacyFile>(pickle, writer.storages());
}

}  // namespace sconce::checkpoint
