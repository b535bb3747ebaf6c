#include "sconce/train/progress.h"

#include <gtest/gtest.h>

namespace sconce::train {
namespace {

TEST(ProgressMeter, MeasuresRateAndTimeLeft) {
  double now = 100;
  ProgressMeter meter(1000, [&] { return now; });
  EXPECT_FALSE(meter.rate().has_value());
  EXPECT_FALSE(meter.seconds_left().has_value());
  EXPECT_EQ(meter.fraction(), 0);
  for (int i = 0; i < 10; ++i) {
    now += 0.1;
    meter.add(20);
  }
  EXPECT_EQ(meter.done(), 200);
  EXPECT_DOUBLE_EQ(meter.fraction(), 0.2);
  EXPECT_NEAR(*meter.rate(), 200, 1e-6);
  EXPECT_NEAR(*meter.seconds_left(), 4, 1e-6);
}

TEST(ProgressMeter, ForgetsASlowBeginning) {
  double now = 0;
  ProgressMeter meter(1000000, [&] { return now; });
  now += 60;
  meter.add(1);
  for (int i = 0; i < 40; ++i) {
    now += 1;
    meter.add(100);
  }
  EXPECT_NEAR(*meter.rate(), 100, 10);
}

TEST(ProgressMeter, BoundsAreKept) {
  double now = 0;
  ProgressMeter meter(10, [&] { return now; });
  now += 1;
  meter.add(20);
  EXPECT_EQ(meter.fraction(), 1);
  EXPECT_EQ(*meter.seconds_left(), 0);
  EXPECT_EQ(ProgressMeter(0).fraction(), 1);
}

TEST(ProgressMeter, NothingDoneHasNoEnd) {
  double now = 0;
  ProgressMeter meter(10, [&] { return now; });
  now += 1;
  meter.add(0);
  EXPECT_EQ(*meter.rate(), 0);
  EXPECT_FALSE(meter.seconds_left().has_value());
}

}  // namespace
}  // namespace sconce::train
