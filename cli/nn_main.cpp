// sconce-nn: the commands that train and measure models. People call it through sconce.
#include "nn/bench.h"
#include "nn/eval.h"
#include "nn/models.h"
#include "nn/thread_waits.h"
#include "nn/train.h"

int main(int argc, char** argv) {
  using namespace sconce::cli;
  choose_thread_waits(argv);
  return run_program("sconce", "Trains and measures neural networks.",
                     {train_command(), eval_command(), models_command(), bench_command()}, argc, argv);
}
