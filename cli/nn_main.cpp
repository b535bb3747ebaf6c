// sconce-nn: the commands that train and measure models. People call it through sconce.
#include "nn/eval.h"
#include "nn/models.h"
#include "nn/train.h"

int main(int argc, char** argv) {
  using namespace sconce::cli;
  return run_program("sconce", "Trains and measures neural networks.",
                     {train_command(), eval_command(), models_command()}, argc, argv);
}
