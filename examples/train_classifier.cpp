// PyTorch's tutorial "What is a state_dict in PyTorch?" in C++: define a classifier, train it, look at the
// state_dicts of model and optimizer, save both, load them into a second model, and go on training.
//
//   train_classifier [FILE]      writes FILE (net.pt), which Python's torch.load opens, too
#include <cmath>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <iostream>
#include <string>

#include "sconce/sconce.h"

using namespace sconce;

struct TheModelClass : nn::Layer {
  nn::Conv2d conv1{3, 6, 5};
  nn::MaxPool2d pool{2, 2};
  nn::Conv2d conv2{6, 16, 5};
  nn::Linear fc1{16 * 5 * 5, 120};
  nn::Linear fc2{120, 84};
  nn::Linear fc3{84, 10};
  SCONCE_MODULE(conv1, pool, conv2, fc1, fc2, fc3)

  Tensor forward(const Tensor& image) override {  // (N, 3, 32, 32) -> (N, 10)
    Tensor x = pool(relu(conv1(image)));
    x = pool(relu(conv2(x)));
    x = x.view({-1, 16 * 5 * 5});
    x = relu(fc1(x));
    x = relu(fc2(x));
    return fc3(x);
  }
};

// One pass over the data; returns the mean loss.
double train_one_epoch(nn::Layer& model, optim::SGD& optimizer, const data::DataLoader& loader) {
  nn::CrossEntropyLoss criterion;
  double total = 0;
  for (const data::Batch& batch : loader) {
    optimizer.zero_grad();
    Tensor loss = criterion(model(batch.images), batch.labels);
    loss.backward();
    optimizer.step();
    total += loss.item();
  }
  return total / static_cast<double>(loader.size());
}

// The model's answers for a whole data set, (N, 10).
Tensor predict(nn::Layer& model, const data::DataLoader& loader) {
  const NoGradGuard no_grad;
  std::vector<Tensor> outputs;
  for (const data::Batch& batch : loader) outputs.push_back(model(batch.images));
  return cat(outputs, 0);
}

double accuracy(const Tensor& outputs, const data::Dataset& dataset) {
  const Tensor labels = dataset.labels(0, dataset.size());
  return mean((argmax(outputs, 1) == labels).to(kFloat32)).item();
}

void print_state_dict(const nn::Module& model) {
  std::cout << "Model's state_dict:\n";
  for (const auto& [name, value] : model.state_dict()) std::cout << name << "\t" << value.shape() << "\n";
}

void print_state_dict(const optim::SGD& optimizer) {
  std::cout << "\nOptimizer's state_dict:\nstate\t";
  const Value state = optimizer.state_dict().at("state");
  if (state.size() == 0) std::cout << "{}";
  for (const auto& [parameter, entry] : state.items()) {
    const Shape& shape = entry.at("momentum_buffer").as_array().shape();
    std::cout << "\n  " << parameter << ": momentum_buffer " << shape;
  }
  std::cout << "\nparam_groups\t" << optimizer.state_dict().at("param_groups") << "\n";
}

int run(const std::string& path) {
  manual_seed(0);
  const data::SyntheticShapes train_set(data::Split::kTrain);
  const data::SyntheticShapes test_set(data::Split::kTest);
  const auto transform = data::compose({data::to_float(), data::normalize({0.5, 0.5, 0.5}, {0.5, 0.5, 0.5})});
  const data::DataLoader train_loader(
      train_set, {.batch_size = 4, .shuffle = true, .transform = transform, .prefetch = 2});
  const data::DataLoader test_loader(test_set, {.batch_size = 100, .transform = transform});

  TheModelClass model;
  optim::SGD optimizer{model.parameters(), {.lr = 0.001, .momentum = 0.9}};

  std::cout << "Before training:\n";
  print_state_dict(model);
  print_state_dict(optimizer);

  std::cout << "\nTraining on " << train_set.size() << " pictures of 10 shapes:\n";
  constexpr int kEpochs = 6;
  for (int epoch = 1; epoch <= kEpochs; ++epoch) {
    const double loss = train_one_epoch(model, optimizer, train_loader);
    const double right = accuracy(predict(model, test_loader), test_set);
    std::printf("epoch %2d  loss %.4f  test accuracy %.1f %%\n", epoch, loss, 100 * right);
    std::fflush(stdout);
  }

  std::cout << "\nAfter training:\n";
  print_state_dict(model);
  print_state_dict(optimizer);

  checkpoint::save(path, Value::dict({{"model", model.state_dict()}, {"optimizer", optimizer.state_dict()}}));

  // A second model with other random weights takes the file's.
  const Value file = checkpoint::load(path);
  TheModelClass loaded;
  loaded.load_state_dict(file.at("model").as_state_dict());
  optim::SGD loaded_optimizer{loaded.parameters(), {.lr = 0.1}};
  loaded_optimizer.load_state_dict(file.at("optimizer"));

  const bool is_same = predict(loaded, test_loader).array().same_bits(predict(model, test_loader).array());
  std::cout << "\nSaved " << path << " and loaded it into a second model: on the " << test_set.size()
            << " test pictures both give "
            << (is_same ? "the same answers to the last bit" : "DIFFERENT answers") << ".\n";
  if (!is_same) return 1;

  // Training goes on where it was: model and momentum came back.
  const double loss = train_one_epoch(loaded, loaded_optimizer, train_loader);
  std::printf("One more epoch with the loaded model and optimizer: loss %.4f\n", loss);
  return 0;
}

int main(int argc, char** argv) {
  try {
    const std::string path = argc > 1 ? argv[1] : "net.pt";
    const int status = run(path);
    const std::filesystem::path folder = std::filesystem::path(argv[0]).parent_path();
    std::cout << "\nNow look into the file:    " << (folder / "sconce").string() << " inspect " << path
              << "\nor open it in Python:      torch.load('" << path << "')\n";
    return status;
  } catch (const std::exception& error) {
    std::cerr << "train_classifier: " << error.what() << "\n";
    return 2;
  }
}
