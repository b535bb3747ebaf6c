#include "sconce/train/metrics_log.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "base/error_matcher.h"
#include "base/file_size_limit.h"
#include "base/temporary_folder.h"

namespace sconce::train {
namespace {

using MetricsLogTest = TemporaryFolder;

TEST(MetricsRecordText, IsAsTheContractShows) {
  EXPECT_EQ(step_record(1, 0, 2.3025851299), R"({"step": 1, "epoch": 0, "loss": 2.30258513})");
  EXPECT_EQ(step_record(1, 0, 2.3025851), R"({"step": 1, "epoch": 0, "loss": 2.3025851})");
  EXPECT_EQ(step_record(12000, 3, 1e-7), R"({"step": 12000, "epoch": 3, "loss": 1e-07})");
  EXPECT_EQ(step_record(2, 0, std::numeric_limits<double>::quiet_NaN()),
            R"({"step": 2, "epoch": 0, "loss": null})");
  EXPECT_EQ(step_record(2, 0, std::numeric_limits<double>::infinity()),
            R"({"step": 2, "epoch": 0, "loss": null})");
  EXPECT_EQ(epoch_record(0, 1.25, 0.5561), R"({"epoch": 0, "val_loss": 1.25, "val_accuracy": 0.5561})");
}

TEST(ParseMetrics, ReadsBothKindsAndDropsACutLine) {
  const auto records = parse_metrics(step_record(7, 1, 0.5) + "\n" + epoch_record(1, 0.25, 0.75) + "\n" +
                                     step_record(8, 2, NAN) + "\n" + R"({"step": 9, "ep)");
  ASSERT_EQ(records.size(), 3U);
  EXPECT_EQ(records[0].kind, MetricsRecord::Kind::kStep);
  EXPECT_EQ(records[0].step, 7);
  EXPECT_EQ(records[0].epoch, 1);
  EXPECT_EQ(records[0].loss, 0.5);
  EXPECT_EQ(records[1].kind, MetricsRecord::Kind::kEpoch);
  EXPECT_EQ(records[1].epoch, 1);
  EXPECT_EQ(records[1].loss, 0.25);
  EXPECT_EQ(records[1].accuracy, 0.75);
  EXPECT_TRUE(std::isnan(records[2].loss));
}

TEST(ParseMetrics, RejectsWhatIsNoRecord) {
  for (const char* line : {"hello\n", "{}\n", "[1]\n", "{\"epoch\": \"x\"}\n",
                           "{\"step\": 1, \"epoch\": 0}\n", "{\"epoch\": 0, \"val_loss\": 1}\n", "\n"}) {
    EXPECT_ERROR(parse_metrics(line), ErrorCode::kCorrupt);
  }
}

TEST_F(MetricsLogTest, NewLogReplacesTheOld) {
  put("m", "old\n");
  MetricsLog log(path("m"));
  EXPECT_EQ(get("m"), "");
  log.write("a");
  EXPECT_EQ(get("m"), "a\n");
  log.write("b");
  EXPECT_EQ(get("m"), "a\nb\n");
}

TEST_F(MetricsLogTest, ResumeDropsWhatCameLater) {
  std::string text;
  for (int epoch = 0; epoch < 3; ++epoch) {
    for (int step = 1; step <= 3; ++step) text += step_record(epoch * 3 + step, epoch, 0.5) + "\n";
    text += epoch_record(epoch, 1, 0.5) + "\n";
  }
  put("m", text + R"({"step": 10)");
  MetricsLog log(path("m"), {.epoch = 1, .step = 5, .batch = 2});
  std::string expected;
  for (int step = 1; step <= 3; ++step) expected += step_record(step, 0, 0.5) + "\n";
  expected += epoch_record(0, 1, 0.5) + "\n";
  for (int step = 4; step <= 5; ++step) expected += step_record(step, 1, 0.5) + "\n";
  EXPECT_EQ(get("m"), expected);
  log.write(step_record(6, 1, 0.25));
  EXPECT_EQ(get("m"), expected + step_record(6, 1, 0.25) + "\n");
}

TEST_F(MetricsLogTest, ResumeBeginsAMissingFile) {
  MetricsLog log(path("m"), {.epoch = 1, .step = 5});
  log.write("a");
  EXPECT_EQ(get("m"), "a\n");
}

TEST_F(MetricsLogTest, ResumeLeavesAForeignFileAlone) {
  put("m", "shopping list\n");
  EXPECT_ERROR(MetricsLog(path("m"), {.epoch = 1, .step = 5}), ErrorCode::kCorrupt);
  EXPECT_EQ(get("m"), "shopping list\n");
}

TEST_F(MetricsLogTest, NeedsItsFolder) { EXPECT_ERROR(MetricsLog(path("nowhere/m")), ErrorCode::kNotFound); }

TEST_F(MetricsLogTest, AFullDiskIsAnError) {
  MetricsLog log(path("m"));
  const FileSizeLimit limit(4);
  EXPECT_ERROR(log.write("12345678"), ErrorCode::kIo);
}

}  // namespace
}  // namespace sconce::train
