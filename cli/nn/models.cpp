#include "nn/models.h"

#include <memory>
#include <string>

#include "common/output.h"
#include "common/text_format.h"
#include "sconce/models/registry.h"
#include "sconce/nn/init.h"
#include "sconce/state/state_dict.h"

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

// The state_dict of one model by names, dtypes and shapes: what `sconce repair --like NAME` asks for.
int run_keys(const std::string& name, bool json) {
  const std::unique_ptr<nn::Layer> model = [&] {
    const nn::SkipInit no_draws;
    return models::make(name);
  }();
  const StateDict state = model->state_dict();
  TextTable table({"NAME", "DTYPE", "SHAPE"}, {false, false, false});
  Json keys = Json::array();
  for (const auto& [key, value] : state) {
    table.add_row({key, std::string(dtype_name(value.dtype())), value.shape().str()});
    keys.push_back(
        {{"name", key}, {"dtype", dtype_name(value.dtype())}, {"shape", value.shape().to_vector()}});
  }
  if (!json) {
    out().print(table.str());
    return kFine;
  }
  Json versions = Json::object();
  for (const auto& [module, entry] : *state.metadata()) {
    if (const auto version = state.version(module)) versions[module] = *version;
  }
  out().print_json(Json{{"name", name}, {"keys", keys}, {"versions", versions}});
  return kFine;
}

}  // namespace

Command models_command() {
  return {"models", "List the models of the zoo", [](CLI::App& app) -> std::function<int()> {
            const auto json = std::make_shared<bool>(false);
            const auto keys = std::make_shared<std::string>();
            app.add_flag("--json", *json, "Print one JSON object");
            app.add_option("--keys", *keys, "List the tensors of this model instead")->type_name("NAME");
            app.footer("Example:\n  sconce models");
            return [json, keys] { return keys->empty() ? run_models(*json) : run_keys(*keys, *json); };
          }};
}

}  // namespace sconce::cli
