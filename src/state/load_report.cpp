#include "sconce/state/load_report.h"

#include <algorithm>
#include <unordered_set>
#include <utility>

namespace sconce {
namespace {

std::vector<std::string> names_of(const std::vector<LoadReport::Key>& keys) {
  std::vector<std::string> out;
  out.reserve(keys.size());
  for (const LoadReport::Key& key : keys) out.push_back(key.name);
  return out;
}

std::string quoted_list(const std::vector<LoadReport::Key>& keys) {
  std::string out;
  for (const LoadReport::Key& key : keys) out += cat(out.empty() ? "\"" : ", \"", key.name, "\"");
  return out;
}

std::string full_text(const LoadReport& report, std::string_view class_name) {
  std::string text = report.str(class_name);
  for (const std::string& hint : report.hints()) text += "\n\thint: " + hint;
  return text;
}

constexpr std::size_t kMostPairs = 2000;  // nearest names cost names x names

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
  if (missing.size() > kMostPairs || unexpected.size() > kMostPairs) return;
  const std::vector<std::string> lost = names_of(missing);
  const std::vector<std::string> found = names_of(unexpected);
  for (Key& key : missing) key.nearest = nearest_name(key.name, found);
  for (Key& key : unexpected) key.nearest = nearest_name(key.name, lost);
}

// torch/nn/modules/module.py, load_state_dict: the trailing blank after each key list is PyTorch's.
std::string LoadReport::str(std::string_view class_name) const {
  if (is_clean()) return "<All keys matched successfully>";
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
  for (const Key& key : missing) {
    if (key.nearest)
      out.push_back(cat("'", escaped(key.name), "' may be '", escaped(*key.nearest), "' in the checkpoint"));
  }
  return out;
}

LoadError::LoadError(LoadReport report, std::string_view class_name)
    : Error(ErrorCode::kKeyMismatch, "load_state_dict", full_text(report, class_name)),
      report_(std::move(report)) {}

}  // namespace sconce
