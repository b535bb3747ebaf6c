// Salvage of .npz: each record stands for itself.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>

#include "base/error_matcher.h"
#include "base/temporary_folder.h"
#include "checkpoint/broken_files.h"
#include "checkpoint/saved.h"
#include "sconce/checkpoint/examine.h"
#include "sconce/checkpoint/listing.h"
#include "sconce/checkpoint/salvage.h"
#include "sconce/checkpoint/save.h"

namespace sconce::checkpoint {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

Value three_arrays() {
  std::mt19937_64 random(3);
  Value out = Value::dict();
  for (const char* name : {"a", "A", "b"}) {
    Array array = Array::empty({4, 3}, kFloat32);
    for (std::size_t i = 0; i < array.nbytes(); ++i)
      array.mutable_raw()[i] = static_cast<std::byte>(random());
    out.set_item(name, array);
  }
  return out;
}

Bytes npz_salvage_bytes(const Value& value) { return saved_bytes(value, {.format = Format::kNpz}); }

std::vector<std::string> names(const Salvage& salvage, bool checked) {
  std::vector<std::string> out;
  for (const SalvagedTensor& tensor : salvage.recovered) {
    if (tensor.is_checked == checked) out.push_back(tensor.name);
  }
  return out;
}

std::vector<std::string> lost(const Salvage& salvage) {
  std::vector<std::string> out;
  for (const LostTensor& tensor : salvage.lost) {
    EXPECT_THAT(tensor.reason, Not(IsEmpty()));
    out.push_back(tensor.name);
  }
  return out;
}

// Nothing is given back but what was there, under its name when that is called checked.
void expect_true(const Salvage& salvage, const Value& original) {
  for (const SalvagedTensor& tensor : salvage.recovered) {
    const Array given = salvage.value.at(tensor.name).as_array();
    if (!tensor.is_checked) continue;
    ASSERT_TRUE(original.contains(tensor.name)) << tensor.name;
    ASSERT_TRUE(given.same_bits(original.at(tensor.name).as_array())) << tensor.name;
  }
  EXPECT_EQ(salvage.value.size(), salvage.recovered.size());
}

TEST(NpzSalvage, WholeArraysAreChecked) {
  const Salvage salvage = checkpoint::salvage(npz_salvage_bytes(three_arrays()));
  EXPECT_EQ(salvage.format, Format::kNpz);
  EXPECT_THAT(names(salvage, true), ElementsAre("a", "A", "b"));
  EXPECT_THAT(salvage.lost, IsEmpty());
  EXPECT_THAT(salvage.notes, IsEmpty());
  expect_true(salvage, three_arrays());
}

TEST(NpzSalvage, EveryBitFlipped) {
  const Value original = three_arrays();
  const Bytes whole = npz_salvage_bytes(original);
  std::size_t least = 3;
  for (std::size_t bit = 0; bit < 8 * whole.size(); ++bit) {
    SCOPED_TRACE(bit);
    Bytes changed = whole;
    changed[bit / 8] ^= std::byte(1 << bit % 8);
    try {
      const Salvage salvage = checkpoint::salvage(changed);
      expect_true(salvage, original);
      if (bit >= 8 * 100) least = std::min(least, salvage.recovered.size());
    } catch (const Error& error) {
      // Where the file begins there is what its format is told by.
      ASSERT_LT(bit, 8u * 40) << error.what();
    }
    if (HasFatalFailure()) return;
  }
  EXPECT_EQ(least, 2u);  // no flip costs more than one array
}

TEST(NpzSalvage, CutAtEveryByte) {
  const Value original = three_arrays();
  const Bytes bytes = npz_salvage_bytes(original);
  const std::string whole(as_chars(bytes));
  const Listing listing = describe(bytes);
  for (std::size_t size = 100; size < whole.size(); ++size) {
    SCOPED_TRACE(size);
    const Salvage salvage = checkpoint::salvage(std::span(bytes).first(size));
    // An array ends where the descriptor behind it says so.
    constexpr std::uint64_t kDescriptor = 16;
    std::vector<std::string> expected;
    for (const TensorInfo& tensor : listing.tensors) {
      if (tensor.file_offset + tensor.storage_bytes + kDescriptor <= size) expected.push_back(tensor.name);
    }
    std::vector<std::string> found;
    for (const SalvagedTensor& tensor : salvage.recovered) found.push_back(tensor.name);
    ASSERT_EQ(found, expected);
    // As much of the directory as there is confirms the names, and that nothing else was there.
    const bool has_directory = whole.find("PK\1\2", 0) + 4 <= size;
    ASSERT_TRUE(has_directory || names(salvage, true).empty());
    ASSERT_EQ(salvage.lost.empty(), has_directory);
    expect_true(salvage, original);
  }
}

TEST(NpzSalvage, WhatIsLostSaysWhy) {
  const std::string good = std::string(as_chars(npz_salvage_bytes(three_arrays())));
  const std::string array = good.substr(good.find("\x93NUMPY"), 128 + 48);
  const Salvage salvage = checkpoint::salvage(zip_of({{"a.npy", array},
                                                      {"cut.npy", array.substr(0, 150)},
                                                      {"notes.txt", "notes"},
                                                      {"o.npy", "\x93NUMPY\1"}}));
  EXPECT_THAT(names(salvage, true), ElementsAre("a"));
  EXPECT_THAT(lost(salvage), ElementsAre("cut", "notes.txt", "o"));
}

class NpzSalvageFile : public TemporaryFolder {
 protected:
  // The advice of examine() and of can_salvage() is what salvage() keeps.
  void expect_honest(const std::string& content, bool has_something) const {
    put("x.npz", content);
    const Examination found = examine(path("x.npz"));
    EXPECT_EQ(found.format, Format::kNpz);
    ASSERT_THAT(found.problems, Not(IsEmpty()));
    bool is_advised = false;
    for (const Problem& problem : found.problems) {
      is_advised = is_advised || problem.advice.find("salvage") != std::string::npos;
    }
    EXPECT_EQ(is_advised, has_something);
    EXPECT_EQ(can_salvage(path("x.npz")), has_something);
    bool has = false;
    try {
      has = !salvage(path("x.npz")).recovered.empty();
    } catch (const Error&) {
    }
    EXPECT_EQ(has, has_something);
  }
};

TEST_F(NpzSalvageFile, IsAdvisedWhereThereIsSomethingToSave) {
  const std::string whole(as_chars(npz_salvage_bytes(three_arrays())));
  expect_honest(whole.substr(0, whole.size() - 30), true);
  expect_honest(whole.substr(0, whole.size() / 2), true);
  expect_honest(whole.substr(0, 100), false);
  std::string flipped = whole;
  flipped[whole.size() / 3] = static_cast<char>(flipped[whole.size() / 3] ^ 4);
  expect_honest(flipped, true);
  // The only array is the one that is damaged.
  std::string alone(as_chars(npz_salvage_bytes(Value::dict({{"a", Array::zeros({64})}}))));
  alone[200] = 'x';
  expect_honest(alone, false);
}

TEST_F(NpzSalvageFile, NamesThatDifferInCaseAreNoFault) {
  put("x.npz", as_chars(npz_salvage_bytes(three_arrays())));
  EXPECT_THAT(examine(path("x.npz")).problems, IsEmpty());
}

TEST_F(NpzSalvageFile, WithoutItsFirstBytesIsStillOne) {
  std::string content(as_chars(npz_salvage_bytes(three_arrays())));
  content[0] = 'X';
  put("x.npz", content);
  const Examination found = examine(path("x.npz"));
  EXPECT_EQ(found.format, Format::kNpz);
  EXPECT_THAT(found.problems, Not(IsEmpty()));
}

}  // namespace
}  // namespace sconce::checkpoint
