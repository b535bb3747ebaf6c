#include "sconce/kernels/backend.h"

#include <atomic>
#include <cstdlib>
#include <string_view>

namespace sconce::kernels {
namespace {

Backend backend_from_environment() {
  const char* text = std::getenv("SCONCE_BACKEND");
  const std::string_view wanted = text != nullptr ? text : "";
  if (wanted == "reference") return Backend::kReference;
  return wanted == "exact" ? Backend::kExact : Backend::kDefault;
}

std::atomic<Backend>& current() {
  static std::atomic<Backend> value{backend_from_environment()};
  return value;
}

}  // namespace

Backend backend() { return current().load(std::memory_order_relaxed); }
Backend set_backend(Backend backend) { return current().exchange(backend, std::memory_order_relaxed); }

}  // namespace sconce::kernels
