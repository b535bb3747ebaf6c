#include "common/man_page.h"

#include <sstream>
#include <string_view>

#include "common/app_tree.h"

namespace sconce::cli {
namespace {

// Text as troff shows it: its own signs escaped, none at the beginning of a line.
std::string roff(std::string_view text) {
  std::string out;
  bool at_line_start = true;
  for (const char c : text) {
    if (at_line_start && (c == '.' || c == '\'')) out += "\\&";
    if (c == '\\') {
      out += "\\e";
    } else if (c == '-') {
      out += "\\-";
    } else {
      out += c;
    }
    at_line_start = c == '\n';
  }
  return out;
}

std::string bold(std::string_view text) { return "\\fB" + roff(text) + "\\fR"; }
std::string italic(std::string_view text) { return "\\fI" + roff(text) + "\\fR"; }

std::string option_head(const OptionFacts& option) {
  if (option.is_positional) return italic(option.names.front());
  std::string out;
  for (const std::string& name : option.names) {
    if (!out.empty()) out += ", ";
    out += bold(name);
  }
  if (!option.takes_value) return out;
  if (option.choices.empty()) return out + " " + italic(option.value.empty() ? "VALUE" : option.value);
  std::string choices;
  for (const std::string& choice : option.choices) choices += (choices.empty() ? "" : "|") + choice;
  return out + " " + roff(choices);
}

}  // namespace

std::string man_section(const CLI::App& command) {
  std::string page =
      ".SS \"" + roff(usage_of("sconce", command)) + "\"\n" + roff(command.get_description()) + ".\n";
  const auto& aliases = command.get_aliases();
  if (!aliases.empty()) page += "Also " + bold("sconce " + aliases.front()) + ".\n";
  for (const OptionFacts& option : options_of(command)) {
    if (option.description.empty()) continue;
    page += ".TP\n" + option_head(option) + "\n" + roff(option.description) + "\n";
  }
  if (!command.get_footer().empty()) page += ".PP\n.nf\n" + roff(command.get_footer()) + "\n.fi\n";
  return page;
}

std::string man_page(const CLI::App& app, const std::string& version,
                     const std::map<std::string, std::string>& sections) {
  std::string page = ".\\\" Written by 'sconce __man' from the options of the program.\n";
  page += ".TH SCONCE 1 \"\" \"sconce " + version + "\" \"User Commands\"\n";
  page += ".SH NAME\nsconce \\- " +
          roff("read, write, explain and repair PyTorch's checkpoints, and train networks") + "\n";
  page += ".SH SYNOPSIS\n" + bold("sconce") + " " + italic("COMMAND") + " [" + italic("OPTIONS") + "] " +
          italic("PATH") + "...\n";
  page += ".SH DESCRIPTION\n" + roff(app.get_description()) + "\n";
  page +=
      ".PP\n" +
      roff(
          "A path may be a file, an index (*.index.json) or a folder; what it holds is found from its "
          "content. "
          "Nothing in a file is ever run. A file is replaced only with --force, and only when the new one is "
          "complete. Names of tensors are the keys that lead to them, joined with dots.") +
      "\n.SH COMMANDS\n";
  for (const CLI::App* command : commands_of(app)) {
    const auto ready = sections.find(command->get_name());
    page += ready != sections.end() ? ready->second : man_section(*command);
  }
  page += ".SH \"EXIT STATUS\"\n";
  const std::pair<const char*, const char*> statuses[] = {
      {"0", "Done, or the same."},
      {"1", "A check answered no: the files differ, the file is damaged or unsafe."},
      {"2", "Trouble: wrong usage, no such file, unreadable, refused, disk full."},
      {"130, 143", "Stopped by Ctrl-C or SIGTERM; nothing is left half-written."}};
  for (const auto& [status, meaning] : statuses)
    page += std::string(".TP\n") + status + "\n" + roff(meaning) + "\n";
  page += ".SH ENVIRONMENT\n";
  const std::pair<const char*, const char*> variables[] = {
      {"NO_COLOR", "Set to anything: no colours on the terminal."},
      {"SCONCE_NUM_THREADS", "How many threads are used; else OMP_NUM_THREADS, else one for each core."}};
  for (const auto& [name, meaning] : variables) page += ".TP\n" + bold(name) + "\n" + roff(meaning) + "\n";
  return page;
}

}  // namespace sconce::cli
