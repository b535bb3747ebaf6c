#include "checkpoint/small_storages.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <vector>

namespace sconce::checkpoint {
namespace {

TEST(SmallStorages, EachHasItsOwnBytes) {
  std::vector<Storage> storages;
  {
    SmallStorages memory;
    for (std::size_t i = 0; i < 3000; ++i) storages.push_back(memory.allocate(i * 7 % 20'000));
  }  // what was allocated outlives it
  for (std::size_t i = 0; i < storages.size(); ++i) {
    ASSERT_EQ(storages[i].size(), i * 7 % 20'000);
    ASSERT_TRUE(storages[i].is_loaded()) << i;  // the first has no bytes
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(storages[i].data()) % kStorageAlignment, 0U);
    std::memset(storages[i].mutable_data(), static_cast<int>(i % 251), storages[i].size());
  }
  for (std::size_t i = 0; i < storages.size(); i += 3) storages[i] = {};  // neighbours keep theirs
  for (std::size_t i = 0; i < storages.size(); ++i) {
    for (std::size_t j = 0; j < storages[i].size(); ++j) {
      ASSERT_EQ(storages[i].data()[j], static_cast<std::byte>(i % 251)) << i;
    }
  }
}

}  // namespace
}  // namespace sconce::checkpoint
