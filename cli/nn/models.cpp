#include "nn/models.h"

#include <memory>

#include "common/output.h"
#include "common/text_format.h"
#include "sconce/models/registry.h"

namespace sconce::cli {
namespace {

int run_models(bool json) {
  TextTable table({"NAME", "PARAMETERS", "INPUT", "CLASSES", "WHAT"}, {false, true, false, true, false});
  Json list = Json::array();
  for (const models::Entry& entry : models::registry()) {
    const std::int64_t parameters = entry.make()->num_parameters();
    table.add_row({entry.name, with_commas(static_cast<std::uint64_t>(parameters)), entry.input.str(),
                   std::to_string(entry.classes), entry.summary});
    list.push_back({{"name", entry.name},
                    {"parameters", parameters},
                    {"input", entry.input.to_vector()},
                    {"classes", entry.classes},
                    {"summary", entry.summary}});
  }
  if (json) {
    out().print(Json{{"models", list}});
  } else {
    out().print(table.str());
  }
  return kFine;
}

}  // namespace

Command models_command() {
  return {"models", "List the models of the zoo", [](CLI::App& app) -> std::function<int()> {
            const auto json = std::make_shared<bool>(false);
            app.add_flag("--json", *json, "Print one JSON object");
            app.footer("Example:\n  sconce models");
            return [json] { return run_models(*json); };
          }};
}

}  // namespace sconce::cli
