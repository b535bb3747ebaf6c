// sconce convert: from one format to another, and what people change on the way.
#pragma once

#include "common/program.h"

namespace sconce::cli {

Command convert_command();

}  // namespace sconce::cli
