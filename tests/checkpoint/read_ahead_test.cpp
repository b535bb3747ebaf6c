#include "checkpoint/read_ahead.h"

#include <gtest/gtest.h>

#include <numeric>
#include <thread>
#include <vector>

#include "base/error_matcher.h"
#include "sconce/base/parallel.h"

namespace sconce::checkpoint {
namespace {

constexpr std::uint64_t kLarge = std::uint64_t{1} << 30;

void give(const StorageSource::Piece& piece, int count) {
  for (int i = 0; i < count; ++i) {
    const std::vector<std::byte> bytes(100, static_cast<std::byte>(i));
    piece(bytes);
  }
}

class ReadAheadThreads : public ::testing::TestWithParam<int> {
 protected:
  ReadAheadThreads() { set_num_threads(GetParam()); }
  ~ReadAheadThreads() override { set_num_threads(before_); }

 private:
  int before_ = num_threads();
};

TEST_P(ReadAheadThreads, PiecesArriveInOrder) {
  int next = 0;
  const auto caller = std::this_thread::get_id();
  read_ahead(
      kLarge, [](const auto& piece) { give(piece, 200); },
      [&](std::span<const std::byte> bytes) {
        EXPECT_EQ(bytes.size(), 100U);
        EXPECT_EQ(bytes[99], static_cast<std::byte>(next++));
        EXPECT_EQ(std::this_thread::get_id(), caller);
      });
  EXPECT_EQ(next, 200);
}

TEST_P(ReadAheadThreads, WhatTheReaderThrowsComesAfterItsPieces) {
  int seen = 0;
  EXPECT_ERROR(read_ahead(
                   kLarge,
                   [](const auto& piece) {
                     give(piece, 50);
                     fail(ErrorCode::kChecksum, "test", "at the end");
                   },
                   [&](std::span<const std::byte>) { ++seen; }),
               ErrorCode::kChecksum);
  EXPECT_EQ(seen, 50);
}

TEST_P(ReadAheadThreads, AWriterThatFailsStopsTheReader) {
  int seen = 0;
  EXPECT_ERROR(
      read_ahead(
          kLarge, [](const auto& piece) { give(piece, 1'000'000); },
          [&](std::span<const std::byte>) { require(++seen < 5, ErrorCode::kNoSpace, "test", "full"); }),
      ErrorCode::kNoSpace);
}

INSTANTIATE_TEST_SUITE_P(Counts, ReadAheadThreads, ::testing::Values(1, 2));

}  // namespace
}  // namespace sconce::checkpoint
