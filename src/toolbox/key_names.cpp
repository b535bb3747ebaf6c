#include "sconce/toolbox/key_names.h"

#include <algorithm>
#include <array>

namespace sconce::toolbox {

std::vector<std::string_view> components_of(std::string_view name) {
  std::vector<std::string_view> out;
  for (std::size_t dot = name.find('.'); dot != std::string_view::npos; dot = name.find('.')) {
    out.push_back(name.substr(0, dot));
    name.remove_prefix(dot + 1);
  }
  out.push_back(name);
  return out;
}

bool is_wrapper(std::string_view component) {
  static constexpr std::array<std::string_view, 5> kWrappers = {
      "module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module", "_forward_module"};
  return std::find(kWrappers.begin(), kWrappers.end(), component) != kWrappers.end();
}

bool is_usual_container(std::string_view key) {
  static constexpr std::array<std::string_view, 10> kUsual = {
      "state_dict", "model",  "model_state_dict", "model_state", "net",
      "network",    "module", "weights",          "params",      "model_weights"};
  return std::find(kUsual.begin(), kUsual.end(), key) != kUsual.end();
}

std::string without_wrappers(std::string_view name) {
  const auto components = components_of(name);
  std::string out;
  for (std::size_t i = 0; i < components.size(); ++i) {
    const bool is_last = i + 1 == components.size();
    if (!is_last && is_wrapper(components[i])) continue;
    out += components[i];
    if (!is_last) out += '.';
  }
  return out;
}

}  // namespace sconce::toolbox
