#include "sconce/models/registry.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/error_matcher.h"
#include "sconce/tensor/factory.h"

namespace sconce::models {
namespace {

TEST(Registry, DescribesItsModelsTruly) {
  ASSERT_FALSE(all().empty());
  for (const Model& entry : all()) {
    SCOPED_TRACE(entry.name);
    EXPECT_EQ(find(entry.name).name, entry.name);
    const std::unique_ptr<nn::Layer> model = make(entry.name);
    EXPECT_EQ(model->num_parameters(), entry.parameters);
    model->eval();
    const Shape& image = entry.input;
    EXPECT_EQ((*model)(zeros({2, image[0], image[1], image[2]})).shape(), Shape({2, entry.classes}));
  }
}

TEST(Registry, IsSorted) {
  EXPECT_TRUE(std::is_sorted(all().begin(), all().end(),
                             [](const Model& a, const Model& b) { return a.name < b.name; }));
}

TEST(Registry, RefusesOtherNames) {
  EXPECT_ERROR(find("LeNet"), ErrorCode::kNotFound);
  EXPECT_ERROR(make(""), ErrorCode::kNotFound);
}

}  // namespace
}  // namespace sconce::models
