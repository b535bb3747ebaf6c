// The classifier of PyTorch's first tutorial, a descendant of LeNet-5.
#pragma once

#include "sconce/nn/conv2d.h"
#include "sconce/nn/linear.h"
#include "sconce/nn/pooling.h"
#include "sconce/tensor/elementwise.h"

namespace sconce::models {

struct LeNet : nn::Layer {
  nn::Conv2d conv1{3, 6, 5};
  nn::MaxPool2d pool{2, 2};
  nn::Conv2d conv2{6, 16, 5};
  nn::Linear fc1{400, 120};
  nn::Linear fc2{120, 84};
  nn::Linear fc3{84, 10};
  SCONCE_MODULE(conv1, pool, conv2, fc1, fc2, fc3)

  Tensor forward(const Tensor& image) override {  // (N, 3, 32, 32) -> (N, 10)
    Tensor x = pool(relu(conv1(image)));
    x = pool(relu(conv2(x)));
    x = x.view({-1, 400});
    x = relu(fc1(x));
    x = relu(fc2(x));
    return fc3(x);
  }
};

}  // namespace sconce::models
