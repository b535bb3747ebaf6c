#include <algorithm>

#include "checkpoint/examiners.h"
#include "checkpoint/file_pickle.h"
#include "checkpoint/npy_array.h"

namespace sconce::checkpoint {
namespace {

// Where the data begins behind a header that numpy may follow and no tensor fits; nullopt for all others.
std::optional<std::uint64_t> begin_of_objects(const ByteSource& array) {
  const auto read = [&](std::size_t n) {
    std::vector<std::byte> head(static_cast<std::size_t>(std::min<std::uint64_t>(array.size(), n)));
    array.read_at(head, 0);
    return head;
  };
  try {
    npy::header_from(read);
    return std::nullopt;
  } catch (const Error& error) {
    if (is_trouble(error)) throw;
  }
  try {
    return npy::header_size(read(npy::kFirstBytes));
  } catch (const Error& error) {
    if (is_trouble(error)) throw;
    return std::nullopt;
  }
}

}  // namespace

// numpy.load(allow_pickle=True) takes what stands behind a dtype with objects for a pickle. Whether it has
// any is for numpy to say, so of no unknown dtype the data is passed over.
void add_object_pickle(const ByteSource& array, const std::string& record, const LoadOptions& options,
                       Examination& out) {
  const auto begin = begin_of_objects(array);
  if (!begin || *begin >= array.size()) return;
  PickleFacts facts =
      pickle_facts(record, parse_in_window(array, *begin, array.size() - *begin, options, *begin).parsed);
  if (!facts.globals.empty()) out.pickles.push_back(std::move(facts));
}

void examine_npy(const Source& source, const LoadOptions& options, Examination& out) {
  add_object_pickle(*source.bytes, "", options, out);
}

}  // namespace sconce::checkpoint
