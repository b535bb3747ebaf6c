#include "sconce/models/registry.h"

#include <string>

#include "sconce/models/lenet.h"

namespace sconce::models {
namespace {

template <class M>
std::unique_ptr<nn::Layer> make_model() {
  return std::make_unique<M>();
}

}  // namespace

std::span<const Model> all() {
  static const Model models[] = {
      {"lenet",
       "two convolutions and three linear layers: the tutorial's network",
       62006,
       {3, 32, 32},
       10,
       &make_model<LeNet>},
  };
  return models;
}

const Model& find(std::string_view name) {
  std::string known;
  for (const Model& model : all()) {
    if (model.name == name) return model;
    known += cat(known.empty() ? "" : ", ", model.name);
  }
  fail(ErrorCode::kNotFound, "models", "no model is named '", escaped(name), "'; there are: ", known);
}

std::unique_ptr<nn::Layer> make(std::string_view name) { return find(name).make(); }

}  // namespace sconce::models
