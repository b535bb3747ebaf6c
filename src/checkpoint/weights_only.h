// Predicts torch.load(weights_only=True): follows the restricted unpicklers of several versions of PyTorch at
// once over kinds of values instead of values, opcode by opcode, because they fail at the first they do not
// like.
#pragma once

#include <array>
#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/weights_only_rules.h"
#include "sconce/checkpoint/weights_only.h"

namespace sconce::checkpoint::weights_only {

// The answers of all versions, as far as they are known.
class Verdicts {
 public:
  Verdicts();
  // The versions that have refused nothing yet.
  Versions accepting() const { return accepting_; }
  // Those of `versions` that were still accepting stop here.
  void refuse(Versions versions, const std::string& reason, const std::string& record = {},
              std::optional<std::uint64_t> offset = {});
  std::vector<WeightsOnly> answers() const;

 private:
  Versions accepting_ = kEvery;
  std::array<WeightsOnly, kVersionNames.size()> answers_;
};

// What the persistent ids of a pickle are.
enum class PidForm : std::uint8_t {
  kNone,    // none is understood
  kZip,     // formats.md B.2, five items
  kLegacy,  // six items
  kTar,     // strings
};

struct PickleToFollow {
  std::string record;
  std::span<const std::byte> bytes;  // from its first opcode on; what follows STOP is not looked at
  std::uint64_t base_offset = 0;     // of bytes[0] in the record
  PidForm pids = PidForm::kNone;
  std::function<bool(std::string_view key)> has_storage = {};  // kZip: is there a record data/<key>?
};

// Narrows `verdicts` by what the pickle holds.
void follow(const PickleToFollow& pickle, Verdicts& verdicts);

}  // namespace sconce::checkpoint::weights_only
