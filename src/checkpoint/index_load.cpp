// Checkpoints in several files and the *.index.json that says which tensor is where (formats.md F.6).
#include <functional>
#include <unordered_map>

#include "checkpoint/folder_file.h"
#include "checkpoint/index_file.h"
#include "checkpoint/listing_join.h"
#include "checkpoint/no_checkpoint.h"
#include "checkpoint/readers.h"
#include "sconce/base/byte_reader.h"
#include "sconce/base/checked.h"
#include "sconce/checkpoint/named.h"
#include "sconce/codec/json_cursor.h"

namespace sconce::checkpoint {

namespace {

constexpr std::size_t kMaxDepth = 16;
constexpr std::size_t kMaxString = 6 * 65536 + 2;  // of a name, in quotes and with escapes
constexpr json::Limits kLimits = {.depth = kMaxDepth, .string_bytes = kMaxString};

// Calls `tensor(name, file)` with each entry of the map of an index and keeps nothing of them.
class Text {
 public:
  Text(std::string_view text, std::uint64_t most) : text_(text), most_(most) {}

  template <class OnTensor>
  void read(const OnTensor& on_tensor) const {
    json::Cursor cursor(text_, kLimits);
    json::DistinctKeys keys;
    bool has_map = false;
    cursor.members([&](const std::string& key, std::size_t position) {
      add(keys, key, position);
      if (key != "weight_map") return pass(cursor);
      has_map = true;
      read_map(cursor, on_tensor);
    });
    cursor.finish();
    require_checkpoint(
        has_map, "index",
        "a JSON file without a 'weight_map', not the index of a checkpoint; name the checkpoint itself");
    keys.check(text_);
  }

 private:
  // Only syntax matters, but that strictly, where it is not too much.
  static void pass(json::Cursor& cursor) {
    constexpr std::size_t kSmall = std::size_t{1} << 20;
    cursor.first();
    const std::size_t begin = cursor.position();
    const std::string_view value = cursor.skip();
    if (value.size() <= kSmall) json::parse(value, {.depth = kMaxDepth}, begin);
  }
  void add(json::DistinctKeys& keys, const std::string& key, std::size_t position) const {
    require_limit(keys.size() < most_, "records", "index", "an index of more than ", most_, " tensors");
    keys.add(key, position);
  }
  template <class OnTensor>
  void read_map(json::Cursor& cursor, const OnTensor& on_tensor) const {
    json::DistinctKeys names;
    cursor.members([&](std::string name, std::size_t position) {
      add(names, name, position);
      cursor.first();
      at_offset(cursor.position(), [&] { on_tensor(std::move(name), cursor.string()); });
    });
    names.check(text_);
  }

  std::string_view text_;
  std::uint64_t most_;  // tensors
};

}  // namespace

Index read_index(const Source& source, const LoadOptions& options) {
  require(!source.path.empty(), ErrorCode::kUnsupported, "index",
          "an index names other files: it is read by its path, not from memory");
  require_limit(source.bytes->size() <= options.index_bytes, "header", "index", "the index has ",
                source.bytes->size(), " bytes, at most ", options.index_bytes, " are read");
  std::vector<std::byte> bytes(static_cast<std::size_t>(source.bytes->size()));
  source.bytes->read_at(bytes, 0);
  const Text text(as_chars(bytes), options.zip_entries);
  // What is wrong is found before the names take memory.
  text.read([](const std::string&, const std::string& file) { check_file_name(file); });
  Index index;
  std::unordered_map<std::string, std::size_t> known;
  text.read([&](std::string name, const std::string& file) {
    const auto [at, fresh] = known.try_emplace(file, index.shards.size());
    if (fresh) index.shards.push_back(file);
    index.tensors.emplace_back(std::move(name), at->second);
  });
  return index;
}

Input open_shard(const std::string& folder, const std::string& name, bool map) {
  const std::string path = file_in_folder(folder, name);
  try {
    Input input = open_input(path, map);
    require(input.reader.load != load_index && input.source.bytes != nullptr, ErrorCode::kUnsafe, "index",
            "a shard is an index or a folder itself");
    return input;
  } catch (const Error& error) {
    throw error.in_file(path);
  }
}

namespace {

// Calls `read` with every shard, one after the other; its errors name the file.
template <class Part, class Read>
std::vector<Part> read_shards(const Index& index, const Source& source, bool map, const Read& read) {
  const std::string folder = folder_of(source.path);
  std::vector<Part> out;
  for (const std::string& name : index.shards) {
    const Input input = open_shard(folder, name, map);
    try {
      out.push_back(read(input));
    } catch (const Error& error) {
      throw error.in_file(input.source.path);
    }
  }
  return out;
}

// The dict of all tensors: first those of the index in its order, then what the shards have besides.
struct Joined {
  Value tree;
  std::vector<std::pair<std::string, std::size_t>> names;  // its keys that are str, and the shard of each
  std::vector<std::string> notes;
};

// `is_alias` says whether a name that is not in the index only repeats a tensor of the same shard.
Joined join(const Index& index, const std::vector<Value>& shards,
            const std::function<bool(std::size_t shard, const Value& key)>& is_alias) {
  for (std::size_t i = 0; i < shards.size(); ++i) {
    require(shards[i].is_dict(), ErrorCode::kCorrupt, "index", "the shard '", escaped(index.shards[i]),
            "' holds a ", value_kind_name(shards[i].kind()), ", expected a dict of tensors");
  }
  Joined out;
  out.tree = !shards.empty() && shards.front().is_ordered_dict() ? Value::ordered_dict() : Value::dict();
  std::unordered_map<std::string, std::size_t> mapped;
  for (const auto& [name, shard] : index.tensors) {
    const auto value = shards[shard].find(Value(name));
    require(value.has_value(), ErrorCode::kNotFound, "index", "the tensor '", escaped(name),
            "' is not in the file '", escaped(index.shards[shard]), "', where the index has it");
    mapped.emplace(name, shard);
    out.tree.set_item(Value(name), *value);
    out.names.emplace_back(name, shard);
  }
  for (std::size_t i = 0; i < shards.size(); ++i) {
    for (const auto& [key, value] : shards[i].items()) {
      const bool is_name = key.is_string();
      if (is_name) {
        const auto at = mapped.find(key.as_string());
        if (at != mapped.end() && at->second == i) continue;
        if (at != mapped.end()) {
          out.notes.push_back(cat(escaped(index.shards[i]), ": '", escaped(key.as_string()),
                                  "' is left aside: the index has it in '", escaped(index.shards[at->second]),
                                  "'"));
          continue;
        }
      }
      require(!out.tree.contains(key), ErrorCode::kCorrupt, "index", "'", escaped(key_name(key)),
              "' is not in the index and stands in more than one shard");
      out.tree.set_item(key, value);
      if (is_name) out.names.emplace_back(key.as_string(), i);
      if (!is_alias(i, key)) {
        out.notes.push_back(
            cat(escaped(index.shards[i]), ": '", escaped(key_name(key)), "' is not in the index"));
      }
    }
  }
  // Attributes of the dicts: what several shards say, the first one says.
  for (const char* name : {"__metadata__", "_metadata"}) {
    std::optional<Value> merged;
    for (const Value& shard : shards) {
      const auto attribute = shard.attribute(name);
      if (!attribute || !attribute->is_dict()) continue;
      if (!merged) merged = attribute->is_ordered_dict() ? Value::ordered_dict() : Value::dict();
      for (const auto& [key, value] : attribute->items()) {
        if (!merged->contains(key)) merged->set_item(key, value);
      }
    }
    if (merged) out.tree.set_attribute(name, *merged);
  }
  return out;
}

}  // namespace

Value load_index(const Source& source, const LoadOptions& options) {
  const Index index = read_index(source, options);
  const auto values = read_shards<Value>(index, source, options.map, [&](const Input& input) {
    return input.reader.load(input.source, options);
  });
  return join(index, values, [](std::size_t, const Value&) { return true; }).tree;
}

Listing list_index(const Source& source, const LoadOptions& options) {
  const Index index = read_index(source, options);
  auto parts = read_shards<Listing>(
      index, source, false, [&](const Input& input) { return input.reader.list(input.source, options); });
  std::vector<Value> trees;
  trees.reserve(parts.size());
  for (const Listing& part : parts) trees.push_back(part.tree);
  // The tensors of each shard, by the key they stand under.
  std::vector<std::unordered_map<std::string, std::vector<std::size_t>>> by_name(parts.size());
  for (std::size_t i = 0; i < parts.size(); ++i) {
    for (std::size_t k = 0; k < parts[i].tensors.size(); ++k) {
      const auto& path = parts[i].tensors[k].path;
      if (!path.empty() && path.front().is_string()) by_name[i][path.front().as_string()].push_back(k);
    }
  }
  Joined joined = join(index, trees, [&](std::size_t shard, const Value& key) {
    const auto found = by_name[shard].find(key.is_string() ? key.as_string() : "");
    return found != by_name[shard].end() && parts[shard].tensors[found->second.front()].alias_of.has_value();
  });

  ListingJoin out(options);
  Listing& whole = out.whole();
  whole.format = !parts.empty() && parts.front().format != Format::kSafetensors ? Format::kTorchIndex
                                                                                : Format::kSafetensorsIndex;
  whole.tree = joined.tree;
  whole.notes = std::move(joined.notes);
  whole.file_size = source.bytes->size();
  std::vector<std::size_t> first_storage;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    whole.file_size = checked_add(whole.file_size, parts[i].file_size, "index");
    first_storage.push_back(out.add_part(parts[i], "", index.shards[i]));
  }
  for (const auto& [name, shard] : joined.names) {
    const auto found = by_name[shard].find(name);
    if (found == by_name[shard].end()) continue;  // not a tensor
    for (const std::size_t k : found->second) {
      TensorInfo tensor = parts[shard].tensors[k];
      tensor.file = index.shards[shard];
      tensor.storage += first_storage[shard];
      out.add_tensor(std::move(tensor));
    }
  }
  return out.finish();
}

}  // namespace sconce::checkpoint
