// Shell completion. The scripts ask the program itself at every Tab, so what they offer is what it takes.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace sconce::cli {

// Answers `sconce __complete WORD...`, the words behind the program's name, the last one being typed: a line
// "candidate<TAB>description" each, and ":files" where the shell should offer paths.
std::string complete(const CLI::App& app, const std::vector<std::string>& words);

// The script for bash, zsh or fish.
std::string completion_script(const std::string& shell);

}  // namespace sconce::cli
