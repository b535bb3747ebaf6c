// What the terminal can do.
#pragma once

#include <string>
#include <string_view>

namespace sconce::cli {

// True when standard output (error output) is a terminal that takes control sequences.
bool output_is_terminal();
bool error_is_terminal();
// Columns of the terminal, 80 when unknown.
int terminal_width();

enum class Style { kBold, kDim, kGreen, kYellow, kRed };
// `text` in a style on a terminal; unchanged through a pipe and under NO_COLOR.
std::string styled(Style style, std::string_view text);

}  // namespace sconce::cli
