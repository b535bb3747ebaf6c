// The operations that `sconce_probe_nn ops` knows by name, one file per family.
#pragma once

#include <initializer_list>
#include <utility>
#include <vector>

#include "options.h"

namespace sconce::probe {

// What an operation is called with. Inputs that are None in the file are undefined tensors.
struct OpCall {
  std::vector<Tensor> inputs;
  Options options;

  const Tensor& operator[](std::size_t index) const { return inputs.at(index); }
  template <class T>
  T get(std::string_view name, T fallback) const {
    return options.get(name, std::move(fallback));
  }
};

using Op = std::vector<Tensor> (*)(const OpCall& call);

// Adds a family's operations to the table.
struct OpFamily {
  OpFamily(std::initializer_list<std::pair<const char*, Op>> ops);
};

// Several results of one operation.
inline std::vector<Tensor> both(std::pair<Tensor, Tensor> results) {
  return {std::move(results.first), std::move(results.second)};
}

}  // namespace sconce::probe
