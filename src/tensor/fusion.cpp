#include "sconce/tensor/fusion.h"

#include <atomic>
#include <cstdlib>
#include <string_view>

namespace sconce {
namespace {

std::atomic<bool>& enabled() {
  static std::atomic<bool> value{[] {
    const char* text = std::getenv("SCONCE_FUSION");
    return text == nullptr || std::string_view(text) != "off";
  }()};
  return value;
}

}  // namespace

bool is_fusion_enabled() { return enabled().load(std::memory_order_relaxed); }
bool set_fusion_enabled(bool on) { return enabled().exchange(on, std::memory_order_relaxed); }

}  // namespace sconce
