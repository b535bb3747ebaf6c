// What a load_state_dict found, as data, and in the texts PyTorch has for it.
#pragma once

#include <cstddef>
#include <iosfwd>
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
    std::optional<std::string> nearest = {};  // the likeliest counterpart on the other side
    std::optional<Shape> shape = {};          // nullopt where the value is no tensor
  };
  struct Mismatch {
    std::string name;
    Shape expected;                 // in the model
    Shape found;                    // in the checkpoint
    std::size_t errors_before = 0;  // how many of `errors` were found earlier: the place in the text
    // The likeliest entry of the expected shape among what the checkpoint has left: unexpected or mismatched.
    std::optional<std::string> nearest = {};
  };

  std::vector<Key> missing;     // the model has it, the checkpoint has not
  std::vector<Key> unexpected;  // the checkpoint has it, the model has not
  std::vector<Mismatch> mismatched;
  // Of another shape, too, but passed over because the options said so: the model keeps what it has.
  std::vector<Mismatch> skipped;
  std::vector<std::string> errors;  // anything else that makes an entry unusable, in PyTorch's words
  // find_nearest() stopped before every name had been compared: some lack a `nearest` that there may be.
  bool has_unsearched = false;

  // Nothing missing, unexpected, mismatched or wrong.
  bool is_clean() const {
    return missing.empty() && unexpected.empty() && mismatched.empty() && errors.empty();
  }
  // A prefix ("module.") that all unexpected names carry, and whose removal turns them into missing ones or
  // finds every missing one; empty when there is none.
  std::string common_prefix() const;
  // Gives every missing name its nearest unexpected one, the other way round, and every mismatched its
  // nearest entry of the right shape. With thousands of names that share little it stops after half a second.
  void find_nearest();
  // What PyTorch prints of the result of a load that went through: "<All keys matched successfully>", or
  // "_IncompatibleKeys(missing_keys=['a'], unexpected_keys=[])", which also names skipped_keys if there are
  // any.
  std::string str() const;
  // PyTorch's message for a load into `class_name` that was refused, character for character.
  std::string error_text(std::string_view class_name) const;
  // One line per finding that can be explained: prefixes to strip, likely renames.
  std::vector<std::string> hints() const;
};

// Prints str().
std::ostream& operator<<(std::ostream& out, const LoadReport& report);

// Thrown by a load that may not go on; carries the report. code() is kKeyMismatch.
class LoadError : public Error {
 public:
  LoadError(LoadReport report, std::string_view class_name);
  const LoadReport& report() const { return report_; }

 private:
  LoadReport report_;
};

}  // namespace sconce
