#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "base/error_matcher.h"
#include "base/temporary_folder.h"
#include "sconce/data/cifar10.h"
#include "sconce/data/synthetic_shapes.h"
#include "support/digest.h"

namespace sconce::data {
namespace {

using test::sha256_of;

constexpr std::size_t kRecordSize = 3073;

// `count` records; the label of record i is (first + i) % 10, its pixels are all first + i.
std::string records(std::size_t count, int first = 0) {
  std::string out;
  for (std::size_t i = 0; i < count; ++i) {
    const int number = first + static_cast<int>(i);
    out += static_cast<char>(number % 10);
    out.append(kRecordSize - 1, static_cast<char>(number));
  }
  return out;
}

class Cifar10Files : public TemporaryFolder {
 protected:
  void put_batches(const std::string& folder) {
    for (int i = 1; i <= 5; ++i) put(folder + "data_batch_" + std::to_string(i) + ".bin", records(2, 2 * i));
    put(folder + "test_batch.bin", records(3, 50));
  }
};

TEST_F(Cifar10Files, ReadsBatchesInOrder) {
  put_batches("");
  const Cifar10 train(folder_.string());
  ASSERT_EQ(train.size(), 10);
  for (std::int64_t i = 0; i < 10; ++i) {
    const Example example = train.get(i);
    EXPECT_EQ(example.label, (i + 2) % 10);
    EXPECT_TRUE(example.image.same_bits(Array::full({3, 32, 32}, static_cast<double>(i + 2), kUInt8)));
  }
  const Cifar10 test(folder_.string(), Split::kTest);
  EXPECT_EQ(test.size(), 3);
  EXPECT_EQ(test.labels(1, 2).to_vector<std::int64_t>(), (std::vector<std::int64_t>{1, 2}));
  EXPECT_EQ(test.class_names().size(), 10U);
}

TEST_F(Cifar10Files, FindsTheFolderOfTheArchive) {
  std::filesystem::create_directory(folder_ / "cifar-10-batches-bin");
  put_batches("cifar-10-batches-bin/");
  EXPECT_EQ(Cifar10(folder_.string()).size(), 10);
}

TEST_F(Cifar10Files, DamagedFilesAreNamed) {
  EXPECT_ERROR(Cifar10(folder_.string()), ErrorCode::kNotFound);
  put_batches("");
  put("data_batch_3.bin", records(2).substr(0, 2 * kRecordSize - 1));
  EXPECT_ERROR(Cifar10(folder_.string()), ErrorCode::kTruncated);
  put("data_batch_3.bin", "");
  EXPECT_ERROR(Cifar10(folder_.string()), ErrorCode::kTruncated);
  std::string bad_label = records(2);
  bad_label[kRecordSize] = 10;
  put("data_batch_3.bin", bad_label);
  try {
    const Cifar10 dataset(folder_.string());
    ADD_FAILURE() << "expected an Error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kCorrupt);
    EXPECT_EQ(error.path(), path("data_batch_3.bin"));
    EXPECT_EQ(error.offset(), kRecordSize);
  }
}

TEST(Dataset, BulkReadsAgreeWithSingleOnes) {
  const SyntheticShapes dataset(Split::kTrain, {.size = 30});
  const Array images = dataset.images(5, 20);
  const Array labels = dataset.labels(5, 20);
  for (std::int64_t i = 0; i < 20; ++i) {
    const Example example = dataset.get(5 + i);
    EXPECT_TRUE(images.select(0, i).same_bits(example.image));
    EXPECT_EQ(labels.select(0, i).item<std::int64_t>(), example.label);
  }
}

TEST(Dataset, IndicesAreChecked) {
  const SyntheticShapes dataset(Split::kTrain, {.size = 30});
  EXPECT_ERROR(dataset.get(30), ErrorCode::kIndexOutOfRange);
  EXPECT_ERROR(dataset.get(-1), ErrorCode::kIndexOutOfRange);
  EXPECT_ERROR(dataset.images(20, 11), ErrorCode::kIndexOutOfRange);
  EXPECT_ERROR(dataset.labels(-1, 1), ErrorCode::kIndexOutOfRange);
  EXPECT_ERROR(SyntheticShapes(Split::kTrain, {.size = -1}), ErrorCode::kInvalidArgument);
}

TEST(SyntheticShapes, SameBytesEverywhere) {
  const SyntheticShapes train(Split::kTrain);
  const SyntheticShapes test(Split::kTest);
  EXPECT_EQ(train.size(), 8000);
  EXPECT_EQ(test.size(), 2000);
  EXPECT_EQ(train.class_names().size(), 10U);
  EXPECT_EQ(sha256_of(train.images(0, 500)),
            "3d3be9031f2da8db406f421bdb8b44bd899e161c5fcdb90263cc6aa83f374eeb");
  EXPECT_EQ(sha256_of(test.images(0, 500)),
            "535f31acf2026220859367e5d1003b069bfea93c29fea8f54dfa70c762ca6af3");
}

TEST(SyntheticShapes, SeedSplitAndIndexTellImagesApart) {
  const SyntheticShapes a(Split::kTrain, {.seed = 0});
  const SyntheticShapes b(Split::kTrain, {.seed = 1});
  const SyntheticShapes c(Split::kTest, {.seed = 0});
  EXPECT_FALSE(a.get(0).image.same_bits(b.get(0).image));
  EXPECT_FALSE(a.get(0).image.same_bits(c.get(0).image));
  EXPECT_FALSE(a.get(0).image.same_bits(a.get(10).image));
  EXPECT_EQ(a.get(13).label, 3);
}

}  // namespace
}  // namespace sconce::data
