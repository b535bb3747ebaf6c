#include "sconce/toolbox/rename_detection.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sconce/base/text.h"

namespace sconce::toolbox {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::vector<std::string> lines(const std::vector<RenameCandidate>& a, const std::vector<RenameCandidate>& b) {
  std::vector<std::string> out;
  const Renames found = find_renames(a, b);
  for (const TensorRename& rename : found.renames)
    out.push_back(cat(a[rename.a].name, rename.by_content ? " => " : " -> ", b[rename.b].name));
  for (const AmbiguousRename& group : found.ambiguous)
    out.push_back(cat("? ", group.a.size(), ":", group.b.size()));
  return out;
}

TEST(RenameDetection, UniqueContent) {
  EXPECT_THAT(lines({{"a.w", "1"}, {"b.w", "2"}}, {{"y.w", "2"}, {"x.w", "1"}}),
              ElementsAre("a.w => x.w", "b.w => y.w"));
  EXPECT_THAT(lines({{"a.w", "1"}}, {{"x.w", "2"}}), IsEmpty());
  EXPECT_THAT(lines({}, {{"x.w", "2"}}), IsEmpty());
}

// Biases of zero: their layers' weights say where they went, even against the look of the names.
TEST(RenameDetection, UniqueContentTeachesWhatLayersBecame) {
  EXPECT_THAT(lines({{"p.w", "1"}, {"p.b", "0"}, {"q.w", "2"}, {"q.b", "0"}},
                    {{"q2.w", "1"}, {"q2.b", "0"}, {"p2.w", "2"}, {"p2.b", "0"}}),
              ElementsAre("p.w => q2.w", "p.b -> q2.b", "q.w => p2.w", "q.b -> p2.b"));
  // What became of an outer module holds for everything below.
  EXPECT_THAT(lines({{"m.x.w", "1"}, {"m.y.one", "0"}, {"m.z.one", "0"}},
                    {{"n.x.w", "1"}, {"n.z.one", "0"}, {"n.y.one", "0"}}),
              ElementsAre("m.x.w => n.x.w", "m.y.one -> n.y.one", "m.z.one -> n.z.one"));
}

TEST(RenameDetection, NamesBreakTiesOnlyWhenTheyCan) {
  EXPECT_THAT(lines({{"conv1.bias", "0"}, {"conv2.bias", "0"}}, {{"cnv2.bias", "0"}, {"cnv1.bias", "0"}}),
              ElementsAre("conv1.bias -> cnv1.bias", "conv2.bias -> cnv2.bias"));
  EXPECT_THAT(lines({{"a", "0"}, {"b", "0"}}, {{"x", "0"}, {"y", "0"}}), ElementsAre("? 2:2"));
  EXPECT_THAT(lines({{"a", "0"}}, {{"x", "0"}, {"y", "0"}}), ElementsAre("? 1:2"));
}

TEST(RenameDetection, HugeGroupsAreGivenUpAtOnce) {
  std::vector<RenameCandidate> a;
  std::vector<RenameCandidate> b;
  for (int i = 0; i < 20'000; ++i) {
    a.push_back({cat("left.", i), "0"});
    b.push_back({cat("right.", i, ".x"), "0"});
  }
  EXPECT_EQ(find_renames(a, b).ambiguous.size(), 1U);
}

}  // namespace
}  // namespace sconce::toolbox
