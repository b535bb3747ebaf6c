#include "common/app_tree.h"

#include <algorithm>
#include <array>
#include <sstream>

namespace sconce::cli {
namespace {

// CLI11 writes choices into the name of the type: "FORMAT:{torch,npz}".
void split_type(const std::string& type, OptionFacts& facts) {
  const std::size_t open = type.find('{');
  const std::size_t close = type.find('}', open == std::string::npos ? 0 : open);
  if (open == std::string::npos || close == std::string::npos) {
    facts.value = type.substr(0, type.find(':'));
    return;
  }
  std::istringstream words(type.substr(open + 1, close - open - 1));
  for (std::string word; std::getline(words, word, ',');) facts.choices.push_back(word);
}

}  // namespace

bool OptionFacts::is_path() const {
  static constexpr std::array<std::string_view, 4> kWords = {"IN", "OUT", "A", "B"};
  static constexpr std::array<std::string_view, 4> kParts = {"PATH", "FILE", "DIR", "FOLDER"};
  if (!choices.empty()) return false;
  const std::string& word = is_positional ? names.front() : value;
  const auto is_part = [&word](std::string_view part) { return word.find(part) != std::string::npos; };
  return std::find(kWords.begin(), kWords.end(), word) != kWords.end() ||
         std::any_of(kParts.begin(), kParts.end(), is_part);
}

std::vector<const CLI::App*> commands_of(const CLI::App& app) {
  return app.get_subcommands([](const CLI::App*) { return true; });
}

std::vector<OptionFacts> options_of(const CLI::App& app) {
  std::vector<OptionFacts> out;
  for (const CLI::Option* option : app.get_options()) {
    OptionFacts facts;
    facts.is_positional = option->get_positional();
    facts.is_required = option->get_required();
    facts.description = option->get_description();
    if (facts.is_positional) {
      facts.names = {option->get_name(true)};
    } else {
      for (const std::string& name : option->get_lnames()) facts.names.push_back("--" + name);
      for (const std::string& name : option->get_snames()) facts.names.push_back("-" + name);
    }
    facts.takes_value = facts.is_positional || option->get_items_expected_max() > 0;
    if (facts.takes_value) split_type(option->get_type_name(), facts);
    out.push_back(std::move(facts));
  }
  return out;
}

std::string usage_of(const std::string& program, const CLI::App& command) {
  std::string out = program + " " + command.get_name() + " [OPTIONS]";
  for (const CLI::Option* option : command.get_options()) {
    if (!option->get_positional()) continue;
    std::string name = option->get_name(true);
    if (option->get_items_expected_max() > 1) name += "...";
    out += option->get_required() ? " " + name : " [" + name + "]";
  }
  return out;
}

}  // namespace sconce::cli
