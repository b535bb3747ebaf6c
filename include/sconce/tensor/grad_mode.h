// Switches of the current thread: whether operations are recorded, and the search for NaNs.
#pragma once

namespace sconce {

// True when operations on tensors that require grad are recorded (the default).
bool is_grad_enabled();
void set_grad_enabled(bool on);

// Sets the grad mode for a scope.
class GradModeGuard {
 public:
  explicit GradModeGuard(bool on) : previous_(is_grad_enabled()) { set_grad_enabled(on); }
  GradModeGuard(const GradModeGuard&) = delete;
  GradModeGuard& operator=(const GradModeGuard&) = delete;
  ~GradModeGuard() { set_grad_enabled(previous_); }

 private:
  bool previous_;
};

// Nothing is recorded inside the scope: inference, optimizer steps.
struct NoGradGuard : GradModeGuard {
  NoGradGuard() : GradModeGuard(false) {}
};

// Operations are recorded inside the scope.
struct EnableGradGuard : GradModeGuard {
  EnableGradGuard() : GradModeGuard(true) {}
};

// Anomaly mode for a scope. Error kNumeric names the operation that made a NaN: in the forward pass a
// recorded one that gives a NaN for inputs without any (PyTorch's mode looks at derivatives only), in the
// backward pass the one whose derivative did. Slow.
class AnomalyGuard {
 public:
  explicit AnomalyGuard(bool on = true);
  AnomalyGuard(const AnomalyGuard&) = delete;
  AnomalyGuard& operator=(const AnomalyGuard&) = delete;
  ~AnomalyGuard();

 private:
  bool previous_;
};

bool is_anomaly_enabled();

}  // namespace sconce
