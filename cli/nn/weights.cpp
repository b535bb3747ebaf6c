#include "nn/weights.h"

#include <algorithm>

#include "sconce/base/error.h"

namespace sconce::cli {
namespace {

bool is_state_dict(const Value& value) {
  if (!value.is_dict()) return false;
  const auto items = value.items();
  return std::all_of(items.begin(), items.end(),
                     [](const Value::Pair& item) { return item.first.is_string(); }) &&
         std::any_of(items.begin(), items.end(),
                     [](const Value::Pair& item) { return item.second.is_array(); });
}

}  // namespace

StateDict find_state_dict(const Value& content, const std::string& path) {
  if (content.is_dict()) {
    for (const char* key : {"model", "state_dict", "model_state_dict"}) {
      const std::optional<Value> entry = content.find(key);
      if (entry && is_state_dict(*entry)) return entry->as_state_dict();
    }
    if (is_state_dict(content)) return content.as_state_dict();
  }
  throw Error(ErrorCode::kUnsupported, "weights",
              "expected a state_dict, or a dict with one under 'model', 'state_dict' or 'model_state_dict'")
      .in_file(path);
}

Error explained(const LoadError& error, const nn::Module& model, const std::string& path) {
  std::string text = error.report().str(model.class_name());
  for (const std::string& hint : error.report().hints()) text += cat("\n  hint: ", hint);
  return Error(error.code(), "weights", text).in_file(path);
}

void load_weights(nn::Module& model, const Value& content, const std::string& path) {
  try {
    model.load_state_dict(find_state_dict(content, path));
  } catch (const LoadError& error) {
    throw explained(error, model, path);
  }
}

}  // namespace sconce::cli
