// What every reader of a pickle keeps, whatever it makes of the values: the stack with its marks, the place
// in the file, and the memory that was counted.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string_view>
#include <vector>

#include "sconce/base/error.h"
#include "sconce/codec/pickle.h"

namespace sconce::pickle::detail {

// `Slot` stands for a value. Errors: kCorrupt for what no pickler writes, kLimit.
template <class SlotType>
class StackMachine {
 public:
  using Slot = SlotType;

  // `most_stack` bounds the bytes of stack and marks themselves.
  explicit StackMachine(const Limits& limits,
                        std::uint64_t most_stack = std::numeric_limits<std::uint64_t>::max())
      : most_memory_(limits.memory), memory_name_(limits.memory_name), most_stack_(most_stack) {}

  // What follows comes from the opcode at `offset` of the file.
  void begin_op(std::uint64_t offset) { op_offset_ = offset; }
  [[noreturn]] void stop(ErrorCode code, std::string_view text) const {
    const bool is_foreign = code == ErrorCode::kUnsupported;
    throw Error(code, "pickle", text)
        .at_offset(op_offset_)
        .with_advice(is_foreign ? "save it anew with torch.save" : "");
  }
  [[noreturn]] void corrupt(std::string_view text) const { stop(ErrorCode::kCorrupt, text); }
  // Where the limit that is called so is reached.
  [[noreturn]] void stop_at_limit(std::string_view limit, std::string_view text) const {
    throw Error(ErrorCode::kLimit, "pickle", text).at_offset(op_offset_).with_limit(limit);
  }
  // Counts memory of the graph against the limit.
  void charge(std::uint64_t bytes) {
    memory_ += bytes;
    if (memory_ > most_memory_) [[unlikely]]
      stop_for_memory();
  }
  std::uint64_t memory() const { return memory_; }

  // --- values below the last mark are out of reach until the mark is taken ---

  void push(Slot value) {
    if (stack_.size() == stack_peak_) grow_stack();
    stack_.push_back(value);
  }
  Slot top() const {
    if (stack_.size() <= fence()) corrupt("the stack is empty");
    return stack_.back();
  }
  Slot pop() {
    const Slot value = top();
    stack_.pop_back();
    return value;
  }
  void push_mark() {
    if (marks_.size() == marks_peak_) grow_marks();
    marks_.push_back(stack_.size());
  }
  // Removes the last mark and what is above it.
  void drop_mark() { stack_.resize(pop_mark()); }
  // Removes the value on top, which may be a mark.
  void pop_value_or_mark() {
    if (!marks_.empty() && marks_.back() == stack_.size()) {
      marks_.pop_back();
    } else {
      pop();
    }
  }

 protected:
  std::uint64_t op_offset() const { return op_offset_; }
  std::size_t fence() const { return marks_.empty() ? 0 : marks_.back(); }
  std::size_t pop_mark() {
    if (marks_.empty()) corrupt("expected a mark on the stack, there is none");
    const std::size_t at = marks_.back();
    marks_.pop_back();
    return at;
  }
  std::span<const Slot> since(std::size_t mark) const { return std::span(stack_).subspan(mark); }
  // The n values on top.
  std::span<const Slot> last(std::size_t n) const {
    if (stack_.size() - fence() < n) corrupt(cat("a tuple needs ", n, " values, the stack has fewer"));
    return since(stack_.size() - n);
  }
  // Makes a value of what stands above the last mark, in its place.
  template <class Make>
  void make_from_mark(Make make) {
    const std::size_t mark = pop_mark();
    const Slot value = make(since(mark));
    stack_.resize(mark);
    push(value);
  }
  // Runs `fill(target, values)` with the values above the last mark and the value below it.
  template <class Fill>
  void fill_from_mark(Fill fill) {
    const std::size_t mark = pop_mark();
    if (mark <= fence()) corrupt("expected a container below the mark, found nothing");
    fill(stack_[mark - 1], since(mark));
    stack_.resize(mark);
  }
  void drop(std::size_t n) { stack_.resize(stack_.size() - n); }
  void drop_to(std::size_t mark) { stack_.resize(mark); }

 private:
  // Apart, so that charge() is small enough to stand in every caller.
  [[noreturn, gnu::noinline]] void stop_for_memory() const {
    stop_at_limit(memory_name_, cat("the pickle needs more than ", most_memory_, " bytes of memory"));
  }
  void grow_stack() {
    ++stack_peak_;
    charge(sizeof(std::uint32_t));
    check_stack();
  }
  void grow_marks() {
    ++marks_peak_;
    charge(sizeof(std::size_t));
    check_stack();
  }
  void check_stack() const {
    if (stack_peak_ * sizeof(Slot) + marks_peak_ * sizeof(std::size_t) <= most_stack_) return;
    stop(ErrorCode::kLimit, cat("the stack has more than ", stack_.size() + marks_.size(), " values"));
  }

  std::vector<Slot> stack_;
  std::vector<std::size_t> marks_;
  std::uint64_t op_offset_ = 0;
  std::uint64_t memory_ = 0;
  std::uint64_t most_memory_;
  std::string_view memory_name_;
  std::uint64_t most_stack_;
  std::size_t stack_peak_ = 0;
  std::size_t marks_peak_ = 0;
};

}  // namespace sconce::pickle::detail
