// The manual page, written from the options that the program declares.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace sconce::cli {

// troff source of sconce(1).
std::string man_page(const CLI::App& app, const std::string& version);

}  // namespace sconce::cli
