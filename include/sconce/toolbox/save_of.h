// Writing what came from a file.
#pragma once

#include <string>

#include "sconce/checkpoint/save.h"

namespace sconce::toolbox {

// checkpoint::save(). What it finds wrong with the value is wrong with `input`, from where the value comes:
// errors that name no file name that one.
checkpoint::SaveReport save_of(const std::string& input, const std::string& output, const Value& value,
                               const checkpoint::SaveOptions& options);

}  // namespace sconce::toolbox
