#include "sconce/nn/conv_padding.h"

#include "sconce/base/error.h"

namespace sconce::nn {

ConvPadding::ConvPadding(std::string_view word) : word_(word) {
  require(word == "same" || word == "valid", ErrorCode::kInvalidArgument, "conv2d",
          "expected padding \"same\", \"valid\" or numbers, found \"", escaped(word), "\"");
}

std::string ConvPadding::str() const { return word_.empty() ? cat("(", size_.h, ", ", size_.w, ")") : word_; }

}  // namespace sconce::nn
