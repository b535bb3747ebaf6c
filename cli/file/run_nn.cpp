#include "file/run_nn.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <string_view>
#include <system_error>

namespace sconce::cli {
namespace {

// sconce-nn in the folder this program was started from.
std::string beside_this_program() {
  std::error_code error;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", error);
  return error ? "sconce-nn" : (self.parent_path() / "sconce-nn").string();
}

Command handed_on(const char* name, const char* summary) {
  return {name, summary, [](CLI::App&) { return [] { return kTrouble; }; }};
}

}  // namespace

const std::vector<Command>& nn_commands() {
  static const std::vector<Command> commands = {
      handed_on("train", "Train a model of the zoo"),
      handed_on("eval", "Measure a model's loss and accuracy on a data set"),
      handed_on("models", "List the models of the zoo"),
  };
  return commands;
}

bool is_nn_command(int argc, char** argv) {
  // Also asked: help with one, and completion of what follows one.
  const std::string_view first = argc >= 2 ? argv[1] : "";
  const bool is_about = (first == "help" && argc == 3) || (first == "__complete" && argc > 3);
  const std::string_view word = is_about ? std::string_view(argv[2]) : first;
  return std::any_of(nn_commands().begin(), nn_commands().end(),
                     [word](const Command& command) { return command.name == word; });
}

int run_nn(char** argv) {
  const std::string program = beside_this_program();
  ::execv(program.c_str(), argv);
  const int number = errno;
  std::fprintf(stderr, "sconce: cannot start %s: %s; '%s' needs sconce built with SCONCE_NN\n",
               program.c_str(), std::generic_category().message(number).c_str(), argv[1]);
  return kTrouble;
}

}  // namespace sconce::cli
