#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <numbers>
#include <random>

#include "base/error_matcher.h"
#include "sconce/kernels/random.h"
#include "support/digest.h"

namespace sconce {
namespace {

using test::sha256_of;

constexpr std::int64_t kLegacySize = 5048;

// `state` with `value` written at `offset`.
template <class T>
Array patched(const Array& state, std::size_t offset, T value) {
  Array out = state.clone();
  std::memcpy(out.mutable_raw() + offset, &value, sizeof(T));
  return out;
}

TEST(Generator, StreamIsTheMersenneTwister) {
  Generator zero(0);
  for (const std::uint32_t expected : {2357136044U, 2546248239U, 3071714933U, 3626093760U, 2588848963U}) {
    EXPECT_EQ(zero.r32(), expected);
  }
  Generator ours(123);
  std::mt19937 reference(123);
  for (int i = 0; i < 3000; ++i) ASSERT_EQ(ours.r32(), reference()) << i;
}

TEST(Generator, LowSeedBitsShapeTheStreamAndAllAreKept) {
  Generator small(5);
  Generator large((std::uint64_t{1} << 32) + 5);
  EXPECT_EQ(large.initial_seed(), (std::uint64_t{1} << 32) + 5);
  EXPECT_FALSE(small.state().same_bits(large.state()));
  EXPECT_EQ(small.r64(), large.r64());
  EXPECT_EQ(Generator().initial_seed(), 67280421310721U);
}

TEST(Generator, StateBytes) {
  Generator generator(0);
  EXPECT_EQ(sha256_of(generator.state()), "1ccf17250133dec5e96478acd63e13d728d0dbbabb30389415a302c6f872f81f");
  for (int i = 0; i < 3; ++i) generator.normal();
  EXPECT_EQ(sha256_of(generator.state()), "5f273c33f4160de64fac7c23955badc140a32e236e861b993e52685fd195d97d");
}

TEST(Generator, StateRoundTripContinuesTheStream) {
  for (const int draws : {0, 1, 3, 623, 624, 625, 2000}) {
    Generator generator(42);
    for (int i = 0; i < draws; ++i) generator.r32();
    generator.normal();  // leaves a cached value
    Generator copy(7);
    copy.set_state(generator.state());
    EXPECT_TRUE(copy.state().same_bits(generator.state()));
    EXPECT_EQ(copy.normal(), generator.normal());
    for (int i = 0; i < 1300; ++i) ASSERT_EQ(copy.r32(), generator.r32());
    EXPECT_EQ(copy.initial_seed(), 42U);
  }
}

TEST(Generator, SeedingForgetsTheCachedNormal) {
  Generator generator(3);
  generator.normal();
  generator.manual_seed(3);
  EXPECT_TRUE(generator.state().same_bits(Generator(3).state()));
}

TEST(Generator, LegacyStateIsRead) {
  Generator generator(9);
  generator.r32();
  const Array legacy = generator.state().narrow(0, 0, kLegacySize);
  Generator copy(0);
  copy.set_state(legacy);
  EXPECT_TRUE(copy.state().same_bits(generator.state()));
  // The cached normal is kept as an angle in turns and a radius.
  Array with_normal = patched(patched(patched(legacy, 5016, 0.125), 5032, 2.0), 5040, std::int32_t{1});
  copy.set_state(with_normal);
  EXPECT_EQ(copy.normal(), 2.0 * std::sin(2.0 * std::numbers::pi * 0.125));
  EXPECT_EQ(copy.r32(), generator.r32());
}

TEST(Generator, InvalidStatesAreRefusedAndChangeNothing) {
  Generator generator(1);
  generator.r32();
  const Array good = generator.state();
  Generator target(2);
  EXPECT_ERROR(target.set_state(good.cast(kInt64)), ErrorCode::kDTypeMismatch);
  EXPECT_ERROR(target.set_state(good.narrow(0, 0, 5000)), ErrorCode::kInvalidArgument);
  EXPECT_ERROR(target.set_state(good.view({2, 2528})), ErrorCode::kInvalidArgument);
  EXPECT_ERROR(target.set_state(patched(good, 12, std::int32_t{0})), ErrorCode::kCorrupt);         // seeded
  EXPECT_ERROR(target.set_state(patched(good, 8, std::int32_t{0})), ErrorCode::kCorrupt);          // left
  EXPECT_ERROR(target.set_state(patched(good, 8, std::int32_t{-1})), ErrorCode::kCorrupt);         // left
  EXPECT_ERROR(target.set_state(patched(good, 8, std::int32_t{625})), ErrorCode::kCorrupt);        // left
  EXPECT_ERROR(target.set_state(patched(good, 16, std::uint64_t{2})), ErrorCode::kCorrupt);        // next
  EXPECT_ERROR(target.set_state(patched(good, 16, ~std::uint64_t{0})), ErrorCode::kCorrupt);       // next
  EXPECT_ERROR(target.set_state(patched(good, 24, std::uint64_t{1} << 32)), ErrorCode::kCorrupt);  // a word
  EXPECT_TRUE(target.state().same_bits(Generator(2).state()));
}

TEST(Generator, DefaultGeneratorIsSeededByManualSeed) {
  manual_seed(11);
  EXPECT_EQ(default_generator().initial_seed(), 11U);
  EXPECT_EQ(default_generator().r32(), Generator(11).r32());
}

}  // namespace
}  // namespace sconce
