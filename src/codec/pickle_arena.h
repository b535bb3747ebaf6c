// Storage of the nodes of a pickle graph. Records are small and flat: destroying a graph never recurses.
#pragma once

#include <bitset>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sconce/base/huge_pages.h"
#include "sconce/codec/pickle.h"

namespace sconce::pickle::detail {

using NodeId = std::uint32_t;
constexpr NodeId kNoNode = 0xFFFFFFFF;

// Files have millions of them, so they are kept small.
struct Record {
  Kind kind = Kind::kNone;
  bool flag = false;              // kBool: its value; kString, kBytes: written as Python 2's 8-bit str
  std::uint16_t offset_high = 0;  // where its opcode stands, above 32 bits
  std::uint32_t offset_low = 0;
  std::uint32_t side = kNoNode;  // index into the arena's list for this kind; class of equal keys for others
  std::uint32_t size = 0;        // bytes of text, number of children of kTuple and kFrozenSet
  union {
    std::int64_t integer = 0;  // kInt
    double real;               // kFloat
    const char* text;          // kString, kBytes, kByteArray, kBigInt
    std::uint64_t first;       // kTuple, kFrozenSet: index of the first child; kPersistent: the pid's node
  };

  std::uint64_t offset() const { return std::uint64_t{offset_high} << 32 | offset_low; }
  void set_offset(std::uint64_t offset) {
    offset_high = static_cast<std::uint16_t>(offset >> 32);
    offset_low = static_cast<std::uint32_t>(offset);
  }
};
static_assert(sizeof(Record) == 24);

// Most objects have no items, no pairs and one state: lists of them are made when they are needed.
struct ObjectData {
  ObjectKind kind = ObjectKind::kReduce;
  NodeId callable = kNoNode;
  NodeId args = kNoNode;
  NodeId kwargs = kNoNode;
  std::uint32_t items = kNoNode;   // index of a sequence
  std::uint32_t pairs = kNoNode;   // index of a dict
  std::uint32_t states = kNoNode;  // index of a sequence
};

struct Arena {
  Input input;                    // text of strings points into it
  std::deque<std::string> owned;  // decoded text of protocol 0; addresses stay
  std::vector<Record, BlockAllocator<Record>> records;
  std::vector<NodeId, BlockAllocator<NodeId>> children;  // of tuples and frozensets
  std::vector<std::vector<NodeId>> sequences;            // of lists, sets and objects
  std::vector<std::vector<Entry>> dicts;                 // of dicts and objects
  std::vector<ObjectData> objects;
  std::vector<Global> globals;
  std::vector<std::uint32_t> duplicate_keys;
  std::bitset<256> opcodes;
  int protocol = 0;
  std::uint64_t spare_memory = 0;  // what Limits::memory leaves
  std::string_view memory_name;
  NodeId root = kNoNode;

  const Record& at(NodeId id) const { return records[id]; }
  std::string_view text(const Record& r) const { return {r.text, r.size}; }
  // By index, which is kNoNode for those that stayed empty.
  std::span<const NodeId> sequence(std::uint32_t index) const {
    return index == kNoNode ? std::span<const NodeId>() : sequences[index];
  }
  std::span<const Entry> dict(std::uint32_t index) const {
    return index == kNoNode ? std::span<const Entry>() : dicts[index];
  }
};

}  // namespace sconce::pickle::detail
