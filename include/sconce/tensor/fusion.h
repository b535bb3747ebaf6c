// Operations that wait for each other, so that memory is gone through once.
#pragma once

namespace sconce {

// On by default, off with SCONCE_FUSION=off in the environment. What follows a convolution (batch
// normalisation, sums, ReLU, max-pooling) is then computed when somebody looks, together where it can be. The
// numbers are the same bits either way; the switch is for measurements, and for finding out what is at fault.
// One switch for the process.
bool is_fusion_enabled();
// Returns what it was.
bool set_fusion_enabled(bool on);

}  // namespace sconce
