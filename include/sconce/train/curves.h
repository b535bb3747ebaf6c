// The curves of a run as a picture.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sconce/train/metrics_log.h"

namespace sconce::train {

// An SVG document: the loss of the steps and of the validations above, the validation accuracy below, both
// over the steps; an epoch's record stands at its last step. Numbers that are not finite leave gaps. The same
// records give the same text.
std::string curves_svg(const std::vector<MetricsRecord>& records, std::int64_t steps_in_epoch);

}  // namespace sconce::train
