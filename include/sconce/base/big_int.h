// Integers of any size as pickle stores them: two's complement, little-endian, in as few bytes as possible.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sconce {

// `value` without the bytes that only repeat its sign; empty for 0.
std::span<const std::byte> shortest_integer(std::span<const std::byte> value);

// The integer as int64, or nothing when it does not fit.
std::optional<std::int64_t> integer_to_int64(std::span<const std::byte> value);

// Decimal text, with '-' for negative ones.
std::string integer_to_decimal(std::span<const std::byte> value);

// Reads decimal digits with an optional sign; nothing when `text` is something else. Time is quadratic.
std::optional<std::vector<std::byte>> integer_from_decimal(std::string_view text);

// The integral `value` (finite, no fraction) exactly.
std::vector<std::byte> integer_from_double(double value);

}  // namespace sconce
