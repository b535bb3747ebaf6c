// sconce: inspects, explains and converts checkpoints. Links no compute code; what trains is sconce-nn.
#include "file/average.h"
#include "file/convert.h"
#include "file/diff.h"
#include "file/inspect.h"
#include "file/merge.h"
#include "file/repair.h"
#include "file/run_nn.h"
#include "file/salvage.h"
#include "file/shard.h"
#include "file/show.h"
#include "file/verify.h"

namespace cli = sconce::cli;

int main(int argc, char** argv) {
  if (cli::is_nn_command(argc, argv)) return cli::run_nn(argv);
  std::vector<cli::Command> commands = {
      cli::inspect_command(), cli::show_command(),    cli::diff_command(),   cli::verify_command(),
      cli::convert_command(), cli::salvage_command(), cli::repair_command(), cli::merge_command(),
      cli::shard_command(),   cli::average_command(),
  };
  commands.insert(commands.end(), cli::nn_commands().begin(), cli::nn_commands().end());
  return cli::run_program(
      "sconce", "Trains neural networks and reads and writes PyTorch's checkpoints, without Python.",
      commands, argc, argv);
}
