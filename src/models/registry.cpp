#include "sconce/models/registry.h"

#include <string>

#include "sconce/models/cifar_resnet.h"
#include "sconce/models/lenet.h"

namespace sconce::models {
namespace {

template <class M, int... kArguments>
std::unique_ptr<nn::Layer> make_model() {
  return std::make_unique<M>(kArguments...);
}

Model lenet() {
  return {.name = "lenet",
          .description = "two convolutions and three linear layers: the tutorial's network",
          .parameters = 62006,
          .input = {3, 32, 32},
          .classes = 10,
          .mean = {0.5},
          .std = {0.5},
          .make = &make_model<LeNet>};
}

template <int kBlocks>
Model cifar_resnet(std::string_view name, std::int64_t parameters) {
  return {.name = name,
          .description = "residual network for CIFAR-10 (He et al. 2015)",
          .parameters = parameters,
          .input = {3, 32, 32},
          .classes = 10,
          .mean = {0.485, 0.456, 0.406},  // ImageNet's
          .std = {0.229, 0.224, 0.225},
          .make = &make_model<CifarResNet, kBlocks>};
}

}  // namespace

std::span<const Model> all() {
  static const Model models[] = {lenet(),
                                 cifar_resnet<18>("resnet110", 1727962),
                                 cifar_resnet<3>("resnet20", 269722),
                                 cifar_resnet<5>("resnet32", 464154),
                                 cifar_resnet<7>("resnet44", 658586),
                                 cifar_resnet<9>("resnet56", 853018)};
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
