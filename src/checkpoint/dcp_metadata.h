// What the .metadata of a torch.distributed.checkpoint says (formats.md G).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sconce/checkpoint/load.h"
#include "sconce/checkpoint/pickle_facts.h"
#include "sconce/core/dtype.h"
#include "sconce/core/shape.h"
#include "sconce/state/value.h"

namespace sconce::checkpoint::dcp {

inline constexpr std::string_view kMetadataFile = ".metadata";

// Where an item lies: a complete torch-zip within a file of the folder.
struct Place {
  std::string file;
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
};

// A part of a tensor.
struct Chunk {
  Shape offsets;
  Shape sizes;
  Place place;
};

// One entry of the flattened state_dict.
struct Item {
  std::string name;                   // its fully qualified name
  std::vector<Value> path;            // str: key of a dict, int: index of a list
  std::vector<std::size_t> int_keys;  // positions in the path where an int is the key of a dict after all
  bool is_tensor = false;             // else any object, at `place`
  DType dtype = kFloat32;             // of a tensor
  Shape size;                         // of the whole tensor
  std::vector<Chunk> chunks;          // of the tensor
  Place place;
};

struct Metadata {
  std::vector<Item> items;           // in the order of the flattened state_dict
  std::vector<PickleFacts> pickles;  // the one of .metadata
  std::vector<std::string> notes;    // what is unusual
};

// Parses and checks .metadata: every item has its place, the chunks of a tensor cover it exactly once.
// Errors: kCorrupt, kOverflow, kLimit, kUnsafe (names that are not plain file names), kUnsupported
// (compressed items, by the name of what compressed them), those of pickles.
Metadata read_metadata(const ByteSource& pickle, const LoadOptions& options);

// The .metadata of these items, as a pickle of protocol 2.
std::vector<std::byte> write_metadata(const std::vector<Item>& items);

// Pairs of chunks that are held against each other for one checkpoint.
inline constexpr std::uint64_t kMostComparisons = 200'000'000;

// Error kCorrupt unless the chunks lie within `size`, do not overlap and together cover it. Error kLimit when
// that takes more than `comparisons`, from which those made are taken.
void check_chunks(const std::string& name, const Shape& size, const std::vector<Chunk>& chunks,
                  std::uint64_t& comparisons);

}  // namespace sconce::checkpoint::dcp
