#include "file/run_nn.h"

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <string_view>
#include <system_error>

#include "sconce/base/error.h"

namespace sconce::cli {
namespace {

// sconce-nn in the folder this program was started from.
std::string beside_this_program() {
  std::error_code error;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", error);
  return error ? "sconce-nn" : (self.parent_path() / "sconce-nn").string();
}

Command handed_on(const char* name, const char* summary) {
  return {name,
          summary,
          [](CLI::App&) { return [] { return kTrouble; }; },
          {},
          [name] {
            return nn_output({"__man", name});
          }};
}

}  // namespace

const std::vector<Command>& nn_commands() {
  static const std::vector<Command> commands = {
      handed_on("train", "Train a model of the zoo"),
      handed_on("eval", "Measure a model's loss and accuracy on a data set"),
      handed_on("models", "List the models of the zoo"),
      handed_on("bench", "Measure training steps and checkpoint files on this machine"),
  };
  return commands;
}

bool is_nn_command(int argc, char** argv) {
  // Also asked: help with one, its manual, and completion of what follows one.
  const std::string_view first = argc >= 2 ? argv[1] : "";
  const bool is_about =
      ((first == "help" || first == "__man") && argc == 3) || (first == "__complete" && argc > 3);
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

std::string nn_output(const std::vector<std::string>& arguments) {
  const std::string program = beside_this_program();
  require(::access(program.c_str(), X_OK) == 0, ErrorCode::kNotFound, "", "this needs ", program,
          ", which is not there: sconce was built without SCONCE_NN");
  std::vector<char*> argv{const_cast<char*>("sconce-nn")};
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  std::array<int, 2> ends{};
  require(::pipe(ends.data()) == 0, ErrorCode::kIo, "", "cannot make a pipe");
  const pid_t child = ::fork();
  if (child == 0) {
    ::dup2(ends[1], STDOUT_FILENO);
    ::dup2(ends[1], STDERR_FILENO);
    ::close(ends[0]);
    ::close(ends[1]);
    ::execv(program.c_str(), argv.data());
    ::_exit(127);
  }
  ::close(ends[1]);
  std::string out;
  std::array<char, 4096> buffer{};
  ssize_t got = 0;
  while (child > 0 &&
         ((got = ::read(ends[0], buffer.data(), buffer.size())) > 0 || (got < 0 && errno == EINTR)))
    out.append(buffer.data(), got > 0 ? static_cast<std::size_t>(got) : 0);
  ::close(ends[0]);
  int status = -1;
  if (child > 0) {
    while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
  }
  require(child > 0 && got == 0, ErrorCode::kIo, "", "cannot read from ", program);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return out;
  // All it printed is its error line, which is ours then.
  if (out.starts_with("sconce: ")) out.erase(0, 8);
  while (!out.empty() && out.back() == '\n') out.pop_back();
  fail(ErrorCode::kNotFound, "", out.empty() ? cat(program, " failed") : out);
}

}  // namespace sconce::cli
