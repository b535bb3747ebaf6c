// What `sconce merge` and `sconce shard` print.
#pragma once

#include <string>

#include "sconce/toolbox/shard.h"

namespace sconce::cli {

// Warnings to stderr; then one JSON object or one line on stdout.
void print_reshape(const std::string& input, const std::string& output, const toolbox::ReshapeReport& report,
                   bool json);

}  // namespace sconce::cli
