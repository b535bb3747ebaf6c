#include "sconce/base/hash_index.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace sconce {
namespace {

TEST(HashIndex, FindsWhatWasAddedWhileItGrows) {
  std::vector<std::string> names;
  HashIndex index;
  const auto find = [&](const std::string& name) {
    return index.find(text_hash(name), [&](std::uint32_t i) { return names[i] == name; });
  };
  EXPECT_FALSE(find("0"));
  for (std::uint32_t i = 0; i < 5000; ++i) {
    names.push_back(std::to_string(i));
    EXPECT_FALSE(find(names.back()));
    index.add(text_hash(names.back()), i);
  }
  for (std::uint32_t i = 0; i < 5000; ++i) ASSERT_EQ(find(std::to_string(i)), i);
  EXPECT_FALSE(find("5000"));
}

TEST(HashIndex, EqualHashesAreToldApartByWhatTheyNumber) {
  const std::vector<int> keys = {7, 9};
  HashIndex index;
  for (std::uint32_t i = 0; i < 2; ++i) index.add(0xFFFFFFFF, i);  // whose slots wrap round
  const auto find = [&](int key) {
    return index.find(0xFFFFFFFF, [&](std::uint32_t i) { return keys[i] == key; });
  };
  EXPECT_EQ(find(7), 0U);
  EXPECT_EQ(find(9), 1U);
  EXPECT_FALSE(find(8));
  EXPECT_FALSE(index.find(0, [](std::uint32_t) { return true; }));
}

}  // namespace
}  // namespace sconce
