// Indices of sparse tensors that lie outside them: found when saving, by examine() and by salvage().
#include "checkpoint/sparse_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

#include "base/error_matcher.h"
#include "base/temporary_folder.h"
#include "checkpoint/broken_files.h"
#include "checkpoint/saved.h"
#include "sconce/checkpoint/examine.h"
#include "sconce/checkpoint/load.h"
#include "sconce/checkpoint/salvage.h"
#include "sconce/checkpoint/save.h"

namespace sconce::checkpoint {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Ints = std::vector<std::int64_t>;

// 3 x 4 x (2) with the elements (0, 3) and (2, 0).
SparseLeaf coo() {
  SparseLeaf out;
  out.layout = "sparse_coo";
  out.indices = Array::from(Ints{0, 2, 3, 0}, {2, 2});
  out.values = Array::zeros({2, 2});
  out.size = {3, 4, 2};
  out.is_coalesced = true;
  return out;
}

// 3 x 4 with two elements in the first row and one in the last.
SparseLeaf compressed(const std::string& layout = "sparse_csr") {
  SparseLeaf out;
  out.layout = layout;
  out.indices = Array::from(Ints{0, 2, 2, 3}, {4});
  out.plain_indices = Array::from(Ints{1, 3, 0}, {3});
  out.values = Array::zeros({3});
  out.size = layout == "sparse_csc" || layout == "sparse_bsc" ? Shape{4, 3} : Shape{3, 4};
  if (layout == "sparse_bsr" || layout == "sparse_bsc") {  // blocks of 5 x 2
    out.values = Array::zeros({3, 5, 2});
    out.size = {5 * out.size[0], 2 * out.size[1]};
  }
  return out;
}

Bytes saved_leaf(const SparseLeaf& leaf, Format format = Format::kTorchZip) {
  return saved_bytes(Value::dict({{"s", leaf}, {"w", Array::ones({2})}}), {.format = format});
}

template <class Change>
std::string fault_after(SparseLeaf leaf, Change change) {
  change(leaf);
  const std::string fault = sparse_fault(leaf);
  if (fault.empty()) {
    EXPECT_TRUE(load(saved_leaf(leaf)).at("s").is_sparse());
  } else {
    EXPECT_ERROR(saved_leaf(leaf), ErrorCode::kCorrupt);
  }
  return fault;
}

std::string coo_with(Ints indices) {
  return fault_after(coo(), [&](SparseLeaf& leaf) { leaf.indices = Array::from(indices, {2, 2}); });
}

std::string csr_with(Ints pointers, Ints plain = {1, 3, 0}) {
  return fault_after(compressed(), [&](SparseLeaf& leaf) {
    leaf.indices = Array::from(pointers, {4});
    leaf.plain_indices = Array::from(plain, {3});
  });
}

TEST(SparseCheck, SoundTensorsAreWritten) {
  const auto nothing = [](SparseLeaf&) {};
  EXPECT_EQ(fault_after(coo(), nothing), "");
  for (const char* layout : {"sparse_csr", "sparse_csc", "sparse_bsr", "sparse_bsc"})
    EXPECT_EQ(fault_after(compressed(layout), nothing), "") << layout;
  EXPECT_EQ(fault_after(compressed(),
                        [](SparseLeaf& leaf) {
                          leaf.indices = leaf.indices.cast(kInt32);
                          leaf.plain_indices = leaf.plain_indices.cast(kInt32);
                        }),
            "");
  EXPECT_EQ(csr_with({0, 0, 0, 3}), "");
}

TEST(SparseCheck, SizesMayBeTheLargestThereAre) {
  constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
  for (const Shape& size : {Shape{kMost, 4}, Shape{3, kMost}, Shape{kMost, kMost}}) {
    SparseLeaf leaf = compressed();
    leaf.size = size;
    EXPECT_EQ(sparse_fault(leaf).empty(), size[0] == 3) << size.str();
    leaf = coo();
    leaf.size = {size[0], size[1], 2};
    EXPECT_EQ(sparse_fault(leaf), "");
  }
}

TEST(SparseCheck, FirstIndexOutsideIsNamed) {
  EXPECT_EQ(coo_with({0, 2, 3, 4}), "indices[1, 1] is 4, expected 0 to 3");
  EXPECT_EQ(coo_with({0, std::int64_t{1} << 40, 3, 4}), "indices[0, 1] is 1099511627776, expected 0 to 2");
  EXPECT_EQ(coo_with({-1, 2, 3, 0}), "indices[0, 0] is -1, expected 0 to 2");
}

TEST(SparseCheck, CompressedPointersCountRows) {
  EXPECT_EQ(csr_with({1, 2, 2, 3}), "compressed_indices[0] is 1, expected 0");
  EXPECT_EQ(csr_with({0, 2, 1, 3}), "compressed_indices[2] is 1, expected 2 to 3");
  EXPECT_EQ(csr_with({0, 2, 2, 2}), "compressed_indices[3] is 2, expected 3");
  EXPECT_EQ(csr_with({0, 2, 2, 4}), "compressed_indices[3] is 4, expected 2 to 3");
  EXPECT_EQ(csr_with({0, -1, 2, 3}), "compressed_indices[1] is -1, expected 0 to 3");
  EXPECT_EQ(csr_with({0, 2, 2, 3}, {1, 4, 0}), "plain_indices[1] is 4, expected 0 to 3");
  EXPECT_EQ(csr_with({0, 2, 2, 3}, {1, 3, -1}), "plain_indices[2] is -1, expected 0 to 3");
  // A row has no more elements than columns.
  EXPECT_EQ(fault_after(compressed(),
                        [](SparseLeaf& leaf) {
                          leaf.size = {3, 1};
                          leaf.plain_indices = Array::from(Ints{0, 0, 0}, {3});
                        }),
            "compressed_indices[1] is 2, expected 0 to 1");
}

TEST(SparseCheck, EveryMemberOfABatchIsLookedAt) {
  const auto batch = [](Ints pointers, Ints plain) {
    SparseLeaf leaf;
    leaf.layout = "sparse_csr";
    leaf.indices = Array::from(pointers, {2, 3});
    leaf.plain_indices = Array::from(plain, {2, 1});
    leaf.values = Array::zeros({2, 1});
    leaf.size = {2, 2, 5};
    return sparse_fault(leaf);
  };
  EXPECT_EQ(batch({0, 0, 1, 0, 1, 1}, {4, 0}), "");
  EXPECT_EQ(batch({0, 0, 1, 0, 1, 1}, {4, 5}), "plain_indices[1, 0] is 5, expected 0 to 4");
  EXPECT_EQ(batch({0, 0, 1, 0, 2, 1}, {4, 0}), "compressed_indices[1, 1] is 2, expected 0 to 1");
}

TEST(SparseCheck, PartsFitEachOther) {
  const auto coo_after = [](auto change) { return fault_after(coo(), change); };
  EXPECT_NE(coo_after([](SparseLeaf& leaf) { leaf.values = Array::zeros({3, 2}); }), "");
  EXPECT_NE(coo_after([](SparseLeaf& leaf) { leaf.size = {3, 4}; }), "");
  EXPECT_NE(coo_after([](SparseLeaf& leaf) { leaf.size = {3, 4, 3}; }), "");
  EXPECT_NE(coo_after([](SparseLeaf& leaf) { leaf.size = {3, -4, 2}; }), "");
  EXPECT_NE(coo_after([](SparseLeaf& leaf) { leaf.indices = leaf.indices.cast(kInt32); }), "");
  EXPECT_NE(coo_after([](SparseLeaf& leaf) { leaf.size = Shape(65, 1); }), "");
  const auto csr_after = [](auto change) { return fault_after(compressed(), change); };
  EXPECT_NE(csr_after([](SparseLeaf& leaf) { leaf.size = {4, 4}; }), "");
  EXPECT_NE(csr_after([](SparseLeaf& leaf) { leaf.size = {3}; }), "");
  EXPECT_NE(csr_after([](SparseLeaf& leaf) { leaf.values = Array::zeros({4}); }), "");
  EXPECT_NE(csr_after([](SparseLeaf& leaf) { leaf.indices = leaf.indices.cast(kInt32); }), "");
  EXPECT_NE(csr_after([](SparseLeaf& leaf) { leaf.indices = leaf.indices.view({1, 4}); }), "");
  EXPECT_NE(csr_after([](SparseLeaf& leaf) { leaf.layout = "sparse_bsr"; }), "");
  EXPECT_NE(fault_after(compressed("sparse_bsr"), [](SparseLeaf& leaf) { leaf.size = {16, 8}; }), "");
}

TEST(SparseCheck, ExpandedIndicesAreNotWalked) {
  SparseLeaf leaf = coo();
  leaf.indices = Array::from(Ints{0, 0}, {2, 1}).expand({2, std::int64_t{1} << 40});
  leaf.values = Array::zeros({1, 2}).expand({std::int64_t{1} << 40, 2});
  EXPECT_ERROR(sparse_fault(leaf), ErrorCode::kLimit);
}

// A legacy stream, which has no checksums, whose index 3 became 2^40.
Bytes stream_with_a_wild_index() {
  Bytes bytes = saved_leaf(coo(), Format::kTorchLegacy);
  const Ints indices{0, 2, 3, 0};
  const auto pattern = std::as_bytes(std::span(indices));
  const auto at = std::search(bytes.begin(), bytes.end(), pattern.begin(), pattern.end());
  EXPECT_NE(at, bytes.end());
  at[2 * sizeof(std::int64_t) + 5] = std::byte{1};
  return bytes;
}

class SparseFiles : public TemporaryFolder {};

TEST_F(SparseFiles, ExaminationFindsThem) {
  const auto examined = [&](const Bytes& bytes) {
    put("s.pt", as_chars(bytes));
    return examine(path("s.pt"));
  };
  EXPECT_THAT(examined(saved_leaf(coo(), Format::kTorchLegacy)).problems, IsEmpty());
  EXPECT_THAT(examined(saved_leaf(compressed("sparse_bsc"))).problems, IsEmpty());
  const Examination found = examined(stream_with_a_wild_index());
  ASSERT_EQ(found.problems.size(), 1u);
  EXPECT_EQ(found.problems[0].code, ErrorCode::kCorrupt);
  EXPECT_THAT(found.problems[0].text, HasSubstr("'s' points outside itself: indices[1, 0] is 1099511627779"));
}

TEST(SparseCheck, SalvageLosesThem) {
  const Salvage found = salvage(stream_with_a_wild_index());
  ASSERT_EQ(found.lost.size(), 1u);
  EXPECT_EQ(found.lost[0].name, "s");
  EXPECT_THAT(found.lost[0].reason, HasSubstr("indices[1, 0]"));
  EXPECT_FALSE(found.value.contains("s"));
  EXPECT_TRUE(found.value.contains("w"));
}

}  // namespace
}  // namespace sconce::checkpoint
