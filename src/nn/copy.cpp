#include "sconce/nn/copy.h"

#include <string>
#include <vector>

#include "nn/walk.h"

namespace sconce::nn {
namespace {

// The members of a module and of all below it. Lists of modules exist only while they are visited, so modules
// are known by name.
struct Parts {
  std::vector<std::pair<std::string, Parameter*>> parameters;
  std::vector<std::pair<std::string, Buffer*>> buffers;
  std::vector<std::pair<std::string, bool>> modes;
  std::vector<std::optional<Value>> extra_states;

  explicit Parts(Module& root) {
    for_each_module(root, "", [this](const std::string& prefix, Module& module) {
      modes.emplace_back(prefix, module.is_training());
      extra_states.push_back(module.extra_state());
      for_each_parameter(module, [&](std::string_view name, Parameter& parameter) {
        parameters.emplace_back(cat(prefix, name), &parameter);
      });
      for_each_buffer(module, [&](std::string_view name, Buffer& buffer) {
        buffers.emplace_back(cat(prefix, name), &buffer);
      });
    });
  }
};

template <class Entries>
void require_same_names(const Entries& from, const Entries& to) {
  require(from.size() == to.size(), ErrorCode::kKeyMismatch, "copy", "the copy was built with ", to.size(),
          " members where the model has ", from.size());
  for (std::size_t i = 0; i < from.size(); ++i) {
    require(from[i].first == to[i].first, ErrorCode::kKeyMismatch, "copy", "the copy has '", to[i].first,
            "' where the model has '", from[i].first, "'");
  }
}

template <class Entries>
void require_same_shapes(const Entries& from, const Entries& to) {
  for (std::size_t i = 0; i < from.size(); ++i) {
    const Tensor& a = *from[i].second;
    const Tensor& b = *to[i].second;
    require(!a.defined() || !b.defined() || a.shape() == b.shape(), ErrorCode::kShapeMismatch, "copy", "'",
            from[i].first, "' of the model has another shape than in the copy");
  }
}

// The position of the first member that is the same tensor as member `i`.
std::size_t first_of(const std::vector<std::pair<std::string, Parameter*>>& parameters, std::size_t i) {
  for (std::size_t k = 0; k < i; ++k) {
    if (parameters[k].second->is_same(*parameters[i].second)) return k;
  }
  return i;
}

}  // namespace

void copy_content(const Module& source, Module& target) {
  const Parts from(walkable(source));
  const Parts to(target);
  require_same_names(from.modes, to.modes);
  require_same_names(from.parameters, to.parameters);
  require_same_names(from.buffers, to.buffers);
  require_same_shapes(from.parameters, to.parameters);
  require_same_shapes(from.buffers, to.buffers);

  for (std::size_t i = 0; i < from.parameters.size(); ++i) {
    const Parameter& parameter = *from.parameters[i].second;
    Parameter& copied = *to.parameters[i].second;
    if (!parameter.defined()) {
      copied = {};
    } else if (const std::size_t tied = first_of(from.parameters, i); tied != i) {
      copied = *to.parameters[tied].second;
    } else {
      copied = Parameter(parameter.array().clone(), parameter.requires_grad());
    }
  }
  for (std::size_t i = 0; i < from.buffers.size(); ++i) {
    const Buffer& buffer = *from.buffers[i].second;
    *to.buffers[i].second =
        buffer.defined() ? Buffer(buffer.array().clone(), buffer.is_persistent()) : Buffer();
  }
  std::size_t number = 0;
  for_each_module(target, "", [&](const std::string&, Module& module) {
    module.train(from.modes[number].second);  // parents come first, so the last word is the module's own
    if (const auto& extra = from.extra_states[number]) module.set_extra_state(*extra);
    ++number;
  });
}

}  // namespace sconce::nn
