#include "checkpoint/file_pickle.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "checkpoint/read_limits.h"

namespace sconce::checkpoint {

namespace {

// Of a damaged pickle so much is looked at, and so much is made of it.
constexpr std::uint64_t kDamagedBytes = std::uint64_t{1} << 20;
constexpr std::uint64_t kDamagedMemory = std::uint64_t{32} << 20;

// A pickle of so few bytes is parsed at once: no more can be made of it than a refusal may take. Where that
// goes well a survey would have told nothing.
constexpr std::uint64_t kSmallBytes = std::uint64_t{2} << 20;
// What torch.save writes of a small tensor comes to 6.8: with fewer the nodes would be moved while they grow.
constexpr std::uint64_t kBytesPerNode = 6;

std::optional<WindowedPickle> parse_small(const ByteSource& source, std::uint64_t begin, std::uint64_t size,
                                          const pickle::Limits& limits, std::uint64_t base_offset) {
  if (size > kSmallBytes) return std::nullopt;
  std::vector<std::byte> window(static_cast<std::size_t>(size));
  source.read_at(window, begin);
  const std::span<const std::byte> bytes = window;
  pickle::Parsed parsed = pickle::parse_at({bytes, nullptr, base_offset}, 0, limits, size / kBytesPerNode);
  // Of one that ends sooner less memory may be made: the limits depend on its size.
  if (parsed.error || parsed.end != size) return std::nullopt;
  return WindowedPickle{std::move(window), std::move(parsed), begin + size};
}

// Parsing says what is wrong in its own words where it gets as far as the survey, and lists the globals.
WindowedPickle parse_damaged(const ByteSource& source, std::uint64_t begin, std::uint64_t most,
                             const pickle::Survey& survey, pickle::Limits limits, std::uint64_t base_offset) {
  limits.memory = std::min(limits.memory, kDamagedMemory);
  std::vector<std::byte> window(static_cast<std::size_t>(std::min(most, kDamagedBytes)));
  source.read_at(window, begin);
  const std::span<const std::byte> bytes = window;
  pickle::Parsed parsed = pickle::parse_at({bytes, nullptr, base_offset}, 0, limits);
  const bool is_as_far = parsed.error && parsed.error->code() == survey.error->code() &&
                         parsed.error->offset() == survey.error->offset();
  if (!is_as_far) {
    parsed.error = survey.error;
    parsed.end = static_cast<std::size_t>(survey.end - begin);
  }
  return {std::move(window), std::move(parsed), survey.end};
}

}  // namespace

WindowedPickle parse_in_window(const ByteSource& source, std::uint64_t begin, std::uint64_t limit,
                               const LoadOptions& options, std::uint64_t base_offset) {
  const std::uint64_t there = std::min(limit, source.size() - std::min(begin, source.size()));
  const std::uint64_t most = std::min(there, options.pickle_bytes);
  pickle::Limits limits = pickle_limits(options, most, most);
  if (auto small = parse_small(source, begin, most, limits, base_offset)) return *std::move(small);
  pickle::Survey survey = pickle::survey(source, begin, begin + most, limits, base_offset);
  if (survey.error && survey.error->code() == ErrorCode::kTruncated && most < there) {
    survey.error = Error(ErrorCode::kLimit, "pickle", cat("a pickle of more than ", most, " bytes"))
                       .at_offset(base_offset)
                       .with_limit("pickle");
  }
  const std::uint64_t size = survey.end - begin;
  if (!survey.error) {
    limits = pickle_limits(options, size, size);
    if (survey.memory > limits.memory) {
      survey.error = Error(ErrorCode::kLimit, "pickle",
                           cat("the pickle of ", size, " bytes needs ", survey.memory,
                               " bytes of memory, at most ", limits.memory, " are taken"))
                         .at_offset(base_offset)
                         .with_limit(limits.memory_name);
    }
  }
  if (survey.error) return parse_damaged(source, begin, most, survey, limits, base_offset);
  std::vector<std::byte> window(static_cast<std::size_t>(size));
  source.read_at(window, begin);
  const std::span<const std::byte> bytes = window;
  pickle::Parsed parsed = pickle::parse_at({bytes, nullptr, base_offset}, 0, limits, survey.nodes);
  const std::uint64_t end = begin + parsed.end;
  return {std::move(window), std::move(parsed), end};
}

FilePickle read_pickle(const ByteSource& source, std::uint64_t begin, std::uint64_t end,
                       const LoadOptions& options) {
  WindowedPickle read = parse_in_window(source, begin, end - begin, options, begin);
  if (read.parsed.error) throw *read.parsed.error;
  const auto bytes = std::make_shared<std::vector<std::byte>>(std::move(read.window));
  read.parsed.graph.keep(bytes);
  return {std::move(read.parsed.graph), read.end, *bytes, begin};
}

}  // namespace sconce::checkpoint
