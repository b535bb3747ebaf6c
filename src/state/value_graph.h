// The nodes behind Value and the graphs that own them.
#pragma once

#include <complex>
#include <cstdint>
#include <memory>
#include <string>
#include <unordered_set>
#include <utility>
#include <variant>
#include <vector>

#include "sconce/base/rare.h"
#include "sconce/state/value.h"
#include "state/key_index.h"

namespace sconce::detail {

using NodeList = std::vector<ValueNode*>;
using NodePairs = std::vector<std::pair<ValueNode*, ValueNode*>>;

struct BigInt {
  std::vector<std::byte> bytes;  // two's complement, least significant first
};
struct Bytes {
  std::vector<std::byte> data;
  bool is_bytearray = false;
};
struct Sequence {
  NodeList elements;
  bool is_frozen = false;                         // sets only
  Rare<std::unordered_set<std::string>> members;  // sets only: the key text of every element
};
struct Mapping {
  NodePairs entries;
  bool is_ordered = false;
  Rare<KeyIndex> index;  // of more than a few entries
};
struct ObjectParts {
  ObjectKind kind = ObjectKind::kGlobal;
  std::string module;
  std::string name;
  ValueNode* callable = nullptr;
  ValueNode* args = nullptr;
  ValueNode* kwargs = nullptr;
  NodeList elements;
  NodePairs items;
  NodeList states;
};

struct ValueNode {
  ValueKind kind = ValueKind::kNone;
  std::variant<std::monostate, bool, std::int64_t, BigInt, double, std::complex<double>, std::string, Bytes,
               Sequence, Mapping, std::unique_ptr<TensorLeaf>, std::unique_ptr<SparseLeaf>,
               std::unique_ptr<ObjectParts>>
      payload;
  Rare<std::vector<std::pair<std::string, ValueNode*>>> attributes;
};
static_assert(sizeof(ValueNode) == 64);  // files have many of them

// Owns nodes. Nodes point at each other freely inside one graph, so destroying it needs no recursion and
// frees cycles. Putting a value of one graph into a container of another joins the graphs for good: the
// smaller one hands over its nodes and forwards to the larger.
struct ValueGraph {
  ValueNode* make(ValueKind kind);

  std::vector<std::unique_ptr<ValueNode[]>> chunks;
  std::size_t chunk_capacity = 0;
  std::size_t chunk_used = 0;
  std::size_t node_count = 0;
  std::shared_ptr<ValueGraph> forward;
};

// The graph that now owns what `graph` owned.
std::shared_ptr<ValueGraph> root_of(const std::shared_ptr<ValueGraph>& graph);
// Joins two graphs; both then have the same root.
void join(const std::shared_ptr<ValueGraph>& a, const std::shared_ptr<ValueGraph>& b);

// Makes the index of a dict anew after entries were taken out.
void rebuild_index(Mapping& mapping);

// Text equal for keys that Python calls equal: 1, 1.0 and True agree. Keys compared by identity in Python
// (objects) are named by address.
std::string key_text(const ValueNode& key);

}  // namespace sconce::detail
