#include "sconce/toolbox/alignment.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <random>
#include <set>

namespace sconce::toolbox {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;
using Sequence = std::vector<std::size_t>;

TEST(ForcedPairs, EqualSequencesAreProven) {
  EXPECT_THAT(forced_pairs({7, 7, 7}, {7, 7, 7}), ElementsAre(Pair(0, 0), Pair(1, 1), Pair(2, 2)));
  EXPECT_THAT(forced_pairs({}, {1}), IsEmpty());
  EXPECT_THAT(forced_pairs({1}, {2}), IsEmpty());
}

TEST(ForcedPairs, WhatCouldBeOtherwiseIsLeftOut) {
  EXPECT_THAT(forced_pairs({7, 7}, {7}), IsEmpty());
  EXPECT_THAT(forced_pairs({1, 7, 7, 2}, {1, 7, 2}), ElementsAre(Pair(0, 0), Pair(3, 2)));
  EXPECT_THAT(forced_pairs({1, 2}, {1, 9, 2}), ElementsAre(Pair(0, 0), Pair(1, 2)));
  EXPECT_THAT(forced_pairs({1, 2}, {2, 1}), IsEmpty());
}

// Every common subsequence of the greatest length, by trying all of them.
std::set<std::vector<std::pair<std::size_t, std::size_t>>> all_longest(const Sequence& a, const Sequence& b) {
  std::set<std::vector<std::pair<std::size_t, std::size_t>>> out;
  std::size_t most = 0;
  for (std::size_t bits_a = 0; bits_a < (std::size_t{1} << a.size()); ++bits_a) {
    for (std::size_t bits_b = 0; bits_b < (std::size_t{1} << b.size()); ++bits_b) {
      if (__builtin_popcountll(bits_a) != __builtin_popcountll(bits_b)) continue;
      std::vector<std::pair<std::size_t, std::size_t>> pairs;
      std::size_t j = 0;
      bool fits = true;
      for (std::size_t i = 0; i < a.size() && fits; ++i) {
        if ((bits_a >> i & 1) == 0) continue;
        while ((bits_b >> j & 1) == 0) ++j;
        fits = a[i] == b[j];
        pairs.emplace_back(i, j++);
      }
      if (!fits || pairs.size() < most) continue;
      if (pairs.size() > most) out.clear();
      most = pairs.size();
      out.insert(pairs);
    }
  }
  return out;
}

TEST(ForcedPairs, AgreesWithTryingEverything) {
  const char* given = std::getenv("SCONCE_SEED");
  const unsigned seed = given != nullptr ? static_cast<unsigned>(std::atoi(given)) : std::random_device{}();
  SCOPED_TRACE("SCONCE_SEED=" + std::to_string(seed));
  std::mt19937 random(seed);
  for (int round = 0; round < 300; ++round) {
    const auto draw = [&] {
      Sequence out(random() % 7);
      for (std::size_t& id : out) id = random() % 3;
      return out;
    };
    const Sequence a = draw();
    const Sequence b = draw();
    const auto longest = all_longest(a, b);
    std::vector<std::pair<std::size_t, std::size_t>> expected;
    for (const auto& pair : *longest.begin()) {
      const bool is_in_all = std::all_of(longest.begin(), longest.end(), [&](const auto& pairs) {
        return std::find(pairs.begin(), pairs.end(), pair) != pairs.end();
      });
      if (is_in_all) expected.push_back(pair);
    }
    ASSERT_EQ(forced_pairs(a, b), expected) << "round " << round;
  }
}

}  // namespace
}  // namespace sconce::toolbox
