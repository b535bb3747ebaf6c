#include "file/salvage.h"

#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "common/limit_option.h"
#include "common/output.h"
#include "common/output_path.h"
#include "common/read_progress.h"
#include "common/status_line.h"
#include "common/terminal.h"
#include "common/text_format.h"
#include "sconce/base/text.h"
#include "sconce/toolbox/code_warnings.h"
#include "sconce/toolbox/salvage.h"

namespace sconce::cli {
namespace {

struct SalvageArguments {
  std::string input;
  std::string output;
  std::optional<checkpoint::Format> format;
  checkpoint::LoadOptions load = {};
  bool json = false;
  bool force = false;
};

Json report_json(const SalvageArguments& options, const toolbox::SalvageReport& report) {
  Json out;
  out["path"] = options.input;
  out["output"] = report.is_written ? Json(options.output) : Json();
  out["format"] = checkpoint::format_name(report.salvage.format);
  out["size"] = report.salvage.file_size;
  out["recovered"] = Json::array();
  for (const auto& tensor : report.salvage.recovered) out["recovered"].push_back(tensor.name);
  out["lost"] = Json::array();
  for (const auto& tensor : report.salvage.lost) {
    out["lost"].push_back(Json{{"name", tensor.name}, {"reason", tensor.reason}});
  }
  out["unchecked"] = report.unchecked();
  out["notes"] = report.salvage.notes;
  out["warnings"] = report.warnings;
  return out;
}

std::string report_text(const SalvageArguments& options, const toolbox::SalvageReport& report) {
  const checkpoint::Salvage& salvage = report.salvage;
  std::string text = cat(escaped(options.input), ": ", checkpoint::format_name(salvage.format), ", ",
                         human_bytes(salvage.file_size), "\n");
  for (const std::string& note : salvage.notes) text += cat("  ", note, "\n");
  if (!salvage.lost.empty()) {
    TextTable table({"lost", "why"}, {false, false});
    for (const auto& tensor : salvage.lost) table.add_row({escaped(tensor.name), tensor.reason});
    text += cat("\n", table.str(), "\n");
  }
  const auto unchecked = report.unchecked();
  if (!unchecked.empty() && unchecked.size() < salvage.recovered.size()) {
    text += "\nrecovered without a checksum to confirm them:\n";
    for (const std::string& name : unchecked) text += cat("  ", escaped(name), "\n");
  }
  text += cat(
      styled(salvage.lost.empty() ? Style::kGreen : Style::kYellow,
             cat(with_commas(salvage.recovered.size()), " tensors recovered, ",
                 with_commas(salvage.lost.size()), " lost")),
      unchecked.empty() ? "" : cat("; ", with_commas(unchecked.size()), " of the recovered unchecked"), "\n");
  text += report.is_written ? cat("written to ", escaped(options.output), "\n") : "nothing was written\n";
  return text;
}

// One bar while the input is read, then another.
toolbox::SalvageReport salvage_shown(const SalvageArguments& options, checkpoint::SaveOptions saving) {
  std::optional<ReadProgress> reading;
  reading.emplace("reading", std::vector<std::string>{options.input});
  std::optional<FileProgress> writing;
  saving.progress = [&](std::uint64_t done, std::uint64_t total) {
    reading.reset();
    if (!writing) writing.emplace("writing");
    writing->update(done, total);
  };
  return toolbox::salvage(options.input, options.output, saving, options.load);
}

int run_salvage(const SalvageArguments& options) {
  checkpoint::SaveOptions saving;
  saving.replace = options.force;
  saving.walk = options.load.walk;
  saving.format = options.format.value_or(format_of_output(options.output));
  refuse_existing(options.output, options.force);
  const toolbox::SalvageReport report = salvage_shown(options, std::move(saving));
  for (const std::string& line : toolbox::code_warnings(report.salvage.pickles)) {
    warn(cat(escaped(options.input), ": ", line));
  }
  for (const std::string& warning : report.warnings) warn(cat(escaped(options.output), ": ", warning));
  if (options.json) {
    out().print_json(report_json(options, report));
  } else {
    out().print(report_text(options, report));
  }
  if (!report.is_written) {
    out().flush();
    throw Error(ErrorCode::kCorrupt, "salvage", "none of the tensors can be recovered; nothing was written")
        .in_file(options.input);
  }
  return report.salvage.lost.empty() ? kFine : kAnsweredNo;
}

}  // namespace

Command salvage_command() {
  return {
      "salvage", "Write what is whole of a truncated or damaged checkpoint",
      [](CLI::App& app) -> std::function<int()> {
        auto options = std::make_shared<SalvageArguments>();
        app.add_option("IN", options->input, "The damaged checkpoint")->required();
        app.add_option("OUT", options->output, "Where to write what can be recovered")->required();
        add_format_option(app, options->format);
        add_limit_option(app, options->load);
        app.add_flag("--force", options->force, "Replace OUT if it exists (it may be IN)");
        app.add_flag("--json", options->json, "One JSON object instead of text");
        app.footer(
            "A tensor is recovered when its description is intact, all of its bytes are there, and they\n"
            "match their checksum where there is one. All others are left out and listed as lost, each\n"
            "with the reason; nothing is ever filled up. Entries of a dict vanish, places in a list become\n"
            "None. What has no checksum is written and listed as unchecked.\n\n"
            "Exit status: 0 everything was recovered, 1 something is lost (OUT has the rest), 2 nothing\n"
            "could be recovered or written.\n\n"
            "Example: sconce salvage cut.pt rescued.pt");
        return [options] { return run_salvage(*options); };
      }};
}

}  // namespace sconce::cli
