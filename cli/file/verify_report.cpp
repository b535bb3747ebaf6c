#include "file/verify_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "common/limit_option.h"
#include "common/terminal.h"
#include "common/text_format.h"
#include "sconce/base/text.h"

namespace sconce::cli {
namespace {

using checkpoint::Examination;
using checkpoint::GlobalUse;
using checkpoint::Integrity;
using checkpoint::PickleFacts;
using checkpoint::Problem;
using checkpoint::Trust;
using checkpoint::WeightsOnly;
using toolbox::VerifyReport;

constexpr std::size_t kShown = 20;  // lines of one kind in the text; JSON has all

Json offset_json(const std::optional<std::uint64_t>& offset) {
  return offset ? Json(*offset) : Json(nullptr);
}

// The library knows the limits, the command its option.
std::string advice_of(const Problem& problem) {
  return problem.limit.empty()
             ? problem.advice
             : cat("a limit was reached; ", kLimitOption, " ", problem.limit, " can raise it");
}

Json problem_json(const Problem& problem) {
  return {{"code", error_code_name(problem.code)},
          {"text", problem.text},
          {"record", problem.record},
          {"offset", offset_json(problem.offset)},
          {"advice", advice_of(problem)}};
}

Json pickle_json(const PickleFacts& pickle) {
  return {{"record", pickle.record},
          {"protocol", pickle.protocol},
          {"opcodes", pickle.opcodes},
          {"complete", !pickle.error.has_value()}};
}

Json global_json(const std::string& record, const GlobalUse& global) {
  return {{"record", record},
          {"module", global.module},
          {"name", global.name},
          {"offset", global.offset},
          {"class", checkpoint::trust_name(global.trust)},
          {"why", global.why}};
}

Json weights_only_json(const WeightsOnly& answer) {
  return {{"accepted", answer.accepted},
          {"reason", answer.accepted ? Json(nullptr) : Json(answer.reason)},
          {"record", answer.record},
          {"offset", offset_json(answer.offset)}};
}

// "net/data.pkl, byte 33".
std::string place(const std::string& record, const std::optional<std::uint64_t>& offset) {
  std::string out = escaped(record);
  if (offset) out += fmt::format("{}byte {}", out.empty() ? "" : ", ", *offset);
  return out;
}

std::string in_brackets(const std::string& text) { return text.empty() ? "" : cat("  (", text, ")"); }

// At most kShown lines, and how many more there are.
template <class Items, class Line>
std::string lines(const Items& items, Line line) {
  std::string out;
  for (std::size_t i = 0; i < items.size() && i < kShown; ++i) out += cat("  ", line(items[i]), "\n");
  if (items.size() > kShown) out += fmt::format("  and {} more; --json lists all\n", items.size() - kShown);
  return out;
}

std::string verdict(const VerifyReport& report) {
  std::vector<std::string> words;
  if (!report.unsafe.empty()) words.push_back("unsafe");
  if (report.is_damaged()) words.push_back("damaged");
  if (!report.non_finite.empty()) words.push_back("not finite");
  if (words.empty()) return styled(Style::kGreen, "nothing wrong found");
  std::string out;
  for (const std::string& word : words) out += cat(out.empty() ? "" : ", ", word);
  return styled(Style::kRed, out);
}

std::string unsafe_text(const VerifyReport& report) {
  if (report.unsafe.empty()) return {};
  return cat(styled(Style::kRed, "unsafe"),
             ": loading this in Python without weights_only=True could run code\n",
             lines(report.unsafe, [](const toolbox::UnsafeGlobal& use) {
               return cat(escaped(use.global.module), ".", escaped(use.global.name), "  ", use.global.why,
                          in_brackets(place(use.record, use.global.offset)));
             }));
}

std::string problems_text(const VerifyReport& report) {
  const auto& problems = report.examination.problems;
  if (problems.empty()) return {};
  std::string out = cat(styled(Style::kRed, "damaged"), "\n", lines(problems, [](const Problem& problem) {
                          // The text has the offset already.
                          return cat(problem.text, in_brackets(escaped(problem.record)));
                        }));
  std::vector<std::string> advices;
  for (const Problem& problem : problems) {
    const std::string advice = advice_of(problem);
    const bool known = std::find(advices.begin(), advices.end(), advice) != advices.end();
    if (!advice.empty() && !known) advices.push_back(advice);
  }
  for (const std::string& advice : advices)
    out += cat("  ", styled(Style::kYellow, "try"), ": ", advice, "\n");
  return out;
}

std::string finite_text(const VerifyReport& report, bool wanted) {
  if (!report.non_finite.empty()) {
    return cat(styled(Style::kRed, "not finite"), "\n",
               lines(report.non_finite, [](const toolbox::NonFinite& found) {
                 return cat(found.name.empty() ? "(the tensor)" : std::string(escaped(found.name)), "  ",
                            found.nan, " NaN, ", found.infinite, " infinite");
               }));
  }
  if (!wanted) return {};
  return report.finite_was_checked ? "finite        every value\n"
                                   : "finite        not checked: the tensors cannot be read\n";
}

std::string integrity_text(const VerifyReport& report) {
  const auto& records = report.examination.records;
  const auto count = [&](Integrity wanted) {
    return std::count_if(records.begin(), records.end(),
                         [wanted](const auto& record) { return record.integrity == wanted; });
  };
  std::string out = cat("integrity     ", checkpoint::integrity_name(report.integrity));
  if (records.empty()) return out + "\n";
  std::string parts;
  for (const Integrity kind : {Integrity::kDamaged, Integrity::kUnchecked, Integrity::kChecked}) {
    if (count(kind) == 0) continue;
    parts +=
        fmt::format("{}{} {}", parts.empty() ? "" : ", ",
                    with_commas(static_cast<std::uint64_t>(count(kind))), checkpoint::integrity_name(kind));
  }
  return cat(out, " (records: ", parts, ")\n");
}

std::string pickles_text(const Examination& examination) {
  if (examination.pickles.empty()) return "pickle        none\n";
  std::map<Trust, std::size_t> counts;
  for (const PickleFacts& pickle : examination.pickles) {
    for (const GlobalUse& global : pickle.globals) ++counts[global.trust];
  }
  const PickleFacts& first = examination.pickles.front();
  std::string out =
      fmt::format("pickle        protocol {}, globals: {} plain, {} harmless, {} that could run code\n",
                  first.protocol, counts[Trust::kPlain], counts[Trust::kInert], counts[Trust::kUnknown]);
  for (const PickleFacts& pickle : examination.pickles) {
    for (const GlobalUse& global : pickle.globals) {
      if (global.trust != Trust::kInert) continue;
      out += cat("              ", escaped(global.module), ".", escaped(global.name), " ", global.why, "\n");
    }
  }
  return out;
}

std::string reason_of(const WeightsOnly& answer) {
  if (answer.accepted) return styled(Style::kGreen, "yes");
  return cat(styled(Style::kYellow, "no"), ": ", answer.reason,
             in_brackets(place(answer.record, answer.offset)));
}

// Versions that give the same answer share a line.
std::string weights_only_text(const Examination& examination) {
  std::vector<std::pair<std::string, std::string>> lines;  // versions, answer
  for (const WeightsOnly& answer : examination.weights_only) {
    const std::string reason = reason_of(answer);
    if (!lines.empty() && lines.back().second == reason) {
      lines.back().first += ", " + answer.version;
    } else {
      lines.emplace_back(answer.version, reason);
    }
  }
  std::string out;
  for (const auto& [versions, answer] : lines) {
    out += fmt::format("{:<14}PyTorch {}: {}\n", out.empty() ? "weights_only" : "", versions, answer);
  }
  return out;
}

}  // namespace

Json verification_json(const VerifyReport& report, bool finite_wanted) {
  const Examination& examination = report.examination;
  Json out;
  out["path"] = report.path;
  out["format"] = checkpoint::format_name(examination.format);
  out["bytes"] = examination.file_size;
  out["ok"] = report.ok();
  out["structure"] = report.is_damaged() ? "damaged" : "ok";
  out["integrity"] = checkpoint::integrity_name(report.integrity);
  out["safe"] = report.unsafe.empty();
  out["problems"] = Json::array();
  for (const Problem& problem : examination.problems) out["problems"].push_back(problem_json(problem));
  out["weights_only"] = Json::object();
  for (const WeightsOnly& answer : examination.weights_only) {
    out["weights_only"][answer.version] = weights_only_json(answer);
  }
  out["globals"] = Json::array();
  for (const PickleFacts& pickle : examination.pickles) {
    for (const GlobalUse& global : pickle.globals)
      out["globals"].push_back(global_json(pickle.record, global));
  }
  out["non_finite"] = finite_wanted && report.finite_was_checked ? Json::array() : Json(nullptr);
  for (const toolbox::NonFinite& found : report.non_finite) {
    if (out["non_finite"].is_null()) out["non_finite"] = Json::array();
    out["non_finite"].push_back({{"name", found.name}, {"nan", found.nan}, {"inf", found.infinite}});
  }
  out["pickles"] = Json::array();
  for (const PickleFacts& pickle : examination.pickles) out["pickles"].push_back(pickle_json(pickle));
  out["records"] = Json::array();
  for (const auto& record : examination.records) {
    out["records"].push_back({{"name", record.name},
                              {"offset", record.offset},
                              {"size", record.size},
                              {"integrity", checkpoint::integrity_name(record.integrity)}});
  }
  out["notes"] = examination.notes;
  return out;
}

std::string verification_text(const VerifyReport& report, bool finite_wanted) {
  const Examination& examination = report.examination;
  std::string text =
      fmt::format("{}: {}, {}: {}\n", escaped(report.path), checkpoint::format_name(examination.format),
                  human_bytes(examination.file_size), verdict(report));
  text += unsafe_text(report);
  text += problems_text(report);
  text += finite_text(report, finite_wanted);
  if (!report.is_damaged()) text += "structure     ok\n";
  text += integrity_text(report);
  text += pickles_text(examination);
  text += weights_only_text(examination);
  for (const std::string& note : examination.notes) text += cat("note: ", note, "\n");
  return text;
}

}  // namespace sconce::cli
