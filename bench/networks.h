// The networks that are measured, by name or by a line of text. bench/pytorch/networks.py makes the same in
// PyTorch.
#pragma once

#include <cstdint>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>

#include "sconce/models/registry.h"
#include "sconce/sconce.h"

namespace sconce::bench {

struct BasicBlock : nn::Layer {
  BasicBlock(std::int64_t in, std::int64_t out, std::int64_t stride)
      : conv1(in, out, 3, {.stride = stride, .padding = 1, .bias = false}),
        bn1(out),
        conv2(out, out, 3, {.padding = 1, .bias = false}),
        bn2(out) {
    if (stride == 1 && in == out) return;
    downsample.push_back(nn::Conv2d(in, out, 1, {.stride = stride, .bias = false}));
    downsample.push_back(nn::BatchNorm2d(out));
  }

  nn::Conv2d conv1;
  nn::BatchNorm2d bn1;
  nn::Conv2d conv2;
  nn::BatchNorm2d bn2;
  nn::Sequential downsample;
  SCONCE_MODULE(conv1, bn1, conv2, bn2, downsample)

  Tensor forward(const Tensor& image) override {
    const Tensor x = bn2(conv2(relu(bn1(conv1(image)))));
    return relu(x + (downsample.size() > 0 ? downsample(image) : image));
  }
};

// ResNet-18 of He et al. 2015: for 224 pixels as in the paper, or for CIFAR with a 3x3 stem and no pooling.
struct ResNet18 : nn::Layer {
  explicit ResNet18(bool is_small)
      : conv1(3, 64, is_small ? 3 : 7,
              {.stride = is_small ? 1 : 2, .padding = is_small ? 1 : 3, .bias = false}),
        bn1(64),
        layer1(group(64, 64, 1)),
        layer2(group(64, 128, 2)),
        layer3(group(128, 256, 2)),
        layer4(group(256, 512, 2)),
        fc(512, is_small ? 10 : 1000),
        is_small_(is_small) {}

  nn::Conv2d conv1;
  nn::BatchNorm2d bn1;
  nn::Sequential layer1, layer2, layer3, layer4;
  nn::Linear fc;
  SCONCE_MODULE(conv1, bn1, layer1, layer2, layer3, layer4, fc)

  Tensor forward(const Tensor& image) override {
    Tensor x = relu(bn1(conv1(image)));
    if (!is_small_) x = max_pool2d(x, 3, {.stride = 2, .padding = 1});
    x = layer4(layer3(layer2(layer1(x))));
    return fc(adaptive_avg_pool2d(x, 1).flatten(1));
  }

 private:
  static nn::Sequential group(std::int64_t in, std::int64_t out, std::int64_t stride) {
    nn::Sequential blocks;
    blocks.push_back(BasicBlock(in, out, stride));
    blocks.push_back(BasicBlock(out, out, 1));
    return blocks;
  }
  bool is_small_;
};

struct Network {
  std::unique_ptr<nn::Layer> model;
  Shape input;  // of one example
  std::int64_t classes = 0;
};

// "3x32x32 conv6,5,1,0 relu max2 flatten linear10": the input, then layers; a convolution's numbers are
// channels, kernel, stride and padding.
inline Network from_text(const std::string& text) {
  std::istringstream words(text);
  std::string word;
  words >> word;
  Network out;
  std::istringstream sizes(word);
  for (std::string size; std::getline(sizes, size, 'x');) out.input.push_back(std::stoll(size));
  Shape shape = out.input;
  auto layers = std::make_unique<nn::Sequential>();
  const NoGradGuard no_grad;
  const auto add = [&](auto layer) {
    Shape batch = shape;
    batch.insert(0, 1);
    shape = layer(zeros(batch)).shape();
    shape.erase(0);
    layers->push_back(std::move(layer));
  };
  while (words >> word) {
    const std::size_t digits = std::min(word.find_first_of("0123456789"), word.size());
    std::vector<std::int64_t> numbers;
    std::istringstream list(word.substr(digits));
    for (std::string number; std::getline(list, number, ',');) numbers.push_back(std::stoll(number));
    const std::string kind = word.substr(0, digits);
    if (kind == "conv") {
      add(nn::Conv2d(shape[0], numbers.at(0), numbers.at(1),
                     {.stride = numbers.at(2), .padding = numbers.at(3)}));
    } else if (kind == "linear") {
      add(nn::Linear(shape[0], numbers.at(0)));
    } else if (kind == "max") {
      add(nn::MaxPool2d(numbers.at(0)));
    } else if (kind == "relu") {
      add(nn::ReLU());
    } else if (kind == "flatten") {
      add(nn::Flatten());
    } else {
      throw std::invalid_argument("unknown layer " + word);
    }
  }
  out.classes = shape[0];
  out.model = std::move(layers);
  return out;
}

inline Network make_network(const std::string& name) {
  if (name.find(' ') != std::string::npos) return from_text(name);
  if (name == "resnet18") return {std::make_unique<ResNet18>(false), {3, 224, 224}, 1000};
  if (name == "resnet18-cifar") return {std::make_unique<ResNet18>(true), {3, 32, 32}, 10};
  const models::Model& model = models::find(name);
  return {model.make(), model.input, model.classes};
}

}  // namespace sconce::bench
