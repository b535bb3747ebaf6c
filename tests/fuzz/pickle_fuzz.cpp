// Any bytes: parsing returns, every node can be looked at, and an accepted pickle's parts are in range and
// what its survey says.
#include <cstddef>
#include <cstdint>

#include "sconce/codec/pickle.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sconce::pickle;
  Limits limits;
  limits.memory = std::uint64_t{16} << 20;
  const Parsed parsed = parse_at({std::as_bytes(std::span(data, size))}, 0, limits);
  if (parsed.end > size) __builtin_trap();
  const Survey found = survey(sconce::MemorySource(std::as_bytes(std::span(data, size))), 0, size, limits);
  if (!parsed.error) {
    parsed.graph.root().describe();
    if (found.error || found.end != parsed.end || found.nodes != parsed.graph.node_count()) __builtin_trap();
  }
  for (std::uint32_t id = 0; id < parsed.graph.node_count(); ++id) {
    const Node node = parsed.graph.node(id);
    if (node.offset() >= size) __builtin_trap();
    node.describe();
    switch (node.kind()) {
      case Kind::kObject:
        node.callable().describe();
        for (const Node child : node.args()) child.describe();
        for (const Node child : node.states()) child.describe();
        for (const Pair pair : node.pairs()) pair.value.describe();
        [[fallthrough]];
      case Kind::kList:
      case Kind::kTuple:
      case Kind::kSet:
      case Kind::kFrozenSet:
        for (const Node child : node.items()) child.kind();
        break;
      case Kind::kDict:
        for (const Pair pair : node.pairs()) pair.key.kind();
        break;
      default:
        break;
    }
  }
  return 0;
}
