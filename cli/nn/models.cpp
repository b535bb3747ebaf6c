#include "nn/models.h"

#include <memory>
#include <string>

#include "common/output.h"
#include "common/text_format.h"
#include "sconce/models/registry.h"

namespace sconce::cli {
namespace {

int run_models(bool json) {
  TextTable table({"NAME", "PARAMETERS", "INPUT", "CLASSES", "DESCRIPTION"},
                  {false, true, false, true, false});
  Json list = Json::array();
  for (const models::Model& model : models::all()) {
    table.add_row({std::string(model.name), with_commas(static_cast<std::uint64_t>(model.parameters)),
                   model.input.str(), std::to_string(model.classes), std::string(model.description)});
    list.push_back({{"name", model.name},
                    {"parameters", model.parameters},
                    {"input", model.input.to_vector()},
                    {"classes", model.classes},
                    {"mean", model.mean},
                    {"std", model.std},
                    {"description", model.description}});
  }
  if (json) {
    out().print_json(Json{{"models", list}});
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
