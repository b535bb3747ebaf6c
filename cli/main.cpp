// sconce: inspects, explains and converts checkpoints. Links no compute code; what trains is sconce-nn.
#include "file/inspect.h"
#include "file/run_nn.h"
#include "file/salvage.h"

int main(int argc, char** argv) {
  using namespace sconce::cli;
  if (is_nn_command(argc, argv)) return run_nn(argv);
  std::vector<Command> commands = {inspect_command(), salvage_command()};
  commands.insert(commands.end(), nn_commands().begin(), nn_commands().end());
  return run_program("sconce",
                     "Trains neural networks and reads and writes PyTorch's checkpoints, without Python.",
                     commands, argc, argv);
}
