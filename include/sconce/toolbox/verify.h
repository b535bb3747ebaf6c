// Is a checkpoint whole, and is it safe to load in Python?
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sconce/checkpoint/examine.h"

namespace sconce::toolbox {

struct VerifyOptions {
  bool finite = false;  // read every tensor and look for NaN and infinities, too
  checkpoint::LoadOptions load;
};

// A tensor with values that are not finite.
struct NonFinite {
  std::string name;
  std::int64_t nan = 0;
  std::int64_t infinite = 0;
};

// A global that could run code, and the pickle that names it.
struct UnsafeGlobal {
  std::string record;
  checkpoint::GlobalUse global;
};

struct VerifyReport {
  std::string path;
  checkpoint::Examination examination;
  checkpoint::Integrity integrity = checkpoint::Integrity::kUnchecked;  // of all records together
  std::vector<UnsafeGlobal> unsafe;                                     // in order of first use
  bool finite_was_checked = false;                                      // of every tensor
  std::vector<NonFinite> non_finite;

  bool is_damaged() const { return !examination.problems.empty(); }
  // Nothing wrong was found. What has no checksum may still be damaged.
  bool ok() const { return !is_damaged() && unsafe.empty() && non_finite.empty(); }
};

// Examines the checkpoint at `path`. Errors as checkpoint::examine(): what is wrong with a checkpoint stands
// in the report.
VerifyReport verify(const std::string& path, const VerifyOptions& options = {});

}  // namespace sconce::toolbox
