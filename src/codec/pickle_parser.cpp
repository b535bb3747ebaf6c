#include <algorithm>
#include <utility>

#include "codec/pickle_builder.h"
#include "codec/pickle_machine.h"
#include "sconce/base/byte_reader.h"
#include "sconce/codec/pickle.h"

namespace sconce::pickle {

using detail::Arena;
using detail::Builder;
using detail::kNoNode;

namespace {

// All of the pickle in memory; text stays where it is.
class WholeInput : public ByteReader {
 public:
  using Text = std::string_view;
  using ByteReader::ByteReader;
  Text text(std::uint64_t n) { return chars(n); }
  Text text_line() { return line(remaining()); }
  std::pair<std::string_view, std::string_view> two_lines(std::size_t limit) {
    const std::string_view first = line(limit);
    return {first, line(limit)};
  }
};

// Room for so many nodes and what usually belongs to them, so that little is copied while the lists grow.
void make_room(Arena& arena, std::uint64_t nodes) {
  // No opcode makes more than two, so that a wrong count takes no more than right ones do.
  const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(nodes, 2 * arena.input.bytes.size()));
  arena.records.reserve(count);
  arena.children.reserve(count);
  arena.objects.reserve(count / 8);
}

}  // namespace

Parsed parse_at(Input input, std::size_t begin, const Limits& limits, std::uint64_t nodes) {
  require(begin <= input.bytes.size(), ErrorCode::kInvalidArgument, "pickle", "expected a position within ",
          input.bytes.size(), " bytes, found ", begin);
  auto arena = std::make_unique<Arena>();
  arena->input = std::move(input);
  make_room(*arena, nodes);
  WholeInput in(arena->input.bytes.subspan(begin), "pickle", arena->input.base_offset + begin);
  Builder builder(*arena, limits);
  std::optional<Error> error;
  try {
    detail::Machine(builder, in, limits).run();
  } catch (const Error& caught) {
    arena->root = kNoNode;
    error = caught;
  }
  arena->spare_memory = limits.memory - std::min(limits.memory, builder.memory());
  arena->memory_name = limits.memory_name;
  return {Graph(std::move(arena)), begin + in.position(), std::move(error)};
}

Graph parse(std::vector<std::byte> bytes, const Limits& limits) {
  const Survey found = survey(MemorySource(bytes), 0, bytes.size(), limits);
  if (found.error) throw *found.error;
  Parsed parsed = parse_at(Input::own(std::move(bytes)), 0, limits, found.nodes);
  if (parsed.error) throw *parsed.error;
  return std::move(parsed.graph);
}

}  // namespace sconce::pickle
