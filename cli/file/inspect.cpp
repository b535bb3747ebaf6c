#include "file/inspect.h"

#include <algorithm>
#include <map>
#include <memory>

#include "common/limit_option.h"
#include "common/output.h"
#include "common/read_progress.h"
#include "file/inspect_report.h"
#include "sconce/base/glob.h"
#include "sconce/toolbox/code_warnings.h"
#include "sconce/toolbox/digest.h"

namespace sconce::cli {
namespace {

struct InspectArguments {
  std::string path;
  bool json = false;
  bool digest = false;
  bool stats = false;
  bool tree = false;
  std::string filter;
  std::string sort;
  checkpoint::LoadOptions load = {};
};

Inspection inspect(const InspectArguments& options) {
  Inspection out;
  out.path = options.path;
  out.listing = checkpoint::describe(options.path, options.load);
  const auto& tensors = out.listing.tensors;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    if (options.filter.empty() || glob_match(options.filter, tensors[i].name))
      out.tensors.push_back({i, {}, {}});
  }
  const auto by_name = [&](const InspectedTensor& a, const InspectedTensor& b) {
    return tensors[a.index].name < tensors[b.index].name;
  };
  const auto by_size = [&](const InspectedTensor& a, const InspectedTensor& b) {
    return tensors[a.index].bytes() > tensors[b.index].bytes();
  };
  if (options.sort == "name") std::stable_sort(out.tensors.begin(), out.tensors.end(), by_name);
  if (options.sort == "size") std::stable_sort(out.tensors.begin(), out.tensors.end(), by_size);

  if (!options.digest && !options.stats) return out;
  const ReadProgress progress("reading", {options.path});
  for (InspectedTensor& tensor : out.tensors) {
    const Array array = out.listing.read(tensor.index);
    if (options.digest) tensor.sha256 = toolbox::tensor_digest(array);
    const DTypeKind kind = dtype_info(array.dtype()).kind;
    if (options.stats && kind != DTypeKind::kQuantized && kind != DTypeKind::kRaw) {
      tensor.stats = toolbox::tensor_stats(array);
    }
  }
  out.data_was_read = true;
  return out;
}

// One line for each class, however many objects of it there are.
void warn_of_objects(const Inspection& inspection) {
  std::vector<std::string> classes;
  std::map<std::string, std::vector<std::string>> names;
  for (const auto& [name, type] : inspection.listing.objects) {
    auto& of_class = names[type];
    if (of_class.empty()) classes.push_back(type);
    of_class.push_back(name);
  }
  for (const std::string& type : classes) {
    const auto& of_class = names.at(type);
    const std::string first = of_class.front().empty() ? "the top" : cat("'", escaped(of_class.front()), "'");
    const std::string more = of_class.size() > 1 ? cat(" and ", of_class.size() - 1, " more") : "";
    warn(cat(escaped(inspection.path), ": class ", escaped(type), " is unknown and kept inert: ", first,
             more));
  }
}

int run_inspect(const InspectArguments& options) {
  const Inspection inspection = inspect(options);
  for (const std::string& line : toolbox::code_warnings(inspection.listing.pickles)) {
    warn(cat(escaped(inspection.path), ": ", line));
  }
  warn_of_objects(inspection);
  if (options.json) {
    out().print_json(inspection_json(inspection));
  } else if (options.tree) {
    out().print(inspection_tree(inspection));
  } else {
    out().print(inspection_text(inspection));
  }
  return kFine;
}

}  // namespace

Command inspect_command() {
  return {"inspect", "List the tensors and values of a checkpoint",
          [](CLI::App& app) -> std::function<int()> {
            auto options = std::make_shared<InspectArguments>();
            app.add_option("PATH", options->path, "The checkpoint")->required();
            app.add_flag("--json", options->json, "One JSON object instead of tables");
            app.add_flag("--digest", options->digest, "Read every tensor and print its SHA-256");
            app.add_flag("--stats", options->stats,
                         "Read every tensor and print min, max, mean, std, NaN, Inf, zeros");
            app.add_flag("--tree", options->tree, "The tree of keys instead of a table");
            app.add_option("--filter", options->filter, "Only tensors whose name matches this GLOB");
            app.add_option("--sort", options->sort, "Order by name or size instead of the file's order")
                ->check(CLI::IsMember({"name", "size"}));
            add_limit_option(app, options->load);
            app.footer(
                "Reads the directory and the pickle of the file only, unless --digest or --stats asks for "
                "tensors.\n"
                "Nothing in a file is ever run.\n\n"
                "Example: sconce inspect net.pt --filter 'model.conv*' --stats");
            return [options] { return run_inspect(*options); };
          },
          "ls"};
}

}  // namespace sconce::cli
