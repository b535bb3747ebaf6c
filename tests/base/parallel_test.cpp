#include "sconce/base/parallel.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <limits>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

#include "base/error_matcher.h"

namespace sconce {
namespace {

using Pieces = std::vector<std::pair<std::int64_t, std::int64_t>>;

class ParallelThreads : public ::testing::Test {
 protected:
  ~ParallelThreads() override { set_num_threads(before_); }
  const int before_ = num_threads();
};

// The pieces of one parallel_for, in order of their begin.
Pieces pieces_of(std::int64_t count, std::int64_t grain) {
  Pieces pieces;
  std::mutex mutex;
  parallel_for(count, grain, [&](std::int64_t begin, std::int64_t end) {
    const std::scoped_lock lock(mutex);
    pieces.emplace_back(begin, end);
  });
  std::sort(pieces.begin(), pieces.end());
  return pieces;
}

TEST_F(ParallelThreads, GrainForBytes) {
  constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;
  EXPECT_EQ(grain_for_bytes(1000, 0), 1000);
  EXPECT_EQ(grain_for_bytes(1000, 2 * kMiB - 1), 1000);
  EXPECT_EQ(grain_for_bytes(1000, 2 * kMiB), 500);
  EXPECT_EQ(grain_for_bytes(1000, 3 * kMiB), 334);
  EXPECT_EQ(grain_for_bytes(3, 1000 * kMiB), 1);
  EXPECT_EQ(grain_for_bytes(3, std::numeric_limits<std::uint64_t>::max()), 1);
  EXPECT_GE(grain_for_bytes(0, 0), 1);
  set_num_threads(4);
  EXPECT_EQ(pieces_of(1000, grain_for_bytes(1000, kMiB)).size(), 1U);
  EXPECT_EQ(pieces_of(1000, grain_for_bytes(1000, 2 * kMiB)).size(), 2U);
  EXPECT_EQ(pieces_of(1000, grain_for_bytes(1000, 1000 * kMiB)).size(), 4U);
}

TEST_F(ParallelThreads, CoversTheRangeOnce) {
  for (const int threads : {1, 2, 3, 4, 7, 16}) {
    set_num_threads(threads);
    for (const std::int64_t count : {1, 2, 3, 5, 7, 16, 17, 100, 1000, 4097}) {
      for (const std::int64_t grain : {-1, 0, 1, 2, 3, 6, 64, 999, 5000}) {
        const Pieces pieces = pieces_of(count, grain);
        ASSERT_FALSE(pieces.empty());
        EXPECT_LE(pieces.size(), static_cast<std::size_t>(threads));
        EXPECT_EQ(pieces.front().first, 0);
        EXPECT_EQ(pieces.back().second, count);
        for (std::size_t i = 0; i + 1 < pieces.size(); ++i) {
          EXPECT_EQ(pieces[i].second, pieces[i + 1].first);
          EXPECT_GE(pieces[i].second - pieces[i].first, std::max<std::int64_t>(grain, 1));
        }
        EXPECT_LT(pieces.back().first, pieces.back().second);
        EXPECT_EQ(pieces, pieces_of(count, grain)) << "the cut must not change between calls";
      }
    }
  }
}

TEST_F(ParallelThreads, EmptyRangeCallsNothing) {
  EXPECT_TRUE(pieces_of(0, 1).empty());
  EXPECT_TRUE(pieces_of(-5, 1).empty());
}

TEST_F(ParallelThreads, HugeCountsAndGrainsDoNotOverflow) {
  constexpr auto kMost = std::numeric_limits<std::int64_t>::max();
  set_num_threads(4);
  EXPECT_EQ(pieces_of(10, kMost), (Pieces{{0, 10}}));
  EXPECT_EQ(pieces_of(kMost, kMost), (Pieces{{0, kMost}}));
  const Pieces pieces = pieces_of(kMost, 1);
  EXPECT_EQ(pieces.size(), 4U);
  EXPECT_EQ(pieces.back().second, kMost);
}

TEST_F(ParallelThreads, OnePieceRunsInTheCallingThread) {
  set_num_threads(8);
  std::thread::id ran;
  parallel_for(10, 10, [&](std::int64_t, std::int64_t) { ran = std::this_thread::get_id(); });
  EXPECT_EQ(ran, std::this_thread::get_id());
}

TEST_F(ParallelThreads, PiecesRunAtTheSameTime) {
  set_num_threads(4);
  std::atomic<int> arrived{0};
  // Every piece waits for all four, which ends only when each has a thread of its own.
  parallel_for(4, 1, [&](std::int64_t, std::int64_t) {
    ++arrived;
    while (arrived.load() < 4) std::this_thread::yield();
  });
  EXPECT_EQ(arrived.load(), 4);
}

TEST_F(ParallelThreads, NestedCallRunsInline) {
  set_num_threads(4);
  std::atomic<int> outer{0};
  std::atomic<int> inner{0};
  std::atomic<bool> moved{false};
  parallel_for(4, 1, [&](std::int64_t, std::int64_t) {
    ++outer;
    const auto self = std::this_thread::get_id();
    parallel_for(100, 1, [&](std::int64_t begin, std::int64_t end) {
      ++inner;
      if (std::this_thread::get_id() != self || begin != 0 || end != 100) moved = true;
    });
  });
  EXPECT_EQ(outer.load(), 4);
  EXPECT_EQ(inner.load(), 4);
  EXPECT_FALSE(moved.load());
  EXPECT_EQ(pieces_of(4, 1).size(), 4U) << "the next outer call is parallel again";
}

TEST_F(ParallelThreads, ExceptionIsRethrownAfterAllPieces) {
  set_num_threads(4);
  std::atomic<int> ran{0};
  EXPECT_ERROR(parallel_for(4, 1,
                            [&](std::int64_t begin, std::int64_t) {
                              ++ran;
                              if (begin == 2) fail(ErrorCode::kNumeric, "test", "stop");
                            }),
               ErrorCode::kNumeric);
  EXPECT_EQ(ran.load(), 4);
  EXPECT_THROW(parallel_for(4, 1, [](std::int64_t, std::int64_t) { throw std::runtime_error("all"); }),
               std::runtime_error);
  EXPECT_EQ(pieces_of(4, 1).size(), 4U) << "parallel_for works after an exception";
}

TEST_F(ParallelThreads, SeveralThreadsMayCallAtOnce) {
  set_num_threads(3);
  std::vector<std::int64_t> sums(4);
  std::vector<std::thread> callers;
  for (std::int64_t& sum : sums) {
    callers.emplace_back([&sum] {
      for (int round = 0; round < 20; ++round) {
        std::atomic<std::int64_t> total{0};
        parallel_for(1000, 10, [&](std::int64_t begin, std::int64_t end) {
          for (std::int64_t i = begin; i < end; ++i) total += i;
        });
        sum += total;
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  for (const std::int64_t sum : sums) EXPECT_EQ(sum, 20 * 499'500);
}

TEST_F(ParallelThreads, NumberOfThreads) {
  EXPECT_GE(num_threads(), 1);
  set_num_threads(5);
  EXPECT_EQ(num_threads(), 5);
  EXPECT_ERROR(set_num_threads(0), ErrorCode::kInvalidArgument);
  EXPECT_ERROR(set_num_threads(-1), ErrorCode::kInvalidArgument);
  EXPECT_EQ(num_threads(), 5);
}

}  // namespace
}  // namespace sconce
