#include "checkpoint/rebuild.h"

#include <algorithm>
#include <array>
#include <vector>

#include "checkpoint/writable.h"

namespace sconce::checkpoint {

using pickle::Kind;
using pickle::Node;

void expect_args(const Call& call, std::size_t least, std::size_t most) {
  if (call.args.size() < least || call.args.size() > most) {
    throw Error(ErrorCode::kCorrupt, "torch",
                cat(call.function.module, ".", call.function.name, " takes ", least, " to ", most,
                    " arguments, found ", call.args.size()))
        .at_offset(call.node.offset());
  }
}

Dims dims_of(Node node) {
  if (node.is_call_of("torch", "Size") && node.args().size() == 1) node = node.args()[0];
  Dims out;
  for (const Node item : node.items()) out.push_back(item.as_int());
  return out;
}

StoredTensor stored_from(ValueReader& reader, const Call& call, std::optional<DType> dtype) {
  StoredTensor out;
  out.storage = reader.storage(call.args[0]);
  out.dtype = dtype.value_or(reader.storage_info(out.storage).dtype.value_or(kUInt8));
  out.geometry = {Shape(dims_of(call.args[2])), dims_of(call.args[3]), call.args[1].as_int()};
  constexpr std::uint64_t kDimensionBytes = 48;
  reader.count_copy(call.args[2], out.geometry.shape.size() * kDimensionBytes);
  return out;
}

namespace {

constexpr std::uint64_t kAttributeBytes = 64;

}  // namespace

void attributes_later(ValueReader& reader, Value target, Node state,
                      std::span<const std::string_view> except) {
  reader.later([&reader, target, state, except]() mutable {
    std::vector<Node> dicts{state};
    if (state.is(Kind::kTuple)) dicts.assign(state.items().begin(), state.items().end());
    for (const Node dict : dicts) {
      if (dict.is_none()) continue;
      if (dict.size() > kMostAttributes) {
        throw Error(ErrorCode::kLimit, "torch",
                    cat("an object has ", dict.size(), " attributes, at most ", kMostAttributes, " are read"))
            .at_offset(dict.offset());
      }
      reader.count_copy(dict, dict.size() * kAttributeBytes);
      for (const pickle::Pair pair : dict.pairs()) {
        const std::string_view name = pair.key.as_string();
        if (std::find(except.begin(), except.end(), name) != except.end()) continue;
        target.set_attribute(name, reader.now(pair.value));
      }
    }
  });
}

bool is_attribute_state(Node state) {
  std::vector<Node> dicts{state};
  if (state.is(Kind::kTuple)) dicts.assign(state.items().begin(), state.items().end());
  if (state.is(Kind::kTuple) && dicts.size() != 2) return false;
  return std::all_of(dicts.begin(), dicts.end(), [](Node dict) {
    if (dict.is_none()) return true;
    if (!dict.is(Kind::kDict) || dict.size() > kMostAttributes) return false;
    for (const pickle::Pair pair : dict.pairs()) {
      if (!pair.key.is(Kind::kString) || is_special_name(pair.key.as_string())) return false;
    }
    return true;
  });
}

namespace {

const RebuildRow* find_row(const pickle::Global& function) {
  const std::array topics = {tensor_rows(),        python_rows(),    numpy_rows(), structured_tensor_rows(),
                             device_tensor_rows(), old_tensor_rows()};
  for (const auto rows : topics) {
    const auto row = std::find_if(rows.begin(), rows.end(), [&](const RebuildRow& candidate) {
      return candidate.name == function.name && candidate.module == function.module;
    });
    if (row != rows.end()) return &*row;
  }
  return nullptr;
}

}  // namespace

std::optional<Value> ValueReader::make_call(const Call& call, bool& known) {
  const RebuildRow* row = find_row(call.function);
  known = row != nullptr;
  if (!known) return std::nullopt;
  if (!row->takes_state &&
      !(call.node.states().empty() && call.node.items().empty() && call.node.pairs().empty())) {
    call.node.unexpected(cat(call.function.module, ".", call.function.name, " without a state or items"));
  }
  return row->make(*this, call);
}

}  // namespace sconce::checkpoint
