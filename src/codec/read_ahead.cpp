#include "codec/read_ahead.h"

#include <algorithm>
#include <cstring>

#include "sconce/base/error.h"

namespace sconce {
namespace {

constexpr std::size_t kLeast = 512;
constexpr std::size_t kMost = std::size_t{256} << 10;
constexpr std::size_t kLong = kMost / 2;
constexpr std::size_t kStep = 4096;  // what reads that go onwards may leave out

}  // namespace

void ReadAhead::read_at(std::span<std::byte> out, std::uint64_t offset) const {
  const std::uint64_t whole = source_->size();
  if (out.size() >= kLong || offset > whole || out.size() > whole - offset) {
    return source_->read_at(out, offset);  // or it says what is wrong
  }
  {
    const std::lock_guard lock(mutex_);
    const auto holds = [&](const Window& window) {
      return offset >= window.offset && offset - window.offset <= window.bytes.size() &&
             out.size() <= window.bytes.size() - (offset - window.offset);
    };
    auto found = std::find_if(windows_.begin(), windows_.end(), holds);
    if (found == windows_.end()) {
      Window& window = to_fill(offset, out.size());
      try {
        source_->read_at(window.bytes, offset);
        found = windows_.begin() + (&window - windows_.data());
      } catch (const Error&) {
        window.bytes.clear();  // the fault may lie behind what was asked for
      }
    }
    if (found != windows_.end()) {
      found->last_use = ++uses_;
      if (!out.empty()) std::memcpy(out.data(), found->bytes.data() + (offset - found->offset), out.size());
      return;
    }
  }
  source_->read_at(out, offset);
}

ReadAhead::Window& ReadAhead::to_fill(std::uint64_t offset, std::size_t least) const {
  const auto goes_on = [&](const Window& window) {
    return !window.bytes.empty() && offset >= window.offset &&
           offset - window.offset <= window.bytes.size() + kStep;
  };
  auto window = std::find_if(windows_.begin(), windows_.end(), goes_on);
  std::size_t size = kLeast;
  if (window != windows_.end()) {
    size = std::min(4 * window->bytes.size(), kMost);
  } else {
    window = std::min_element(windows_.begin(), windows_.end(),
                              [](const Window& a, const Window& b) { return a.last_use < b.last_use; });
  }
  size = std::max(size, least);
  window->offset = offset;
  window->bytes.resize(static_cast<std::size_t>(std::min<std::uint64_t>(size, source_->size() - offset)));
  return *window;
}

}  // namespace sconce
