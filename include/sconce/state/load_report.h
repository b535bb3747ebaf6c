// What a load_state_dict found, as data, and as the text PyTorch gives it.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sconce/base/error.h"
#include "sconce/core/shape.h"
#include "sconce/state/state_dict.h"

namespace sconce {

struct LoadReport {
  struct Key {
    std::string name;
    std::optional<std::string> nearest;  // the likeliest counterpart on the other side
  };
  struct Mismatch {
    std::string name;
    Shape expected;                 // in the model
    Shape found;                    // in the checkpoint
    std::size_t errors_before = 0;  // how many of `errors` were found earlier: the place in the text
  };

  std::vector<Key> missing;     // the model has it, the checkpoint has not
  std::vector<Key> unexpected;  // the checkpoint has it, the model has not
  std::vector<Mismatch> mismatched;
  std::vector<std::string> errors;  // anything else that makes an entry unusable, in PyTorch's words

  // Nothing missing, unexpected, mismatched or wrong.
  bool is_clean() const {
    return missing.empty() && unexpected.empty() && mismatched.empty() && errors.empty();
  }
  // A prefix ("module.") that all unexpected names carry, and whose removal turns them into missing ones or
  // finds every missing one; empty when there is none.
  std::string common_prefix() const;
  // Pairs every missing with its nearest unexpected name and the other way round.
  void find_nearest();
  // PyTorch's message for a load into `class_name`, character for character; "<All keys matched
  // successfully>" when clean.
  std::string str(std::string_view class_name) const;
  // One line per finding that can be explained: prefixes to strip, likely renames.
  std::vector<std::string> hints() const;
};

// Thrown by a load that may not go on; carries the report. code() is kKeyMismatch.
class LoadError : public Error {
 public:
  LoadError(LoadReport report, std::string_view class_name);
  const LoadReport& report() const { return report_; }

 private:
  LoadReport report_;
};

}  // namespace sconce
