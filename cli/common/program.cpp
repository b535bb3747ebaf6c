#include "common/program.h"

#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <new>

#include "common/output.h"
#include "sconce/base/error.h"
#include "sconce/base/interrupt.h"
#include "sconce/checkpoint/salvage.h"

namespace sconce::cli {
namespace {

std::string program_name = "sconce";
volatile std::sig_atomic_t stop_signal = 0;

// The first signal asks; whoever cannot wait sends a second one.
extern "C" void on_signal(int number) {
  if (stop_signal != 0) ::_exit(128 + number);
  stop_signal = number;
  request_stop();
}

void install_signal_handlers() {
  struct sigaction action {};
  action.sa_handler = on_signal;
  sigemptyset(&action.sa_mask);
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
    if (c == '\n') c = ' ';
  }
  return out;
}

// For a damaged file with something left to save.
std::string salvage_hint(const Error& error) {
  const bool is_damage = error.code() == ErrorCode::kTruncated || error.code() == ErrorCode::kCorrupt ||
                         error.code() == ErrorCode::kChecksum;
  if (!is_damage || error.path().empty() || error.where() == "salvage") return "";
  return checkpoint::can_salvage(error.path()) ? "; try 'sconce salvage'" : "";
}

int guarded(const std::function<int()>& run) {
  try {
    const int status = run();
    out().flush();
    return stop_requested() ? stop_status() : status;
  } catch (const ClosedPipe&) {
    return kFine;
  } catch (const Error& error) {
    if (error.code() == ErrorCode::kInterrupted && stop_requested()) return stop_status();
    print_error(error.what() + salvage_hint(error));
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

int run_program(const std::string& name, const std::string& description, const std::vector<Command>& commands,
                int argc, char** argv) {
  program_name = "sconce";
  install_signal_handlers();

  CLI::App app(description, name);
  app.set_version_flag("--version", "sconce " SCONCE_VERSION);
  app.require_subcommand(1);
  app.failure_message(CLI::FailureMessage::simple);
  std::vector<std::pair<CLI::App*, std::function<int()>>> runners;
  for (const Command& command : commands) {
    CLI::App* sub = app.add_subcommand(command.name, command.summary);
    if (!command.alias.empty()) sub->alias(command.alias);
    runners.emplace_back(sub, command.add(*sub));
  }

  return guarded([&]() -> int {
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
      const std::string help = chosen.empty() ? name : name + " " + chosen.front()->get_name();
      print_error(one_line(error.what()) + "; see '" + help + " --help'");
      return kTrouble;
    }
    for (const auto& [sub, run] : runners) {
      if (sub->parsed()) return run();
    }
    return kTrouble;
  });
}

}  // namespace sconce::cli
