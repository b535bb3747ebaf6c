// The same for the containers, which list their children by hand.
#include "sconce/nn/nn.h"

struct Net : sconce::nn::Sequential {
  sconce::nn::Linear more{1, 1};
#ifdef SCONCE_CONTROL
  SCONCE_MODULE_OF(sconce::nn::Sequential, more)
#else
  SCONCE_MODULE(more)
#endif
};

int main() { return static_cast<int>(Net().num_parameters()); }
