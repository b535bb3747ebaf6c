#include "sconce/tensor/grad_mode.h"

namespace sconce {
namespace {

thread_local bool grad_enabled = true;
thread_local bool anomaly_enabled = false;

}  // namespace

bool is_grad_enabled() { return grad_enabled; }
void set_grad_enabled(bool on) { grad_enabled = on; }

bool is_anomaly_enabled() { return anomaly_enabled; }
AnomalyGuard::AnomalyGuard(bool on) : previous_(anomaly_enabled) { anomaly_enabled = on; }
AnomalyGuard::~AnomalyGuard() { anomaly_enabled = previous_; }

}  // namespace sconce
