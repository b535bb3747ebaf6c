#include "file/repair_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "common/terminal.h"
#include "common/text_format.h"
#include "sconce/base/text.h"

namespace sconce::cli {
namespace {

using toolbox::KeyInfo;
using toolbox::KeyMatch;
using toolbox::KeyMatching;
using toolbox::MatchRule;
using toolbox::NoMatch;
using toolbox::RepairPlan;
using toolbox::UnmatchedKey;

constexpr std::size_t kMostPrefixRows = 6;  // they all say the same
constexpr std::size_t kMostExtraRows = 20;

std::string shape_text(const KeyInfo& key) { return cat(dtype_name(key.dtype), " ", key.shape.str()); }

const char* rule_text(MatchRule rule) {
  switch (rule) {
    case MatchRule::kMap:
      return "as the map says";
    case MatchRule::kExact:
      return "the same name";
    case MatchRule::kPrefix:
      return "a prefix or wrapper apart";
    case MatchRule::kWeightNorm:
      return "weight norm's other spelling";
    case MatchRule::kNumbering:
      return "the same layers, numbered otherwise";
    case MatchRule::kOnlyFit:
      return "the only one that fits";
    case MatchRule::kOrder:
      return "by shape and order";
    case MatchRule::kTied:
      return "shares memory in the target";
    case MatchRule::kFilled:
      return "absent, filled with 0";
  }
  return "";
}

const char* reason_text(NoMatch reason) {
  switch (reason) {
    case NoMatch::kAbsent:
      return "nothing fits";
    case NoMatch::kShape:
      return "the shape does not fit";
    case NoMatch::kTransposed:
      return "would fit transposed: --allow-transpose";
    case NoMatch::kAmbiguous:
      return "several might be it: say which in --map";
  }
  return "";
}

Json key_json(const KeyInfo& key) {
  return {{"name", key.name}, {"dtype", dtype_name(key.dtype)}, {"shape", key.shape.to_vector()}};
}

// Is the row worth a line: what has the same name needs no word.
bool is_shown(const KeyMatch& match) {
  return match.rule != MatchRule::kExact || match.transpose || match.reshape;
}

std::string matches_text(const RepairPlan& plan) {
  TextTable table({"target", "wants", "takes", "because"}, {false, false, false, false});
  std::size_t shown = 0;
  std::size_t prefix_rows = 0;
  for (const KeyMatch& match : plan.matching.matches) {
    if (!is_shown(match)) continue;
    if (match.rule == MatchRule::kPrefix && !match.transpose && ++prefix_rows > kMostPrefixRows) continue;
    const KeyInfo& target = plan.target.keys[match.target];
    std::string takes = "0";
    if (match.source) {
      const KeyInfo& source = plan.sources[*match.source];
      takes = escaped(source.name);
      if (source.dtype != target.dtype) takes += cat(" (", dtype_name(source.dtype), ")");
      if (source.shape != target.shape) takes += cat(" ", source.shape.str());
    }
    std::string why = rule_text(match.rule);
    if (match.transpose) why += ", transposed";
    table.add_row({escaped(target.name), shape_text(target), takes, why});
    ++shown;
  }
  if (shown == 0) return "";
  std::string out = cat("\n", table.str());
  if (prefix_rows > kMostPrefixRows)
    out += fmt::format("... and {} more that are a prefix or wrapper apart\n", prefix_rows - kMostPrefixRows);
  return out;
}

std::string unmatched_text(const RepairPlan& plan) {
  if (plan.matching.unmatched.empty()) return "";
  TextTable table({"target", "wants", "", "candidates"}, {false, false, false, false});
  for (const UnmatchedKey& unmatched : plan.matching.unmatched) {
    const KeyInfo& target = plan.target.keys[unmatched.target];
    std::string candidates;
    for (const std::size_t i : unmatched.candidates) {
      const KeyInfo& source = plan.sources[i];
      candidates += cat(candidates.empty() ? "" : ", ", escaped(source.name));
      if (source.shape != target.shape) candidates += cat(" ", source.shape.str());
    }
    table.add_row({escaped(target.name), shape_text(target), reason_text(unmatched.reason), candidates});
  }
  return cat("\n", styled(Style::kRed, "not found"), "\n", table.str());
}

std::string extra_text(const RepairReport& report) {
  const KeyMatching& matching = report.plan->matching;
  if (matching.extra.empty()) return "";
  std::string out = cat(
      "\n", styled(Style::kYellow, report.keeps_extra ? "not wanted, kept" : "not wanted, left out"), "\n");
  for (std::size_t i = 0; i < std::min(matching.extra.size(), kMostExtraRows); ++i) {
    const KeyInfo& source = report.plan->sources[matching.extra[i]];
    out += cat("  ", escaped(source.name), "  ", shape_text(source), "\n");
  }
  if (matching.extra.size() > kMostExtraRows)
    out += fmt::format("  ... and {} more\n", matching.extra.size() - kMostExtraRows);
  return out;
}

}  // namespace

Json repair_json(const RepairReport& report) {
  const RepairPlan& plan = *report.plan;
  const KeyMatching& matching = plan.matching;
  Json out;
  out["input"] = report.input;
  out["like"] = report.like;
  out["complete"] = matching.is_complete();
  out["identity"] = plan.is_identity();
  out["output"] = report.written ? Json(*report.written) : Json(nullptr);
  out["source_prefix"] = matching.source_prefix;
  out["target_prefix"] = matching.target_prefix;
  out["ambiguous_prefixes"] = matching.ambiguous_prefixes;
  out["matches"] = Json::array();
  for (const KeyMatch& match : matching.matches) {
    Json entry = {{"target", plan.target.keys[match.target].name},
                  {"source", match.source ? Json(plan.sources[*match.source].name) : Json(nullptr)},
                  {"rule", toolbox::match_rule_name(match.rule)}};
    if (match.transpose) entry["transpose"] = true;
    if (match.reshape) entry["reshape"] = true;
    out["matches"].push_back(std::move(entry));
  }
  out["missing"] = Json::array();
  for (const UnmatchedKey& unmatched : matching.unmatched) {
    Json entry = key_json(plan.target.keys[unmatched.target]);
    entry["reason"] = toolbox::no_match_name(unmatched.reason);
    entry["candidates"] = Json::array();
    for (const std::size_t i : unmatched.candidates) entry["candidates"].push_back(key_json(plan.sources[i]));
    out["missing"].push_back(std::move(entry));
  }
  out["extra"] = Json::array();
  for (const std::size_t i : matching.extra) out["extra"].push_back(key_json(plan.sources[i]));
  out["left_aside"] = plan.left_aside;
  out["notes"] = report.notes;
  return out;
}

std::string repair_text(const RepairReport& report) {
  const RepairPlan& plan = *report.plan;
  const KeyMatching& matching = plan.matching;
  std::string out = fmt::format("{}: {} tensors; {} wants {}, of which {} were found\n",
                                escaped(report.input), plan.sources.size(), escaped(report.like),
                                plan.target.keys.size(), matching.matches.size());
  std::map<MatchRule, std::size_t> counts;
  for (const KeyMatch& match : matching.matches) ++counts[match.rule];
  for (const auto& [rule, count] : counts) out += fmt::format("  {:>5} {}\n", count, rule_text(rule));
  if (!matching.source_prefix.empty())
    out += cat("  the file's names lose '", escaped(matching.source_prefix), "'\n");
  if (!matching.target_prefix.empty())
    out += cat("  the file's names gain '", escaped(matching.target_prefix), "'\n");
  if (plan.left_aside > 0)
    out += fmt::format("  {} tensors of optimizers, or sparse ones, are left aside\n", plan.left_aside);
  out += matches_text(plan) + unmatched_text(plan);
  if (!matching.ambiguous_prefixes.empty()) {
    std::string names;
    for (const std::string& name : matching.ambiguous_prefixes)
      names += cat(names.empty() ? "" : ", ", name.empty() ? "(the top)" : std::string(escaped(name)));
    out += cat("\nthe names fit equally well below ", names, ": say which with --state-dict\n");
  }
  return out + extra_text(report);
}

}  // namespace sconce::cli
