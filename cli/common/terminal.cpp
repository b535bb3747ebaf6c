#include "common/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

namespace sconce::cli {
namespace {

bool takes_control_sequences(int descriptor) {
  const char* kind = std::getenv("TERM");
  return ::isatty(descriptor) != 0 && (kind == nullptr || std::strcmp(kind, "dumb") != 0);
}

bool colours_wanted() {
  const char* no_color = std::getenv("NO_COLOR");  // no-color.org: any value that is not empty
  return no_color == nullptr || *no_color == '\0';
}

const char* code_of(Style style) {
  switch (style) {
    case Style::kBold:
      return "1";
    case Style::kDim:
      return "2";
    case Style::kGreen:
      return "32";
    case Style::kYellow:
      return "33";
    case Style::kRed:
      return "31";
  }
  return "0";
}

}  // namespace

bool output_is_terminal() { return takes_control_sequences(STDOUT_FILENO); }
bool error_is_terminal() { return takes_control_sequences(STDERR_FILENO); }

int terminal_width() {
  struct winsize size {};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  return 80;
}

std::string styled(Style style, std::string_view text) {
  if (!output_is_terminal() || !colours_wanted()) return std::string(text);
  return std::string("\033[") + code_of(style) + "m" + std::string(text) + "\033[0m";
}

}  // namespace sconce::cli
