#include "sconce/toolbox/save_of.h"

#include "sconce/base/error.h"

namespace sconce::toolbox {

checkpoint::SaveReport save_of(const std::string& input, const std::string& output, const Value& value,
                               const checkpoint::SaveOptions& options) {
  try {
    return checkpoint::save(output, value, options);
  } catch (const Error& error) {
    throw error.in_file(input);
  }
}

}  // namespace sconce::toolbox
