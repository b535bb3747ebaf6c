// What save() makes of a value.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "sconce/base/byte_source.h"
#include "sconce/checkpoint/load.h"
#include "sconce/checkpoint/save.h"

namespace sconce::checkpoint {

struct Saved {
  std::vector<std::byte> bytes;
  std::vector<std::string> warnings;

  Value value() const { return load(bytes); }
};

inline Saved saved(const Value& value, const SaveOptions& options) {
  MemorySink sink;
  const SaveReport report = save(sink, value, options);
  return {sink.bytes(), report.warnings};
}

inline std::vector<std::byte> saved_bytes(const Value& value, const SaveOptions& options = {}) {
  MemorySink sink;
  const SaveReport report = save(sink, value, options);
  EXPECT_EQ(report.bytes, sink.bytes().size());
  return sink.bytes();
}

}  // namespace sconce::checkpoint
