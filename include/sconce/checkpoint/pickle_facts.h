// What a pickle names and needs, judged without running any of it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sconce/base/error.h"
#include "sconce/codec/pickle.h"

namespace sconce::checkpoint {

// How much Python does when it meets a global in a pickle.
enum class Trust : std::uint8_t {
  kUnknown,  // could be anything, so it is treated as running code: never written
  kInert,    // makes plain data, but weights_only=True refuses it: written with keep_objects
  kPlain,    // a value that weights_only=True takes: always written
};

// "could_run_code", "harmless", "plain".
std::string_view trust_name(Trust trust);

// A global of a pickle, and what loading the pickle in Python could make of it.
struct GlobalUse {
  std::string module;  // as Python 3 calls it
  std::string name;
  std::uint64_t offset = 0;  // of its first use
  Trust trust = Trust::kUnknown;
  std::string why;  // in a few words: "runs a shell command"
};

struct PickleFacts {
  std::string record;  // the zip record or file of a folder it stands in; "" for the file itself
  int protocol = 0;    // of its PROTO opcode; 0 when there is none
  std::vector<std::string> opcodes;  // those that occur, by Python's names, in order of their codes
  std::vector<GlobalUse> globals;    // each once, in order of first use
  std::optional<Error> error;        // why reading stopped before STOP; what was seen until then stands above
};

// The facts of a pickle that was read to its end. Every reader of pickles calls this once for each.
PickleFacts pickle_facts(std::string record, const pickle::Graph& graph);
// Of one that may be broken.
PickleFacts pickle_facts(std::string record, const pickle::Parsed& parsed);

}  // namespace sconce::checkpoint
