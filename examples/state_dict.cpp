#include <iostream>

#include "sconce/sconce.h"

using namespace sconce;

struct Classifier : nn::Layer {
  nn::Conv2d conv1{3, 6, 5}, conv2{6, 16, 5};
  nn::MaxPool2d pool{2, 2};
  nn::Linear fc1{16 * 5 * 5, 120}, fc2{120, 84}, fc3{84, 10};
  SCONCE_MODULE(conv1, conv2, pool, fc1, fc2, fc3)

  Tensor forward(const Tensor& image) override {  // (N, 3, 32, 32) -> (N, 10)
    const Tensor x = pool(relu(conv2(pool(relu(conv1(image))))));
    return fc3(relu(fc2(relu(fc1(x.flatten(1))))));
  }
};

int main() {
  Classifier model;
  optim::SGD optimizer{model.parameters(), {.lr = 0.001, .momentum = 0.9}};
  nn::CrossEntropyLoss criterion;
  const data::SyntheticShapes pictures(data::Split::kTrain);
  const data::DataLoader loader(pictures, {.batch_size = 4, .shuffle = true, .transform = data::to_float()});
  for (const data::Batch& batch : loader) {
    optimizer.zero_grad();
    criterion(model(batch.images), batch.labels).backward();
    optimizer.step();
  }
  for (const auto& [name, value] : model.state_dict()) std::cout << name << "\t" << value.shape() << "\n";
  std::cout << optimizer.state_dict().at("param_groups") << "\n";
  checkpoint::save("net.pt",
                   Value::dict({{"model", model.state_dict()}, {"optimizer", optimizer.state_dict()}}));
}
