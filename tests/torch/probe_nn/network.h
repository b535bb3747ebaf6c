// Networks made from a plain list of {type, args, options}, as torch.nn spells them.
#pragma once

#include "sconce/nn/sequential.h"
#include "sconce/state/value.h"

namespace sconce::probe {

std::unique_ptr<nn::Layer> make_layer(const Value& description);
nn::Sequential make_network(const Value& descriptions);

}  // namespace sconce::probe
