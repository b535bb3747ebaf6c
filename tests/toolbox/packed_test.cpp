#include "sconce/toolbox/packed.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error_matcher.h"

namespace sconce::toolbox {
namespace {

using ::testing::ElementsAre;

TensorLeaf packed(DType dtype, const std::vector<std::uint8_t>& bytes, Geometry values) {
  TensorLeaf out;
  out.array =
      Array::from_bytes(std::as_bytes(std::span(bytes)), dtype, {static_cast<std::int64_t>(bytes.size())});
  out.quantization.emplace().packed = std::move(values);
  return out;
}

std::vector<int> integers(const Array& array) {
  const Array dense = array.contiguous();
  std::vector<int> out;
  for (std::int64_t i = 0; i < dense.numel(); ++i) out.push_back(std::to_integer<int>(dense.raw()[i]));
  return out;
}

TEST(Packed, LowBitsComeFirst) {
  const Array four = unpacked(packed(kQUInt4x2, {0x21, 0xF3}, Geometry::contiguous({3})));
  EXPECT_THAT(integers(four), ElementsAre(1, 2, 3));
  EXPECT_EQ(four.dtype(), kQUInt4x2);
  EXPECT_THAT(integers(unpacked(packed(kQUInt2x4, {0xE4}, Geometry::contiguous({2, 2})))),
              ElementsAre(0, 1, 2, 3));
}

TEST(Packed, StridesCountValues) {
  EXPECT_THAT(integers(unpacked(packed(kQUInt4x2, {0x21, 0x43}, {{2, 2}, {1, 2}, 0}))),
              ElementsAre(1, 3, 2, 4));
}

TEST(Packed, OthersStay) {
  TensorLeaf leaf;
  leaf.array = Array::ones({2});
  EXPECT_TRUE(unpacked(leaf).same_bits(leaf.array));
  EXPECT_ERROR(unpacked(packed(kQUInt4x2, {0x21}, {{std::int64_t{1} << 40}, {0}, 0})), ErrorCode::kLimit);
}

}  // namespace
}  // namespace sconce::toolbox
