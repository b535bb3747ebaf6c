#include "sconce/state/load_report.h"

#include <algorithm>
#include <map>
#include <ostream>
#include <unordered_set>
#include <utility>

#include "sconce/state/python_text.h"
#include "state/nearest_names.h"

namespace sconce {
namespace {

template <class Finding>
std::vector<std::string> names_of(const std::vector<Finding>& findings) {
  std::vector<std::string> out;
  out.reserve(findings.size());
  for (const Finding& finding : findings) out.push_back(finding.name);
  return out;
}

// Python's repr of the list of their names.
template <class Finding>
std::string names_repr(const std::vector<Finding>& findings) {
  std::string out;
  for (const Finding& finding : findings) out += cat(out.empty() ? "" : ", ", string_repr(finding.name));
  return cat("[", out, "]");
}

std::string quoted_list(const std::vector<LoadReport::Key>& keys) {
  std::string out;
  for (const LoadReport::Key& key : keys) out += cat(out.empty() ? "\"" : ", \"", key.name, "\"");
  return out;
}

std::string full_text(const LoadReport& report, std::string_view class_name) {
  std::string text = report.error_text(class_name);
  for (const std::string& hint : report.hints()) text += "\n\thint: " + hint;
  return text;
}

// The names in the checkpoint that have no place yet, by shape.
std::map<std::string, NearestNames> names_left_by_shape(const LoadReport& report) {
  std::map<std::string, std::vector<std::string>> names;
  for (const LoadReport::Key& key : report.unexpected) {
    if (key.shape) names[key.shape->str()].push_back(key.name);
  }
  for (const LoadReport::Mismatch& mismatch : report.mismatched) {
    names[mismatch.found.str()].push_back(mismatch.name);
  }
  std::map<std::string, NearestNames> out;
  for (auto& [shape, group] : names) out.emplace(shape, std::move(group));
  return out;
}

}  // namespace

std::string LoadReport::common_prefix() const {
  if (unexpected.empty() || missing.empty()) return {};
  const std::vector<std::string> names = names_of(missing);
  const std::unordered_set<std::string> wanted(names.begin(), names.end());
  const std::vector<std::string> others = names_of(unexpected);
  const std::unordered_set<std::string> found(others.begin(), others.end());
  const std::string& first = unexpected.front().name;
  for (std::size_t dot = first.find('.'); dot != std::string::npos; dot = first.find('.', dot + 1)) {
    std::string prefix = first.substr(0, dot + 1);
    if (!std::all_of(others.begin(), others.end(),
                     [&](const std::string& name) { return name.starts_with(prefix); })) {
      return {};
    }
    // One side may have more: names that a module excuses are not missing, those an old file lacks are.
    if (std::all_of(others.begin(), others.end(),
                    [&](const std::string& name) { return wanted.contains(name.substr(prefix.size())); }) ||
        std::all_of(names.begin(), names.end(),
                    [&](const std::string& name) { return found.contains(prefix + name); })) {
      return prefix;
    }
  }
  return {};
}

void LoadReport::find_nearest() {
  SearchEffort effort;
  const NearestNames lost(names_of(missing));
  const NearestNames found(names_of(unexpected));
  for (Key& key : missing) key.nearest = found.find(key.name, effort);
  for (Key& key : unexpected) key.nearest = lost.find(key.name, effort);
  const auto by_shape = names_left_by_shape(*this);
  for (Mismatch& mismatch : mismatched) {
    const auto group = by_shape.find(mismatch.expected.str());
    if (group != by_shape.end()) mismatch.nearest = group->second.find(mismatch.name, effort);
  }
  has_unsearched = effort.is_spent();
}

// torch/nn/modules/module.py, _IncompatibleKeys.
std::string LoadReport::str() const {
  if (missing.empty() && unexpected.empty() && skipped.empty()) return "<All keys matched successfully>";
  return cat("_IncompatibleKeys(missing_keys=", names_repr(missing),
             ", unexpected_keys=", names_repr(unexpected),
             skipped.empty() ? "" : cat(", skipped_keys=", names_repr(skipped)), ")");
}

std::ostream& operator<<(std::ostream& out, const LoadReport& report) { return out << report.str(); }

// torch/nn/modules/module.py, load_state_dict: the trailing blank after each key list is PyTorch's.
std::string LoadReport::error_text(std::string_view class_name) const {
  std::string out = cat("Error(s) in loading state_dict for ", class_name, ":");
  if (!missing.empty()) out += cat("\n\tMissing key(s) in state_dict: ", quoted_list(missing), ". ");
  if (!unexpected.empty()) out += cat("\n\tUnexpected key(s) in state_dict: ", quoted_list(unexpected), ". ");
  std::size_t written = 0;
  const auto write_errors = [&](std::size_t end) {
    for (; written < end; ++written) out += "\n\t" + errors[written];
  };
  for (const Mismatch& mismatch : mismatched) {
    write_errors(std::min(mismatch.errors_before, errors.size()));
    out +=
        cat("\n\tsize mismatch for ", mismatch.name, ": copying a param with shape ", mismatch.found.repr(),
            " from checkpoint, the shape in current model is ", mismatch.expected.repr(), ".");
  }
  write_errors(errors.size());
  return out;
}

std::vector<std::string> LoadReport::hints() const {
  std::vector<std::string> out;
  if (const std::string prefix = common_prefix(); !prefix.empty()) {
    out.push_back(cat("every unexpected key starts with '", escaped(prefix),
                      "': strip it with strip_prefix(\"", escaped(prefix), "\")"));
    return out;
  }
  const auto add = [&out](const std::string& name, const std::optional<std::string>& nearest,
                          const char* why) {
    if (nearest)
      out.push_back(cat("'", escaped(name), "' may be '", escaped(*nearest), "' in the checkpoint", why));
  };
  for (const Key& key : missing) add(key.name, key.nearest, "");
  for (const Mismatch& mismatch : mismatched) add(mismatch.name, mismatch.nearest, ", whose shape fits");
  if (has_unsearched) out.emplace_back("too many names differ to look for the likely counterpart of each");
  return out;
}

LoadError::LoadError(LoadReport report, std::string_view class_name)
    : Error(ErrorCode::kKeyMismatch, "load_state_dict", full_text(report, class_name)),
      report_(std::move(report)) {}

}  // namespace sconce
