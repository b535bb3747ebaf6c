// Looking for everything that is wrong with a checkpoint: going on where load() and describe() would stop.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "sconce/checkpoint/listing.h"
#include "sconce/checkpoint/pickle_facts.h"
#include "sconce/checkpoint/weights_only.h"

namespace sconce::checkpoint {

enum class Integrity : std::uint8_t {
  kChecked,    // a recorded checksum was compared and fits, or there are no bytes
  kUnchecked,  // no checksum is recorded
  kDamaged,    // it does not fit, or the bytes cannot be read
};

// "checked", "unchecked", "damaged".
std::string_view integrity_name(Integrity integrity);

// A part of a file that has its own bytes: a record of a zip, a storage of the other formats.
struct RecordFacts {
  std::string name;
  std::uint64_t offset = 0;  // of its bytes in the file
  std::uint64_t size = 0;    // bytes it stands for, inflated
  Integrity integrity = Integrity::kUnchecked;
};

// One thing that is wrong.
struct Problem {
  ErrorCode code = ErrorCode::kCorrupt;
  std::string text;                     // what was expected and found
  std::string record;                   // where; empty for the file
  std::optional<std::uint64_t> offset;  // in the record, or in the file
  std::string advice = {};              // what to do; may be empty
  std::string limit = {};               // what raises it, as Error::limit() has it
};

struct Examination {
  Format format = Format::kTorchZip;
  std::uint64_t file_size = 0;
  std::vector<RecordFacts> records;       // in the order of the file's directory
  std::vector<PickleFacts> pickles;       // also broken ones, and those that no reader looks at
  std::vector<Problem> problems;          // in the order they were found
  std::vector<std::string> notes;         // what is unusual but not wrong
  std::vector<WeightsOnly> weights_only;  // one answer for each version of PyTorch
  std::optional<Listing> listing;         // where the structure allows one
};

// Reads all of a checkpoint, in pieces. Errors: kNotFound, kPermission, kIo; kUnsupported when it is none.
// Everything else that is wrong stands in the result.
Examination examine(const std::string& path, const LoadOptions& options = {});

}  // namespace sconce::checkpoint
