// sconce-nn: the commands that train and measure models. People call it through sconce.
#include "nn/bench.h"
#include "nn/eval.h"
#include "nn/models.h"
#include "nn/thread_waits.h"
#include "nn/train.h"

namespace cli = sconce::cli;

int main(int argc, char** argv) {
  cli::choose_thread_waits(argv);
  return cli::run_program(
      "sconce", "Trains and measures neural networks.",
      {cli::train_command(), cli::eval_command(), cli::models_command(), cli::bench_command()}, argc, argv);
}
