#include "sconce/toolbox/verify.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <limits>

#include "base/error_matcher.h"
#include "sconce/base/file.h"
#include "sconce/checkpoint/save.h"

namespace sconce::toolbox {
namespace {

using checkpoint::Integrity;

class Verify : public ::testing::Test {
 protected:
  std::string path(const std::string& name) const { return (folder_ / name).string(); }
  void SetUp() override { std::filesystem::create_directories(folder_); }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  // A checkpoint of one tensor of floats.
  std::string save_floats(const std::vector<float>& values, const std::string& name = "net.pt") const {
    Array array = Array::zeros(Shape{static_cast<std::int64_t>(values.size())}, kFloat32);
    std::memcpy(array.mutable_raw(), values.data(), values.size() * sizeof(float));
    checkpoint::save(path(name), Value::dict({{"w", Value(array)}}));
    return path(name);
  }

 private:
  std::filesystem::path folder_ =
      std::filesystem::temp_directory_path() /
      ("sconce_verify_" + std::to_string(::testing::UnitTest::GetInstance()->random_seed()) + "_" +
       std::to_string(reinterpret_cast<std::uintptr_t>(this)));
};

TEST_F(Verify, FindsNothingWrong) {
  const VerifyReport report = verify(save_floats({1, 2, 3}), {.finite = true, .load = {}});
  EXPECT_TRUE(report.ok());
  EXPECT_EQ(report.integrity, Integrity::kChecked);
  EXPECT_TRUE(report.finite_was_checked);
  EXPECT_EQ(report.examination.pickles.size(), 1u);
  for (const auto& answer : report.examination.weights_only) EXPECT_TRUE(answer.accepted) << answer.reason;
}

TEST_F(Verify, FindsWhatIsNotFinite) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  const std::string file = save_floats({1, kInfinity, -kInfinity, std::nanf("")});
  EXPECT_TRUE(verify(file).ok());
  const VerifyReport report = verify(file, {.finite = true, .load = {}});
  EXPECT_FALSE(report.ok());
  EXPECT_FALSE(report.is_damaged());
  ASSERT_EQ(report.non_finite.size(), 1u);
  EXPECT_EQ(report.non_finite[0].name, "w");
  EXPECT_EQ(report.non_finite[0].nan, 1);
  EXPECT_EQ(report.non_finite[0].infinite, 2);
}

TEST_F(Verify, LargeRecordsAreCheckedInPieces) {
  const std::string file = save_floats(std::vector<float>(5'000'000, 0.5f));
  EXPECT_EQ(verify(file).integrity, Integrity::kChecked);
  auto bytes = read_file(file);
  bytes[bytes.size() / 2] ^= std::byte{1};
  AtomicFile out(file);
  out.write(bytes);
  out.commit();
  const VerifyReport report = verify(file);
  EXPECT_EQ(report.integrity, Integrity::kDamaged);
  ASSERT_EQ(report.examination.problems.size(), 1u);
  EXPECT_EQ(report.examination.problems[0].code, ErrorCode::kChecksum);
}

TEST_F(Verify, SafetensorsAreUnchecked) {
  const VerifyReport report = verify(save_floats({1}, "net.safetensors"));
  EXPECT_TRUE(report.ok());
  EXPECT_EQ(report.integrity, Integrity::kUnchecked);
  EXPECT_TRUE(report.examination.pickles.empty());
}

TEST_F(Verify, WhatIsNoCheckpointIsAnError) {
  EXPECT_ERROR(verify(path("missing.pt")), ErrorCode::kNotFound);
  AtomicFile out(path("note.txt"));
  out.write(std::string_view("hello\n"));
  out.commit();
  EXPECT_ERROR(verify(path("note.txt")), ErrorCode::kUnsupported);
}

}  // namespace
}  // namespace sconce::toolbox
