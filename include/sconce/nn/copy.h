// Deep copies of modules, by name because they cost what they cost.
#pragma once

#include <utility>

#include "sconce/nn/init.h"
#include "sconce/nn/module.h"

namespace sconce::nn {

// Gives `target` the parameters (tied ones stay tied), buffers, extra state and modes of `source`, in memory
// of its own. Both must be built alike: Error kKeyMismatch or kShapeMismatch otherwise, and nothing has
// changed.
void copy_content(const Module& source, Module& target);

// A deep copy of `model`, built from the same constructor arguments without drawing random numbers:
// nn::copy(net), nn::copy(linear, 20, 30). Hooks are not copied.
template <std::derived_from<Module> M, class... Args>
M copy(const M& model, Args&&... args) {
  M out = [&] {
    const SkipInit no_draws;
    return M{std::forward<Args>(args)...};
  }();
  copy_content(model, out);
  return out;
}

}  // namespace sconce::nn
