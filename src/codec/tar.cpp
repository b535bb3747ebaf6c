// POSIX.1-2017 pax: the ustar header block and the extended header records "path" and "size".
#include "sconce/codec/tar.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <string_view>
#include <system_error>
#include <unordered_set>
#include <utility>

#include "sconce/base/byte_reader.h"
#include "sconce/base/error.h"

namespace sconce::tar {
namespace {

constexpr std::uint64_t kBlock = 512;
using Block = std::array<std::byte, kBlock>;

template <class... Parts>
void require_at(bool condition, std::uint64_t offset, ErrorCode code, const Parts&... parts) {
  if (!condition) throw Error(code, "tar", cat(parts...)).at_offset(offset);
}

std::string_view field(const Block& block, std::size_t at, std::size_t n) {
  return as_chars(block).substr(at, n);
}

// Text up to the first NUL.
std::string_view text(const Block& block, std::size_t at, std::size_t n) {
  const std::string_view raw = field(block, at, n);
  return raw.substr(0, raw.find('\0'));
}

// Octal digits between optional spaces, ended by NUL or space.
std::optional<std::uint64_t> octal(std::string_view raw) {
  const std::size_t begin = std::min(raw.find_first_not_of(' '), raw.size());
  const std::size_t end = std::min(raw.find_first_of(std::string_view(" \0", 2), begin), raw.size());
  std::uint64_t value = 0;
  const char* const stop = raw.data() + end;
  const auto [at, error] = std::from_chars(raw.data() + begin, stop, value, 8);
  if (begin == end || error != std::errc() || at != stop) return std::nullopt;
  return value;
}

// The sum of the header's bytes with the checksum field itself as spaces.
std::uint64_t checksum(const Block& block) {
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < block.size(); ++i) {
    sum += i >= 148 && i < 156 ? std::uint64_t{' '} : static_cast<std::uint64_t>(block[i]);
  }
  return sum;
}

struct Overrides {
  std::optional<std::string> path;
  std::optional<std::uint64_t> size;
};

// "LENGTH KEY=VALUE\n", where LENGTH counts the whole record.
Overrides read_pax(std::string_view records, std::uint64_t at) {
  Overrides out;
  while (!records.empty()) {
    std::size_t length = 0;
    const char* const limit = records.data() + records.size();
    const auto [space, error] = std::from_chars(records.data(), limit, length);
    const auto digits = static_cast<std::size_t>(space - records.data());
    require_at(error == std::errc() && length <= records.size() && digits + 2 < length && *space == ' ' &&
                   records[length - 1] == '\n',
               at, ErrorCode::kCorrupt, "a malformed PAX record");
    const std::string_view record = records.substr(digits + 1, length - digits - 2);
    const std::size_t equals = record.find('=');
    require_at(equals != std::string_view::npos, at, ErrorCode::kCorrupt, "a PAX record without '='");
    const std::string_view key = record.substr(0, equals);
    const std::string_view value = record.substr(equals + 1);
    if (key == "path") out.path = std::string(value);
    if (key == "size") {
      std::uint64_t size = 0;
      const auto [end, bad] = std::from_chars(value.data(), value.data() + value.size(), size);
      require_at(bad == std::errc() && end == value.data() + value.size(), at, ErrorCode::kCorrupt,
                 "a PAX size that is not a number");
      out.size = size;
    }
    records.remove_prefix(length);
    at += length;
  }
  return out;
}

Block block_at(const ByteSource& source, std::uint64_t at) {
  require_at(at <= source.size() && source.size() - at >= kBlock, at, ErrorCode::kTruncated,
             "expected a header of 512 bytes, but the file ends at byte ", source.size());
  Block block;
  source.read_at(block, at);
  return block;
}

bool has_magic(const Block& block) { return field(block, 257, 5) == "ustar"; }

}  // namespace

bool is_tar(const ByteSource& source) { return source.size() >= kBlock && has_magic(block_at(source, 0)); }

std::vector<Member> list(const ByteSource& source, const Limits& limits) {
  std::vector<Member> members;
  std::unordered_set<std::string> names;
  Overrides overrides;
  std::size_t headers = 0;
  for (std::uint64_t at = 0;;) {
    const Block block = block_at(source, at);
    if (std::all_of(block.begin(), block.end(), [](std::byte b) { return b == std::byte{0}; }))
      return members;
    require_at(++headers <= limits.members, at, ErrorCode::kLimit, "the archive has more than ",
               limits.members, " members");
    require_at(has_magic(block), at, ErrorCode::kCorrupt, "expected a ustar header");
    require_at(octal(field(block, 148, 8)) == checksum(block), at, ErrorCode::kCorrupt,
               "the header's checksum does not match");
    const auto plain_size = octal(field(block, 124, 12));
    require_at(plain_size.has_value(), at, ErrorCode::kCorrupt, "a size that is not an octal number");
    const char type = field(block, 156, 1)[0];
    const bool pax = type == 'x' || type == 'g';
    const std::uint64_t size = pax ? *plain_size : overrides.size.value_or(*plain_size);
    const std::uint64_t data = at + kBlock;
    require_at(size <= source.size() - data, at, ErrorCode::kTruncated, "a member of ", size,
               " bytes, but the file ends at byte ", source.size());
    if (pax) {
      require_at(size <= limits.header_bytes, at, ErrorCode::kLimit, "a PAX header of ", size,
                 " bytes, the limit is ", limits.header_bytes);
      std::vector<std::byte> records(static_cast<std::size_t>(size));
      source.read_at(records, data);
      // Global headers carry no name or size of one member.
      Overrides read = read_pax(as_chars(records), data);
      if (type == 'x') overrides = std::move(read);
    } else {
      std::string name(text(block, 0, 100));
      if (const std::string_view prefix = text(block, 345, 155); !prefix.empty())
        name = cat(prefix, '/', name);
      if (overrides.path) name = *overrides.path;
      require_at(type == '0' || type == '\0', at, ErrorCode::kUnsafe, "expected a regular file, found '",
                 escaped(name), "' of type '", escaped(std::string_view(&type, 1)), "'");
      require_at(names.insert(name).second, at, ErrorCode::kUnsafe, "the member '", escaped(name),
                 "' occurs twice");
      members.push_back({std::move(name), data, size});
      overrides = {};
    }
    const std::uint64_t blocks = size / kBlock + (size % kBlock != 0 ? 1 : 0);
    at = data + blocks * kBlock;
  }
}

}  // namespace sconce::tar
