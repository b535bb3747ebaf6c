// The one error type of the library.
#pragma once

#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

#include "sconce/base/text.h"

namespace sconce {

enum class ErrorCode : std::uint8_t {
  kInvalidArgument,  // a value the caller gave makes no sense here
  kShapeMismatch,    // shapes do not fit together
  kDTypeMismatch,    // dtypes do not fit together
  kIndexOutOfRange,  // an index or dimension is outside its range
  kOverflow,         // integer arithmetic on sizes does not fit 64 bits
  kNotFound,         // no such file, key, record or name
  kExists,           // the output exists and replacing it was not asked for
  kIo,               // the operating system refused to read or write
  kNoSpace,          // disk full or quota reached
  kPermission,       // not allowed to read or write
  kTruncated,        // the file ends before what it promises
  kCorrupt,          // the file contradicts itself or its format
  kChecksum,         // a recorded checksum differs from the bytes
  kUnsupported,      // well-formed, but not something this build handles
  kUnsafe,           // refused because it could harm
  kLimit,            // a configured limit was reached
  kKeyMismatch,      // a state_dict does not fit the module or optimizer
  kState,            // the call is not possible in this state (freed graph, overwritten tensor, ...)
  kNumeric,          // a computation produced a value it must not (anomaly mode)
  kInterrupted,      // stopped on request
};

// Name of a code, for example "truncated".
std::string_view error_code_name(ErrorCode code);

// What the offset of an error counts in.
enum class OffsetIn : std::uint8_t { kFile, kRecord };

// Everything the library throws. what() is "path: [where] text; advice"; tests check code(), people read
// what().
class Error : public std::runtime_error {
 public:
  Error(ErrorCode code, std::string_view where, std::string_view text);

  ErrorCode code() const { return code_; }
  const std::string& where() const { return where_; }  // the operation or codec: "conv2d", "zip"
  const std::string& text() const { return text_; }    // what was expected and what was found
  const std::string& path() const { return path_; }    // the file, empty when none
  // The part of a container that is at fault (a record of a zip archive), empty when none is.
  const std::string& record() const { return record_; }
  std::optional<std::uint64_t> offset() const { return offset_; }  // in bytes, in the file
  // What offset() counts in when there is a record.
  OffsetIn offset_in() const { return offset_in_; }
  // For kLimit: what the limit is called among the options that raise it ("inflated"), empty when none does.
  const std::string& limit() const { return limit_; }
  // What to do about it; empty where the text says it or there is nothing to do.
  const std::string& advice() const { return advice_; }

  // The same error naming a file (kept when one is named already).
  Error in_file(std::string_view path) const;
  // The same error naming a byte offset, which is appended to the text.
  Error at_offset(std::uint64_t offset) const;
  // The same error naming a record (kept when one is named already), which is appended to the text unless the
  // text names it. `offset_in` says what the offset, if there is one, counts in.
  Error in_record(std::string_view record, OffsetIn offset_in) const;
  // The same error naming the limit that was reached.
  Error with_limit(std::string_view limit) const;
  // The same error saying what to do (kept when it says so already).
  Error with_advice(std::string_view advice) const;

 private:
  // what() says what the parts say.
  void compose();

  ErrorCode code_;
  std::string where_;
  std::string text_;
  std::string path_;
  std::string record_;
  std::optional<std::uint64_t> offset_;
  OffsetIn offset_in_ = OffsetIn::kFile;
  std::string limit_;
  std::string advice_;
};

namespace detail {

[[noreturn, gnu::cold]] void fail_with(ErrorCode code, std::string_view where,
                                       std::span<const TextPart> parts);

}  // namespace detail

// Throws Error{code, where, cat(parts...)}.
template <class... Parts>
[[noreturn]] void fail(ErrorCode code, std::string_view where, const Parts&... parts) {
  if constexpr ((Streamable<Parts> && ...) && sizeof...(parts) > 0) {
    const detail::TextPart table[] = {detail::text_part(parts)...};
    detail::fail_with(code, where, table);
  } else {
    throw Error(code, where, cat(parts...));
  }
}

// Throws unless `condition`; the text is built only when it fails.
template <class... Parts>
void require(bool condition, ErrorCode code, std::string_view where, const Parts&... parts) {
  if (!condition) [[unlikely]]
    fail(code, where, parts...);
}

// The same of a limit that an option called `limit` raises.
template <class... Parts>
void require_limit(bool condition, std::string_view limit, std::string_view where, const Parts&... parts) {
  if (!condition) [[unlikely]]
    throw Error(ErrorCode::kLimit, where, cat(parts...)).with_limit(limit);
}

// Calls `work`; what it throws names the byte offset (kept when it names one).
template <class Work>
decltype(auto) at_offset(std::uint64_t offset, const Work& work) {
  try {
    return work();
  } catch (const Error& error) {
    throw error.at_offset(offset);
  }
}

}  // namespace sconce
