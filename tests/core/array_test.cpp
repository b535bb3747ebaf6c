#include "sconce/core/array.h"

#include <gtest/gtest.h>

#include <memory>
#include <numeric>
#include <vector>

#include "base/error_matcher.h"

namespace sconce {
namespace {

constexpr std::int64_t kHugeSize = std::int64_t{1} << 40;

Array counting(const Shape& shape) {
  std::vector<std::int64_t> values(static_cast<std::size_t>(shape.numel()));
  std::iota(values.begin(), values.end(), std::int64_t{0});
  return Array::from(values, shape);
}
std::vector<std::int64_t> values_of(const Array& array) { return array.to_vector<std::int64_t>(); }
using Values = std::vector<std::int64_t>;

TEST(Array, Factories) {
  EXPECT_EQ(Array::zeros({2, 2}).to_vector<float>(), (std::vector<float>{0, 0, 0, 0}));
  EXPECT_EQ(Array::ones({3}, kBool).to_vector<bool>(), (std::vector<bool>{true, true, true}));
  EXPECT_EQ(Array::full({2}, 2.5, kInt32).to_vector<std::int32_t>(), (std::vector<std::int32_t>{2, 2}));
  EXPECT_EQ(Array::scalar(7.5).item<double>(), 7.5);
  EXPECT_EQ(Array::scalar(7.5).rank(), 0U);
  EXPECT_EQ(Array::empty({0, 3}).numel(), 0);
}

TEST(Array, FactoryErrors) {
  EXPECT_ERROR(Array::empty({-1}), ErrorCode::kInvalidArgument);
  EXPECT_ERROR(Array::empty({kHugeSize, kHugeSize}), ErrorCode::kOverflow);
  EXPECT_ERROR(Array::empty({kHugeSize, std::int64_t{1} << 23}, kComplex128), ErrorCode::kOverflow);
  EXPECT_ERROR(Array::from({1.0F, 2.0F}, {3}), ErrorCode::kShapeMismatch);
  EXPECT_ERROR(Array::from_bytes({}, kFloat32, {1}), ErrorCode::kShapeMismatch);
}

TEST(Array, StorageBounds) {
  const Storage storage = Storage::allocate(24);  // six floats
  EXPECT_NO_THROW(Array(storage, kFloat32, Geometry{{2, 3}, {3, 1}, 0}));
  EXPECT_NO_THROW(Array(storage, kFloat32, Geometry{{2}, {1}, 4}));
  EXPECT_NO_THROW(Array(storage, kFloat32, Geometry{{0}, {1}, 6}));
  EXPECT_ERROR(Array(storage, kFloat32, Geometry{{2, 3}, {3, 1}, 1}), ErrorCode::kInvalidArgument);
  EXPECT_ERROR(Array(storage, kFloat64, Geometry{{2, 3}, {3, 1}, 0}), ErrorCode::kInvalidArgument);
  EXPECT_ERROR(Array(storage, kFloat32, Geometry{{2}, {6}, 0}), ErrorCode::kInvalidArgument);
  EXPECT_ERROR(Array(storage, kFloat32, Geometry{{0}, {1}, 7}), ErrorCode::kInvalidArgument);
  EXPECT_ERROR(Array(Storage(), kFloat32, Geometry{{1}, {1}, 0}), ErrorCode::kInvalidArgument);
  EXPECT_ERROR(Array(storage, kFloat64, Geometry{{2}, {std::int64_t{1} << 61}, 0}), ErrorCode::kOverflow);
  EXPECT_ERROR(Array(storage, kFloat32, Geometry{{1}, {1}, 0}).with_geometry({{7}, {1}, 0}),
               ErrorCode::kInvalidArgument);
}

TEST(Array, ViewsShareTheStorage) {
  Array whole = counting({2, 3});
  Array row = whole.select(0, 1);
  EXPECT_EQ(row.storage().id(), whole.storage().id());
  row.mutable_data<std::int64_t>()[2] = 50;
  EXPECT_EQ(values_of(whole), (Values{0, 1, 2, 3, 4, 50}));
  EXPECT_NE(whole.clone().storage().id(), whole.storage().id());
  EXPECT_EQ(whole.contiguous().storage().id(), whole.storage().id());
  EXPECT_NE(whole.transpose(0, 1).contiguous().storage().id(), whole.storage().id());
}

TEST(Array, ViewValues) {
  const Array x = counting({2, 3, 4});
  EXPECT_EQ(values_of(x.select(1, -1)), (Values{8, 9, 10, 11, 20, 21, 22, 23}));
  EXPECT_EQ(values_of(x.narrow(2, 1, 1).squeeze()), (Values{1, 5, 9, 13, 17, 21}));
  EXPECT_EQ(values_of(x.slice(2, {{}, {}, 3}).slice(0, {1, {}})), (Values{12, 15, 16, 19, 20, 23}));
  EXPECT_EQ(values_of(x.index({Ellipsis{}, std::int64_t{0}}).transpose(0, 1)), (Values{0, 12, 4, 16, 8, 20}));
  EXPECT_EQ(x.permute({2, 0, 1}).shape(), (Shape{4, 2, 3}));
  EXPECT_EQ(x.unsqueeze(0).squeeze(0).shape(), x.shape());
  EXPECT_EQ(values_of(counting({2, 1}).expand({2, 2})), (Values{0, 0, 1, 1}));
  EXPECT_EQ(x.view({-1, 4}).shape(), (Shape{6, 4}));
  EXPECT_EQ(values_of(counting({2, 3}).transpose(0, 1).reshape({6})), (Values{0, 3, 1, 4, 2, 5}));
  EXPECT_EQ(x.flatten(1).shape(), (Shape{2, 12}));
  EXPECT_ERROR(counting({2, 3}).transpose(0, 1).view({6}), ErrorCode::kShapeMismatch);
}

TEST(Array, TypedAccessChecksTheDType) {
  Array x = Array::zeros({2});
  EXPECT_ERROR(x.data<double>(), ErrorCode::kDTypeMismatch);
  EXPECT_ERROR(x.mutable_data<std::int32_t>(), ErrorCode::kDTypeMismatch);
  EXPECT_ERROR(x.item<float>(), ErrorCode::kShapeMismatch);
}

TEST(Array, WritesBumpTheVersion) {
  Array x = Array::zeros({4});
  const Array view = x.narrow(0, 1, 2);
  const std::uint32_t before = view.storage().version();
  x.data<float>();
  EXPECT_EQ(view.storage().version(), before);
  x.mutable_data<float>();
  x.fill(2);
  x.copy_from(Array::ones({4}));
  EXPECT_GT(view.storage().version(), before + 2);
}

TEST(Array, WrapsForeignBytes) {
  auto owner = std::make_shared<std::vector<float>>(std::vector<float>{1, 2, 3, 4});
  const Storage storage = Storage::wrap(std::as_writable_bytes(std::span(*owner)), owner);
  const Array x(storage, kFloat32, Geometry::contiguous({2, 2}));
  EXPECT_EQ(x.to_vector<float>(), *owner);
}

TEST(Array, CopyBetweenOverlappingViews) {
  Array x = counting({6});
  x.narrow(0, 1, 5).copy_from(x.narrow(0, 0, 5));
  EXPECT_EQ(values_of(x), (Values{0, 0, 1, 2, 3, 4}));
  Array y = counting({6});
  y.narrow(0, 0, 5).copy_from(y.narrow(0, 1, 5));
  EXPECT_EQ(values_of(y), (Values{1, 2, 3, 4, 5, 5}));
  Array square = counting({2, 2});
  square.copy_from(square.transpose(0, 1));
  EXPECT_EQ(values_of(square), (Values{0, 2, 1, 3}));
}

TEST(Array, CopyConvertsAndBroadcasts) {
  Array x = Array::zeros({2, 3});
  x.copy_from(Array::from<std::int64_t>({1, 2, 3}, {3}));
  EXPECT_EQ(x.to_vector<float>(), (std::vector<float>{1, 2, 3, 1, 2, 3}));
  EXPECT_ERROR(x.copy_from(Array::zeros({2})), ErrorCode::kShapeMismatch);
}

TEST(Array, SameBits) {
  const Array x = counting({2, 3});
  EXPECT_TRUE(x.same_bits(x.transpose(0, 1).clone().transpose(0, 1)));
  EXPECT_FALSE(x.same_bits(x.view({3, 2})));
  EXPECT_FALSE(x.same_bits(x.cast(kFloat64)));
  EXPECT_FALSE(Array::from({0.0}, {1}).same_bits(Array::from({-0.0}, {1})));
  EXPECT_TRUE(Array::empty({0}).same_bits(Array::empty({0})));
}

TEST(Array, CopyToContiguousNeedsTheExactRoom) {
  const Array x = counting({3});
  std::vector<std::byte> room(23);
  EXPECT_ERROR(copy_to_contiguous(x, room), ErrorCode::kInvalidArgument);
}

TEST(Array, StridedCopiesOfEveryItemSize) {
  for (const DType dtype : {kUInt8, kInt16, kInt32, kInt64, kComplex128}) {
    const Array x = counting({3, 4, 5}).cast(kFloat64).cast(dtype);
    const Array moved = x.permute({2, 0, 1}).clone().permute({1, 2, 0});
    EXPECT_TRUE(moved.same_bits(x)) << dtype;
    EXPECT_FALSE(moved.is_contiguous());
  }
}

}  // namespace
}  // namespace sconce
