#include <algorithm>

#include "checkpoint/examiners.h"
#include "checkpoint/file_pickle.h"
#include "checkpoint/weights_only.h"

namespace sconce::checkpoint {
namespace {

using weights_only::PidForm;

constexpr std::array<std::uint8_t, 10> kMagic = {0x6C, 0xFC, 0x9C, 0x46, 0xF9, 0x20, 0x6A, 0xA8, 0x50, 0x19};
constexpr std::size_t kLegacyPickles = 5;  // magic number, protocol, system, the object, keys of storages
constexpr std::size_t kObject = 3;         // which of them holds the object

bool is_magic(const pickle::Node& node) {
  if (!node.is(pickle::Kind::kBigInt)) return false;
  const auto bytes = node.as_big_int();
  return std::equal(bytes.begin(), bytes.end(), kMagic.begin(), kMagic.end(),
                    [](std::byte a, std::uint8_t b) { return std::to_integer<std::uint8_t>(a) == b; });
}

}  // namespace

// formats.md D.1.
void examine_stream(const Source& source, const LoadOptions& options, Examination& out) {
  weights_only::Verdicts verdicts;
  const ByteSource& bytes = *source.bytes;
  std::uint64_t at = 0;
  std::size_t count = 1;  // of a plain pickle; more once the magic number is seen
  for (std::size_t i = 0; i < count; ++i) {
    const WindowedPickle pickle = parse_in_window(bytes, at, bytes.size() - at, options, at);
    if (i == 0 && !pickle.parsed.error && is_magic(pickle.parsed.graph.root())) count = kLegacyPickles;
    const std::string name = count == 1 ? "" : cat("pickle ", i + 1);
    out.pickles.push_back(pickle_facts(name, pickle.parsed));
    const bool is_object = i == kObject;
    follow({name, pickle.window, at, is_object ? PidForm::kLegacy : PidForm::kNone, {}}, verdicts);
    if (pickle.parsed.error) {
      out.problems.push_back(problem_of(*pickle.parsed.error, name));
      break;
    }
    at = pickle.end;
  }
  if (count == 1) {
    verdicts.refuse(weights_only::kEvery, "it is a plain pickle, which torch.load does not read");
  }
  out.weights_only = verdicts.answers();
}

}  // namespace sconce::checkpoint
