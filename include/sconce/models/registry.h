// The models by name.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "sconce/core/shape.h"
#include "sconce/nn/module.h"

namespace sconce::models {

struct Model {
  std::string_view name;  // "lenet"
  std::string_view description;
  std::int64_t parameters;  // how many numbers it learns
  Shape input;              // of one image: (channels, height, width)
  std::int64_t classes;
  // Of the pixels (0 to 1) it is trained on by convention, one number or one per channel.
  std::vector<double> mean;
  std::vector<double> std;
  std::unique_ptr<nn::Layer> (*make)();
};

// Every model, in alphabetical order.
std::span<const Model> all();
// Error kNotFound, naming the models there are.
const Model& find(std::string_view name);
// A new model with random parameters from the default generator. Error kNotFound.
std::unique_ptr<nn::Layer> make(std::string_view name);

}  // namespace sconce::models
