#include "file/zoo_target.h"

#include "file/run_nn.h"
#include "sconce/base/error.h"
#include "sconce/codec/json.h"

namespace sconce::cli {

toolbox::RepairTarget zoo_target(const std::string& model) {
  const std::string text = nn_output({"models", "--keys", model, "--json"});
  try {
    const json::Json file = json::parse(text);
    toolbox::RepairTarget out;
    for (const json::Json& entry : file.at("keys").as_array()) {
      toolbox::KeyInfo key;
      key.name = entry.at("name").as_string();
      const auto dtype = dtype_from_name(entry.at("dtype").as_string());
      if (!dtype) entry.at("dtype").unexpected("the name of a dtype");
      key.dtype = *dtype;
      for (const json::Json& size : entry.at("shape").as_array()) key.shape.push_back(size.as_int());
      out.keys.push_back(std::move(key));
    }
    out.versions.emplace();
    for (const auto& [module, version] : file.at("versions").as_object())
      out.versions->emplace_back(module, version.as_int());
    return out;
  } catch (const Error& error) {
    throw error.in_file("sconce-nn models --keys");
  }
}

}  // namespace sconce::cli
