#include "kernels/dnnl/scratch.h"

#include <gtest/gtest.h>

#include <cstring>
#include <thread>
#include <vector>

#include "support/kernel_testing.h"

namespace sconce::kernels::onednn {
namespace {

constexpr std::size_t kMegabyte = std::size_t{1} << 20;

// Writes all of a block of `bytes`, and says where it lies.
std::byte* use(ScratchPool& pool, std::size_t bytes) {
  const ScratchPool::Lease lease(pool, bytes);
  std::memset(lease.data(), 1, bytes);
  return lease.data();
}

TEST(ScratchPool, OneBlockServesAllSizes) {
  ScratchPool pool;
  EXPECT_EQ(pool.kept_bytes(), 0U);
  use(pool, 3 * kMegabyte);
  std::byte* const large = use(pool, 9 * kMegabyte);
  EXPECT_EQ(pool.kept_bytes(), 9 * kMegabyte);  // the smaller one went
  EXPECT_EQ(use(pool, 2 * kMegabyte), large);
  EXPECT_EQ(use(pool, 9 * kMegabyte), large);
  EXPECT_EQ(pool.kept_bytes(), 9 * kMegabyte);
}

TEST(ScratchPool, WhoComputesAtOnceSharesNothing) {
  ScratchPool pool;
  {
    const ScratchPool::Lease first(pool, 4 * kMegabyte);
    const ScratchPool::Lease second(pool, 4 * kMegabyte);
    EXPECT_NE(first.data(), second.data());
    EXPECT_EQ(pool.kept_bytes(), 0U);
  }
  EXPECT_EQ(pool.kept_bytes(), 8 * kMegabyte);
}

TEST(ScratchPoolThreads, ShareNothing) {
  ScratchPool pool;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&pool, t] {
      for (std::size_t i = 0; i < 200; ++i) {
        const std::size_t bytes = kMegabyte / 16 * (1 + (i * 7 + static_cast<std::size_t>(t)) % 16);
        const ScratchPool::Lease lease(pool, bytes);
        std::memset(lease.data(), t, bytes);
        for (std::size_t k = 0; k < bytes; k += 4096) ASSERT_EQ(std::to_integer<int>(lease.data()[k]), t);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST(ScratchPool, WhatIsTooLargeForAWhileIsGivenBack) {
  ScratchPool pool;
  use(pool, 64 * kMegabyte);
  const auto repeat = [&](std::size_t bytes) {
    for (int i = 0; i < 2000; ++i) const ScratchPool::Lease lease(pool, bytes);
  };
  repeat(40 * kMegabyte);
  EXPECT_EQ(pool.kept_bytes(), 64 * kMegabyte);
  repeat(3 * kMegabyte);
  EXPECT_EQ(pool.kept_bytes(), 3 * kMegabyte);
}

TEST(ScratchPool, NoMemoryIsAnError) {
  ScratchPool pool;
  EXPECT_EQ(test::code_of([&] { use(pool, static_cast<std::size_t>(-1) / 2); }), ErrorCode::kLimit);
  use(pool, kMegabyte);
  EXPECT_EQ(pool.kept_bytes(), kMegabyte);
}

}  // namespace
}  // namespace sconce::kernels::onednn
