#include "codec/inflate.h"

#include <zlib.h>

#include <algorithm>
#include <new>
#include <vector>

#include "sconce/base/error.h"

namespace sconce::zip {
namespace {

constexpr std::size_t kInputBytes = std::size_t{1} << 16;
constexpr std::size_t kOutputBytes = std::size_t{1} << 20;

class Stream {
 public:
  Stream() {
    if (::inflateInit2(&state, -MAX_WBITS) != Z_OK) throw std::bad_alloc();
  }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  ~Stream() { ::inflateEnd(&state); }
  z_stream state{};
};

}  // namespace

Inflated inflate_to_end(const ByteSource& source, std::uint64_t offset, std::uint64_t available,
                        std::uint64_t most, const std::function<void(std::span<const std::byte>)>& chunk,
                        std::uint64_t enough) {
  Stream stream;
  std::vector<std::byte> input(static_cast<std::size_t>(std::min<std::uint64_t>(available, kInputBytes)));
  std::vector<std::byte> output(
      static_cast<std::size_t>(std::min<std::uint64_t>({most, enough, kOutputBytes - 1})) + 1);
  std::uint64_t read = 0;
  Inflated done;
  const auto corrupt = [&](std::string_view what) {
    throw Error(ErrorCode::kCorrupt, "zip", cat("deflated data: ", what))
        .at_offset(offset + read - stream.state.avail_in);
  };
  int result = Z_OK;
  while (result != Z_STREAM_END) {
    if (stream.state.avail_in == 0 && read < available) {
      const auto n = static_cast<std::size_t>(std::min<std::uint64_t>(available - read, kInputBytes));
      source.read_at(std::span(input).first(n), offset + read);
      read += n;
      stream.state.next_in = reinterpret_cast<Bytef*>(input.data());
      stream.state.avail_in = static_cast<uInt>(n);
    }
    stream.state.next_out = reinterpret_cast<Bytef*>(output.data());
    stream.state.avail_out = static_cast<uInt>(output.size());
    result = ::inflate(&stream.state, Z_NO_FLUSH);
    if (result == Z_BUF_ERROR) corrupt("the stream is cut off");
    if (result != Z_OK && result != Z_STREAM_END) corrupt("not a deflate stream");
    const std::size_t n = output.size() - stream.state.avail_out;
    done.produced += n;
    if (done.produced > most) corrupt(cat("more than the ", most, " bytes declared"));
    if (n != 0) chunk(std::span(output).first(n));
    if (done.produced >= enough) return done;
  }
  done.consumed = read - stream.state.avail_in;
  return done;
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
