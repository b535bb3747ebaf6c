#include "common/program.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <exception>
#include <filesystem>
#include <map>
#include <memory>
#include <new>
#include <optional>

#include "common/app_tree.h"
#include "common/complete.h"
#include "common/limit_option.h"
#include "common/man_page.h"
#include "common/output.h"
#include "sconce/base/error.h"
#include "sconce/base/interrupt.h"
#include "sconce/checkpoint/salvage.h"
#include "sconce/state/state_dict.h"

namespace sconce::cli {
namespace {

std::string program_name = "sconce";
volatile std::sig_atomic_t stop_signal = 0;

// The first signal asks; whoever cannot wait sends a second one. What comes together with the first is no
// second one: timeout(1) signals its child and then the group that the child is in.
extern "C" void on_signal(int number) {
  constexpr std::int64_t kTogether = 250'000'000;  // nanoseconds
  static std::int64_t first = 0;
  timespec time{};
  ::clock_gettime(CLOCK_MONOTONIC, &time);
  const std::int64_t now = std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
  if (stop_signal != 0) {
    if (now - first > kTogether) ::_exit(128 + number);
    return;
  }
  first = now;
  stop_signal = number;
  request_stop();
}

void install_signal_handlers() {
  struct sigaction action {};
  action.sa_handler = on_signal;
  sigemptyset(&action.sa_mask);
  sigaddset(&action.sa_mask, SIGINT);  // one at a time
  sigaddset(&action.sa_mask, SIGTERM);
  ::sigaction(SIGINT, &action, nullptr);
  ::sigaction(SIGTERM, &action, nullptr);
  // A reader that went away shows itself as EPIPE, and a file-size limit as EFBIG, where they can be handled.
  ::signal(SIGPIPE, SIG_IGN);
  ::signal(SIGXFSZ, SIG_IGN);
}

void print_error(const std::string& text) {
  std::fprintf(stderr, "%s: %s\n", program_name.c_str(), text.c_str());
}

// Names in our own messages are escaped where they are put together; what other libraries say is not.
std::string one_line(const char* text) {
  std::string out = text;
  while (!out.empty() && out.back() == '\n') out.pop_back();
  for (char& c : out) {
    if (static_cast<unsigned char>(c) < ' ' || c == '\x7f') c = ' ';
  }
  return out;
}

// For a limit that the command's option raises.
std::string limit_hint(const Error& error, const CLI::App& app) {
  const auto chosen = app.get_subcommands();
  const bool has_option = !chosen.empty() && chosen.front()->get_option_no_throw(kLimitOption) != nullptr;
  return has_option ? cat("; see ", kLimitOption, " ", error.limit()) : "";
}

// Readers look for parts of the file itself; others for what the user named.
bool is_reader(std::string_view where) {
  return where == "torch" || where == "index" || where == "checkpoint";
}

// What to do about a file that cannot be read, where the text does not say it.
std::string hint(const Error& error, const CLI::App& app) {
  if (!error.limit().empty()) return limit_hint(error, app);
  std::error_code ignored;
  const bool is_there = !error.path().empty() && std::filesystem::exists(error.path(), ignored);
  if (!is_there || !error.advice().empty()) return "";
  if (error.where() == "salvage") return "; get the file anew";
  switch (error.code()) {
    case ErrorCode::kNotFound:
      if (!is_reader(error.where())) return "";
      [[fallthrough]];
    case ErrorCode::kTruncated:  // most were cut off on their way here
    case ErrorCode::kCorrupt:
    case ErrorCode::kChecksum:
    case ErrorCode::kOverflow:
      return checkpoint::can_salvage(error.path()) ? "; try 'sconce salvage'" : "; get the file anew";
    case ErrorCode::kUnsafe:
      return "; do not load it in Python";
    case ErrorCode::kLimit:
      return error.where() == "storage" ? "; there is too little memory"
                                        : "; no option raises this limit, and no sound file reaches it";
    default:
      return "";
  }
}

int guarded(const CLI::App& app, const std::function<int()>& run) {
  try {
    const int status = run();
    out().flush();
    return stop_requested() ? stop_status() : status;
  } catch (const ClosedPipe&) {
    return kFine;
  } catch (const Error& error) {
    if (error.code() == ErrorCode::kInterrupted && stop_requested()) return stop_status();
    print_error(error.what() + hint(error, app));
  } catch (const std::bad_alloc&) {
    print_error("not enough memory");
  } catch (const std::exception& error) {
    print_error(one_line(error.what()));
  }
  return kTrouble;
}

}  // namespace

int stop_status() { return 128 + static_cast<int>(stop_signal); }

void warn(const std::string& text) { print_error("warning: " + text); }

namespace {

constexpr const char* kComplete = "__complete";  // asked by the completion scripts
constexpr const char* kMan = "__man";            // asked when the manual is made

// What the parser would take for 0, for the largest number, or for no option at all.
std::string wrong_value(const CLI::Option& option, const std::string& text) {
  if (text.empty()) return "expected a value, found nothing";
  if (option.get_type_name().find("INT") == std::string::npos) return "";
  errno = 0;
  (void)std::strtoll(text.c_str(), nullptr, 0);
  return errno == ERANGE ? cat("expected a whole number within 64 bits, found ", escaped(text)) : "";
}

void check_values(CLI::App& app) {
  for (CLI::Option* option : app.get_options()) {
    if (option->get_type_size() == 0) continue;  // a flag
    option->check([option](const std::string& text) { return wrong_value(*option, text); });
  }
}

struct Runner {
  CLI::App* app;
  std::function<int()> run;
};

std::vector<std::string> names_of(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* command : commands_of(app)) {
    names.push_back(command->get_name());
    for (const std::string& alias : command->get_aliases()) names.push_back(alias);
  }
  return names;
}

int unknown_command(const CLI::App& app, const std::string& word) {
  const auto near = nearest_name(word, names_of(app));
  print_error(cat("unknown command '", escaped(word), "'",
                  near ? cat("; did you mean '", *near, "'?") : "; see 'sconce --help'"));
  return kTrouble;
}

Command help_command(const CLI::App& app) {
  return {"help", "Print the help of a command", [&app](CLI::App& help) -> std::function<int()> {
            auto word = std::make_shared<std::string>();
            help.add_option("COMMAND", *word, "The command; all of them without one");
            help.footer("Example: sconce help convert");
            return [&app, word] {
              for (const CLI::App* command : commands_of(app)) {
                if (!command->check_name(*word)) continue;
                out().print(command->help());
                return kFine;
              }
              return unknown_command(app, *word);
            };
          }};
}

Command completion_command() {
  return {"completion", "Print a script that lets the shell complete commands, options and paths",
          [](CLI::App& app) -> std::function<int()> {
            auto shell = std::make_shared<std::string>();
            app.add_option("SHELL", *shell, "bash, zsh or fish")
                ->required()
                ->check(CLI::IsMember({"bash", "zsh", "fish"}));
            app.footer("Example: source <(sconce completion bash)");
            return [shell] {
              out().print(completion_script(*shell));
              return kFine;
            };
          }};
}

// Mistakes that the parser would not name as what they are; nullopt when there is none.
std::optional<int> refuse_first_words(const CLI::App& app, const std::vector<std::string>& words) {
  const bool asks_for_all = words == std::vector<std::string>{"help"};
  if (words.empty() || asks_for_all) {
    out().print(app.help());
    return asks_for_all ? kFine : kTrouble;
  }
  const auto names = names_of(app);
  if (!words.front().starts_with('-') &&
      std::find(names.begin(), names.end(), words.front()) == names.end()) {
    return unknown_command(app, words.front());
  }
  const auto end = std::find(words.begin(), words.end(), "--");
  if (std::find(words.begin(), end, "-") != end) {
    print_error("'-' is not a path: sconce reads and writes files, not standard input and output");
    return kTrouble;
  }
  return std::nullopt;
}

std::map<std::string, std::string> ready_sections(const std::vector<Command>& commands) {
  std::map<std::string, std::string> out;
  for (const Command& command : commands) {
    if (command.manual) out.emplace(command.name, command.manual());
  }
  return out;
}

int parse_and_run(CLI::App& app, const std::vector<Runner>& runners, int argc, char** argv) {
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForVersion& version) {
    out().print(std::string(version.what()) + "\n");
    return kFine;
  } catch (const CLI::CallForAllHelp&) {
    out().print(app.help("", CLI::AppFormatMode::All));
    return kFine;
  } catch (const CLI::CallForHelp&) {
    const auto chosen = app.get_subcommands();
    out().print(chosen.empty() ? app.help() : chosen.front()->help());
    return kFine;
  } catch (const CLI::ParseError& error) {
    const auto chosen = app.get_subcommands();
    const std::string help =
        chosen.empty() ? app.get_name() : app.get_name() + " " + chosen.front()->get_name();
    print_error(one_line(error.what()) + "; see '" + help + " --help'");
    return kTrouble;
  }
  for (const Runner& runner : runners) {
    if (runner.app->parsed()) return runner.run();
  }
  return kTrouble;
}

}  // namespace

int run_program(const std::string& name, const std::string& description, const std::vector<Command>& commands,
                int argc, char** argv) {
  program_name = "sconce";
  install_signal_handlers();

  CLI::App app(description, name);
  app.set_version_flag("--version", "sconce " SCONCE_VERSION);
  app.require_subcommand(1);
  app.failure_message(CLI::FailureMessage::simple);
  std::vector<Command> all = commands;
  all.push_back(help_command(app));
  all.push_back(completion_command());
  std::vector<Runner> runners;
  for (const Command& command : all) {
    CLI::App* sub = app.add_subcommand(command.name, command.summary);
    if (!command.alias.empty()) sub->alias(command.alias);
    runners.push_back({sub, command.add(*sub)});
    check_values(*sub);
  }

  const std::vector<std::string> words(argv + std::min(argc, 1), argv + argc);
  return guarded(app, [&]() -> int {
    if (!words.empty() && words.front() == kComplete) {
      out().print(complete(app, {words.begin() + 1, words.end()}));
      return kFine;
    }
    if (!words.empty() && words.front() == kMan) {
      out().print(words.size() == 1 ? man_page(app, SCONCE_VERSION, ready_sections(all))
                                    : man_section(*app.get_subcommand(words[1])));
      return kFine;
    }
    if (const auto status = refuse_first_words(app, words)) return *status;
    return parse_and_run(app, runners, argc, argv);
  });
}

}  // namespace sconce::cli
