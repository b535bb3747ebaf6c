// Salvage of numpy's .npz: every record is an array with its own description, its own name and its own
// checksum, so each stands for itself.
#include <algorithm>
#include <set>
#include <utility>

#include "checkpoint/npy_array.h"
#include "checkpoint/read_limits.h"
#include "checkpoint/salvagers.h"
#include "checkpoint/trouble.h"
#include "sconce/codec/zip_scan.h"

namespace sconce::checkpoint {
namespace {

using zip::FoundRecord;

zip::Scan scan_of(const ByteSource& source, const LoadOptions& options) {
  zip::ScanOptions scanning;
  scanning.limits = zip_limits(options, true);
  return zip::scan(source, scanning);
}

// numpy's names differ in the case of letters, too.
bool has_one_name(const FoundRecord& record) {
  return !record.is_listed() || record.listed_name == record.name;
}

struct FoundArray {
  Value value;
  bool is_checked = false;
};

// The array in a record; an Error says why it is lost.
FoundArray read_array(const ByteSource& source, const FoundRecord& record) {
  require(record.problem.empty(), ErrorCode::kCorrupt, "npz", record.problem);
  require(has_one_name(record), ErrorCode::kCorrupt, "npz", "its header calls it '", escaped(record.name),
          "', the central directory '", escaped(record.listed_name), "'");
  require(record.name.ends_with(npy::kSuffix), ErrorCode::kUnsupported, "npz", "the record '",
          escaped(record.name), "' is not an array (.npy); leave it out");
  require(record.method == zip::Method::kDeflated || record.size <= source.size(), ErrorCode::kTruncated,
          "npz", "expected ", record.size, " bytes, the file has ", source.size());
  std::vector<std::byte> bytes(static_cast<std::size_t>(record.size));
  FoundArray out;
  // Without a directory the name stands in the record's own header only, which nothing confirms.
  out.is_checked = zip::read_found(source, record, bytes) && record.is_listed();
  const npy::Header header = npy::header_from([&](std::size_t n) {
    return std::vector<std::byte>(bytes.begin(),
                                  bytes.begin() + static_cast<std::ptrdiff_t>(std::min(n, bytes.size())));
  });
  npy::check_size(header, bytes.size());
  Storage storage = Storage::allocate(static_cast<std::size_t>(header.data_bytes));
  std::copy(bytes.begin() + static_cast<std::ptrdiff_t>(header.size), bytes.end(), storage.mutable_data());
  npy::fix_order(header, {storage.mutable_data(), storage.size()});
  out.value = npy::value_of(header, std::move(storage));
  return out;
}

std::string array_name(const std::string& record) {
  return record.ends_with(npy::kSuffix) ? record.substr(0, record.size() - npy::kSuffix.size()) : record;
}

// The names of the records in their order, "" for what was named before. Of a record with two names the one
// that no other has.
std::vector<std::string> names_of(const std::vector<FoundRecord>& records, std::set<std::string>& shared) {
  std::set<std::string> known;
  for (const FoundRecord& record : records) {
    if (has_one_name(record) && !known.insert(record.name).second) shared.insert(array_name(record.name));
  }
  std::set<std::string> seen;
  std::vector<std::string> out;
  for (const FoundRecord& record : records) {
    const bool is_taken = !has_one_name(record) && known.count(record.listed_name) != 0;
    const std::string name = array_name(has_one_name(record) || is_taken ? record.name : record.listed_name);
    out.push_back(seen.insert(name).second ? name : "");
  }
  return out;
}

}  // namespace

Salvage salvage_npz(const Source& source, const LoadOptions& options) {
  const zip::Scan scan = scan_of(*source.bytes, options);
  Salvage out;
  out.format = Format::kNpz;
  out.file_size = source.bytes->size();
  out.value = Value::dict();
  std::set<std::string> shared;
  const std::vector<std::string> names = names_of(scan.records, shared);
  for (std::size_t i = 0; i < names.size(); ++i) {
    const std::string& name = names[i];
    if (name.empty()) continue;
    try {
      require(shared.count(name) == 0, ErrorCode::kCorrupt, "npz", "more than one record has this name");
      const FoundArray found = read_array(*source.bytes, scan.records[i]);
      out.value.set_item(name, found.value);
      out.recovered.push_back({name, found.is_checked});
    } catch (const Error& error) {
      if (is_trouble(error)) throw;
      out.lost.push_back({name, error.text()});
    }
  }
  if (!scan.has_directory) {
    out.notes.emplace_back("the central directory is missing or damaged: nothing confirms the names");
  }
  if (!scan.stopped.empty()) out.notes.push_back(scan.stopped);
  // Nothing tells what else there was, so that not everything is known to be recovered.
  const bool ends_early = !scan.has_directory && !scan.stopped.empty();
  if (ends_early && out.lost.empty()) out.lost.push_back({"", cat("whatever followed: ", scan.stopped)});
  return out;
}

bool can_salvage_npz(const Source& source, const LoadOptions& options) {
  const zip::Scan scan = scan_of(*source.bytes, options);
  std::vector<const FoundRecord*> order;
  for (const FoundRecord& record : scan.records) order.push_back(&record);
  // The description of an array is under the same checksum as its bytes, so one must be read; a small one.
  std::sort(order.begin(), order.end(),
            [](const FoundRecord* a, const FoundRecord* b) { return a->size < b->size; });
  return std::any_of(order.begin(), order.end(), [&](const FoundRecord* record) {
    try {
      read_array(*source.bytes, *record);
      return true;
    } catch (const Error&) {
      return false;
    }
  });
}

}  // namespace sconce::checkpoint
