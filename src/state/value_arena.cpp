#include <algorithm>
#include <cstring>

#include "sconce/base/byte_reader.h"
#include "state/value_graph.h"

namespace sconce {

using namespace detail;  // NOLINT(google-build-using-namespace): this file makes detail's nodes

ValueArena::ValueArena() : graph_(std::make_shared<ValueGraph>()) {}

template <class Payload>
Value ValueArena::make(ValueKind kind, Payload payload) const {
  auto root = root_of(graph_);
  ValueNode* node = root->make(kind);
  node->payload = std::move(payload);
  return {std::move(root), node};
}

Value ValueArena::none() const { return make(ValueKind::kNone, std::monostate{}); }
Value ValueArena::boolean(bool value) const { return make(ValueKind::kBool, value); }
Value ValueArena::integer(std::int64_t value) const { return make(ValueKind::kInt, value); }

Value ValueArena::integer(std::span<const std::byte> bytes) const {
  // Bytes that only repeat the sign say nothing.
  const bool is_negative = !bytes.empty() && (bytes.back() & std::byte{0x80}) != std::byte{0};
  const std::byte filler = is_negative ? std::byte{0xFF} : std::byte{0};
  while (bytes.size() > 8 && bytes.back() == filler &&
         ((bytes[bytes.size() - 2] & std::byte{0x80}) != std::byte{0}) == is_negative) {
    bytes = bytes.first(bytes.size() - 1);
  }
  if (bytes.size() > 8) return make(ValueKind::kInt, BigInt{{bytes.begin(), bytes.end()}});
  std::byte wide[8];
  std::fill(std::begin(wide), std::end(wide), filler);
  std::copy(bytes.begin(), bytes.end(), std::begin(wide));
  std::int64_t value = 0;
  std::memcpy(&value, wide, sizeof value);
  return integer(in_order(value, std::endian::little));
}

Value ValueArena::real(double value) const { return make(ValueKind::kFloat, value); }
Value ValueArena::complex(std::complex<double> value) const { return make(ValueKind::kComplex, value); }
Value ValueArena::string(std::string_view text) const { return make(ValueKind::kString, std::string(text)); }
Value ValueArena::bytes(std::span<const std::byte> data, bool is_bytearray) const {
  return make(ValueKind::kBytes, Bytes{{data.begin(), data.end()}, is_bytearray});
}
Value ValueArena::list() const { return make(ValueKind::kList, Sequence{}); }
Value ValueArena::tuple() const { return make(ValueKind::kTuple, Sequence{}); }
Value ValueArena::set(bool is_frozen) const {
  return make(ValueKind::kSet, Sequence{{}, is_frozen, std::nullopt});
}
Value ValueArena::dict(bool is_ordered) const {
  return make(ValueKind::kDict, Mapping{{}, is_ordered, std::nullopt});
}
Value ValueArena::array(TensorLeaf leaf) const {
  return make(ValueKind::kArray, std::make_unique<TensorLeaf>(std::move(leaf)));
}
Value ValueArena::sparse(SparseLeaf leaf) const {
  return make(ValueKind::kSparse, std::make_unique<SparseLeaf>(std::move(leaf)));
}

Value ValueArena::global(std::string_view module, std::string_view name) const {
  auto parts = std::make_unique<ObjectParts>();
  parts->module = module;
  parts->name = name;
  return make(ValueKind::kObject, std::move(parts));
}

Value ValueArena::object(ObjectKind kind, const Value& callable, const Value& args,
                         const Value& kwargs) const {
  auto parts = std::make_unique<ObjectParts>();
  parts->kind = kind;
  for (const Value* part : {&callable, &args, &kwargs}) join(graph_, part->graph_);
  parts->callable = callable.node_;
  parts->args = args.node_;
  parts->kwargs = kwargs.node_;
  return make(ValueKind::kObject, std::move(parts));
}

}  // namespace sconce
