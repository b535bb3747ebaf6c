// Signals that arrive while the kernels compute: their handlers must run on the stack of their thread.
// (oneDNN's matrix products keep the stack pointer in the heap.)
#include <gtest/gtest.h>
#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

#include "sconce/base/parallel.h"
#include "sconce/kernels/conv.h"
#include "sconce/kernels/matmul.h"
#include "support/kernel_testing.h"

namespace sconce {
namespace {

struct Stack {
  pthread_t thread{};
  std::uintptr_t begin = 0;
  std::uintptr_t end = 0;
};

thread_local Stack mine;
std::atomic<int> handled = 0;
std::atomic<int> elsewhere = 0;  // handlers that ran outside the stack of their thread

extern "C" void on_signal(int) {
  const auto address = reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0));
  handled.fetch_add(1, std::memory_order_relaxed);
  if (mine.end != 0 && (address < mine.begin || address >= mine.end)) {
    elsewhere.fetch_add(1, std::memory_order_relaxed);
  }
}

void learn_stack() {
  pthread_attr_t attributes;
  ASSERT_EQ(pthread_getattr_np(pthread_self(), &attributes), 0);
  void* begin = nullptr;
  std::size_t size = 0;
  pthread_attr_getstack(&attributes, &begin, &size);
  pthread_attr_destroy(&attributes);
  mine = {pthread_self(), reinterpret_cast<std::uintptr_t>(begin),
          reinterpret_cast<std::uintptr_t>(begin) + size};
}

// All threads that parallel_for uses.
std::vector<pthread_t> learn_stacks() {
  std::vector<pthread_t> threads;
  std::mutex mutex;
  parallel_for(num_threads(), 1, [&](std::int64_t, std::int64_t) {
    learn_stack();
    // Long enough that every thread takes its piece.
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    const std::scoped_lock lock(mutex);
    if (std::find_if(threads.begin(), threads.end(), [](pthread_t other) {
          return pthread_equal(other, pthread_self()) != 0;
        }) == threads.end()) {
      threads.push_back(pthread_self());
    }
  });
  return threads;
}

class Signals : public testing::Test {
 protected:
  void SetUp() override {
    struct sigaction action {};
    action.sa_handler = on_signal;
    action.sa_flags = SA_RESTART;
    sigemptyset(&action.sa_mask);
    ASSERT_EQ(::sigaction(SIGUSR1, &action, &before_), 0);
    handled = 0;
    elsewhere = 0;
    threads_ = learn_stacks();
    ASSERT_FALSE(HasFatalFailure());
  }

  void TearDown() override { ::sigaction(SIGUSR1, &before_, nullptr); }

  // Runs `work` again and again while signals rain on every thread.
  template <class Work>
  void run_under_signals(const Work& work) {
    std::atomic<bool> done = false;
    std::thread rain([&] {
      while (!done) {
        for (const pthread_t thread : threads_) pthread_kill(thread, SIGUSR1);
        std::this_thread::sleep_for(std::chrono::microseconds(20));
      }
    });
    const auto begin = std::chrono::steady_clock::now();
    do {
      work();
    } while (std::chrono::steady_clock::now() - begin < std::chrono::milliseconds(400));
    done = true;
    rain.join();
    EXPECT_GT(handled, 0);
    EXPECT_EQ(elsewhere, 0) << "of " << handled;
  }

 private:
  struct sigaction before_ {};
  std::vector<pthread_t> threads_;
};

TEST_F(Signals, FindASmallMatrixProductOnItsStack) {
  test::Random random(1);
  const Array a = random.normal({4, 400});
  const Array b = random.normal({400, 120});
  run_under_signals([&] { kernels::matmul(a, b); });
}

TEST_F(Signals, FindALargeMatrixProductOnItsStacks) {
  test::Random random(2);
  const Array a = random.normal({300, 400});
  const Array b = random.normal({400, 200});
  run_under_signals([&] { kernels::matmul(a, b); });
}

// Groups of odd numbers of channels are matrix products for oneDNN.
TEST_F(Signals, FindAConvolutionOnItsStacks) {
  test::Random random(3);
  for (const std::int64_t size : {std::int64_t{8}, std::int64_t{32}}) {
    const Array image = random.normal({8, 34, size, size});
    const Array weight = random.normal({36, 17, 3, 3});
    const Array grad = random.normal({8, 36, size, size});
    const Conv2dParams params{.padding = 1, .groups = 2};
    run_under_signals([&] {
      kernels::conv2d(image, weight, {}, params);
      kernels::conv2d_backward_input(grad, weight, image.shape(), params);
      kernels::conv2d_backward_weight(grad, image, weight.shape(), params);
    });
  }
}

}  // namespace
}  // namespace sconce
