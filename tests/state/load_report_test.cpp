#include "sconce/state/load_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sconce {
namespace {

// The texts are PyTorch's, character for character (formats: load_state_dict semantics).
TEST(LoadReport, SpeaksAsPyTorch) {
  LoadReport report;
  EXPECT_EQ(report.str("N"), "<All keys matched successfully>");
  report.missing = {{"fc.weight", std::nullopt}, {"emb.weight", std::nullopt}};
  report.unexpected = {{"zz", std::nullopt}, {"fc.foo", std::nullopt}};
  report.mismatched = {{"fc.weight", Shape{3, 2}, Shape{3, 3}}};
  EXPECT_EQ(
      report.str("N"),
      "Error(s) in loading state_dict for N:\n"
      "\tMissing key(s) in state_dict: \"fc.weight\", \"emb.weight\". \n"
      "\tUnexpected key(s) in state_dict: \"zz\", \"fc.foo\". \n"
      "\tsize mismatch for fc.weight: copying a param with shape torch.Size([3, 3]) from checkpoint, the "
      "shape in current model is torch.Size([3, 2]).");
}

TEST(LoadReport, FindsACommonPrefix) {
  LoadReport report;
  report.missing = {{"a.w", std::nullopt}, {"b", std::nullopt}};
  report.unexpected = {{"module.a.w", std::nullopt}, {"module.b", std::nullopt}};
  EXPECT_EQ(report.common_prefix(), "module.");
  EXPECT_THAT(report.hints(), ::testing::ElementsAre(::testing::HasSubstr("strip_prefix(\"module.\")")));
  report.unexpected.push_back({"other", std::nullopt});
  EXPECT_EQ(report.common_prefix(), "");
  report.unexpected.clear();
  EXPECT_EQ(report.common_prefix(), "");
}

TEST(LoadReport, FindsACommonPrefixWhereOneSideHasMore) {
  LoadReport report;
  // num_batches_tracked is excused, so not missing, when an old file lacks it, and unexpected when a new one
  // has it under another name.
  report.missing = {{"bn.weight", std::nullopt}};
  report.unexpected = {{"module.bn.weight", std::nullopt}, {"module.bn.num_batches_tracked", std::nullopt}};
  EXPECT_EQ(report.common_prefix(), "module.");
  report.missing.push_back({"fc.weight", std::nullopt});
  EXPECT_EQ(report.common_prefix(), "");
  report.unexpected.pop_back();
  EXPECT_EQ(report.common_prefix(), "module.");
}

TEST(LoadReport, PairsWhatBelongsTogether) {
  LoadReport report;
  report.missing = {{"fc1.weight", std::nullopt}};
  report.unexpected = {{"linear.fc1.weight", std::nullopt}, {"zzz", std::nullopt}};
  report.find_nearest();
  EXPECT_EQ(report.missing[0].nearest, "linear.fc1.weight");
  EXPECT_EQ(report.unexpected[0].nearest, "fc1.weight");
  EXPECT_EQ(report.unexpected[1].nearest, std::nullopt);
}

TEST(LoadError, CarriesTheReport) {
  LoadReport report;
  report.missing = {{"a", std::nullopt}};
  const LoadError error(report, "Net");
  EXPECT_EQ(error.code(), ErrorCode::kKeyMismatch);
  EXPECT_EQ(error.report().missing.size(), 1U);
  EXPECT_THAT(error.what(), ::testing::HasSubstr("Missing key(s) in state_dict: \"a\". "));
}

}  // namespace
}  // namespace sconce
