#include "sconce/data/cifar10.h"

#include <algorithm>
#include <cstring>
#include <filesystem>

#include "sconce/base/file.h"

namespace sconce::data {
namespace {

constexpr std::size_t kImageSize = std::size_t{3} * 32 * 32;
constexpr std::size_t kRecordSize = 1 + kImageSize;
constexpr std::uint8_t kClasses = 10;

std::string batch_folder(const std::string& folder) {
  const std::filesystem::path inner = std::filesystem::path(folder) / "cifar-10-batches-bin";
  std::error_code ignored;
  return std::filesystem::is_directory(inner, ignored) ? inner.string() : folder;
}

// Appends the records of one file after checking all of them.
void append_batch(const std::string& path, std::vector<std::byte>& records) {
  const std::vector<std::byte> bytes = read_file(path);
  try {
    if (bytes.empty() || bytes.size() % kRecordSize != 0) {
      throw Error(ErrorCode::kTruncated, "cifar10",
                  cat("expected whole records of ", kRecordSize, " bytes, the last one has ",
                      bytes.size() % kRecordSize))
          .at_offset(bytes.size() - bytes.size() % kRecordSize);
    }
    for (std::size_t at = 0; at < bytes.size(); at += kRecordSize) {
      const auto label = std::to_integer<std::uint8_t>(bytes[at]);
      if (label < kClasses) continue;
      throw Error(ErrorCode::kCorrupt, "cifar10", cat("expected a label from 0 to 9, found ", int{label}))
          .at_offset(at);
    }
  } catch (const Error& error) {
    throw error.in_file(path);
  }
  records.insert(records.end(), bytes.begin(), bytes.end());
}

}  // namespace

Cifar10::Cifar10(const std::string& folder, Split split) {
  const std::filesystem::path batches = batch_folder(folder);
  if (split == Split::kTest) {
    append_batch((batches / "test_batch.bin").string(), records_);
    return;
  }
  for (int i = 1; i <= 5; ++i) append_batch((batches / cat("data_batch_", i, ".bin")).string(), records_);
}

std::int64_t Cifar10::size() const { return static_cast<std::int64_t>(records_.size() / kRecordSize); }

const std::vector<std::string>& Cifar10::class_names() const {
  static const std::vector<std::string> names{"airplane", "automobile", "bird",  "cat",  "deer",
                                              "dog",      "frog",       "horse", "ship", "truck"};
  return names;
}

std::span<const std::byte> Cifar10::record(std::int64_t index) const {
  return std::span(records_).subspan(static_cast<std::size_t>(index) * kRecordSize, kRecordSize);
}

void Cifar10::read_image(std::int64_t index, std::span<std::uint8_t> pixels) const {
  std::memcpy(pixels.data(), record(index).data() + 1, kImageSize);
}

std::int64_t Cifar10::read_label(std::int64_t index) const {
  return std::to_integer<std::int64_t>(record(index)[0]);
}

}  // namespace sconce::data
