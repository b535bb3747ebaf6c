// DTensors of torch.distributed (formats.md B.4): a file holds the part of the rank that wrote it, which
// becomes a tensor that knows what it is a part of. The mesh stays behind; nothing here needs a process
// group.
#include <algorithm>
#include <array>

#include "checkpoint/read_limits.h"
#include "checkpoint/rebuild.h"

namespace sconce::checkpoint {
namespace {

using pickle::Kind;
using pickle::Node;

constexpr std::string_view kLocalTensor = "_local_tensor";
constexpr std::string_view kSpec = "_spec";
// A few bytes of a file may name the same long text again and again.
constexpr std::size_t kMostPlacements = 16;
constexpr std::size_t kMostFields = 4;
constexpr std::size_t kLongestText = 64;

// 2.0 to 2.4 had it in a private module.
bool is_dtensor(Node type) {
  return type.is_global("torch.distributed.tensor", "DTensor") ||
         type.is_global("torch.distributed._tensor.api", "DTensor") ||
         type.is_global("torch.distributed._tensor", "DTensor");
}

// What a state, a dict or (dict or None, slots), has under `name`.
std::optional<Node> state_item(Node state, std::string_view name) {
  std::vector<Node> dicts{state};
  if (state.is(Kind::kTuple)) dicts.assign(state.items().begin(), state.items().end());
  for (const Node dict : dicts) {
    if (!dict.is(Kind::kDict) || dict.size() > kMostAttributes) continue;
    if (const auto found = dict.find(name)) return found;
  }
  return std::nullopt;
}

// As the class prints itself, near enough: Shard(dim=0).
std::string placement_text(Node placement) {
  if (!placement.is(Kind::kObject) || !placement.callable().is(Kind::kGlobal)) return "?";
  std::string out = cat(placement.callable().as_global().name.substr(0, kLongestText), '(');
  const pickle::NodeList states = placement.states();
  if (states.size() == 1 && states[0].is(Kind::kDict) && states[0].size() <= kMostFields) {
    std::string_view comma;
    for (const pickle::Pair pair : states[0].pairs()) {
      if (!pair.key.is(Kind::kString)) continue;
      out += cat(comma, pair.key.as_string().substr(0, kLongestText), '=');
      out += pair.value.is(Kind::kInt)      ? std::to_string(pair.value.as_int())
             : pair.value.is(Kind::kString) ? std::string(pair.value.as_string().substr(0, kLongestText))
                                            : "?";
      comma = ", ";
    }
  }
  out += ')';
  return out.size() <= kLongestText ? out : cat(out.substr(0, kLongestText), "...");
}

std::optional<Node> placements_in(std::optional<Node> spec) {
  if (!spec || !spec->is(Kind::kObject) || spec->states().size() != 1) return std::nullopt;
  return state_item(spec->states()[0], "placements");
}

std::vector<std::string> placement_texts(Node placements) {
  std::vector<std::string> out;
  const bool is_list = placements.is(Kind::kTuple) || placements.is(Kind::kList);
  if (!is_list || placements.size() > kMostPlacements) return out;
  for (const Node placement : placements.items()) out.push_back(placement_text(placement));
  return out;
}

}  // namespace

// (func, class, arguments of func: class, dtype, sizes, strides, offset, layout, device, requires_grad;
// state)
bool is_shard(const Call& call) {
  if (!call.args[0].is_global("torch._utils", "_rebuild_wrapper_subclass") || !is_dtensor(call.args[1])) {
    return false;
  }
  const Node shell = call.args[2];
  return shell.size() == 8 && shell.items()[2].is(Kind::kTuple) && shell.items()[7].is(Kind::kBool) &&
         shell.items()[2].size() <= kMaxRank && state_item(call.args[3], kLocalTensor).has_value();
}

Rebuilt shard(ValueReader& reader, const Call& call) {
  const Value* local = reader.get(*state_item(call.args[3], kLocalTensor));
  if (!local) return std::nullopt;
  // A subclass in its turn, say.
  if (!is_dense_tensor(*local)) return reader.inert(call.node);
  const pickle::NodeList shell = call.args[2].items();
  TensorLeaf leaf = local->as_tensor();
  leaf.requires_grad = shell[7].as_bool();
  const auto is_parameter = state_item(call.args[3], "_is_param");
  leaf.is_parameter = is_parameter && is_parameter->is(Kind::kBool) && is_parameter->as_bool();
  const Node none = call.args[0];
  const Node placements = placements_in(state_item(call.args[3], kSpec)).value_or(none);
  leaf.shard_of = reader.shard_of(shell[2], placements, [&] {
    return ShardOf{Shape(dims_of(shell[2])), placement_texts(placements)};
  });
  Value out = reader.arena().array(std::move(leaf));
  reader.copy_parts(out, "", *local);
  static constexpr std::array kOwn = {kLocalTensor, kSpec, std::string_view("_is_param")};
  attributes_later(reader, out, call.args[3], kOwn);
  return out;
}

}  // namespace sconce::checkpoint
