// Sizes as people write them: 2GB, 500MB, 1.5GiB, 4096.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <string>
#include <string_view>

namespace sconce::cli {

// Bytes of a size: a number, with a fraction if it has a unit, and B, KB, MB, GB, TB (powers of 1000) or KiB,
// MiB, GiB, TiB, K, M, G, T (powers of 1024), in any case. Error kInvalidArgument for everything else, for 0
// and for what does not fit 63 bits.
std::uint64_t parse_size(std::string_view text);

// An option whose argument is such a size; a wrong one is a usage error.
CLI::Option* add_size_option(CLI::App& app, const std::string& names, std::uint64_t& target,
                             const std::string& help);

}  // namespace sconce::cli
