// Storage of the nodes of a pickle graph. Records are small and flat: destroying a graph never recurses.
#pragma once

#include <bitset>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "sconce/codec/pickle.h"

namespace sconce::pickle::detail {

using NodeId = std::uint32_t;
constexpr NodeId kNoNode = 0xFFFFFFFF;

struct Record {
  Kind kind = Kind::kNone;
  bool truth = false;    // kBool
  bool python2 = false;  // kString, kBytes: written as Python 2's 8-bit str
  std::uint32_t side =
      kNoNode;  // index into the arena's list for this kind; class of equal keys for the others
  union {
    std::int64_t integer = 0;  // kInt
    double real;               // kFloat
    const char* text;          // kString, kBytes, kByteArray, kBigInt
    std::uint64_t first;       // kTuple, kFrozenSet: index of the first child; kPersistent: the pid's node
  };
  std::uint64_t size = 0;    // bytes of text, number of children of kTuple and kFrozenSet
  std::uint64_t offset = 0;  // where its opcode stands
};

struct ObjectData {
  ObjectKind kind = ObjectKind::kReduce;
  NodeId callable = kNoNode;
  NodeId args = kNoNode;
  NodeId kwargs = kNoNode;
  std::vector<NodeId> items;
  std::vector<Entry> pairs;
  std::vector<NodeId> states;
};

struct Arena {
  Input input;                    // text of strings points into it
  std::deque<std::string> owned;  // decoded text of protocol 0; addresses stay
  std::vector<Record> records;
  std::vector<NodeId> children;                // of tuples and frozensets
  std::vector<std::vector<NodeId>> sequences;  // lists and sets
  std::vector<std::vector<Entry>> dicts;
  std::vector<ObjectData> objects;
  std::vector<Global> globals;
  std::vector<std::uint32_t> duplicate_keys;
  std::bitset<256> opcodes;
  int protocol = 0;
  NodeId root = kNoNode;

  const Record& at(NodeId id) const { return records[id]; }
  std::string_view text(const Record& r) const { return {r.text, static_cast<std::size_t>(r.size)}; }
};

}  // namespace sconce::pickle::detail
