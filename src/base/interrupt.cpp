#include "sconce/base/interrupt.h"

#include <atomic>

#include "sconce/base/error.h"

namespace sconce {
namespace {

std::atomic<bool> requested{false};
static_assert(std::atomic<bool>::is_always_lock_free, "a signal handler may set it");

}  // namespace

void request_stop() noexcept { requested.store(true, std::memory_order_relaxed); }
void clear_stop_request() noexcept { requested.store(false, std::memory_order_relaxed); }
bool stop_requested() noexcept { return requested.load(std::memory_order_relaxed); }

void throw_if_stop_requested() {
  if (stop_requested()) fail(ErrorCode::kInterrupted, "", "stopped on request; nothing was changed");
}

}  // namespace sconce
