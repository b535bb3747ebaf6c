#include "codec/inflate.h"

#include <zlib.h>

#include <algorithm>
#include <new>
#include <string_view>
#include <vector>

#include "sconce/base/error.h"

namespace sconce::zip {
namespace {

constexpr std::size_t kInputBytes = std::size_t{1} << 16;
constexpr std::size_t kOutputBytes = std::size_t{1} << 20;

}  // namespace

// A deflate stream, inflated piece by piece. Named: InflatedSource::Stream, which the header declares, is
// one.
class Inflater {
 public:
  Inflater(const ByteSource& source, std::uint64_t offset, std::uint64_t available)
      : source_(source),
        offset_(offset),
        available_(available),
        input_(static_cast<std::size_t>(std::min<std::uint64_t>(available, kInputBytes))) {
    if (::inflateInit2(&state_, -MAX_WBITS) != Z_OK) throw std::bad_alloc();
  }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;
  ~Inflater() { ::inflateEnd(&state_); }

  bool is_at_end() const { return is_at_end_; }
  std::uint64_t consumed() const { return read_ - state_.avail_in; }
  std::uint64_t produced() const { return produced_; }

  // Fills the beginning of `out`; how much of it, zero perhaps. Error kCorrupt.
  std::size_t next(std::span<std::byte> out) {
    if (state_.avail_in == 0 && read_ < available_) {
      const auto n = static_cast<std::size_t>(std::min<std::uint64_t>(available_ - read_, kInputBytes));
      source_.read_at(std::span(input_).first(n), offset_ + read_);
      read_ += n;
      state_.next_in = reinterpret_cast<Bytef*>(input_.data());
      state_.avail_in = static_cast<uInt>(n);
    }
    state_.next_out = reinterpret_cast<Bytef*>(out.data());
    state_.avail_out = static_cast<uInt>(out.size());
    const int result = ::inflate(&state_, Z_NO_FLUSH);
    if (result == Z_BUF_ERROR) corrupt("the stream is cut off");
    if (result != Z_OK && result != Z_STREAM_END) corrupt("not a deflate stream");
    is_at_end_ = result == Z_STREAM_END;
    const std::size_t n = out.size() - state_.avail_out;
    produced_ += n;
    return n;
  }
  [[noreturn]] void corrupt(std::string_view what) const {
    throw Error(ErrorCode::kCorrupt, "zip", cat("deflated data: ", what)).at_offset(offset_ + consumed());
  }

 private:
  const ByteSource& source_;
  std::uint64_t offset_;
  std::uint64_t available_;
  std::vector<std::byte> input_;
  std::uint64_t read_ = 0;
  std::uint64_t produced_ = 0;
  bool is_at_end_ = false;
  z_stream state_{};
};

Inflated inflate_to_end(const ByteSource& source, std::uint64_t offset, std::uint64_t available,
                        std::uint64_t most, const std::function<void(std::span<const std::byte>)>& chunk,
                        std::uint64_t enough) {
  Inflater stream(source, offset, available);
  std::vector<std::byte> output(
      static_cast<std::size_t>(std::min<std::uint64_t>({most, enough, kOutputBytes - 1})) + 1);
  while (!stream.is_at_end()) {
    const std::size_t n = stream.next(output);
    if (stream.produced() > most) stream.corrupt(cat("more than the ", most, " bytes declared"));
    if (n != 0) chunk(std::span(output).first(n));
    if (stream.produced() >= enough) break;
  }
  return {stream.consumed(), stream.produced()};
}

class InflatedSource::Stream : public Inflater {
 public:
  using Inflater::Inflater;
  void fill(std::span<std::byte> out) {
    while (!out.empty()) {
      if (is_at_end()) corrupt(cat("it ends after ", produced(), " bytes"));
      out = out.subspan(next(out));
    }
  }
};

InflatedSource::InflatedSource(const ByteSource& source, std::uint64_t offset, std::uint64_t compressed,
                               std::uint64_t size)
    : source_(source), offset_(offset), compressed_(compressed), size_(size) {}

InflatedSource::~InflatedSource() = default;

void InflatedSource::read_at(std::span<std::byte> out, std::uint64_t offset) const {
  require(offset <= size_ && out.size() <= size_ - offset, ErrorCode::kTruncated, "zip", "expected ",
          out.size(), " bytes at byte ", offset, " of ", size_);
  if (!stream_ || stream_->produced() > offset) {
    stream_ = std::make_unique<Stream>(source_, offset_, compressed_);
  }
  std::vector<std::byte> passed(
      static_cast<std::size_t>(std::min<std::uint64_t>(kInputBytes, offset - stream_->produced())));
  while (stream_->produced() < offset) {
    const std::uint64_t left = offset - stream_->produced();
    stream_->fill(std::span(passed).first(std::min<std::size_t>(passed.size(), left)));
  }
  stream_->fill(out);
}

void inflate(const ByteSource& source, std::uint64_t offset, std::uint64_t compressed_size,
             std::uint64_t size, const std::function<void(std::span<const std::byte>)>& chunk,
             std::uint64_t enough) {
  const Inflated done = inflate_to_end(source, offset, compressed_size, size, chunk, enough);
  if (done.produced >= enough) return;
  const auto require_all = [offset](bool is_whole, const std::string& what) {
    if (!is_whole) throw Error(ErrorCode::kCorrupt, "zip", what).at_offset(offset);
  };
  require_all(done.produced == size, cat("deflated data: expected ", size, " bytes, found ", done.produced));
  require_all(done.consumed == compressed_size, "deflated data: bytes follow the end of the stream");
}

}  // namespace sconce::zip
