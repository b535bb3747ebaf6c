#include "checkpoint/torch_archive.h"

#include <algorithm>
#include <bit>
#include <charconv>

#include "checkpoint/file_pickle.h"
#include "checkpoint/no_checkpoint.h"
#include "checkpoint/read_limits.h"
#include "sconce/base/byte_reader.h"

namespace sconce::checkpoint {
namespace {

constexpr std::uint64_t kSmallRecord = 64;
constexpr int kNewestVersion = 10;

// Records that tell an archive of torch.save without its pickle from any other zip.
constexpr std::string_view kOwnRecords[] = {"version", ".data/version", "byteorder", "data/0"};

// Records that tell other archives apart.
struct Stranger {
  std::string_view record;
  std::string_view what;
};
constexpr Stranger kStrangers[] = {
    {"model.json",
     "a TorchScript archive of PyTorch 1.0 to 1.3, which is not supported; PyTorch 1.13 loads it and saves "
     "it "
     "anew"},
    {".data/extern_modules",
     "a torch.package archive, which is not supported; torch.package reads it, and torch.save writes its "
     "state_dict"},
    {"archive_format",
     "a torch.export archive (.pt2), which is not supported; torch.export.load reads it, and torch.save "
     "writes "
     "its state_dict"},
};

}  // namespace

TorchArchive::TorchArchive(Source source, const LoadOptions& options)
    : source_(std::move(source)), options_(options), reader_(source_.bytes, zip_limits(options)) {
  read_top_folder();
  check_version();
  read_byte_order();
  check_script();
}

// A script's parameters are what its code says, and code that is not there is not missed. A damaged name in
// the directory must therefore show here.
void TorchArchive::check_script() {
  const std::string code = cat(top_, "code/");
  const bool has_code = std::any_of(reader_.entries().begin(), reader_.entries().end(),
                                    [&](const zip::Entry& entry) { return entry.name.starts_with(code); });
  const bool has_constants = find("constants.pkl") != nullptr;
  is_script_ = has_code || has_constants;
  if (!is_script_) return;
  for (const zip::Entry& entry : reader_.entries()) reader_.payload_offset(entry);
  require(has_constants, ErrorCode::kCorrupt, "torch", "a TorchScript archive without the record '",
          escaped(top_), "constants.pkl'");
}

const zip::Entry* TorchArchive::find(std::string_view record) const {
  return reader_.find(cat(top_, record));
}

std::string TorchArchive::read_small(const zip::Entry& entry) const {
  require(entry.size <= kSmallRecord, ErrorCode::kCorrupt, "torch", "record '", escaped(entry.name), "' has ",
          entry.size, " bytes, expected a few");
  const auto bytes = reader_.read(entry, check());
  return std::string(as_chars(bytes));
}

void TorchArchive::read_top_folder() {
  const auto entries = reader_.entries();
  require_checkpoint(!entries.empty(), "torch", "the zip archive is empty; get it anew");
  const std::string_view first = entries.front().name;
  const std::size_t slash = first.find('/');
  require_checkpoint(slash != std::string_view::npos, "torch",
                     "a zip archive that torch.save did not write: it begins with the record '",
                     escaped(first),
                     "', which is in no folder; unpack it first, or zip its folder as a whole");
  top_ = first.substr(0, slash + 1);
  for (const Stranger& stranger : kStrangers) {
    require_checkpoint(find(stranger.record) == nullptr, "torch", "this is ", stranger.what);
  }
  if (find("data.pkl") == nullptr) refuse_without_pickle();
  for (const zip::Entry& entry : entries) {
    if (!entry.name.starts_with(top_)) {
      fail(ErrorCode::kCorrupt, "torch", "record '", escaped(entry.name), "' lies outside the folder '",
           escaped(top_), "'");
    }
  }
}

void TorchArchive::refuse_without_pickle() const {
  const std::string lacks = cat("it has no record '", escaped(top_), "data.pkl'");
  require(find("constants.pkl") == nullptr, ErrorCode::kCorrupt, "torch",
          "a TorchScript archive that is damaged: ", lacks);
  const bool is_torch = std::any_of(std::begin(kOwnRecords), std::end(kOwnRecords),
                                    [this](std::string_view record) { return find(record) != nullptr; });
  require_checkpoint(is_torch, "torch", "a zip archive that torch.save did not write: ", lacks,
                     "; unpack it first");
  fail(ErrorCode::kCorrupt, "torch", "an archive of torch.save that is damaged: ", lacks);
}

void TorchArchive::check_version() const {
  const zip::Entry* entry = find(".data/version");
  if (entry == nullptr) entry = find("version");
  require(entry != nullptr, ErrorCode::kUnsupported, "torch",
          "the archive has no record 'version', which PyTorch needs; get the file anew");
  std::string text = read_small(*entry);
  if (text.ends_with('\n')) text.pop_back();
  int version = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), version);
  const bool is_number = failed == std::errc() && end == text.data() + text.size();
  require(is_number && version >= 1 && version <= kNewestVersion, ErrorCode::kUnsupported, "torch",
          "the record '", escaped(entry->name), "' has the archive version '", escaped(text),
          "', expected 1 to ", kNewestVersion, "; save it with a known version of PyTorch");
}

void TorchArchive::read_byte_order() {
  const zip::Entry* entry = find("byteorder");
  if (entry == nullptr) {  // a damaged name in the directory must not turn numbers around
    for (const zip::Entry& other : reader_.entries()) {
      if (!is_storage(other)) reader_.payload_offset(other);
    }
  }
  const std::string text = entry == nullptr ? "little" : read_small(*entry);
  require(text == "little" || text == "big", ErrorCode::kUnsupported, "torch", "the record '", escaped(top_),
          "byteorder' has the unknown byte order '", escaped(text), "'; get the file anew");
  needs_swap_ = (text == "little") != (std::endian::native == std::endian::little);
}

pickle::Graph TorchArchive::parse_pickle(std::string_view record) const {
  const zip::Entry& entry = *find(record);
  // In pieces, and not into memory: a damaged pickle may be large.
  if (options_.check_crc) reader_.read_chunks(entry, [](std::span<const std::byte>) {});
  return in_pickle(record, [&] {
    LoadOptions options = options_;
    options.pickle = pickle_limits(options_, entry.size, entry.compressed_size);
    return read_pickle(*reader_.open(entry), 0, entry.size, options).graph;
  });
}

std::optional<std::string> TorchArchive::read_code(std::string_view record) const {
  const zip::Entry* entry = find(record);
  if (entry == nullptr) return std::nullopt;
  return std::string(as_chars(read_whole(*entry)));
}

std::vector<std::byte> TorchArchive::read_whole(const zip::Entry& entry) const {
  try {
    pickle_limits(options_, entry.size, entry.compressed_size);
  } catch (const Error& error) {
    throw error.in_record(entry.name, OffsetIn::kFile);
  }
  return reader_.read(entry, check());
}

bool TorchArchive::is_storage(const zip::Entry& entry) const {
  if (!entry.name.starts_with(top_)) return false;
  const std::string_view record = std::string_view(entry.name).substr(top_.size());
  return !entry.is_directory() && (record.starts_with("data/") || record.starts_with("constants/"));
}

const zip::Entry& TorchArchive::storage_entry(std::string_view folder, std::string_view key) const {
  const zip::Entry* entry = reader_.find(cat(top_, folder, "/", key));
  if (entry == nullptr) {
    fail(ErrorCode::kNotFound, "torch", "the archive has no record '", escaped(top_), folder, "/",
         escaped(key), "', which a tensor needs");
  }
  return *entry;
}

void TorchArchive::read_storage(const zip::Entry& entry, std::span<std::byte> out, std::size_t word) const {
  reader_.read_into(entry, out, check());
  if (needs_swap_) swap_words(out, word);
}

void TorchArchive::stream_storage(const zip::Entry& entry, const zip::Reader::Chunk& piece,
                                  std::size_t word) const {
  if (!needs_swap_ || word < 2) return reader_.read_chunks(entry, piece, check());
  // Pieces of an inflated record may end inside an element.
  std::vector<std::byte> bytes(static_cast<std::size_t>(entry.size));
  read_storage(entry, bytes, word);
  piece(bytes);
}

std::optional<Storage> TorchArchive::map_storage(const zip::Entry& entry, std::size_t word) const {
  const bool is_plain = entry.method == zip::Method::kStored && !(needs_swap_ && word > 1);
  if (!source_.map || !is_plain) return std::nullopt;
  return source_.mapped(reader_.payload_offset(entry), entry.size, word);
}

}  // namespace sconce::checkpoint
