#include "sconce/checkpoint/pickle_facts.h"

#include <array>

#include "checkpoint/odd_uses.h"
#include "checkpoint/torch_names.h"

namespace sconce::checkpoint {

std::string_view trust_name(Trust trust) {
  static constexpr std::array<std::string_view, 3> kNames = {"could_run_code", "harmless", "plain"};
  return kNames[static_cast<std::size_t>(trust)];
}

PickleFacts pickle_facts(std::string record, const pickle::Graph& graph) {
  PickleFacts facts;
  facts.record = std::move(record);
  facts.protocol = graph.protocol();
  for (std::size_t code = 0; code < graph.opcodes().size(); ++code) {
    const std::string_view name = pickle::opcode_name(static_cast<std::uint8_t>(code));
    if (graph.opcodes()[code] && !name.empty()) facts.opcodes.emplace_back(name);
  }
  for (const pickle::Global& global : graph.globals()) {
    const Trust trust = trust_of(global.module, global.name);
    facts.globals.push_back({std::string(global.module), std::string(global.name), global.offset, trust,
                             std::string(why_trusted(trust, global.module, global.name))});
  }
  for (const OddUse& use : odd_uses(graph)) {
    GlobalUse& global = facts.globals[use.global];
    if (global.trust == Trust::kUnknown) continue;
    global.trust = Trust::kUnknown;
    global.why = use.why;
  }
  return facts;
}

PickleFacts pickle_facts(std::string record, const pickle::Parsed& parsed) {
  PickleFacts facts = pickle_facts(std::move(record), parsed.graph);
  facts.error = parsed.error;
  return facts;
}

}  // namespace sconce::checkpoint
