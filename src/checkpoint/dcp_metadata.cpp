// Reads the Metadata object without its classes: torch.distributed.checkpoint.metadata of PyTorch 1.13
// to 2.13.
#include "checkpoint/dcp_metadata.h"

#include <algorithm>
#include <initializer_list>
#include <map>
#include <optional>
#include <tuple>
#include <unordered_map>

#include "checkpoint/file_pickle.h"
#include "checkpoint/folder_file.h"
#include "checkpoint/read_limits.h"
#include "checkpoint/torch_names.h"
#include "sconce/base/checked.h"
#include "sconce/checkpoint/walk_budget.h"
#include "sconce/codec/pickle.h"

namespace sconce::checkpoint::dcp {
namespace {

using pickle::Kind;
using pickle::Node;

constexpr std::string_view kModules[] = {
    "torch.distributed.checkpoint.metadata", "torch.distributed._shard.checkpoint.metadata",
    "torch.distributed._shard.sharded_tensor.metadata",  // TensorProperties until 2.2
};
constexpr std::string_view kStorageModules[] = {
    "torch.distributed.checkpoint.filesystem",
    "torch.distributed._shard.checkpoint.filesystem",
};

constexpr std::size_t kMaxPath = 100;
constexpr std::size_t kMostUses = 64;  // of one place by several items
constexpr std::size_t kMostFields = 64;

template <std::size_t N>
bool is_instance(const Node& node, const std::string_view (&modules)[N], std::string_view name) {
  return std::any_of(std::begin(modules), std::end(modules),
                     [&](std::string_view module) { return node.is_call_of(module, name); });
}

// The fields that BUILD gave an object of a class; a later state replaces those before it.
template <std::size_t N>
std::map<std::string_view, Node> fields_of(const Node& node, const std::string_view (&modules)[N],
                                           std::string_view name) {
  if (!is_instance(node, modules, name)) node.unexpected(cat("an object of class ", name));
  std::map<std::string_view, Node> out;
  for (const Node state : node.states()) {
    if (state.pairs().size() > kMostFields) state.unexpected(cat("the few fields of class ", name));
    for (const pickle::Pair pair : state.pairs()) out[pair.key.as_string()] = pair.value;
  }
  return out;
}

Node field(const Node& object, const std::map<std::string_view, Node>& fields, std::string_view name) {
  const auto found = fields.find(name);
  if (found == fields.end()) object.unexpected(cat("an object with the field '", name, "'"));
  return found->second;
}

std::optional<Node> optional_field(const std::map<std::string_view, Node>& fields, std::string_view name) {
  const auto found = fields.find(name);
  if (found == fields.end() || found->second.is_none()) return std::nullopt;
  return found->second;
}

// A dict or an OrderedDict.
pickle::PairList pairs_of(const Node& node) {
  if (!node.is(Kind::kDict) && !node.is_call_of("collections", "OrderedDict")) node.unexpected("a dict");
  return node.pairs();
}

Shape size_of(Node node) {
  if (node.is_call_of("torch", "Size") && node.args().size() == 1) node = node.args()[0];
  Shape out;
  for (const Node item : node.items()) {
    if (item.as_int() < 0) item.unexpected("a size or offset");
    out.push_back(item.as_int());
  }
  if (out.size() > kMaxRank) node.unexpected(cat("at most ", kMaxRank, " dimensions"));
  return out;
}

std::uint64_t unsigned_of(const Node& node) {
  if (node.as_int() < 0) node.unexpected("a number that is not negative");
  return static_cast<std::uint64_t>(node.as_int());
}

// (dtype, layout, requires_grad, memory format, pin_memory), or a dict with these names.
DType dtype_of(const Node& properties) {
  if (!is_instance(properties, kModules, "TensorProperties")) {
    properties.unexpected("an object of class TensorProperties");
  }
  if (properties.states().size() != 1) properties.unexpected("TensorProperties with one state");
  const Node state = properties.states()[0];
  std::optional<Node> dtype;
  std::optional<Node> layout;
  if (state.is(Kind::kTuple)) {
    if (state.size() != 5) state.unexpected("the five properties of a tensor");
    dtype = state.items()[0];
    layout = state.items()[1];
  } else {
    dtype = state.find("dtype");
    layout = state.find("layout");
  }
  if (!dtype || !dtype->is(Kind::kGlobal)) state.unexpected("properties with a dtype");
  const auto known = dtype_of_global(dtype->as_global());
  if (!known) {
    throw Error(
        ErrorCode::kUnsupported, "dcp",
        cat("unknown dtype ", escaped(dtype->as_global().module), ".", escaped(dtype->as_global().name)))
        .at_offset(dtype->offset())
        .with_advice("save it with another dtype");
  }
  if (layout && layout->is_call_of("torch.serialization", "_get_layout") && layout->args().size() == 1 &&
      layout->args()[0].as_string() != "torch.strided") {
    throw Error(ErrorCode::kUnsupported, "dcp",
                cat("a tensor of layout ", escaped(layout->args()[0].as_string())))
        .at_offset(layout->offset())
        .with_advice("save it dense");
  }
  return *known;
}

Place place_of(const Node& node) {
  const auto fields = fields_of(node, kStorageModules, "_StorageInfo");
  Place out;
  const Node file = field(node, fields, "relative_path");
  out.file = file.as_string();
  at_offset(file.offset(), [&] { check_file_name(out.file); });
  out.offset = unsigned_of(field(node, fields, "offset"));
  out.length = unsigned_of(field(node, fields, "length"));
  at_offset(node.offset(), [&] { return checked_add(out.offset, out.length, "dcp"); });
  if (const auto transforms = optional_field(fields, "transform_descriptors");
      transforms && transforms->size() > 0) {
    throw Error(
        ErrorCode::kUnsupported, "dcp",
        cat("items transformed by '", escaped(transforms->items()[0].as_string()), "' cannot be read"))
        .at_offset(transforms->offset())
        .with_advice("save the checkpoint without transforms");
  }
  return out;
}

void count_name(WalkBudget& names, const Node& name) {
  at_offset(name.offset(), [&] { names.keep_long(name.as_string().size()); });
}

// Items by name and, for parts of tensors, offset.
class Places {
 public:
  Places(const Node& storage_data, WalkBudget& names) {
    for (const pickle::Pair pair : pairs_of(storage_data)) {
      const auto fields = fields_of(pair.key, kModules, "MetadataIndex");
      const Node fqn = field(pair.key, fields, "fqn");
      count_name(names, fqn);
      const std::string name(fqn.as_string());
      const auto offset = optional_field(fields, "offset");
      const auto key = std::pair(name, offset ? size_of(*offset).to_vector() : kNoOffset);
      if (!places_.emplace(key, place_of(pair.value)).second) {
        pair.key.unexpected(cat("each item once, found '", escaped(name), "' again"));
      }
    }
  }

  const Place& at(const Node& where, const std::string& name, const std::optional<Shape>& offset) const {
    auto found = places_.find({name, offset ? offset->to_vector() : kNoOffset});
    // The only chunk of a 0-d tensor may be stored without an offset.
    if (found == places_.end() && offset && offset->empty()) found = places_.find({name, kNoOffset});
    if (found == places_.end()) {
      throw Error(ErrorCode::kCorrupt, "dcp",
                  cat("no file holds '", escaped(name), "'", offset ? " at " + offset->str() : std::string()))
          .at_offset(where.offset());
    }
    return found->second;
  }

  const auto& all() const { return places_; }

 private:
  inline static const std::vector<std::int64_t> kNoOffset = {-1};
  std::map<std::pair<std::string, std::vector<std::int64_t>>, Place> places_;
};

// Two items may be the same bytes, though not many, but never share some: that would make much out of little.
void check_overlap(const Places& places) {
  std::vector<const Place*> order;
  for (const auto& [key, place] : places.all()) order.push_back(&place);
  const auto rank = [](const Place* place) { return std::tie(place->file, place->offset, place->length); };
  std::sort(order.begin(), order.end(), [&](const Place* a, const Place* b) { return rank(a) < rank(b); });
  std::size_t same = 1;
  for (std::size_t i = 1; i < order.size(); ++i) {
    const Place& before = *order[i - 1];
    const Place& place = *order[i];
    same = rank(&place) == rank(&before) ? same + 1 : 1;
    require(same <= kMostUses || place.length == 0, ErrorCode::kLimit, "dcp", "more than ", kMostUses,
            " items are the same bytes of the file '", escaped(place.file), "'");
    const bool is_apart = place.file != before.file || place.offset >= before.offset + before.length;
    require(is_apart || rank(&place) == rank(&before), ErrorCode::kUnsafe, "dcp",
            "two items overlap in the file '", escaped(place.file), "', at byte ", place.offset);
  }
}

std::optional<std::vector<Value>> path_of(const Node& node, WalkBudget& names) {
  if (!node.is(Kind::kTuple) || node.size() == 0 || node.size() > kMaxPath) return std::nullopt;
  std::vector<Value> out;
  for (const Node step : node.items()) {
    if (step.is(Kind::kString)) {
      count_name(names, step);
      out.emplace_back(step.as_string());
    } else if (step.is(Kind::kInt) && step.as_int() >= 0) {
      out.emplace_back(step.as_int());
    } else {
      return std::nullopt;
    }
  }
  return out;
}

Item item_of(const std::string& name, const Node& node, const Places& places, std::uint64_t& comparisons) {
  Item item;
  item.name = name;
  item.path = {Value(name)};
  if (is_instance(node, kModules, "BytesStorageMetadata")) {
    item.place = places.at(node, name, std::nullopt);
    return item;
  }
  const auto fields = fields_of(node, kModules, "TensorStorageMetadata");
  item.is_tensor = true;
  item.dtype = dtype_of(field(node, fields, "properties"));
  item.size = size_of(field(node, fields, "size"));
  for (const Node chunk : field(node, fields, "chunks").items()) {
    const auto parts = fields_of(chunk, kModules, "ChunkStorageMetadata");
    Chunk out;
    out.offsets = size_of(field(chunk, parts, "offsets"));
    out.sizes = size_of(field(chunk, parts, "sizes"));
    out.place = places.at(chunk, name, out.offsets);
    item.chunks.push_back(std::move(out));
  }
  at_offset(node.offset(), [&] { check_chunks(name, item.size, item.chunks, comparisons); });
  return item;
}

// Names in the order of the flattened state_dict, with their paths; items that it does not have stay behind.
void apply_planner_data(const Node& planner_data, Metadata& metadata, WalkBudget& names) {
  if (planner_data.is_none()) {
    metadata.notes.emplace_back("no planner data: names are keys as they are, nothing is nested");
    return;
  }
  if (!planner_data.is(Kind::kDict) && !planner_data.is_call_of("collections", "OrderedDict")) {
    metadata.notes.emplace_back("planner data of an unknown kind: names are keys as they are");
    return;
  }
  std::unordered_map<std::string, std::size_t> order;
  std::size_t position = 0;
  std::size_t flat = 0;
  std::unordered_map<std::string, Node> paths;
  for (const pickle::Pair pair : planner_data.pairs()) {
    if (!pair.key.is(Kind::kString)) continue;
    order.emplace(std::string(pair.key.as_string()), position++);
    paths.emplace(std::string(pair.key.as_string()), pair.value);
  }
  for (Item& item : metadata.items) {
    const auto found = paths.find(item.name);
    auto path = found == paths.end() ? std::nullopt : path_of(found->second, names);
    if (path) {
      item.path = *std::move(path);
    } else {
      ++flat;
    }
  }
  if (flat > 0) metadata.notes.push_back(cat(flat, " names are not in the planner data and stay flat keys"));
  const auto rank = [&](const Item& item) {
    const auto found = order.find(item.name);
    return found == order.end() ? position : found->second;
  };
  std::stable_sort(metadata.items.begin(), metadata.items.end(),
                   [&](const Item& a, const Item& b) { return rank(a) < rank(b); });
}

bool overlap(const Chunk& a, const Chunk& b) {
  for (std::size_t i = 0; i < a.sizes.size(); ++i) {
    if (a.offsets[i] + a.sizes[i] <= b.offsets[i] || b.offsets[i] + b.sizes[i] <= a.offsets[i]) return false;
  }
  return true;
}

}  // namespace

void check_chunks(const std::string& name, const Shape& size, const std::vector<Chunk>& chunks,
                  std::uint64_t& comparisons) {
  const auto corrupt = [&](const auto&... parts) {
    fail(ErrorCode::kCorrupt, "dcp", "tensor '", escaped(name), "' of shape ", size.str(), ": ", parts...);
  };
  const auto numel_of = [&](const Shape& shape) {
    try {
      return shape.numel();
    } catch (const Error& error) {
      fail(error.code(), "dcp", "tensor '", escaped(name), "' of shape ", shape, ": ", error.text());
    }
  };
  const std::int64_t whole = numel_of(size);
  std::int64_t covered = 0;
  std::vector<const Chunk*> order;
  for (const Chunk& chunk : chunks) {
    bool fits = chunk.offsets.size() == size.size() && chunk.sizes.size() == size.size();
    for (std::size_t i = 0; fits && i < size.size(); ++i) {
      fits = chunk.sizes[i] <= size[i] && chunk.offsets[i] <= size[i] - chunk.sizes[i];
    }
    if (!fits)
      corrupt("the part ", chunk.sizes.str(), " at ", chunk.offsets.str(), " does not lie within it");
    if (chunk.sizes.numel() == 0) continue;
    covered = checked_add(covered, chunk.sizes.numel(), "dcp");
    order.push_back(&chunk);
  }
  if (covered != whole) corrupt("its parts have ", covered, " of ", whole, " elements");
  if (whole == 0 && chunks.empty()) corrupt("it has no part");
  if (size.empty()) return;
  // Along the first dimension, only parts that are open at the same place are held against each other.
  std::sort(order.begin(), order.end(),
            [](const Chunk* a, const Chunk* b) { return a->offsets[0] < b->offsets[0]; });
  std::vector<const Chunk*> open;
  for (const Chunk* chunk : order) {
    std::erase_if(
        open, [&](const Chunk* other) { return other->offsets[0] + other->sizes[0] <= chunk->offsets[0]; });
    require(open.size() <= comparisons, ErrorCode::kLimit, "dcp", "tensor '", escaped(name), "' has ",
            chunks.size(), " parts, too many to compare");
    comparisons -= open.size();
    for (const Chunk* other : open) {
      if (overlap(*chunk, *other)) {
        corrupt("the parts at ", other->offsets.str(), " and ", chunk->offsets.str(), " overlap");
      }
    }
    open.push_back(chunk);
  }
}

Metadata read_metadata(const ByteSource& pickle, const LoadOptions& options) {
  const pickle::Graph graph = read_pickle(pickle, 0, pickle.size(), options).graph;
  const Node root = graph.root();
  const auto fields = fields_of(root, kModules, "Metadata");
  const auto storage_data = optional_field(fields, "storage_data");
  if (!storage_data) root.unexpected("metadata that says where the items are");
  WalkBudget names(options.walk);
  const Places places(*storage_data, names);
  check_overlap(places);
  Metadata out;
  out.pickles.push_back(pickle_facts(std::string(kMetadataFile), graph));
  std::uint64_t comparisons = kMostComparisons;
  for (const pickle::Pair pair : pairs_of(field(root, fields, "state_dict_metadata"))) {
    const std::string name(pair.key.as_string());
    out.items.push_back(item_of(name, pair.value, places, comparisons));
  }
  const auto planner_data = fields.find("planner_data");
  if (planner_data == fields.end()) {
    out.notes.emplace_back("no planner data: names are keys as they are, nothing is nested");
  } else {
    apply_planner_data(planner_data->second, out, names);
  }
  return out;
}

}  // namespace sconce::checkpoint::dcp
