#include "codec/read_ahead.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <mutex>
#include <random>
#include <thread>
#include <utility>
#include <vector>

#include "sconce/base/error.h"

namespace sconce {
namespace {

// A source that remembers what was read of it, and that has a place nobody can read.
class Watched : public ByteSource {
 public:
  explicit Watched(std::size_t size) : bytes_(size) {
    std::mt19937 random(1);
    for (std::byte& byte : bytes_) byte = static_cast<std::byte>(random());
  }
  std::uint64_t size() const override { return bytes_.size(); }
  void read_at(std::span<std::byte> out, std::uint64_t offset) const override {
    const std::lock_guard lock(mutex_);
    ++reads;
    bytes_read += out.size();
    require(offset > bad_at || offset + out.size() <= bad_at, ErrorCode::kIo, "watched", "a bad place");
    MemorySource(bytes_).read_at(out, offset);
  }
  bool is_right(std::span<const std::byte> got, std::uint64_t offset) const {
    return std::equal(got.begin(), got.end(), bytes_.begin() + static_cast<std::ptrdiff_t>(offset));
  }

  mutable std::size_t reads = 0;
  mutable std::size_t bytes_read = 0;
  std::uint64_t bad_at = UINT64_MAX;

 private:
  std::vector<std::byte> bytes_;
  mutable std::mutex mutex_;
};

bool reads_right(const ReadAhead& ahead, const Watched& source, std::uint64_t offset, std::size_t n) {
  std::vector<std::byte> got(n);
  ahead.read_at(got, offset);
  return source.is_right(got, offset);
}

TEST(ReadAhead, SmallStepsOnwardsNeedFewReads) {
  const auto source = std::make_shared<Watched>(std::size_t{4} << 20);
  const ReadAhead ahead(source);
  for (std::uint64_t at = 0; at + 1024 < source->size(); at += 1100) {
    ASSERT_TRUE(reads_right(ahead, *source, at, 30));
    ASSERT_TRUE(reads_right(ahead, *source, at + 64, 960));
  }
  EXPECT_LT(source->reads, 40U);
}

TEST(ReadAhead, JumpsReadLittleMoreThanAskedFor) {
  const auto source = std::make_shared<Watched>(std::size_t{8} << 20);
  const ReadAhead ahead(source);
  std::size_t count = 0;
  for (std::uint64_t at = 0; at + 100 < source->size(); at += 65'536, ++count) {
    ASSERT_TRUE(reads_right(ahead, *source, at, 30));
    ASSERT_TRUE(reads_right(ahead, *source, at + 30, 70));
  }
  EXPECT_EQ(source->reads, count);
  EXPECT_LE(source->bytes_read, 512 * count);
}

TEST(ReadAhead, LongReadsPassThrough) {
  const auto source = std::make_shared<Watched>(std::size_t{4} << 20);
  const ReadAhead ahead(source);
  EXPECT_TRUE(reads_right(ahead, *source, 5, std::size_t{1} << 20));
  EXPECT_EQ(source->reads, 1U);
  EXPECT_EQ(source->bytes_read, std::size_t{1} << 20);
}

TEST(ReadAhead, AnyOrderIsRight) {
  const auto source = std::make_shared<Watched>(300'000);
  const ReadAhead ahead(source);
  std::mt19937 random(7);
  for (int i = 0; i < 5000; ++i) {
    const std::uint64_t offset = random() % 300'001;
    const std::size_t n = random() % std::min<std::uint64_t>(300'001 - offset, 1 << (random() % 18));
    ASSERT_TRUE(reads_right(ahead, *source, offset, n)) << offset << " " << n;
  }
}

TEST(ReadAheadThreads, Meet) {
  const auto source = std::make_shared<Watched>(std::size_t{2} << 20);
  const ReadAhead ahead(source);
  std::vector<std::thread> threads;
  std::vector<char> is_right(6, 1);  // one char a thread: bits of vector<bool> would race
  for (std::size_t t = 0; t < is_right.size(); ++t) {
    threads.emplace_back([&, t] {
      const std::uint64_t begin = t * source->size() / is_right.size();
      for (std::uint64_t at = begin; at < begin + 300'000; at += 700) {
        if (!reads_right(ahead, *source, at, 600)) is_right[t] = 0;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(is_right, std::vector<char>(6, 1));
}

TEST(ReadAhead, BeyondTheEndIsTheSourcesError) {
  const auto source = std::make_shared<Watched>(1000);
  const ReadAhead ahead(source);
  EXPECT_TRUE(reads_right(ahead, *source, 990, 10));
  EXPECT_TRUE(reads_right(ahead, *source, 1000, 0));
  for (const auto& [offset, n] :
       {std::pair<std::uint64_t, std::size_t>{990, 11}, {1001, 0}, {UINT64_MAX, 1}}) {
    std::vector<std::byte> out(n);
    try {
      ahead.read_at(out, offset);
      ADD_FAILURE() << offset;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kTruncated);
    }
  }
}

TEST(ReadAhead, ABadPlaceBehindWhatIsAskedForDoesNotMatter) {
  const auto source = std::make_shared<Watched>(100'000);
  source->bad_at = 300;
  const ReadAhead ahead(source);
  EXPECT_TRUE(reads_right(ahead, *source, 0, 200));
  EXPECT_TRUE(reads_right(ahead, *source, 200, 100));
  std::vector<std::byte> out(10);
  EXPECT_THROW(ahead.read_at(out, 295), Error);
  EXPECT_TRUE(reads_right(ahead, *source, 301, 5000));
}

}  // namespace
}  // namespace sconce
