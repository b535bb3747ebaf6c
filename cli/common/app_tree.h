// What CLI11 knows about a program, as help, completion and the man page need it.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace sconce::cli {

struct OptionFacts {
  std::vector<std::string> names;  // "--json", "-h"; of a positional its one name
  bool is_positional = false;
  bool is_required = false;
  bool takes_value = false;
  std::string value;                 // "GLOB", "SIZE"; empty where choices say it
  std::vector<std::string> choices;  // where only these words are taken
  std::string description;
  // True when the value (or the positional) is a path.
  bool is_path() const;
};

std::vector<const CLI::App*> commands_of(const CLI::App& app);
std::vector<OptionFacts> options_of(const CLI::App& app);
// "sconce convert [OPTIONS] IN OUT".
std::string usage_of(const std::string& program, const CLI::App& command);

}  // namespace sconce::cli
