// The faces of `sconce repair`: JSON for programs, tables for people.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/output.h"
#include "sconce/toolbox/repair.h"

namespace sconce::cli {

struct RepairReport {
  std::string input;
  std::string like;
  const toolbox::RepairPlan* plan = nullptr;
  bool keeps_extra = false;
  std::optional<std::string> written;  // the output, once it stands
  std::vector<std::string> notes;
};

Json repair_json(const RepairReport& report);
// What fits, what does not, and what will be done; printed before anything is written.
std::string repair_text(const RepairReport& report);

}  // namespace sconce::cli
