#include "codec/pickle_builder.h"

#include <utility>

#include "codec/pickle_text.h"
#include "sconce/base/big_int.h"
#include "sconce/base/byte_reader.h"

namespace sconce::pickle::detail {

void Builder::stop(ErrorCode code, std::string_view text) const {
  throw Error(code, "pickle", text).at_offset(op_offset_);
}

void Builder::corrupt(std::string_view text) const { stop(ErrorCode::kCorrupt, text); }

void Builder::stop_for_memory() const {
  stop(ErrorCode::kLimit, cat("the pickle needs more than ", limits_.memory, " bytes of memory"));
}

std::string Builder::describe(NodeId node) const { return Node(&arena_, node).describe(); }

void Builder::push_mark() {
  marks_.push_back(stack_.size());
  if (marks_.size() > marks_peak_) {
    marks_peak_ = marks_.size();
    charge(sizeof(std::size_t));
  }
}

std::size_t Builder::pop_mark() {
  if (marks_.empty()) corrupt("expected a mark on the stack, there is none");
  const std::size_t at = marks_.back();
  marks_.pop_back();
  return at;
}

void Builder::pop_value_or_mark() {
  if (!marks_.empty() && marks_.back() == stack_.size()) {
    marks_.pop_back();
  } else {
    pop();
  }
}

std::string_view Builder::keep(std::string text) {
  charge(text.size() + sizeof(std::string));
  return arena_.owned.emplace_back(std::move(text));
}

void Builder::push_big_integer(std::span<const std::byte> bytes) {
  if (const auto small = integer_to_int64(bytes)) return push_integer(*small);
  push_new(text_record(Kind::kBigInt, as_chars(shortest_integer(bytes))));
}

void Builder::push_string(std::string_view text) {
  if (!is_python_utf8(text)) corrupt("a string is not valid UTF-8");
  push_new(text_record(Kind::kString, text));
}

void Builder::push_python2_string(std::string_view text) {
  Record record = text_record(is_utf8(text) ? Kind::kString : Kind::kBytes, text);
  record.python2 = true;
  push_new(record);
}

}  // namespace sconce::pickle::detail
