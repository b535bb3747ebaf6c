#include "state/value_graph.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "sconce/base/error.h"

namespace sconce::detail {
namespace {

constexpr std::size_t kLargestChunk = 512;
constexpr int kDeepestKey = 64;
constexpr std::size_t kMostOfTuple = 1
                                     << 20;  // bytes of its text: shared parts could double it at each level

std::string number_text(double value) {
  if (value == std::floor(value) && std::fabs(value) < 9.2e18)
    return cat("i", static_cast<std::int64_t>(value));
  return cat("f", std::bit_cast<std::uint64_t>(value));
}

void append_key(std::string& out, const ValueNode& key, int depth) {
  require(depth < kDeepestKey, ErrorCode::kLimit, "value", "a dict key nests deeper than ", kDeepestKey,
          " tuples");
  switch (key.kind) {
    case ValueKind::kNone:
      out += 'n';
      return;
    case ValueKind::kBool:
      out += std::get<bool>(key.payload) ? "i1" : "i0";
      return;
    case ValueKind::kInt:
      if (const auto* small = std::get_if<std::int64_t>(&key.payload)) {
        out += cat("i", *small);
      } else {
        const auto& bytes = std::get<BigInt>(key.payload).bytes;
        out += 'I';
        out.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
      }
      return;
    case ValueKind::kFloat:
      // NaN is equal to nothing; Python finds such a key by what it is, not by its value.
      if (std::isnan(std::get<double>(key.payload))) {
        out += cat("@", static_cast<const void*>(&key));
      } else {
        out += number_text(std::get<double>(key.payload));
      }
      return;
    case ValueKind::kString:
      out += 's';
      out += std::get<std::string>(key.payload);
      return;
    case ValueKind::kBytes: {
      const auto& data = std::get<Bytes>(key.payload).data;
      out += 'b';
      out.append(reinterpret_cast<const char*>(data.data()), data.size());
      return;
    }
    case ValueKind::kTuple:
      out += 't';
      for (const ValueNode* element : std::get<Sequence>(key.payload).elements) {
        std::string part;
        append_key(part, *element, depth + 1);
        out += cat(part.size(), ":", part);
        require(out.size() <= kMostOfTuple, ErrorCode::kLimit, "value",
                "a tuple that is a dict key needs more than ", kMostOfTuple, " bytes");
      }
      return;
    default:
      out += cat("@", static_cast<const void*>(&key));
  }
}

}  // namespace

ValueNode* ValueGraph::make(ValueKind kind) {
  if (chunk_used == chunk_capacity) {
    chunk_capacity = std::min(kLargestChunk, std::max<std::size_t>(1, chunk_capacity * 2));
    chunks.push_back(std::make_unique<ValueNode[]>(chunk_capacity));
    chunk_used = 0;
  }
  ValueNode* node = &chunks.back()[chunk_used++];
  node->kind = kind;
  ++node_count;
  return node;
}

std::shared_ptr<ValueGraph> root_of(const std::shared_ptr<ValueGraph>& graph) {
  std::shared_ptr<ValueGraph> root = graph;
  while (root->forward) root = root->forward;
  if (graph != root && graph->forward != root) graph->forward = root;  // shortens the next walk
  return root;
}

void join(const std::shared_ptr<ValueGraph>& a, const std::shared_ptr<ValueGraph>& b) {
  if (a == b) return;
  auto large = root_of(a);
  auto small = root_of(b);
  if (large == small) return;
  if (large->node_count < small->node_count) std::swap(large, small);
  // The chunk still being filled stays last.
  large->chunks.insert(large->chunks.empty() ? large->chunks.end() : large->chunks.end() - 1,
                       std::make_move_iterator(small->chunks.begin()),
                       std::make_move_iterator(small->chunks.end()));
  large->node_count += small->node_count;
  small->chunks.clear();
  small->chunk_capacity = small->chunk_used = small->node_count = 0;
  small->forward = large;
}

std::string key_text(const ValueNode& key) {
  std::string out;
  append_key(out, key, 0);
  return out;
}

}  // namespace sconce::detail
