// Fusion on or off for a scope.
#pragma once

#include "sconce/tensor/fusion.h"

namespace sconce::test {

class FusionScope {
 public:
  explicit FusionScope(bool on) : previous_(set_fusion_enabled(on)) {}
  FusionScope(const FusionScope&) = delete;
  FusionScope& operator=(const FusionScope&) = delete;
  ~FusionScope() { set_fusion_enabled(previous_); }

 private:
  bool previous_;
};

}  // namespace sconce::test
