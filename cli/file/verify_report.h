// The two faces of `sconce verify`: JSON for programs, text for people.
#pragma once

#include <string>

#include "common/output.h"
#include "sconce/toolbox/verify.h"

namespace sconce::cli {

Json verification_json(const toolbox::VerifyReport& report, bool finite_wanted);
std::string verification_text(const toolbox::VerifyReport& report, bool finite_wanted);

}  // namespace sconce::cli
