// Views are compared with a brute-force model: the list of storage positions in row-major order.
#include "sconce/core/geometry.h"

#include <gtest/gtest.h>

#include <limits>
#include <random>
#include <vector>

#include "base/error_matcher.h"

namespace sconce {
namespace {

constexpr std::int64_t kHugeExtent = std::int64_t{1} << 40;

// A multi-dimensional list of storage positions.
struct Model {
  Shape shape;
  std::vector<std::int64_t> positions;

  static Model of(const Geometry& geometry) {
    Model model{geometry.shape, {}};
    Dims index(geometry.rank());
    for (std::int64_t i = 0; i < geometry.numel(); ++i) {
      std::int64_t at = geometry.offset;
      std::int64_t rest = i;
      for (std::size_t d = geometry.rank(); d-- > 0;) {
        at += rest % geometry.shape[d] * geometry.strides[d];
        rest /= geometry.shape[d];
      }
      model.positions.push_back(at);
    }
    return model;
  }

  // The elements of `wanted` shape whose index is made from the new index by `source`.
  template <class Source>
  Model gather(const Shape& wanted, const Source& source) const {
    Model out{wanted, {}};
    Dims index(wanted.size());
    for (std::int64_t i = 0; i < wanted.numel(); ++i) {
      std::int64_t rest = i;
      for (std::size_t d = wanted.size(); d-- > 0;) {
        index[d] = rest % wanted[d];
        rest /= wanted[d];
      }
      const Dims from = source(index);
      std::int64_t at = 0;
      for (std::size_t d = 0; d < shape.size(); ++d) at = at * shape[d] + from[d];
      out.positions.push_back(positions[static_cast<std::size_t>(at)]);
    }
    return out;
  }

  friend bool operator==(const Model& a, const Model& b) {
    return a.shape == b.shape && a.positions == b.positions;
  }
};

class GeometryRandom : public ::testing::Test {
 protected:
  std::int64_t number(std::int64_t low, std::int64_t high) {
    return std::uniform_int_distribution<std::int64_t>(low, high)(engine_);
  }
  // A view of rank 1 to 4 made by permuting, slicing and expanding a contiguous one.
  Geometry random_geometry() {
    Shape shape(static_cast<std::size_t>(number(1, 4)));
    for (std::int64_t& size : shape) size = number(1, 5);
    Geometry geometry = Geometry::contiguous(shape);
    geometry.offset = number(0, 3);
    for (int i = 0; i < 2; ++i) {
      const auto last = static_cast<std::int64_t>(geometry.rank()) - 1;
      geometry = geometry.transpose(number(0, last), number(0, last));
      geometry = geometry.slice(number(0, last), {number(0, 2), number(2, 6), number(1, 2)});
    }
    if (number(0, 3) == 0)
      geometry = geometry.unsqueeze(number(0, static_cast<std::int64_t>(geometry.rank())));
    return geometry;
  }

  std::mt19937 engine_{12345};
};

TEST_F(GeometryRandom, ViewsMatchTheModel) {
  for (int round = 0; round < 500; ++round) {
    const Geometry g = random_geometry();
    const Model model = Model::of(g);
    const auto rank = static_cast<std::int64_t>(g.rank());
    const std::int64_t d = number(0, rank - 1);
    const auto at = static_cast<std::size_t>(d);
    const std::int64_t size = g.shape[at];

    if (size > 0) {
      const std::int64_t position = number(0, size - 1);
      Shape without = g.shape;
      without.erase(at);
      const Model expected = model.gather(without, [&](Dims index) {
        index.insert(at, position);
        return index;
      });
      EXPECT_EQ(Model::of(g.select(d, position)), expected);
      EXPECT_EQ(Model::of(g.select(d - rank, position - size)), expected);
    }

    const std::int64_t start = number(0, size);
    const std::int64_t length = number(0, size - start);
    Shape narrowed = g.shape;
    narrowed[at] = length;
    EXPECT_EQ(Model::of(g.narrow(d, start, length)), model.gather(narrowed, [&](Dims index) {
      index[at] += start;
      return index;
    }));

    const std::int64_t step = number(1, 3);
    Shape sliced = g.shape;
    sliced[at] = (length + step - 1) / step;
    EXPECT_EQ(Model::of(g.slice(d, {start, start + length, step})), model.gather(sliced, [&](Dims index) {
      index[at] = index[at] * step + start;
      return index;
    }));

    const std::int64_t e = number(0, rank - 1);
    Shape swapped = g.shape;
    std::swap(swapped[at], swapped[static_cast<std::size_t>(e)]);
    EXPECT_EQ(Model::of(g.transpose(d, e)), model.gather(swapped, [&](Dims index) {
      std::swap(index[at], index[static_cast<std::size_t>(e)]);
      return index;
    }));

    std::vector<std::int64_t> order(g.rank());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<std::int64_t>(i);
    std::shuffle(order.begin(), order.end(), engine_);
    Shape permuted;
    for (const std::int64_t i : order) permuted.push_back(g.shape[static_cast<std::size_t>(i)]);
    EXPECT_EQ(Model::of(g.permute(order)), model.gather(permuted, [&](const Dims& index) {
      Dims source(index.size());
      for (std::size_t i = 0; i < order.size(); ++i) source[static_cast<std::size_t>(order[i])] = index[i];
      return source;
    }));

    Shape expanded = g.shape;
    expanded.insert(0, 2);
    for (std::size_t i = 1; i < expanded.size(); ++i) expanded[i] = expanded[i] == 1 ? 3 : expanded[i];
    EXPECT_EQ(Model::of(g.expand(expanded)), model.gather(expanded, [&](const Dims& index) {
      Dims source;
      for (std::size_t i = 1; i < index.size(); ++i) source.push_back(g.shape[i - 1] == 1 ? 0 : index[i]);
      return source;
    }));

    EXPECT_EQ(Model::of(g.unsqueeze(d)).positions, model.positions);
    EXPECT_EQ(Model::of(g.squeeze()).positions, model.positions);
    EXPECT_EQ(g.unsqueeze(d).squeeze(d), g);
  }
}

// Every way to write `numel` as a product of up to 4 factors.
void factor(std::int64_t numel, const Shape& begun, std::vector<Shape>& out) {
  if (begun.size() > 4) return;
  if (numel == 1) out.push_back(begun);
  for (std::int64_t size = 1; size <= numel; ++size) {
    if (numel % size != 0 || begun.size() == 4) continue;
    Shape longer = begun;
    longer.push_back(size);
    factor(numel / size, longer, out);
  }
}

// Whether strides for `shape` exist that visit `positions` in order, by solving for them one dimension at a
// time.
bool is_viewable(const std::vector<std::int64_t>& positions, const Shape& shape) {
  std::int64_t inner = 1;
  Geometry candidate{shape, Strides(shape.size()), positions.front()};
  for (std::size_t d = shape.size(); d-- > 0;) {
    if (shape[d] > 1) {
      candidate.strides[d] = positions[static_cast<std::size_t>(inner)] - positions.front();
    }
    inner *= shape[d];
  }
  return Model::of(candidate).positions == positions;
}

TEST_F(GeometryRandom, ViewIsMadeExactlyWhenStridesExist) {
  int made = 0;
  int refused = 0;
  for (int round = 0; round < 200; ++round) {
    const Geometry g = random_geometry();
    if (g.numel() == 0) continue;
    const std::vector<std::int64_t> positions = Model::of(g).positions;
    std::vector<Shape> shapes;
    factor(g.numel(), {}, shapes);
    for (const Shape& shape : shapes) {
      const auto viewed = g.view(shape);
      EXPECT_EQ(viewed.has_value(), is_viewable(positions, shape))
          << g.shape << " strides " << cat(Shape(g.strides)) << " as " << shape;
      if (viewed) {
        EXPECT_EQ(viewed->shape, shape);
        EXPECT_EQ(Model::of(*viewed).positions, positions);
      }
      ++(viewed ? made : refused);
    }
  }
  EXPECT_GT(made, 1000);
  EXPECT_GT(refused, 100);
}

TEST_F(GeometryRandom, RequiredElementsEndBehindTheLastPosition) {
  for (int round = 0; round < 200; ++round) {
    const Geometry g = random_geometry();
    const std::vector<std::int64_t> positions = Model::of(g).positions;
    const std::int64_t expected =
        positions.empty() ? 0 : *std::max_element(positions.begin(), positions.end()) + 1;
    EXPECT_EQ(g.required_elements(), expected);
    std::vector<std::int64_t> dense(positions.size());
    for (std::size_t i = 0; i < dense.size(); ++i) dense[i] = g.offset + static_cast<std::int64_t>(i);
    EXPECT_EQ(g.is_contiguous(), positions == dense);
  }
}

TEST(Geometry, IndexExpressions) {
  const Geometry g = Geometry::contiguous({4, 5, 6});
  const auto index = [&](std::initializer_list<Index> indices) {
    return g.index({indices.begin(), indices.size()});
  };
  EXPECT_EQ(index({std::int64_t{1}}), g.select(0, 1));
  EXPECT_EQ(index({Ellipsis{}, std::int64_t{-1}}), g.select(2, 5));
  EXPECT_EQ(Model::of(index({Slice{1, 3}, NewAxis{}, std::int64_t{2}})),
            Model::of(g.slice(0, {1, 3}).select(1, 2).unsqueeze(1)));
  EXPECT_EQ(index({std::int64_t{0}, Ellipsis{}, Slice{{}, {}, 2}}), g.select(0, 0).slice(1, {{}, {}, 2}));
  EXPECT_EQ(index({}), g);
  EXPECT_ERROR(index({Ellipsis{}, Ellipsis{}}), ErrorCode::kInvalidArgument);
  EXPECT_ERROR(index({Slice{}, Slice{}, Slice{}, Slice{}}), ErrorCode::kIndexOutOfRange);
}

TEST(Geometry, SliceClampsAsPython) {
  const Geometry g = Geometry::contiguous({5});
  EXPECT_EQ(g.slice(0, {-2, {}}).shape, Shape{2});
  EXPECT_EQ(g.slice(0, {-2, {}}).offset, 3);
  EXPECT_EQ(g.slice(0, {3, 1}).shape, Shape{0});
  EXPECT_EQ(g.slice(0, {-100, 100}).shape, Shape{5});
  EXPECT_EQ(g.slice(0, {{}, {}, std::numeric_limits<std::int64_t>::max()}).shape, Shape{1});
}

TEST(Geometry, Refusals) {
  const Geometry g = Geometry::contiguous({2, 3});
  const Geometry scalar = Geometry::contiguous({});
  EXPECT_ERROR(g.select(2, 0), ErrorCode::kIndexOutOfRange);
  EXPECT_ERROR(g.select(0, 2), ErrorCode::kIndexOutOfRange);
  EXPECT_ERROR(g.select(0, -3), ErrorCode::kIndexOutOfRange);
  EXPECT_ERROR(scalar.select(0, 0), ErrorCode::kIndexOutOfRange);
  EXPECT_ERROR(g.narrow(0, 3, 0), ErrorCode::kIndexOutOfRange);
  EXPECT_ERROR(g.narrow(0, -3, 0), ErrorCode::kIndexOutOfRange);
  EXPECT_ERROR(g.narrow(0, 1, 2), ErrorCode::kIndexOutOfRange);
  EXPECT_ERROR(g.narrow(0, 0, -1), ErrorCode::kIndexOutOfRange);
  EXPECT_ERROR(scalar.narrow(0, 0, 0), ErrorCode::kIndexOutOfRange);
  EXPECT_ERROR(g.slice(0, {0, 1, 0}), ErrorCode::kInvalidArgument);
  EXPECT_ERROR(scalar.slice(0, {}), ErrorCode::kIndexOutOfRange);
  EXPECT_ERROR(g.transpose(0, 2), ErrorCode::kIndexOutOfRange);
  const std::int64_t short_order[] = {0};
  const std::int64_t twice[] = {0, 0};
  const std::int64_t outside[] = {0, 5};
  EXPECT_ERROR(g.permute(short_order), ErrorCode::kInvalidArgument);
  EXPECT_ERROR(g.permute(twice), ErrorCode::kInvalidArgument);
  EXPECT_ERROR(g.permute(outside), ErrorCode::kIndexOutOfRange);
  EXPECT_ERROR(g.expand({3}), ErrorCode::kShapeMismatch);
  EXPECT_ERROR(g.expand({2, 4}), ErrorCode::kShapeMismatch);
  EXPECT_ERROR(g.expand({-1, 2, 3}), ErrorCode::kShapeMismatch);
  EXPECT_ERROR(g.squeeze(2), ErrorCode::kIndexOutOfRange);
  EXPECT_ERROR(g.unsqueeze(3), ErrorCode::kIndexOutOfRange);
  EXPECT_ERROR(g.view({4}), ErrorCode::kShapeMismatch);
  EXPECT_ERROR(g.view({-1, -1}), ErrorCode::kInvalidArgument);
  EXPECT_ERROR(g.view({-2, 3}), ErrorCode::kInvalidArgument);
  EXPECT_ERROR(g.view({-1, 4}), ErrorCode::kShapeMismatch);
  EXPECT_ERROR(g.view({kHugeExtent, kHugeExtent}), ErrorCode::kOverflow);
  EXPECT_ERROR(Geometry::contiguous({0, 3}).view({-1, 0}), ErrorCode::kShapeMismatch);
}

TEST(Geometry, RequiredElementsRefusesWhatNoStorageCanHold) {
  const auto required = [](const Shape& shape, const Strides& strides, std::int64_t offset = 0) {
    return Geometry{shape, strides, offset}.required_elements();
  };
  EXPECT_ERROR(required({2}, {1, 1}), ErrorCode::kInvalidArgument);
  EXPECT_ERROR(required({2}, {1}, -1), ErrorCode::kInvalidArgument);
  EXPECT_ERROR(required({-2}, {1}), ErrorCode::kInvalidArgument);
  EXPECT_ERROR(required({2}, {-1}), ErrorCode::kInvalidArgument);
  EXPECT_ERROR(required({kHugeExtent, kHugeExtent}, {0, 0}), ErrorCode::kOverflow);
  EXPECT_ERROR(required({3}, {std::numeric_limits<std::int64_t>::max()}), ErrorCode::kOverflow);
  EXPECT_ERROR(required({1}, {1}, std::numeric_limits<std::int64_t>::max()), ErrorCode::kOverflow);
  try {
    required({2, 3}, {std::numeric_limits<std::int64_t>::max(), 1}, 4);
    ADD_FAILURE() << "expected an Error";
  } catch (const Error& error) {
    EXPECT_EQ(error.text(),
              "a tensor of shape (2, 3) with strides (9223372036854775807, 1) and the storage offset 4 "
              "reaches further than 64 bits count");
  }
  EXPECT_EQ(required({0, 5}, {7, 7}, 9), 0);
  EXPECT_EQ(required({}, {}, 4), 5);
}

TEST(Geometry, FlattenedShape) {
  EXPECT_EQ(flattened_shape({2, 3, 4}, 0, -1), Shape{24});
  EXPECT_EQ(flattened_shape({2, 3, 4}, 1, 2), (Shape{2, 12}));
  EXPECT_EQ(flattened_shape({2, 3, 4}, 1, 1), (Shape{2, 3, 4}));
  EXPECT_EQ(flattened_shape({}, 0, -1), Shape{1});
  EXPECT_ERROR(flattened_shape({2, 3}, 1, 0), ErrorCode::kInvalidArgument);
  EXPECT_ERROR(flattened_shape({2, 3}, 0, 2), ErrorCode::kIndexOutOfRange);
}

}  // namespace
}  // namespace sconce
