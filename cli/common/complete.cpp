#include "common/complete.h"

#include <algorithm>
#include <optional>

#include "common/app_tree.h"

namespace sconce::cli {
namespace {

constexpr std::string_view kBash =
    R"sh(# bash completion for sconce: source this, or put it into bash_completion.d as "sconce".
_sconce() {
  local line current="${COMP_WORDS[COMP_CWORD]}"
  COMPREPLY=()
  while IFS= read -r line; do
    if [[ $line == :files ]]; then
      compopt -o filenames 2>/dev/null
      while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen -f -- "$current")
    else
      COMPREPLY+=("${line%%$'\t'*}")
    fi
  done < <("${COMP_WORDS[0]}" __complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -F _sconce sconce
)sh";

constexpr std::string_view kZsh = R"sh(#compdef sconce
# zsh completion for sconce: put it as "_sconce" into a folder of $fpath, or source it after compinit.
_sconce() {
  local -a candidates
  local line files=
  while IFS= read -r line; do
    if [[ $line == :files ]]; then
      files=1
    else
      candidates+=("${${line%%$'\t'*}//:/\\:}:${line#*$'\t'}")
    fi
  done < <("${words[1]}" __complete "${(@)words[2,CURRENT]}" 2>/dev/null)
  (( $#candidates )) && _describe sconce candidates
  [[ -n $files ]] && _files
}
if [[ $funcstack[1] == _sconce ]]; then
  _sconce "$@"
else
  compdef _sconce sconce
fi
)sh";

constexpr std::string_view kFish =
    R"sh(# fish completion for sconce: put it as "sconce.fish" into ~/.config/fish/completions.
function __sconce_complete
  set -l words (commandline -opc)
  set -l current (commandline -ct)
  set -l program $words[1]
  set -e words[1]
  for line in ($program __complete $words "$current" 2>/dev/null)
    if test "$line" = :files
      __fish_complete_path "$current"
    else
      echo $line
    end
  end
end
complete -c sconce -f -a '(__sconce_complete)'
)sh";

class Answer {
 public:
  explicit Answer(std::string typed) : typed_(std::move(typed)) {}

  void add(const std::string& candidate, const std::string& description) {
    if (!candidate.starts_with(typed_)) return;
    text_ += candidate + "\t" + description.substr(0, description.find('\n')) + "\n";
  }
  void add_files() { text_ += ":files\n"; }
  const std::string& typed() const { return typed_; }
  const std::string& text() const { return text_; }

 private:
  std::string typed_;
  std::string text_;
};

const OptionFacts* find_option(const std::vector<OptionFacts>& options, const std::string& name) {
  const auto found = std::find_if(options.begin(), options.end(), [&name](const OptionFacts& option) {
    return !option.is_positional &&
           std::find(option.names.begin(), option.names.end(), name) != option.names.end();
  });
  return found == options.end() ? nullptr : &*found;
}

void add_value(Answer& answer, const OptionFacts& option) {
  for (const std::string& choice : option.choices) answer.add(choice, option.description);
  if (option.is_path()) answer.add_files();
}

void add_commands(Answer& answer, const CLI::App& app) {
  for (const CLI::App* command : commands_of(app))
    answer.add(command->get_name(), command->get_description());
}

void add_options(Answer& answer, const CLI::App& app) {
  for (const OptionFacts& option : options_of(app)) {
    if (option.is_positional) continue;
    for (const std::string& name : option.names) answer.add(name, option.description);
  }
}

// bash takes "--to=npz" apart at the '='.
std::vector<std::string> without_equals_signs(const std::vector<std::string>& words) {
  std::vector<std::string> out;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (words[i] != "=") {
      out.push_back(words[i]);
    } else if (i + 1 == words.size()) {
      out.emplace_back();
    }
  }
  return out;
}

}  // namespace

std::string complete(const CLI::App& app, const std::vector<std::string>& given) {
  const std::vector<std::string> words = without_equals_signs(given);
  Answer answer(words.empty() ? "" : words.back());
  if (words.size() <= 1) {
    add_commands(answer, app);
    if (answer.typed().starts_with('-')) add_options(answer, app);
    return answer.text();
  }
  const auto all = commands_of(app);
  const auto found = std::find_if(
      all.begin(), all.end(), [&](const CLI::App* command) { return command->check_name(words.front()); });
  if (found == all.end()) return "";
  const CLI::App& command = **found;
  const auto options = options_of(command);

  // What the words before the last one were.
  std::size_t positionals = 0;
  const OptionFacts* waiting = nullptr;  // an option whose value comes next
  bool only_positionals = false;
  for (std::size_t i = 1; i + 1 < words.size(); ++i) {
    if (waiting != nullptr) {
      waiting = nullptr;
    } else if (!only_positionals && words[i] == "--") {
      only_positionals = true;
    } else if (!only_positionals && words[i].starts_with('-') && words[i].size() > 1) {
      const OptionFacts* option = find_option(options, words[i]);
      if (option != nullptr && option->takes_value) waiting = option;
    } else {
      ++positionals;
    }
  }
  if (waiting != nullptr) {
    add_value(answer, *waiting);
  } else if (!only_positionals && answer.typed().starts_with('-')) {
    add_options(answer, command);
  } else {
    const OptionFacts* next = nullptr;  // the last one may repeat
    for (const OptionFacts& option : options) {
      if (!option.is_positional) continue;
      next = &option;
      if (positionals-- == 0) break;
    }
    if (next != nullptr && next->names.front() == "COMMAND") {
      add_commands(answer, app);
    } else if (next != nullptr) {
      add_value(answer, *next);
    }
  }
  return answer.text();
}

std::string completion_script(const std::string& shell) {
  return std::string(shell == "bash" ? kBash : shell == "zsh" ? kZsh : kFish);
}

}  // namespace sconce::cli
