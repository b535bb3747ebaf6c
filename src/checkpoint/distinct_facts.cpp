#include "checkpoint/distinct_facts.h"

namespace sconce::checkpoint {

void DistinctFacts::add(const std::string& record, const pickle::Graph& graph) {
  std::string key = cat(record, '\n', graph.protocol(), ' ', graph.opcodes().to_string());
  for (const pickle::Global& global : graph.globals()) key += cat('\n', global.module, ' ', global.name);
  if (seen_.insert(std::move(key)).second) facts_.push_back(pickle_facts(record, graph));
}

}  // namespace sconce::checkpoint
