// Parentheses would build the layers in the compiler's order, and with it the random stream.
#include "sconce/nn/nn.h"

int main() {
#ifdef SCONCE_CONTROL
  sconce::nn::Sequential net{sconce::nn::Linear(2, 3), sconce::nn::ReLU()};
#else
  sconce::nn::Sequential net(sconce::nn::Linear(2, 3), sconce::nn::ReLU());
#endif
  return static_cast<int>(net.size());
}
