#include "checkpoint/read_ahead.h"

#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "sconce/base/parallel.h"

namespace sconce::checkpoint {
namespace {

constexpr std::uint64_t kWorthAThread = std::uint64_t{8} << 20;
constexpr std::size_t kBuffers = 4;

using Bytes = std::vector<std::byte>;

// Thrown through produce() when nobody takes its pieces any more.
struct NotWanted {};

// Pieces on their way, and buffers on their way back.
class Belt {
 public:
  Belt() : empty_(kBuffers) {}

  void put(std::span<const std::byte> piece) {
    Bytes buffer;
    {
      std::unique_lock lock(mutex_);
      moved_.wait(lock, [this] { return !empty_.empty() || is_abandoned_; });
      if (is_abandoned_) throw NotWanted{};
      buffer = std::move(empty_.back());
      empty_.pop_back();
    }
    buffer.assign(piece.begin(), piece.end());
    const std::lock_guard lock(mutex_);
    full_.push_back(std::move(buffer));
    moved_.notify_all();
  }
  void end(std::exception_ptr error) {
    const std::lock_guard lock(mutex_);
    is_ended_ = true;
    error_ = std::move(error);
    moved_.notify_all();
  }

  // False at the end; throws what ended it.
  bool take(Bytes& buffer) {
    std::unique_lock lock(mutex_);
    if (buffer.capacity() > 0) empty_.push_back(std::move(buffer));
    moved_.notify_all();
    moved_.wait(lock, [this] { return !full_.empty() || is_ended_; });
    if (full_.empty()) {
      if (error_) std::rethrow_exception(error_);
      return false;
    }
    buffer = std::move(full_.front());
    full_.pop_front();
    return true;
  }
  void abandon() {
    const std::lock_guard lock(mutex_);
    is_abandoned_ = true;
    moved_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable moved_;
  std::vector<Bytes> empty_;
  std::deque<Bytes> full_;
  bool is_ended_ = false;
  bool is_abandoned_ = false;
  std::exception_ptr error_;
};

}  // namespace

void read_ahead(std::uint64_t bytes, const std::function<void(const StorageSource::Piece&)>& produce,
                const StorageSource::Piece& consume) {
  if (bytes < kWorthAThread || num_threads() == 1) return produce(consume);
  Belt belt;
  std::thread reader([&] {
    std::exception_ptr error;
    try {
      produce([&belt](std::span<const std::byte> piece) { belt.put(piece); });
    } catch (const NotWanted&) {
      // Whoever abandoned the belt throws a reason of their own.
    } catch (...) {
      error = std::current_exception();
    }
    belt.end(std::move(error));
  });
  try {
    for (Bytes buffer; belt.take(buffer);) consume(buffer);
  } catch (...) {
    belt.abandon();
    reader.join();
    throw;
  }
  reader.join();
}

}  // namespace sconce::checkpoint
