#include "kernels/isa.h"

#include <hwy/targets.h>

#include <algorithm>
#include <cstdlib>
#include <string_view>

namespace sconce::kernels {
namespace {

#if HWY_ARCH_X86
constexpr std::int64_t kAvx512Targets = HWY_AVX3 | HWY_AVX3_DL;
constexpr std::int64_t kAvx2Targets = HWY_AVX2;
#else
constexpr std::int64_t kAvx512Targets = 0;
constexpr std::int64_t kAvx2Targets = 0;
#endif

Isa find_best() {
  const std::int64_t targets = hwy::SupportedTargets();
  if ((targets & kAvx512Targets) != 0) return Isa::kAvx512;
  if ((targets & kAvx2Targets) != 0) return Isa::kAvx2;
  return Isa::kPlain;
}

// Highway's choice for the whole process.
void choose(Isa isa) {
  std::int64_t disabled = 0;
  if (isa < Isa::kAvx512) disabled |= kAvx512Targets;
  if (isa < Isa::kAvx2) disabled |= kAvx2Targets;
  hwy::DisableTargets(disabled);
  hwy::GetChosenTarget().Update(hwy::SupportedTargets());
}

Isa isa_from_environment() {
  const char* text = std::getenv("SCONCE_ISA");
  const std::string_view wanted = text != nullptr ? text : "";
  if (wanted == "plain") return Isa::kPlain;
  if (wanted == "avx2") return std::min(Isa::kAvx2, best_isa());
  return best_isa();
}

Isa& current() {
  static Isa value = [] {
    const Isa isa = isa_from_environment();
    choose(isa);
    return isa;
  }();
  return value;
}

}  // namespace

Isa best_isa() {
  static const Isa best = find_best();
  return best;
}

Isa isa() { return current(); }

Isa set_isa(Isa isa) {
  const Isa before = current();
  current() = std::min(isa, best_isa());
  choose(current());
  return before;
}

}  // namespace sconce::kernels
