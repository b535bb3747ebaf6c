#include "sconce/train/curves.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

namespace sconce::train {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using Kind = MetricsRecord::Kind;

// The frame: x from 64 (step 0) to 704 (the last), loss from 208 (0) up to 32 (the largest), accuracy from
// 448 (0) up to 272 (1).
TEST(Curves, StandWhereTheNumbersSay) {
  const std::string svg = curves_svg({{.kind = Kind::kStep, .step = 5, .epoch = 0, .loss = 2},
                                      {.kind = Kind::kStep, .step = 10, .epoch = 0, .loss = 1},
                                      {.kind = Kind::kEpoch, .epoch = 0, .loss = 1.5, .accuracy = 0.25},
                                      {.kind = Kind::kEpoch, .epoch = 1, .loss = 0.5, .accuracy = 0.75}},
                                     10);
  EXPECT_THAT(svg, HasSubstr("d=\"M224 32L384 120\""));   // training loss
  EXPECT_THAT(svg, HasSubstr("d=\"M384 76L704 164\""));   // validation loss
  EXPECT_THAT(svg, HasSubstr("d=\"M384 404L704 316\""));  // accuracy
  EXPECT_THAT(svg, HasSubstr("<svg xmlns="));
  EXPECT_THAT(svg, HasSubstr("</svg>\n"));
}

TEST(Curves, LeaveGapsForWhatIsNotFinite) {
  const std::string svg = curves_svg({{.kind = Kind::kStep, .step = 1, .loss = 1},
                                      {.kind = Kind::kStep, .step = 2, .loss = NAN},
                                      {.kind = Kind::kStep, .step = 4, .loss = 1}},
                                     4);
  EXPECT_THAT(svg, HasSubstr("d=\"M224 32M704 32\""));
  EXPECT_THAT(svg, Not(HasSubstr("nan")));
}

TEST(Curves, NothingIsAnEmptyFrame) {
  const std::string svg = curves_svg({}, 4);
  EXPECT_THAT(svg, HasSubstr("<svg"));
  EXPECT_THAT(svg, Not(HasSubstr("class=\"curve\" ")));
}

}  // namespace
}  // namespace sconce::train
