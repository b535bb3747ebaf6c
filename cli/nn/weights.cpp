#include "nn/weights.h"

#include <algorithm>
#include <vector>

#include "common/program.h"
#include "sconce/base/error.h"
#include "sconce/checkpoint/listing.h"
#include "sconce/checkpoint/recover.h"
#include "sconce/toolbox/code_warnings.h"

namespace sconce::cli {
namespace {

bool is_state_dict(const Value& value) {
  if (!value.is_dict()) return false;
  const auto items = value.items();
  return std::all_of(items.begin(), items.end(),
                     [](const Value::Pair& item) { return item.first.is_string(); }) &&
         std::any_of(items.begin(), items.end(),
                     [](const Value::Pair& item) { return item.second.is_array(); });
}

[[noreturn]] void fail_to_find(const std::string& path, const std::string& found) {
  throw Error(ErrorCode::kUnsupported, "weights",
              cat("expected a state_dict, or a dict with one under 'model', 'state_dict' or "
                  "'model_state_dict'; found ",
                  found))
      .in_file(path);
}

std::string quoted(const std::vector<std::string>& names) {
  std::string out;
  for (const std::string& name : names) out += cat(out.empty() ? "'" : ", '", escaped(name), "'");
  return out;
}

// What one line of text holds of a report.
constexpr std::size_t kMostNames = 8;
constexpr std::size_t kMostFindings = 6;
constexpr std::size_t kMostHints = 2;

std::string listed(const std::vector<LoadReport::Key>& keys) {
  std::string out;
  for (std::size_t i = 0; i < std::min(keys.size(), kMostNames); ++i) {
    out += cat(i == 0 ? "\"" : ", \"", keys[i].name, "\"");
  }
  if (keys.size() > kMostNames) out += cat(" and ", keys.size() - kMostNames, " more");
  return out;
}

// The keys of a dict, as far as a line of text may be long.
std::string described(const Value& dict) {
  constexpr std::size_t kMost = 10;
  std::vector<std::string> names;
  for (const auto& [key, value] : dict.items()) {
    if (key.is_string()) names.push_back(key.as_string());
  }
  if (names.empty()) return "a dict without names";
  const std::size_t more = names.size() > kMost ? names.size() - kMost : 0;
  names.resize(names.size() - more);
  return cat("a dict with ", quoted(names), more > 0 ? cat(" and ", more, " more") : "");
}

// The prefix that all names carry and without which most of them are the model's; empty when none helps.
std::string prefix_to_strip(const StateDict& state, const nn::Module& model) {
  const StateDict wanted = model.state_dict();
  const std::vector<std::string> names = state.names();
  const auto hits = [&](const std::string& prefix) {
    return std::count_if(names.begin(), names.end(), [&](const std::string& name) {
      return wanted.contains(name.substr(prefix.size()));
    });
  };
  std::string best;
  auto most = hits(best);
  const std::string first = names.empty() ? std::string() : names.front();
  for (std::size_t dot = first.find('.'); dot != std::string::npos; dot = first.find('.', dot + 1)) {
    const std::string prefix = first.substr(0, dot + 1);
    if (!std::all_of(names.begin(), names.end(),
                     [&](const std::string& name) { return name.starts_with(prefix); })) {
      break;
    }
    if (const auto count = hits(prefix); count > most) {
      best = prefix;
      most = count;
    }
  }
  return best;
}

}  // namespace

std::string Weights::note() const {
  std::string text;
  if (is_of_module) text = "state_dict of a whole pickled module";
  if (!entry.empty()) {
    text = cat(text.empty() ? "state_dict" : text, " taken from '", escaped(entry), "'");
  }
  if (!prefix.empty()) {
    text += cat(text.empty() ? "" : "; ", "prefix '", escaped(prefix), "' taken off every name");
  }
  return text;
}

Value load_file(const std::string& path, const checkpoint::LoadOptions& options) {
  // Described first and forgotten: of a hostile file each tree takes much memory.
  for (const std::string& line : toolbox::code_warnings(checkpoint::describe(path, options).pickles)) {
    warn(cat(escaped(path), ": ", line));
  }
  return checkpoint::load(path, options);
}

Weights find_weights(const Value& content, const std::string& path, const checkpoint::NamedLimits& limits) {
  const checkpoint::Recovery recovered = checkpoint::recover_modules(content, limits);
  for (const std::string& note : recovered.notes) warn(cat(escaped(path), ": ", note));
  const Value& root = recovered.value;
  if (!root.is_dict()) fail_to_find(path, cat("a ", value_kind_name(root.kind())));
  const auto entry = [&](const std::string& key) {
    return Weights{root.at(key).as_state_dict(), key, {}, checkpoint::is_module(content.at(key))};
  };
  for (const char* key : {"model", "state_dict", "model_state_dict"}) {
    const std::optional<Value> value = root.find(key);
    if (value && is_state_dict(*value)) return entry(key);
  }
  if (is_state_dict(root)) return {root.as_state_dict(), {}, {}, checkpoint::is_module(content)};
  std::vector<std::string> found;
  for (const auto& [key, value] : root.items()) {
    if (key.is_string() && is_state_dict(value)) found.push_back(key.as_string());
  }
  if (found.empty()) fail_to_find(path, described(root));
  if (found.size() > 1) fail_to_find(path, cat("several that could be it: ", quoted(found)));
  return entry(found.front());
}

Error explained(const LoadError& error, const nn::Module& model, const std::string& path) {
  const LoadReport& report = error.report();
  std::vector<std::string> findings;
  if (!report.missing.empty())
    findings.push_back(cat("Missing key(s) in state_dict: ", listed(report.missing)));
  if (!report.unexpected.empty()) {
    findings.push_back(cat("Unexpected key(s) in state_dict: ", listed(report.unexpected)));
  }
  for (const LoadReport::Mismatch& mismatch : report.mismatched) {
    findings.push_back(cat("size mismatch for ", mismatch.name, ": ", mismatch.found, " in the checkpoint, ",
                           mismatch.expected, " in the model"));
  }
  findings.insert(findings.end(), report.errors.begin(), report.errors.end());
  std::string text = cat("Error(s) in loading state_dict for ", model.class_name(), ": ");
  for (std::size_t i = 0; i < std::min(findings.size(), kMostFindings); ++i) {
    text += cat(i == 0 ? "" : "; ", escaped(findings[i]));
  }
  if (findings.size() > kMostFindings) text += cat("; and ", findings.size() - kMostFindings, " more");
  const std::vector<std::string> hints = report.hints();
  for (std::size_t i = 0; i < std::min(hints.size(), kMostHints); ++i) text += cat("; hint: ", hints[i]);
  return Error(error.code(), "weights", text).in_file(path);
}

Weights load_weights(nn::Module& model, const Value& content, const std::string& path,
                     const checkpoint::NamedLimits& limits) {
  Weights weights = find_weights(content, path, limits);
  weights.prefix = prefix_to_strip(weights.state, model);
  if (!weights.prefix.empty()) weights.state = weights.state.strip_prefix(weights.prefix);
  try {
    model.load_state_dict(weights.state);
  } catch (const LoadError& error) {
    const Error plain = explained(error, model, path);
    if (weights.note().empty()) throw plain;
    throw Error(plain.code(), plain.where(), cat("(", weights.note(), ") ", plain.text())).in_file(path);
  }
  return weights;
}

}  // namespace sconce::cli
