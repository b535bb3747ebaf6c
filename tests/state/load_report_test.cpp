#include "sconce/state/load_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <sstream>

namespace sconce {
namespace {

// The texts are PyTorch's, character for character (formats: load_state_dict semantics).
TEST(LoadReport, SpeaksAsPyTorch) {
  LoadReport report;
  report.missing = {{"fc.weight"}, {"emb.weight"}};
  report.unexpected = {{"zz"}, {"fc.foo"}};
  report.mismatched = {{"fc.weight", Shape{3, 2}, Shape{3, 3}}};
  EXPECT_EQ(
      report.error_text("N"),
      "Error(s) in loading state_dict for N:\n"
      "\tMissing key(s) in state_dict: \"fc.weight\", \"emb.weight\". \n"
      "\tUnexpected key(s) in state_dict: \"zz\", \"fc.foo\". \n"
      "\tsize mismatch for fc.weight: copying a param with shape torch.Size([3, 3]) from checkpoint, the "
      "shape in current model is torch.Size([3, 2]).");
}

TEST(LoadReport, PrintsTheResultAsPyTorch) {
  LoadReport report;
  EXPECT_EQ(report.str(), "<All keys matched successfully>");
  report.missing = {{"it's"}, {"b\n"}};
  EXPECT_EQ(report.str(), "_IncompatibleKeys(missing_keys=[\"it's\", 'b\\n'], unexpected_keys=[])");
  report.unexpected = {{"zz"}};
  report.skipped = {{"fc.weight", {3, 2}, {3, 3}}};
  std::ostringstream out;
  out << report;
  EXPECT_EQ(out.str(),
            "_IncompatibleKeys(missing_keys=[\"it's\", 'b\\n'], unexpected_keys=['zz'], "
            "skipped_keys=['fc.weight'])");
}

TEST(LoadReport, FindsACommonPrefix) {
  LoadReport report;
  report.missing = {{"a.w"}, {"b"}};
  report.unexpected = {{"module.a.w"}, {"module.b"}};
  EXPECT_EQ(report.common_prefix(), "module.");
  EXPECT_THAT(report.hints(), ::testing::ElementsAre(::testing::HasSubstr("strip_prefix(\"module.\")")));
  report.unexpected.push_back({"other"});
  EXPECT_EQ(report.common_prefix(), "");
  report.unexpected.clear();
  EXPECT_EQ(report.common_prefix(), "");
}

TEST(LoadReport, FindsACommonPrefixWhereOneSideHasMore) {
  LoadReport report;
  // num_batches_tracked is excused, so not missing, when an old file lacks it, and unexpected when a new one
  // has it under another name.
  report.missing = {{"bn.weight"}};
  report.unexpected = {{"module.bn.weight"}, {"module.bn.num_batches_tracked"}};
  EXPECT_EQ(report.common_prefix(), "module.");
  report.missing.push_back({"fc.weight"});
  EXPECT_EQ(report.common_prefix(), "");
  report.unexpected.pop_back();
  EXPECT_EQ(report.common_prefix(), "module.");
}

TEST(LoadReport, PairsWhatBelongsTogether) {
  LoadReport report;
  report.missing = {{"fc1.weight"}};
  report.unexpected = {{"linear.fc1.weight"}, {"zzz"}};
  report.find_nearest();
  EXPECT_EQ(report.missing[0].nearest, "linear.fc1.weight");
  EXPECT_EQ(report.unexpected[0].nearest, "fc1.weight");
  EXPECT_EQ(report.unexpected[1].nearest, std::nullopt);
}

// In what is left, of the shape the model has; names in common decide between them.
TEST(LoadReport, PairsMismatchesByShape) {
  LoadReport report;
  report.mismatched = {
      {"a.fc.weight", {3, 2}, {2, 3}}, {"b.fc.weight", {2, 3}, {3, 2}}, {"c.bias", {7}, {8}}};
  report.unexpected = {{.name = "a.head.weight", .shape = Shape{3, 2}}, {.name = "c.bias2"}};
  report.find_nearest();
  EXPECT_EQ(report.mismatched[0].nearest, "b.fc.weight");
  EXPECT_EQ(report.mismatched[1].nearest, "a.fc.weight");
  EXPECT_EQ(report.mismatched[2].nearest, std::nullopt);
  EXPECT_THAT(report.hints(), ::testing::Contains(::testing::HasSubstr(
                                  "'a.fc.weight' may be 'b.fc.weight' in the checkpoint, whose shape fits")));
}

// However many names there are, what is found is what a look at every pair finds.
TEST(LoadReport, FindsTheNearestOfManyNames) {
  std::mt19937 random(7);
  const auto any_name = [&random] {
    std::string name;
    for (auto components = 1 + random() % 6; components > 0; --components) {
      for (auto letters = random() % 4; letters > 0; --letters) name += static_cast<char>('a' + random() % 2);
      if (components > 1) name += '.';
    }
    return name;
  };
  LoadReport report;
  std::vector<std::string> candidates;
  for (int i = 0; i < 400; ++i) {
    report.missing.push_back({any_name()});
    report.unexpected.push_back({any_name()});
    candidates.push_back(report.unexpected.back().name);
  }
  report.find_nearest();
  EXPECT_FALSE(report.has_unsearched);
  for (const LoadReport::Key& key : report.missing) {
    EXPECT_EQ(key.nearest, nearest_name(key.name, candidates)) << key.name;
  }
}

TEST(LoadReport, FindsTheNearestOfThousands) {
  LoadReport report;
  for (int i = 0; i < 5000; ++i) {
    const std::string name = cat("layers.", i, ".attention.query.weight");
    report.missing.push_back({name});
    report.unexpected.push_back({cat(i % 2 == 0 ? "encoder." : "decoder.", name)});
  }
  report.find_nearest();
  EXPECT_FALSE(report.has_unsearched);
  for (std::size_t i = 0; i < 5000; ++i) EXPECT_EQ(report.missing[i].nearest, report.unexpected[i].name);
}

TEST(LoadReport, SaysWhenThereWasTooMuchToSearch) {
  LoadReport report;
  for (int i = 0; i < 2000; ++i) {
    report.missing.push_back({cat(std::string(300, 'a'), i)});
    report.unexpected.push_back({cat(std::string(300, 'b'), i)});
  }
  report.find_nearest();
  EXPECT_TRUE(report.has_unsearched);
  EXPECT_THAT(report.hints(), ::testing::Contains(::testing::HasSubstr("too many names")));
}

TEST(LoadError, CarriesTheReport) {
  LoadReport report;
  report.missing = {{"a"}};
  const LoadError error(report, "Net");
  EXPECT_EQ(error.code(), ErrorCode::kKeyMismatch);
  EXPECT_EQ(error.report().missing.size(), 1U);
  EXPECT_THAT(error.what(), ::testing::HasSubstr("Missing key(s) in state_dict: \"a\". "));
}

}  // namespace
}  // namespace sconce
