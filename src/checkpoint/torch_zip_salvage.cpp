// Salvage of torch.save's zip: the records are found without the central directory where there is none, named
// by data.pkl and proven by their checksums. formats.md A.2 and A.4 tell where torch's writer puts what.
#include <algorithm>
#include <bit>
#include <deque>
#include <map>
#include <unordered_map>

#include "checkpoint/read_limits.h"
#include "checkpoint/salvage_backend.h"
#include "checkpoint/salvagers.h"
#include "checkpoint/torchscript.h"
#include "checkpoint/torchscript_load.h"
#include "checkpoint/trouble.h"
#include "sconce/base/byte_reader.h"
#include "sconce/codec/zip_scan.h"

namespace sconce::checkpoint {
namespace {

constexpr std::string_view kPickleName = "data.pkl";
constexpr std::string_view kStorageFolder = "data/";

// "archive/data/0" in lower case without its first folder.
std::string within_top(std::string_view name) { return zip::fold_case(name.substr(name.find('/') + 1)); }

bool is_pickle_name(std::string_view name) {
  return name.find('/') != std::string_view::npos && within_top(name) == kPickleName;
}

zip::ScanOptions scan_options(const LoadOptions& options) {
  zip::ScanOptions out;
  out.limits = zip_limits(options);
  out.search_bytes = options.pickle_bytes;
  return out;
}

// The records of the archive by name.
class Records {
 public:
  explicit Records(zip::Scan scan) : scan_(std::move(scan)) {
    for (const zip::FoundRecord& record : scan_.records) {
      by_name_[zip::fold_case(record.name)].push_back(&record);
      if (!record.has_one_name()) by_name_[zip::fold_case(record.listed_name)].push_back(&record);
    }
  }
  Records(const Records&) = delete;
  Records& operator=(const Records&) = delete;

  const zip::Scan& scan() const { return scan_; }

  // The one record of that name, all there; an Error says why not. Damaged ones beside it do not count.
  const zip::FoundRecord& at(const std::string& name) const {
    const std::vector<const zip::FoundRecord*> found = all(name);
    if (found.empty()) {
      fail(ErrorCode::kNotFound, "salvage", "record '", escaped(name), "' was not found",
           scan_.stopped.empty() ? "" : cat(" (", scan_.stopped, ")"));
    }
    const zip::FoundRecord* whole = nullptr;
    for (const zip::FoundRecord* record : found) {
      if (!record->problem.empty() || !record->has_one_name()) continue;
      require(whole == nullptr, ErrorCode::kCorrupt, "salvage", "two records are named '", escaped(name),
              "'");
      whole = record;
    }
    if (whole != nullptr) return *whole;
    const zip::FoundRecord& record = *found.front();
    fail(ErrorCode::kCorrupt, "salvage", "record '", escaped(name), "': ",
         !record.problem.empty() ? record.problem
                                 : cat("its header calls it '", escaped(record.name),
                                       "', the central directory '", escaped(record.listed_name), "'"));
  }

  // The records with that name in either place, damaged or not.
  std::vector<const zip::FoundRecord*> all(const std::string& name) const {
    const auto found = by_name_.find(zip::fold_case(name));
    return found == by_name_.end() ? std::vector<const zip::FoundRecord*>{} : found->second;
  }

 private:
  zip::Scan scan_;
  std::map<std::string, std::vector<const zip::FoundRecord*>> by_name_;
};

struct Pickle {
  std::string name;  // of its record
  std::vector<std::byte> bytes;
  pickle::Limits limits;
  bool is_checked = false;
};

[[noreturn]] void fail_nameless(const ByteSource& source, const LoadOptions& options, ErrorCode code,
                                const std::string& why) {
  const zip::Scan scan = zip::scan(source, scan_options(options));
  std::uint64_t count = 0;
  std::uint64_t bytes = 0;
  for (const zip::FoundRecord& record : scan.records) {
    if (!record.problem.empty() || record.name.find(cat('/', kStorageFolder)) == std::string::npos) continue;
    ++count;
    bytes += record.size;
  }
  fail(code, "salvage", why, "; without data.pkl nothing can be named (", count, " storages with ", bytes,
       " bytes are there)");
}

Pickle find_pickle(const ByteSource& source, const LoadOptions& options) {
  zip::ScanOptions scanning = scan_options(options);
  scanning.is_enough = [](const zip::FoundRecord& record) { return is_pickle_name(record.name); };
  const zip::Scan scan = zip::scan(source, scanning);
  const auto found =
      std::find_if(scan.records.begin(), scan.records.end(), [](const zip::FoundRecord& record) {
        return is_pickle_name(record.name) || is_pickle_name(record.listed_name);
      });
  if (found == scan.records.end()) {
    fail_nameless(
        source, options, ErrorCode::kCorrupt,
        cat("record 'data.pkl' was not found", scan.stopped.empty() ? "" : cat(" (", scan.stopped, ")")));
  }
  if (!found->problem.empty()) {
    fail_nameless(source, options, ErrorCode::kCorrupt, cat("record 'data.pkl': ", found->problem));
  }
  const pickle::Limits limits = pickle_limits(options, found->size, found->compressed_size);
  Pickle out;
  out.name = is_pickle_name(found->name) ? found->name : found->listed_name;
  out.limits = limits;
  constexpr std::uint64_t kLarge = std::uint64_t{32} << 20;
  if (found->size > kLarge && found->method == zip::Method::kStored) {  // before memory is taken for it
    const SourcePart record(source, found->payload_offset, found->size);
    const pickle::Survey survey = pickle::survey(record, 0, found->size, limits);
    if (survey.error) fail_nameless(source, options, survey.error->code(), survey.error->text());
  }
  out.bytes.resize(static_cast<std::size_t>(found->size));
  try {
    out.is_checked = zip::read_found(source, *found, out.bytes);
  } catch (const Error& error) {
    if (is_trouble(error)) throw;
    fail_nameless(source, options, error.code(), error.text());
  }
  return out;
}

// The order of bytes in the storages; nullopt when the record that says so is damaged beyond its length,
// which already tells "little" from "big".
std::optional<bool> find_swap(const Records& records, const std::string& top) {
  const auto found = records.all(cat(top, "byteorder"));
  if (found.empty()) return std::endian::native == std::endian::big;
  const zip::FoundRecord& record = *found.front();
  const std::string_view native = std::endian::native == std::endian::little ? "little" : "big";
  const std::string_view other = std::endian::native == std::endian::little ? "big" : "little";
  if (found.size() > 1 || (record.size != native.size() && record.size != other.size())) return std::nullopt;
  return record.size != native.size();
}

class ZipSalvage : public SalvageBackend {
 public:
  ZipSalvage(const ByteSource& source, const Records& records, const std::string& top,
             const LoadOptions& options)
      : SalvageBackend(options),
        source_(source),
        records_(records),
        top_(top),
        swap_(find_swap(records, top)) {}

  // Names that stand in a record's own header only can be relied on when the storages come in an order that
  // torch writes.
  void check_order(const std::deque<StorageInfo>& storages) {
    std::vector<std::string> keys;
    keys.reserve(storages.size());
    for (const StorageInfo& storage : storages) keys.push_back(storage.key);
    std::vector<std::string> found;
    const std::string folder = cat(top_, kStorageFolder);
    for (const zip::FoundRecord& record : records_.scan().records) {
      const bool has_header = record.payload_offset != 0;
      if (has_header && record.name.starts_with(folder)) found.push_back(record.name.substr(folder.size()));
    }
    const auto is_kept = [&] {
      return found.size() <= keys.size() && std::equal(found.begin(), found.end(), keys.begin());
    };
    is_in_order_ = is_kept();  // of first use
    std::sort(keys.begin(), keys.end());
    is_in_order_ = is_in_order_ || is_kept();
    std::stable_sort(keys.begin(), keys.end(), [](const std::string& a, const std::string& b) {
      return a.size() < b.size();
    });  // numeric
    is_in_order_ = is_in_order_ || is_kept();
  }

  bool is_whole(const StorageInfo& storage) {
    try {
      read(storage, 1);
      return true;
    } catch (const Error& error) {
      if (is_trouble(error)) throw;
      return false;
    }
  }

 protected:
  Bytes read(const StorageInfo& storage, std::size_t word) override {
    if (storage.bytes == 0) return {Storage::allocate(0), true};
    const zip::FoundRecord& record = records_.at(cat(top_, kStorageFolder, storage.key));
    require(record.size == storage.bytes, ErrorCode::kCorrupt, "salvage", "record '", escaped(record.name),
            "' has ", record.size, " bytes, data.pkl says ", storage.bytes);
    require(swap_.has_value() || word == 1, ErrorCode::kCorrupt, "salvage",
            "the record 'byteorder' is damaged, so the order of its bytes is unknown");
    Bytes out{Storage::allocate(static_cast<std::size_t>(record.size)), false};
    const std::span<std::byte> bytes(out.storage.mutable_data(), out.storage.size());
    out.is_checked = zip::read_found(source_, record, bytes) && (record.is_listed() || is_in_order_);
    if (needs_swap()) swap_words(bytes, word);
    return out;
  }
  bool needs_swap() const override { return swap_.value_or(false); }

 private:
  const ByteSource& source_;
  const Records& records_;
  std::string top_;
  std::optional<bool> swap_;
  bool is_in_order_ = false;
};

// data.pkl and the records that its storages were found in.
class DamagedArchive {
 public:
  DamagedArchive(const ByteSource& source, const LoadOptions& options)
      : limits(options),
        pickle(find_pickle(source, options)),
        graph(pickle::parse(pickle.bytes, pickle.limits)),
        storages(describe_storages()),
        records(zip::scan(source, known_sizes(options))),
        top(find_top()) {}

  LoadOptions limits;
  Pickle pickle;
  pickle::Graph graph;
  std::deque<StorageInfo> storages;
  Records records;
  std::string top;  // with the final '/'

 private:
  std::deque<StorageInfo> describe_storages() const {
    DescribingBackend describing;
    ValueReader reader(graph, describing, false);
    reader.read();
    return reader.storages();
  }

  zip::ScanOptions known_sizes(const LoadOptions& options) const {
    std::unordered_map<std::string, std::uint64_t> sizes{{std::string(kPickleName), pickle.bytes.size()}};
    for (const StorageInfo& storage : storages) {
      sizes[zip::fold_case(cat(kStorageFolder, storage.key))] = storage.bytes;
    }
    zip::ScanOptions out = scan_options(options);
    out.known_size = [sizes = std::move(sizes)](std::string_view name) -> std::optional<std::uint64_t> {
      const auto found = sizes.find(within_top(name));
      return found == sizes.end() ? std::nullopt : std::optional(found->second);
    };
    return out;
  }

  // The folder of most records: the name of data.pkl may be what is damaged.
  std::string find_top() const {
    std::map<std::string, std::size_t> tops;
    for (const zip::FoundRecord& record : records.scan().records) {
      ++tops[record.name.substr(0, record.name.find('/') + 1)];
    }
    std::string best = pickle.name.substr(0, pickle.name.find('/') + 1);
    for (const auto& [candidate, count] : tops) {
      if (count > tops[best]) best = candidate;
    }
    return best;
  }
};

bool is_script(const Value& root) {
  return root.is_object() && root.global_module().starts_with("__torch__");
}

// The state_dict of a module of torch.jit.save, as far as its code is there to say what its parameters are.
Value script_tree(const ByteSource& source, const DamagedArchive& archive, const Value& root, Salvage& out) {
  const auto text_of = [&](const std::string& name) -> std::string {
    try {
      const zip::FoundRecord& record = archive.records.at(cat(archive.top, name));
      if (record.size > archive.limits.pickle_bytes) return "";
      std::vector<std::byte> bytes(static_cast<std::size_t>(record.size));
      zip::read_found(source, record, bytes);
      return std::string(as_chars(bytes));
    } catch (const Error& error) {
      if (is_trouble(error)) throw;
      return "";  // every tensor counts then, and a note says so
    }
  };
  std::map<std::string, std::map<std::string, ScriptClass, std::less<>>> files;
  const auto find = [&](const std::string& qualifier, const std::string& name) -> const ScriptClass* {
    auto file = files.find(qualifier);
    if (file == files.end()) {
      file = files.emplace(qualifier, script_classes(text_of(script_source(qualifier)))).first;
    }
    const auto type = file->second.find(name);
    return type == file->second.end() ? nullptr : &type->second;
  };
  ModuleState state = script_state(root, find, archive.limits.walk);
  for (std::string& note : state.notes) out.notes.push_back(std::move(note));
  out.notes.emplace_back("constants of the code are not looked for");
  return script_state_dict(state, false);
}

}  // namespace

Salvage salvage_torch_zip(const Source& source, const LoadOptions& options) {
  const DamagedArchive archive(*source.bytes, options);
  ZipSalvage backend(*source.bytes, archive.records, archive.top, options);
  backend.check_order(archive.storages);
  Salvage out;
  out.format = Format::kTorchZip;
  out.file_size = source.bytes->size();
  const zip::Scan& scan = archive.records.scan();
  if (!scan.has_directory) out.notes.emplace_back("the central directory is missing or damaged");
  if (!scan.stopped.empty()) out.notes.push_back(scan.stopped);
  if (!archive.pickle.is_checked) out.notes.emplace_back("data.pkl has no checksum: all names are unchecked");
  out.pickles.push_back(pickle_facts("data.pkl", archive.graph));
  ValueReader reader(archive.graph, backend, true);
  Value root = reader.read();
  bool is_order_known = true;
  if (is_script(root)) {
    out.format = Format::kTorchScript;
    root = script_tree(*source.bytes, archive, root, out);
    // torch.jit.save writes it behind all else: where the end is lost nobody knows whether it was there.
    is_order_known = scan.has_directory || !archive.records.all(cat(archive.top, "byteorder")).empty();
    if (!is_order_known) {
      out.notes.emplace_back(
          "the record 'byteorder' was not found: numbers are taken for little-endian, unchecked");
    }
  }
  sort_out(out, root, reader, backend, archive.pickle.is_checked && is_order_known, options.walk);
  return out;
}

bool can_salvage_torch_zip(const Source& source, const LoadOptions& options) {
  const DamagedArchive archive(*source.bytes, options);
  ZipSalvage backend(*source.bytes, archive.records, archive.top, options);
  std::deque<StorageInfo> smallest_first = archive.storages;
  std::sort(smallest_first.begin(), smallest_first.end(),
            [](const StorageInfo& a, const StorageInfo& b) { return a.bytes < b.bytes; });
  return std::any_of(smallest_first.begin(), smallest_first.end(), [&](const StorageInfo& storage) {
    return storage.bytes > 0 && backend.is_whole(storage);
  });
}

}  // namespace sconce::checkpoint
