#include "network.h"

#include <map>

#include "options.h"
#include "sconce/nn/nn.h"

namespace sconce::probe {
namespace {

// Positional arguments and options of one layer.
struct Description {
  Value args;
  Options options;

  std::int64_t integer(std::int64_t index) const { return args.at(index).as_int(); }
  Pair pair(std::int64_t index) const {
    Pair out = 0;
    convert(args.at(index), out);
    return out;
  }
  template <class T>
  T get(std::string_view name, T fallback) const {
    return options.get(name, std::move(fallback));
  }
};

using LayerPointer = std::unique_ptr<nn::Layer>;

LayerPointer linear(const Description& d) {
  const nn::LinearOptions options{.bias = d.get("bias", true), .dtype = d.get("dtype", kFloat32)};
  return std::make_unique<nn::Linear>(d.integer(0), d.integer(1), options);
}

LayerPointer conv2d(const Description& d) {
  const nn::Conv2dOptions options{.stride = d.get("stride", Pair(1)),
                                  .padding = d.get("padding", nn::ConvPadding(0)),
                                  .dilation = d.get("dilation", Pair(1)),
                                  .groups = d.get("groups", std::int64_t{1}),
                                  .bias = d.get("bias", true),
                                  .padding_mode = d.get("padding_mode", std::string("zeros")),
                                  .dtype = d.get("dtype", kFloat32)};
  return std::make_unique<nn::Conv2d>(d.integer(0), d.integer(1), d.pair(2), options);
}

LayerPointer batch_norm2d(const Description& d) {
  const nn::BatchNorm2dOptions options{.eps = d.get("eps", 1e-5),
                                       .momentum = d.get("momentum", std::optional<double>(0.1)),
                                       .affine = d.get("affine", true),
                                       .track_running_stats = d.get("track_running_stats", true),
                                       .dtype = d.get("dtype", kFloat32)};
  return std::make_unique<nn::BatchNorm2d>(d.integer(0), options);
}

LayerPointer max_pool2d(const Description& d) {
  const MaxPool2dOptions options{.stride = d.get("stride", kSameAsKernel),
                                 .padding = d.get("padding", Pair(0)),
                                 .dilation = d.get("dilation", Pair(1)),
                                 .ceil_mode = d.get("ceil_mode", false)};
  return std::make_unique<nn::MaxPool2d>(d.pair(0), options);
}

LayerPointer avg_pool2d(const Description& d) {
  const AvgPool2dOptions options{
      .stride = d.get("stride", kSameAsKernel),
      .padding = d.get("padding", Pair(0)),
      .ceil_mode = d.get("ceil_mode", false),
      .count_include_pad = d.get("count_include_pad", true),
      .divisor_override = d.get("divisor_override", std::optional<std::int64_t>())};
  return std::make_unique<nn::AvgPool2d>(d.pair(0), options);
}

LayerPointer adaptive_avg_pool2d(const Description& d) {
  if (d.args.at(0).is_int()) return std::make_unique<nn::AdaptiveAvgPool2d>(d.integer(0));
  std::optional<std::int64_t> height;
  std::optional<std::int64_t> width;
  convert(d.args.at(0).at(0), height);
  convert(d.args.at(0).at(1), width);
  return std::make_unique<nn::AdaptiveAvgPool2d>(height, width);
}

LayerPointer flatten(const Description& d) {
  return std::make_unique<nn::Flatten>(d.get("start_dim", std::int64_t{1}),
                                       d.get("end_dim", std::int64_t{-1}));
}

const std::map<std::string, LayerPointer (*)(const Description&)>& makers() {
  static const std::map<std::string, LayerPointer (*)(const Description&)> table{
      {"Linear", linear},
      {"Conv2d", conv2d},
      {"BatchNorm2d", batch_norm2d},
      {"MaxPool2d", max_pool2d},
      {"AvgPool2d", avg_pool2d},
      {"AdaptiveAvgPool2d", adaptive_avg_pool2d},
      {"Flatten", flatten},
      {"ReLU", [](const Description&) -> LayerPointer { return std::make_unique<nn::ReLU>(); }},
      {"Identity", [](const Description&) -> LayerPointer { return std::make_unique<nn::Identity>(); }},
      {"Dropout",
       [](const Description& d) -> LayerPointer { return std::make_unique<nn::Dropout>(d.get("p", 0.5)); }},
      {"Softmax",
       [](const Description& d) -> LayerPointer { return std::make_unique<nn::Softmax>(d.integer(0)); }},
      {"LogSoftmax",
       [](const Description& d) -> LayerPointer { return std::make_unique<nn::LogSoftmax>(d.integer(0)); }},
  };
  return table;
}

}  // namespace

std::unique_ptr<nn::Layer> make_layer(const Value& description) {
  const std::string type = description.at("type").as_string();
  const auto maker = makers().find(type);
  require(maker != makers().end(), ErrorCode::kNotFound, "probe", "no such layer: ", type);
  return maker->second({description.at("args"), Options(description.at("options"))});
}

nn::Sequential make_network(const Value& descriptions) {
  nn::Sequential net;
  for (const Value& description : descriptions.elements()) net.push_back(make_layer(description));
  return net;
}

}  // namespace sconce::probe
