#include "checkpoint/odd_uses.h"

#include <algorithm>
#include <charconv>

#include "checkpoint/torch_names.h"

namespace sconce::checkpoint {
namespace {

using pickle::Global;
using pickle::Kind;
using pickle::Node;
using pickle::NodeList;

bool is_int(const Node& node, std::int64_t value) { return node.is(Kind::kInt) && node.as_int() == value; }

// What numpy's dtypes of one kind have as size, alignment and flags.
struct DTypeForm {
  char kind;
  std::int64_t
      bytes;  // of one unit of the number in the code, when the state repeats the size; 0: it says -1
  std::int64_t alignment;
  std::int64_t flags;
};
constexpr DTypeForm kDTypeForms[] = {
    {'b', 0, -1, 0}, {'i', 0, -1, 0},  {'u', 0, -1, 0}, {'f', 0, -1, 0}, {'c', 0, -1, 0}, {'M', 0, -1, 0},
    {'m', 0, -1, 0}, {'O', 0, -1, 63}, {'S', 1, 1, 0},  {'V', 1, 1, 0},  {'U', 4, 4, 8},
};

// numpy believes a dtype's state: flags that say "no objects" of one that holds objects turn the bytes of an
// array into pointers. Only the state that numpy itself writes will do.
bool is_honest_dtype(const Node& object) {
  const NodeList args = object.args();
  if (args.empty() || !args[0].is(Kind::kString)) return false;
  const std::string_view code = args[0].as_string();
  const auto* form = std::find_if(std::begin(kDTypeForms), std::end(kDTypeForms),
                                  [&](const DTypeForm& row) { return !code.empty() && row.kind == code[0]; });
  if (form == std::end(kDTypeForms)) return false;
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(code.data() + 1, code.data() + code.size(), number);
  if (error != std::errc() || end != code.data() + code.size() || number < 0 || number > INT32_MAX)
    return false;
  for (const Node state : object.states()) {
    if (!state.is(Kind::kTuple) || state.size() < 8 || state.size() > 9) return false;
    const NodeList parts = state.items();
    const bool is_simple = parts[2].is_none() && parts[3].is_none() && parts[4].is_none();
    const std::int64_t size = form->bytes == 0 ? -1 : number * form->bytes;
    if (!is_simple || !is_int(parts[5], size) || !is_int(parts[6], form->alignment) ||
        !is_int(parts[7], form->flags)) {
      return false;
    }
  }
  return true;
}

bool is_rebuild(const Node& node) {
  return node.is(Kind::kGlobal) && (node.as_global().module == "torch._utils" ||
                                    node.as_global().module == "torch.nested._internal.nested_tensor");
}

// An object with attributes that the file chose, of a class that is not torch's.
bool has_free_attributes(const Node& node) {
  return node.is(Kind::kObject) && node.callable().is(Kind::kGlobal) && !node.states().empty() &&
         !node.callable().as_global().module.starts_with("torch");
}

std::string_view why_odd(const Node& object, const Global& global) {
  const bool is_torch = global.module == "torch" || global.module.starts_with("torch.");
  const bool has_items = !object.items().empty() || !object.pairs().empty();
  if (global.module == "numpy" && global.name == "dtype" && !is_honest_dtype(object)) {
    return "describes numpy elements that are not what they seem";
  }
  if (is_nn_module(global.module, global.name)) {
    const bool is_plain =
        object.object_kind() == pickle::ObjectKind::kNewObj && object.args().empty() && !has_items;
    return is_plain ? "" : "calls a module's constructor with things of the file's choosing";
  }
  if (is_torch && has_items) return "sets items of a tensor while it is loaded";
  if (global.module == "torch._tensor" && global.name.starts_with("_rebuild_from_type") &&
      (object.args().empty() || !is_rebuild(object.args()[0]))) {
    return "calls a function that does not make tensors";
  }
  const NodeList args = object.args();
  const bool reads_attributes = is_torch && std::any_of(args.begin(), args.end(), [](const Node& arg) {
                                  return has_free_attributes(arg);
                                });
  return reads_attributes ? "makes a tensor of an object that may claim any memory" : "";
}

}  // namespace

std::vector<OddUse> odd_uses(const pickle::Graph& graph) {
  std::vector<OddUse> out;
  const auto add = [&](const Global& global, std::string_view why) {
    const auto index = static_cast<std::size_t>(&global - graph.globals().data());
    const bool known =
        std::any_of(out.begin(), out.end(), [&](const OddUse& use) { return use.global == index; });
    if (!known) out.push_back({index, why});
  };
  for (std::uint32_t id = 0; id < graph.node_count(); ++id) {
    const Node object = graph.node(id);
    if (!object.is(Kind::kObject)) continue;
    if (object.callable().is(Kind::kGlobal)) {
      const Global& global = object.callable().as_global();
      if (const std::string_view why = why_odd(object, global); !why.empty()) add(global, why);
    } else if (object.callable().is(Kind::kObject) && object.callable().callable().is(Kind::kGlobal)) {
      // Longer chains of calls have this beginning.
      add(object.callable().callable().as_global(), "what it makes is called like a function");
    }
  }
  return out;
}

}  // namespace sconce::checkpoint
