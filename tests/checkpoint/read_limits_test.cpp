#include "checkpoint/read_limits.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <limits>

#include "base/error_matcher.h"
#include "base/temporary_folder.h"
#include "checkpoint/broken_files.h"
#include "sconce/checkpoint/examine.h"
#include "sconce/checkpoint/listing.h"
#include "sconce/checkpoint/salvage.h"
#include "sconce/checkpoint/save.h"

namespace sconce::checkpoint {
namespace {

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;

Bytes good_file() {
  return zip_of(records_of(pickle_of([](pickle::Writer& out) { Tensor().write(out); })));
}

TEST(ReadLimits, RatioOfADeflatedPickle) {
  EXPECT_NO_THROW(pickle_limits({}, 64 * kMiB, kMiB));
  EXPECT_ERROR(pickle_limits({}, 64 * kMiB + 1, kMiB), ErrorCode::kLimit);
  EXPECT_NO_THROW(pickle_limits({.pickle_ratio = 100}, 100 * kMiB, kMiB));
  EXPECT_ERROR(pickle_limits({.pickle_ratio = 40}, 41 * kMiB, kMiB), ErrorCode::kLimit);
  // So much is always read, and a stored one has no ratio.
  EXPECT_NO_THROW(pickle_limits({.pickle_ratio = 1}, 32 * kMiB, 1));
  EXPECT_NO_THROW(pickle_limits({.pickle_ratio = 1}, 100 * kMiB, 100 * kMiB));
  // The size alone is a limit, too.
  EXPECT_ERROR(pickle_limits({.pickle_bytes = kMiB, .pickle_ratio = 100}, 2 * kMiB, kMiB), ErrorCode::kLimit);
}

TEST(ReadLimits, RatioOfNodes) {
  // A quarter of the ratio is for the nodes, the rest for what a pickle deflates by.
  EXPECT_EQ(pickle_limits({}, kMiB, kMiB).memory, (96 + 16) * kMiB);
  EXPECT_EQ(pickle_limits({.pickle_ratio = 100}, kMiB, kMiB).memory, (96 + 25) * kMiB);
  EXPECT_EQ(pickle_limits({}, 16 * kMiB, kMiB).memory, (96 + 64) * kMiB);
  EXPECT_EQ(pickle_limits({.pickle = {.memory = kMiB}}, kMiB, kMiB).memory, kMiB);
}

TEST(ReadLimits, ARatioThatDoesNotFitIsNoBound) {
  constexpr std::uint64_t kMost = std::numeric_limits<std::uint64_t>::max();
  const LoadOptions options{.pickle = {.memory = kMost / 2}, .pickle_ratio = kMost};
  EXPECT_EQ(pickle_limits(options, 1000 * kMiB, kMiB).memory, kMost / 2);
}

class ReadLimitsFile : public TemporaryFolder {};

TEST_F(ReadLimitsFile, RecordsOfEveryArchive) {
  const LoadOptions few{.zip_entries = 1};
  EXPECT_ERROR(load(good_file(), few), ErrorCode::kLimit);
  EXPECT_ERROR(describe(good_file(), few), ErrorCode::kLimit);
  EXPECT_EQ(salvage(good_file(), few).lost.size(), 1u);  // the walk ends before the storage
  put("a.pt", as_chars(good_file()));
  const Examination found = examine(path("a.pt"), few);
  ASSERT_FALSE(found.problems.empty());
  EXPECT_EQ(found.problems.front().code, ErrorCode::kLimit);

  Value arrays = Value::dict();
  for (const char* name : {"a", "b"}) arrays.set_item(name, Value(Array::zeros({2})));
  save(path("a.npz"), arrays);
  EXPECT_ERROR(load(path("a.npz"), few), ErrorCode::kLimit);
  EXPECT_NO_THROW(load(path("a.npz"), {.zip_entries = 2}));
}

TEST_F(ReadLimitsFile, NamesOfRecords) {
  const LoadOptions few{.walk = {.name_bytes = 20}};
  try {
    load(good_file(), few);
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kLimit);
    EXPECT_EQ(error.limit(), "names");
  }
}

// Where a walk over the value ends it is not the output that is at fault.
TEST_F(ReadLimitsFile, WalksOfSaving) {
  Value value = Value::dict({{"w", Value(Array::zeros({2}))}});
  for (int i = 0; i < 100; ++i) value.set_item(cat("n", i), i);
  for (const Format format : {Format::kSafetensors, Format::kNpz, Format::kDcp}) {
    for (const auto& [limits, name] : {std::pair(NamedLimits{.visits = 50}, "values"),
                                       std::pair(NamedLimits{.name_bytes = 1000}, "names")}) {
      if (format == Format::kDcp && limits.name_bytes == 1000) continue;  // writes those names
      try {
        save(path("out"), value, {.format = format, .walk = limits});
        ADD_FAILURE() << format_name(format) << name;
      } catch (const Error& error) {
        EXPECT_EQ(error.code(), ErrorCode::kLimit);
        EXPECT_EQ(error.limit(), name);
        EXPECT_EQ(error.path(), "");
      }
    }
    EXPECT_NO_THROW(save(path("out"), value, {.format = format}));
    std::filesystem::remove_all(path("out"));
  }
}

}  // namespace
}  // namespace sconce::checkpoint
