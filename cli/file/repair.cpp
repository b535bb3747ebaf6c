#include "file/repair.h"

#include <unistd.h>

#include <filesystem>
#include <iostream>
#include <memory>

#include "common/limit_option.h"
#include "common/output.h"
#include "common/output_path.h"
#include "common/status_line.h"
#include "common/terminal.h"
#include "file/repair_report.h"
#include "file/zoo_target.h"
#include "sconce/base/error.h"
#include "sconce/base/file.h"
#include "sconce/checkpoint/load.h"
#include "sconce/checkpoint/save.h"
#include "sconce/toolbox/code_warnings.h"
#include "sconce/toolbox/map_file.h"
#include "sconce/toolbox/save_of.h"

namespace sconce::cli {
namespace {

constexpr std::uint64_t kLargestMap = std::uint64_t{64} << 20;

struct RepairArguments {
  std::string input;
  std::string output;
  std::string like;
  std::string map;
  std::string state_dict;
  std::string like_state_dict;
  checkpoint::LoadOptions load = {};
  bool allow_transpose = false;
  bool keep_extra = false;
  bool whole = false;
  bool partial = false;
  bool dry_run = false;
  bool force = false;
  bool yes = false;
  bool json = false;
};

toolbox::RepairTarget target_for(const RepairArguments& options) {
  std::error_code ignored;
  if (std::filesystem::exists(options.like, ignored))
    return toolbox::target_of(checkpoint::describe(options.like, options.load), options.like_state_dict);
  const bool is_path = options.like.find_first_of("/.") != std::string::npos;
  if (is_path) throw Error(ErrorCode::kNotFound, "", "no such file, to repair after").in_file(options.like);
  return zoo_target(options.like);
}

std::vector<toolbox::MapEntry> read_map(const std::string& path) {
  const std::vector<std::byte> bytes = read_file(path, kLargestMap);
  try {
    return toolbox::parse_map({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  } catch (const Error& error) {
    throw error.in_file(path);
  }
}

void write_map(const std::string& path, const toolbox::RepairPlan& plan) {
  AtomicFile file(path, {.replace = false});
  file.write(toolbox::map_text(plan.matching, plan.target.keys, plan.sources));
  file.commit();
}

// Asks only where somebody can see the question and answer it.
bool is_agreed(const RepairArguments& options) {
  if (options.yes || options.json || ::isatty(STDIN_FILENO) == 0 || !output_is_terminal()) return true;
  out().print(cat("\nwrite ", escaped(options.output), "? [y/N] "));
  out().flush();
  std::string answer;
  std::getline(std::cin, answer);
  return answer == "y" || answer == "Y" || answer == "yes";
}

void check_output(const RepairArguments& options) {
  if (options.dry_run) return;
  require(!options.output.empty(), ErrorCode::kInvalidArgument, "",
          "expected OUT, where the result goes, or --dry-run");
  refuse_existing(options.output, options.force);
  require(!is_index(options.output), ErrorCode::kUnsupported, "",
          "the result is one file; 'sconce shard' cuts it");
}

int run_repair(const RepairArguments& options) {
  check_output(options);
  std::error_code ignored;
  const bool has_map = !options.map.empty() && std::filesystem::exists(options.map, ignored);
  toolbox::RepairOptions wanted;
  wanted.allow_transpose = options.allow_transpose;
  if (has_map) wanted.map = read_map(options.map);
  if (!options.state_dict.empty()) wanted.state_dict = options.state_dict;
  const toolbox::RepairPlan plan = [&] {
    const checkpoint::Listing listing = checkpoint::describe(options.input, options.load);
    for (const std::string& line : toolbox::code_warnings(listing.pickles)) {
      warn(cat(escaped(options.input), ": ", line));
    }
    return toolbox::plan_repair(listing, target_for(options), wanted);
  }();

  RepairReport report;
  report.input = options.input;
  report.like = options.like;
  report.plan = &plan;
  report.keeps_extra = options.keep_extra;
  if (!options.json) out().print(repair_text(report));
  if (!options.map.empty() && !has_map) {
    write_map(options.map, plan);
    report.notes.push_back(cat("the mapping is in ", escaped(options.map)));
  }

  const bool is_complete = plan.matching.is_complete();
  const bool writes = !options.dry_run && (is_complete || options.partial) && !plan.matching.matches.empty();
  if (writes && is_agreed(options)) {
    toolbox::RepairedState repaired =
        toolbox::apply_repair(checkpoint::load(options.input, options.load), plan,
                              {.keep_extra = options.keep_extra, .whole = options.whole});
    FileProgress progress("writing");
    const checkpoint::SaveReport saved = toolbox::save_of(
        options.input, options.output, repaired.state,
        {.format = format_of_output(options.output),
         .replace = options.force,
         .walk = options.load.walk,
         .progress = [&progress](std::uint64_t done, std::uint64_t total) { progress.update(done, total); }});
    for (const std::string& warning : saved.warnings) warn(warning);
    report.notes.insert(report.notes.end(), repaired.notes.begin(), repaired.notes.end());
    report.written = options.output;
  }
  if (options.json) {
    out().print_json(repair_json(report));
  } else {
    out().print("\n");
    for (const std::string& note : report.notes) out().print(cat("note: ", note, "\n"));
    if (report.written) {
      out().print(
          cat(plan.is_identity() ? "nothing to repair; " : "", "wrote ", escaped(*report.written), "\n"));
    } else if (options.dry_run) {
      out().print("nothing was written (--dry-run)\n");
    } else if (!is_complete) {
      out().print("nothing was written: not all could be found (--partial writes what was)\n");
    } else {
      out().print("nothing was written\n");
    }
  }
  return is_complete && (report.written || options.dry_run) ? kFine : kAnsweredNo;
}

}  // namespace

Command repair_command() {
  return {"repair", "Make a checkpoint fit a model whose names differ",
          [](CLI::App& app) -> std::function<int()> {
            auto options = std::make_shared<RepairArguments>();
            app.add_option("IN", options->input, "The checkpoint, of any format")->required();
            app.add_option("OUT", options->output, "Where the repaired state_dict goes");
            app.add_option("--like", options->like,
                           "A checkpoint whose names fit, or a model of the zoo (sconce models)")
                ->type_name("MODEL_OR_FILE")
                ->required();
            app.add_option("--map", options->map,
                           "A mapping of names (JSON): read when the file exists, written otherwise")
                ->type_name("FILE");
            app.add_option("--state-dict", options->state_dict, "Look below this name of IN only")
                ->type_name("KEY");
            app.add_option("--like-state-dict", options->like_state_dict,
                           "The dict of the --like file that is meant")
                ->type_name("KEY");
            add_limit_option(app, options->load);
            app.add_flag("--allow-transpose", options->allow_transpose,
                         "Turn matrices that fit the other way round");
            app.add_flag("--keep-extra", options->keep_extra, "Keep tensors that the target does not want");
            app.add_flag("--whole", options->whole,
                         "Write all of IN (optimizer, epoch) with the repaired state_dict in it");
            app.add_flag("--partial", options->partial, "Write even when some tensors were not found");
            app.add_flag("--dry-run", options->dry_run, "Explain, write nothing");
            app.add_flag("--force", options->force, "Replace an existing output");
            app.add_flag("--yes", options->yes, "Do not ask before writing (asked on a terminal only)");
            app.add_flag("--json", options->json, "One JSON object instead of text");
            app.footer(
                "Takes a tensor for another only when that is proven: by its name, a prefix apart; by its "
                "number in a\n"
                "Sequential; by being the only one of its shapes; by shapes and order together. What is not, "
                "is listed\n"
                "with its candidates: name them in the file of --map and run again.\n"
                "Exit status: 0 repaired, or nothing to do; 1 not everything was found; 2 trouble.\n\n"
                "Example: sconce repair ddp.pt --like resnet20 --dry-run\n"
                "         sconce repair old.pt --like fresh.pt --map names.json repaired.safetensors");
            return [options] { return run_repair(*options); };
          }};
}

}  // namespace sconce::cli
