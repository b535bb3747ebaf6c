#include "sconce/base/recycled.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <memory>
#include <set>
#include <thread>
#include <vector>

namespace sconce {
namespace {

struct Small : Recycled<Small> {
  std::array<std::uint64_t, 9> numbers{};
};
struct Larger : Small {
  std::array<std::uint64_t, 40> more{};
};

std::vector<std::unique_ptr<Small>> made(std::size_t count) {
  std::vector<std::unique_ptr<Small>> out;
  for (std::size_t i = 0; i < count; ++i) {
    out.push_back(std::make_unique<Small>());
    out.back()->numbers.fill(i);
  }
  return out;
}

TEST(Recycled, ObjectsAreApartHoweverManyThereAre) {
  for (const std::size_t count : {1U, 5U, 32U, 33U, 200U, 3U}) {
    const auto objects = made(count);
    std::set<const Small*> places;
    for (std::size_t i = 0; i < count; ++i) {
      places.insert(objects[i].get());
      for (const std::uint64_t number : objects[i]->numbers) ASSERT_EQ(number, i);
    }
    EXPECT_EQ(places.size(), count);
  }
}

TEST(Recycled, WhatWasFreedLastIsTakenFirst) {
  if (kIsSanitized) GTEST_SKIP() << "a sanitizer watches the heap";
  auto first = std::make_unique<Small>();
  const auto place = reinterpret_cast<std::uintptr_t>(first.get());
  first.reset();
  const auto second = std::make_unique<Small>();
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(second.get()), place);
}

TEST(Recycled, DerivedClassesOfOtherSizeAreNot) {
  for (int i = 0; i < 100; ++i) {
    const auto larger = std::make_unique<Larger>();
    larger->more.fill(7);
    const auto small = std::make_unique<Small>();
    small->numbers.fill(8);
    EXPECT_EQ(larger->more[39], 7U);
  }
}

TEST(Recycled, ObjectsMayBeFreedByOtherThreads) {
  for (int round = 0; round < 20; ++round) {
    auto objects = made(100);
    std::thread([&] {
      objects.clear();
      objects = made(50);
    }).join();  // which gives back what it kept
    for (std::size_t i = 0; i < objects.size(); ++i) EXPECT_EQ(objects[i]->numbers[8], i);
  }
}

// What ends after the thread's list was emptied: nothing is taken from there again.
struct Last {
  std::unique_ptr<Small> object;
  int* wrong = nullptr;
  ~Last() {
    object.reset();
    const auto objects = made(60);
    const auto of_heap = std::make_unique<std::array<std::uint64_t, 9>>();  // would stand on one of them
    of_heap->fill(99);
    for (std::size_t i = 0; i < objects.size(); ++i) {
      for (const std::uint64_t number : objects[i]->numbers) *wrong += number == i ? 0 : 1;
    }
  }
};

TEST(Recycled, ThreadsMayFreeWhileTheyEnd) {
  int wrong = 0;
  std::thread([&] {
    thread_local Last last;  // made before the thread frees its first object, so gone after the list is
    last.object = std::make_unique<Small>();
    last.wrong = &wrong;
    made(40);
  }).join();
  EXPECT_EQ(wrong, 0);
}

}  // namespace
}  // namespace sconce
