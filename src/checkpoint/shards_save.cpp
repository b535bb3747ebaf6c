// Checkpoints in several files with an index, as Hugging Face's libraries write them (formats.md F.6).
#include <algorithm>
#include <filesystem>
#include <numeric>
#include <unordered_map>

#include "checkpoint/counted_sink.h"
#include "checkpoint/flat_tensors.h"
#include "checkpoint/folder_file.h"
#include "checkpoint/index_file.h"
#include "checkpoint/shard_set.h"
#include "checkpoint/writers.h"
#include "sconce/base/error.h"
#include "sconce/base/file.h"
#include "sconce/codec/json.h"

namespace sconce::checkpoint {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kDigits = 5;

// The parts of model-00001-of-00003.safetensors.
struct Names {
  std::string folder;
  std::string base;
  std::string extension;

  std::string index() const { return cat(base, extension, kIndexSuffix); }
  std::string shard(std::size_t number, std::size_t count) const {
    const auto digits = [](std::size_t value) {
      std::string text = std::to_string(value);
      return text.size() < kDigits ? std::string(kDigits - text.size(), '0') + text : text;
    };
    return cat(base, "-", digits(number), "-of-", digits(count), extension);
  }
  bool is_shard(std::string_view name) const {
    const std::string prefix = cat(base, "-");
    if (!name.starts_with(prefix) || !name.ends_with(extension)) return false;
    name.remove_prefix(prefix.size());
    if (name.size() < extension.size()) return false;
    name.remove_suffix(extension.size());
    const std::size_t of = name.find("-of-");
    const auto is_number = [](std::string_view text) {
      return text.size() >= kDigits &&
             std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
    };
    return of != std::string_view::npos && is_number(name.substr(0, of)) && is_number(name.substr(of + 4));
  }
};

Names names_for(const std::string& path, std::string_view folder_name) {
  std::error_code ignored;
  fs::path file(path);
  if (fs::is_directory(file, ignored) || !file.has_filename()) file /= folder_name;
  Names out;
  out.folder = folder_of(file.string());
  std::string name = file.filename().string();
  if (name.ends_with(kIndexSuffix)) name.resize(name.size() - kIndexSuffix.size());
  out.base = fs::path(name).stem().string();
  out.extension = fs::path(name).extension().string();
  check_file_name(out.base);
  return out;
}

// Tensors that share memory, which must stay together.
struct Group {
  std::vector<std::size_t> tensors;
  std::uint64_t bytes = 0;
};

std::vector<Group> groups_of(const std::vector<FlatTensor>& tensors,
                             const std::map<std::size_t, std::size_t>& repeated) {
  std::vector<Group> out;
  std::unordered_map<const void*, std::size_t> by_storage;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const Array& array = tensors[i].array;
    std::size_t number = out.size();
    if (array.numel() > 0) number = by_storage.try_emplace(array.storage().id(), number).first->second;
    if (number == out.size()) out.emplace_back();
    Group& group = out[number];
    group.tensors.push_back(i);
    if (!repeated.contains(i)) group.bytes += array.nbytes();
  }
  return out;
}

// Which tensors each file gets: in order, the next one when the file would be too large.
std::vector<std::vector<std::size_t>> packed(const std::vector<Group>& groups, std::uint64_t limit) {
  std::vector<std::vector<std::size_t>> out;
  std::uint64_t bytes = 0;
  for (const Group& group : groups) {
    if (out.empty() || (bytes > 0 && group.bytes > limit - std::min(bytes, limit))) {
      out.emplace_back();
      bytes = 0;
    }
    out.back().insert(out.back().end(), group.tensors.begin(), group.tensors.end());
    bytes += group.bytes;
  }
  for (auto& file : out) std::sort(file.begin(), file.end());
  return out;
}

// A view of a small part of a storage that nobody else needs would be written with the whole of it.
Array trimmed(const Array& array, bool is_alone) {
  return is_alone && array.storage().size() > array.nbytes() ? array.clone() : array;
}

}  // namespace

void save_shards(const std::string& path, const Value& value, const ShardKind& kind,
                 const SaveOptions& options, SaveReport& report) {
  require(value.is_dict(), ErrorCode::kUnsupported, "shards", "expected a dict of tensors, found ",
          value_kind_name(value.kind()));
  const Names names = names_for(path, kind.folder_name);
  const std::vector<FlatTensor> tensors = flat_tensors(value, "a sharded checkpoint", options.walk);
  note_other_leaves(value, "a sharded checkpoint", options.walk, report);
  const auto repeated = duplicates(tensors);
  const std::vector<Group> groups = groups_of(tensors, repeated);
  auto files = packed(groups, options.shard_size);
  if (files.empty()) files.emplace_back();  // no tensors: one file without any
  std::vector<bool> is_alone(tensors.size(), true);
  for (const Group& group : groups) {
    for (const std::size_t i : group.tensors) is_alone[i] = group.tensors.size() == 1;
  }

  std::vector<std::size_t> file_of(tensors.size());
  ShardSet set;
  set.folder = names.folder;
  set.index = names.index();
  set.is_shard_name = [&](const std::string& name) { return names.is_shard(name); };
  for (std::size_t f = 0; f < files.size(); ++f) {
    set.shards.push_back(names.shard(f + 1, files.size()));
    for (const std::size_t i : files[f]) file_of[i] = f;
  }
  const std::uint64_t total =
      std::accumulate(groups.begin(), groups.end(), std::uint64_t{0},
                      [](std::uint64_t sum, const Group& group) { return sum + group.bytes; });
  set.index_text = [&](const std::vector<std::string>& places) {
    json::Object map;
    for (std::size_t i = 0; i < tensors.size(); ++i) {
      if (kind.keeps_aliases || !repeated.contains(i)) map.emplace_back(tensors[i].name, places[file_of[i]]);
    }
    const json::Json index =
        json::Object{{"metadata", json::Object{{"total_size", total}}}, {"weight_map", std::move(map)}};
    return json::write(index, {.indent = 2}) + "\n";
  };
  if (!options.replace) require_absent(set);

  const StagedFolder staged(set.folder);
  std::uint64_t done = 0;
  for (std::size_t f = 0; f < files.size(); ++f) {
    Value part = value.is_ordered_dict() ? Value::ordered_dict() : Value::dict();
    for (const std::size_t i : files[f])
      part.set_item(tensors[i].name, trimmed(tensors[i].array, is_alone[i]));
    for (const auto& [name, attribute] : value.attributes()) part.set_attribute(name, attribute);
    const auto planned = kind.plan(part, options, fs::path(set.shards[f]).stem().string(), report);
    AtomicFile file((fs::path(staged.path()) / set.shards[f]).string(), {.durable = options.durable});
    file.reserve(planned->size());
    CountedSink counted(file, done, total, options);
    planned->write(counted);
    report.files.push_back({set.shards[f], planned->size()});
    file.commit();
  }
  if (!options.replace) require_absent(set);
  publish(set, staged, options.durable);
  report.files.push_back({set.index, set.index_text(set.shards).size()});
  for (const SavedFile& file : report.files) report.bytes += file.bytes;
}

}  // namespace sconce::checkpoint
