// SCONCE_MODULE in a class whose base has members would drop the base's keys.
#include "sconce/nn/nn.h"

struct Base : sconce::nn::Module {
  sconce::nn::Linear first{1, 1};
  SCONCE_MODULE(first)
};

struct Derived : Base {
  sconce::nn::Linear second{1, 1};
#ifdef SCONCE_CONTROL
  SCONCE_MODULE_OF(Base, second)
#else
  SCONCE_MODULE(second)
#endif
};

int main() { return static_cast<int>(Derived().num_parameters()); }
