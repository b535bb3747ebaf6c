#include "sconce/core/expanded.h"

#include <gtest/gtest.h>

#include "base/error_matcher.h"

namespace sconce {
namespace {

TEST(Expanded, OnlyWhatRepeatsItselfIsRefused) {
  const Array real = Array::zeros({8, 8});
  EXPECT_NO_THROW(refuse_expanded(real, 10));
  EXPECT_NO_THROW(refuse_expanded(real.transpose(0, 1), 10));
  const Array expanded = Array::zeros({1}).expand({5});
  EXPECT_NO_THROW(refuse_expanded(expanded, 20));
  EXPECT_ERROR(refuse_expanded(expanded, 19), ErrorCode::kLimit);
  EXPECT_ERROR(refuse_expanded(Array::zeros({1, 1}).expand({1 << 20, 1 << 20})), ErrorCode::kLimit);
}

}  // namespace
}  // namespace sconce
