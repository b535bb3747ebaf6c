// sconce_probe_nn load-state IN OUT: IN is a list of {layer, state, strict, assign}; for each, OUT has what a
// load of the state into the layer says: the text of the error, or of the report.
#include "../probe/probe.h"
#include "network.h"
#include "sconce/checkpoint/load.h"
#include "sconce/checkpoint/save.h"

namespace sconce::probe {
namespace {

std::string said(const Value& entry) {
  const auto layer = make_layer(entry.at("layer"));
  try {
    return layer
        ->load_state_dict(entry.at("state").as_state_dict(),
                          {.strict = entry.at("strict").as_bool(), .assign = entry.at("assign").as_bool()})
        .str();
  } catch (const LoadError& error) {
    return error.report().error_text(layer->class_name());
  } catch (const Error& error) {
    return error.text();
  }
}

int load_state(const Arguments& arguments) {
  Value out = Value::list();
  for (const Value& entry : checkpoint::load(arguments.at(0)).elements()) out.append(said(entry));
  checkpoint::save(arguments.at(1), out, {.durable = false});
  return 0;
}

const Command kLoadState("load-state", load_state);

}  // namespace
}  // namespace sconce::probe
