// The manual page, written from the options that the program declares.
#pragma once

#include <CLI/CLI.hpp>
#include <map>
#include <string>

namespace sconce::cli {

// troff source of sconce(1). `sections` are those of commands whose options another program has, by name.
std::string man_page(const CLI::App& app, const std::string& version,
                     const std::map<std::string, std::string>& sections = {});

// The section of one command.
std::string man_section(const CLI::App& command);

}  // namespace sconce::cli
