// What every command shares: parsing, exit statuses, signals, error lines.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>
#include <vector>

namespace sconce::cli {

// Exit statuses of the contract.
inline constexpr int kFine = 0;        // done, or "the same"
inline constexpr int kAnsweredNo = 1;  // a check answered no
inline constexpr int kTrouble = 2;     // wrong usage, unreadable, refused, disk full

// One command: `add` declares its options on the subcommand and returns what runs it.
struct Command {
  std::string name;
  std::string summary;
  std::function<std::function<int()>(CLI::App& app)> add;
  std::string alias = {};
  // Its section of the manual, where another program has its options.
  std::function<std::string()> manual = {};
};

// Parses, runs one command and gives the exit status; never throws. Errors become one line on stderr:
// "sconce: net.pt: [zip] ...".
int run_program(const std::string& name, const std::string& description, const std::vector<Command>& commands,
                int argc, char** argv);

// The status for a stop by signal (130, 143), valid once stop_requested().
int stop_status();

// One line on stderr, "sconce: warning: ...".
void warn(const std::string& text);

}  // namespace sconce::cli
