#include "file/verify.h"

#include <memory>
#include <string>
#include <vector>

#include "common/limit_option.h"
#include "common/output.h"
#include "common/read_progress.h"
#include "file/verify_report.h"

namespace sconce::cli {
namespace {

struct VerifyArguments {
  std::string path;
  bool json = false;
  bool finite = false;
  checkpoint::LoadOptions load = {};
};

int run_verify(const VerifyArguments& options) {
  const toolbox::VerifyReport report = [&] {
    const ReadProgress progress("verifying", std::vector<std::string>(options.finite ? 2 : 1, options.path));
    return toolbox::verify(options.path, {.finite = options.finite, .load = options.load});
  }();
  if (options.json) {
    out().print_json(verification_json(report, options.finite));
  } else {
    out().print(verification_text(report, options.finite));
  }
  return report.ok() ? kFine : kAnsweredNo;
}

}  // namespace

Command verify_command() {
  return {
      "verify", "Tell whether a checkpoint is whole and safe to load",
      [](CLI::App& app) -> std::function<int()> {
        auto options = std::make_shared<VerifyArguments>();
        app.add_option("PATH", options->path, "The checkpoint")->required();
        app.add_flag("--json", options->json, "One JSON object instead of text");
        app.add_flag("--finite", options->finite, "Also read every tensor and look for NaN and infinities");
        add_limit_option(app, options->load);
        app.footer(
            "Checks the structure, every checksum that is recorded, and what the pickles name: which "
            "globals\n"
            "could run code in Python, and whether torch.load(weights_only=True) takes the file. Nothing in\n"
            "a file is ever run. Formats without checksums are 'unchecked': their bytes may be damaged.\n\n"
            "Exit status: 0 nothing wrong found, 1 damaged or unsafe, 2 not a checkpoint or not readable.\n\n"
            "Example: sconce verify download.pt --finite");
        return [options] { return run_verify(*options); };
      }};
}

}  // namespace sconce::cli
