// Any .metadata: reading either works or throws Error; what was read makes a tree, and written again it reads
// the same.
#include <cstddef>
#include <cstdint>

#include "checkpoint/dcp_metadata.h"
#include "checkpoint/dcp_tree.h"
#include "sconce/base/error.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sconce;
  using namespace sconce::checkpoint;
  const auto bytes = std::as_bytes(std::span(data, size));
  LoadOptions options;
  options.pickle.memory = std::uint64_t{16} << 20;
  try {
    dcp::Metadata metadata = dcp::read_metadata(MemorySource(bytes), options);
    dcp::restore_int_keys(metadata.items);
    const auto written = dcp::write_metadata(metadata.items);
    const auto again = dcp::read_metadata(MemorySource(written), {});
    if (again.items.size() != metadata.items.size()) __builtin_trap();
    std::vector<std::string> notes;
    dcp::nested(metadata.items, std::vector<Value>(metadata.items.size()), notes);
  } catch (const Error&) {
  }
  return 0;
}
