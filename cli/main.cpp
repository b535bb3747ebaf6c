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

int main(int argc, char** argv) {
  using namespace sconce::cli;
  if (is_nn_command(argc, argv)) return run_nn(argv);
  std::vector<Command> commands = {
      inspect_command(), show_command(),   diff_command(),  verify_command(), convert_command(),
      salvage_command(), repair_command(), merge_command(), shard_command(),  average_command(),
  };
  commands.insert(commands.end(), nn_commands().begin(), nn_commands().end());
  return run_program("sconce",
                     "Trains neural networks and reads and writes PyTorch's checkpoints, without Python.",
                     commands, argc, argv);
}
