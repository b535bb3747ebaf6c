#include <algorithm>
#include <bit>
#include <optional>
#include <utility>
#include <vector>

#include "checkpoint/value_writer.h"
#include "checkpoint/writers.h"
#include "sconce/base/byte_reader.h"
#include "sconce/base/parallel.h"
#include "sconce/codec/crc32.h"
#include "sconce/codec/zip_writer.h"

namespace sconce::checkpoint {
namespace {

struct PlannedRecord {
  std::string name;
  std::uint64_t size = 0;
  std::span<const std::byte> data;   // what is in memory,
  Storage storage;                   // or else is on its way there
  std::optional<std::uint32_t> crc;  // of data
};

// The records and their order are torch.save's (formats.md J.1).
class TorchZipFile : public PlannedFile {
 public:
  TorchZipFile(std::vector<std::byte> pickle, std::vector<PlannedStorage> storages, const std::string& top)
      : pickle_(std::move(pickle)), storages_(std::move(storages)) {
    constexpr std::string_view kOrder = std::endian::native == std::endian::little ? "little" : "big";
    add(cat(top, "/data.pkl"), pickle_);
    add(cat(top, "/byteorder"), as_byte_span(kOrder));
    for (const PlannedStorage& planned : storages_) {
      std::string name = cat(top, "/data/", planned.key);
      if (planned.storage.is_loaded()) {
        add(std::move(name), {planned.storage.data(), static_cast<std::size_t>(planned.bytes)});
      } else {
        records_.push_back({std::move(name), planned.bytes, {}, planned.storage, {}});
      }
    }
    add(cat(top, "/version"), as_byte_span("3\n"));
    // Each record has its own checksum, so they can be computed side by side.
    std::uint64_t bytes = 0;
    for (const PlannedRecord& record : records_) bytes += record.data.size();
    const auto count = static_cast<std::int64_t>(records_.size());
    parallel_for(count, grain_for_bytes(count, bytes), [&](std::int64_t begin, std::int64_t end) {
      for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) {
        if (!records_[i].storage) records_[i].crc = crc32(records_[i].data);
      }
    });
  }

  std::uint64_t size() const override {
    std::vector<zip::Record> sizes;
    sizes.reserve(records_.size());
    for (const PlannedRecord& record : records_) sizes.push_back({record.name, record.size});
    return zip::archive_size(sizes);
  }

  void write(ByteSink& sink) const override {
    zip::Writer writer(sink);
    for (const PlannedRecord& record : records_) {
      if (!record.storage) {
        writer.add(record.name, record.data, record.crc);
        continue;
      }
      writer.begin(record.name, record.size);
      std::uint64_t left = record.size;
      record.storage.stream([&](std::span<const std::byte> piece) {
        const auto n = static_cast<std::size_t>(std::min<std::uint64_t>(left, piece.size()));
        writer.write(piece.first(n));
        left -= n;
      });
      writer.end();
    }
    writer.finish();
  }

 private:
  void add(std::string name, std::span<const std::byte> data) {
    records_.push_back({std::move(name), data.size(), data, {}, {}});
  }

  std::vector<std::byte> pickle_;
  std::vector<PlannedStorage> storages_;
  std::vector<PlannedRecord> records_;
};

}  // namespace

std::unique_ptr<PlannedFile> plan_torch_zip(const Value& value, const SaveOptions& options,
                                            const std::string& top_folder, SaveReport& report) {
  ValueWriter writer(options, report);
  auto pickle = writer.write(value);
  return std::make_unique<TorchZipFile>(std::move(pickle), writer.storages(), top_folder);
}

}  // namespace sconce::checkpoint
