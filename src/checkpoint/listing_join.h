// One listing made of several: of the shards of an index, of the items of a distributed checkpoint.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include "sconce/checkpoint/listing.h"

namespace sconce::checkpoint {

class JoinedStore;

// How a record (which may be "", the file itself) of one file of a set is called: "file:record".
std::string record_of_part(const std::string& file, const std::string& record);

class ListingJoin {
 public:
  explicit ListingJoin(const LoadOptions& options);

  // The whole so far; its format, tree and file_size are the caller's.
  Listing& whole() { return whole_; }

  // Takes over the storages, pickles, objects, globals and notes of a part: `name` stands before the names of
  // objects, `file` before notes and records of pickles. Returns what to add to the storage numbers of its
  // tensors.
  std::size_t add_part(const Listing& part, const std::string& name, const std::string& file);
  // A storage that `read` makes when it is asked for; returns its number.
  std::size_t add_storage(std::function<Storage()> read);
  // Appends a tensor, whose storage is one of those above.
  void add_tensor(TensorInfo tensor);

  Listing finish();

 private:
  Listing whole_;
  std::shared_ptr<JoinedStore> store_;
  std::set<std::pair<std::string, std::string>> globals_;
  std::map<std::size_t, std::size_t> first_use_;  // storage -> tensor
};

}  // namespace sconce::checkpoint
