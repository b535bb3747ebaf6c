#include <exception>
#include <iostream>
#include <map>

#include "probe.h"

namespace sconce::probe {
namespace {

std::map<std::string, int (*)(const Arguments&)>& commands() {
  static std::map<std::string, int (*)(const Arguments&)> table;
  return table;
}

}  // namespace

Command::Command(const char* name, int (*run)(const Arguments&)) { commands()[name] = run; }

}  // namespace sconce::probe

int main(int argc, char** argv) {
  const sconce::probe::Arguments arguments(argv + 1, argv + argc);
  const auto found = sconce::probe::commands().find(arguments.empty() ? std::string() : arguments.front());
  if (found == sconce::probe::commands().end()) {
    std::cerr << "usage: " << argv[0] << " COMMAND ...; commands:";
    for (const auto& [name, run] : sconce::probe::commands()) std::cerr << ' ' << name;
    std::cerr << '\n';
    return 2;
  }
  try {
    return found->second({arguments.begin() + 1, arguments.end()});
  } catch (const std::exception& error) {
    std::cerr << argv[0] << ": " << error.what() << '\n';
    return 2;
  }
}
