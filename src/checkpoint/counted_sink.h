// Tells SaveOptions::progress how far an output is.
#pragma once

#include <algorithm>
#include <cstdint>

#include "sconce/base/byte_source.h"
#include "sconce/checkpoint/save.h"

namespace sconce::checkpoint {

class CountedSink : public ByteSink {
 public:
  // `done` counts on over several files of one output; `total` may be an estimate.
  CountedSink(ByteSink& sink, std::uint64_t& done, std::uint64_t total, const SaveOptions& options)
      : sink_(sink), done_(done), total_(total), options_(options) {}
  void write(std::span<const std::byte> data) override {
    sink_.write(data);
    done_ += data.size();
    if (options_.progress) options_.progress(done_, std::max(done_, total_));
  }

 private:
  ByteSink& sink_;
  std::uint64_t& done_;
  std::uint64_t total_;
  const SaveOptions& options_;
};

}  // namespace sconce::checkpoint
