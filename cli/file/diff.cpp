#include "file/diff.h"

#include <memory>
#include <optional>

#include "common/limit_option.h"
#include "common/output.h"
#include "common/read_progress.h"
#include "file/diff_report.h"
#include "sconce/base/error.h"
#include "sconce/checkpoint/listing.h"
#include "sconce/toolbox/code_warnings.h"

namespace sconce::cli {
namespace {

struct DiffArguments {
  std::vector<std::string> paths;
  double rtol = 0;
  double atol = 0;
  bool has_tolerance = false;
  bool only_changed = false;
  bool stat = false;
  bool json = false;
  bool strict = false;
  bool no_renames = false;
  bool tensors_only = false;
  bool textconv = false;
  std::string filter;
  checkpoint::LoadOptions load = {};
};

void warn_of_objects(const std::string& name, const checkpoint::Listing& listing) {
  for (const std::string& line : toolbox::code_warnings(listing.pickles))
    warn(cat(escaped(name), ": ", line));
  for (const auto& [place, type] : listing.objects) {
    const std::string what = place.empty() ? "the object" : cat("'", escaped(place), "'");
    warn(cat(escaped(name), ": ", what, " is of class ", escaped(type), ", kept inert"));
  }
}

Comparison compare(const DiffArguments& options, const checkpoint::Listing& a, const checkpoint::Listing& b) {
  toolbox::DiffOptions wanted;
  if (options.has_tolerance) wanted.tolerance = toolbox::Tolerance{options.rtol, options.atol};
  wanted.find_renames = !options.no_renames;
  wanted.tensors_only = options.tensors_only;
  wanted.filter = options.filter;
  Comparison out;
  out.a = &a;
  out.b = &b;
  const ReadProgress progress("comparing", {a.path, b.path});
  out.diff = toolbox::diff(a, b, wanted);
  out.has_tolerance = options.has_tolerance;
  out.strict = options.strict;
  return out;
}

void print(const Comparison& comparison, const DiffArguments& options) {
  const DiffStyle style{options.only_changed, options.stat};
  if (options.json) {
    out().print_json(diff_json(comparison, style));
  } else {
    out().print(diff_text(comparison, style));
  }
}

int diff_two(const DiffArguments& options) {
  const checkpoint::Listing a = checkpoint::describe(options.paths[0], options.load);
  const checkpoint::Listing b = checkpoint::describe(options.paths[1], options.load);
  warn_of_objects(options.paths[0], a);
  warn_of_objects(options.paths[1], b);
  Comparison comparison = compare(options, a, b);
  comparison.name_a = options.paths[0];
  comparison.name_b = options.paths[1];
  print(comparison, options);
  return comparison.diff.is_same(options.strict) ? kFine : kAnsweredNo;
}

// git's GIT_EXTERNAL_DIFF and diff.<driver>.command: path old-file old-hex old-mode new-file new-hex new-mode
// [new-path rename-message]. An absent side is /dev/null. git takes any status but 0 for a crash and shows
// nothing more, so versions that differ, or cannot be read, are an answer here.
int diff_for_git(const DiffArguments& options) {
  const std::string& path = options.paths[0];
  const std::string& new_path = options.paths.size() == 9 ? options.paths[7] : path;
  const auto describe = [&options](const std::string& file) {
    if (file == "/dev/null") {
      checkpoint::Listing nothing;
      nothing.tree = Value::dict();
      return nothing;
    }
    return checkpoint::describe(file, options.load);
  };
  try {
    const checkpoint::Listing a = describe(options.paths[1]);
    const checkpoint::Listing b = describe(options.paths[4]);
    Comparison comparison = compare(options, a, b);
    comparison.name_a = options.paths[1] == "/dev/null" ? "/dev/null" : cat("a/", path);
    comparison.name_b = options.paths[4] == "/dev/null" ? "/dev/null" : cat("b/", new_path);
    if (!options.json) out().print(cat("sconce diff a/", escaped(path), " b/", escaped(new_path), "\n"));
    print(comparison, options);
  } catch (const Error& error) {
    if (error.code() == ErrorCode::kInterrupted) throw;
    out().print(cat("sconce diff a/", escaped(path), " b/", escaped(new_path),
                    "\nthese versions cannot be compared: ", error.what(), "\n"));
  }
  return kFine;
}

int run_diff(const DiffArguments& options) {
  if (options.textconv) {
    require(options.paths.size() == 1, ErrorCode::kInvalidArgument, "", "--textconv takes one PATH, found ",
            options.paths.size());
    out().print(textconv_text(checkpoint::describe(options.paths[0], options.load)));
    return kFine;
  }
  const std::size_t count = options.paths.size();
  if (count == 7 || count == 9) return diff_for_git(options);
  require(count == 2, ErrorCode::kInvalidArgument, "", "expected two paths, A and B, found ", count,
          "; see 'sconce diff --help'");
  return diff_two(options);
}

}  // namespace

Command diff_command() {
  return {
      "diff", "Compare two checkpoints", [](CLI::App& app) -> std::function<int()> {
        auto options = std::make_shared<DiffArguments>();
        app.add_option("PATH", options->paths, "A and B, of any formats")->required()->type_name("A B");
        auto* rtol =
            app.add_option("--rtol", options->rtol, "Relative tolerance: |a - b| <= atol + rtol * |b|")
                ->check(CLI::NonNegativeNumber);
        auto* atol =
            app.add_option("--atol", options->atol, "Absolute tolerance")->check(CLI::NonNegativeNumber);
        app.add_flag("--only-changed", options->only_changed, "Leave out tensors that are equal");
        app.add_flag("--stat", options->stat, "Counts alone");
        app.add_flag("--json", options->json, "One JSON object instead of text");
        app.add_flag("--strict", options->strict,
                     "Memory layout, sharing, devices, requires_grad, _metadata and order count, too");
        app.add_flag("--no-renames", options->no_renames, "Do not look for tensors under other names");
        app.add_flag("--tensors-only", options->tensors_only, "Leave numbers, text and other values alone");
        app.add_option("--filter", options->filter, "Only names that match this GLOB");
        add_limit_option(app, options->load);
        app.add_flag("--textconv", options->textconv, "Print one checkpoint as lines, for git's textconv");
        app.footer(
            "Without a tolerance bits decide: NaN equals the same NaN, 0 differs from -0. With --rtol or "
            "--atol\n"
            "numbers do: any NaN equals any NaN. 'max rel' is of |a - b| / max(|a|, |b|).\n"
            "Exit status: 0 the same, 1 they differ, 2 trouble.\n\n"
            "With git:\n"
            "  git difftool -x 'sconce diff' -- net.pt\n"
            "  git config diff.sconce.command 'sconce diff'; echo '*.pt diff=sconce' >> .gitattributes\n"
            "  git config diff.sconce.textconv 'sconce diff --textconv'\n\n"
            "Example: sconce diff --atol 1e-6 --only-changed epoch1.pt epoch2.safetensors");
        return [options, rtol, atol] {
          options->has_tolerance = rtol->count() + atol->count() > 0;
          return run_diff(*options);
        };
      }};
}

}  // namespace sconce::cli
