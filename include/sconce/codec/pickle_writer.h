// Emits pickle opcodes of protocol 2, as Python's pickler does when it is driven in the same order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "sconce/base/byte_writer.h"
#include "sconce/base/hash_index.h"

namespace sconce::pickle {

// Names an object that may occur more than once; the caller chooses the numbers (an address, a node id).
using Identity = std::uint64_t;

class Writer {
 public:
  void proto();
  // Ends the pickle; take() returns it.
  void stop();
  std::vector<std::byte> take() { return out_.take(); }
  std::size_t size() const { return out_.size(); }

  void none();
  void boolean(bool value);
  void integer(std::int64_t value);
  // Two's complement, little-endian, at most 255 bytes once shortened; Error kLimit.
  void big_integer(std::span<const std::byte> value);
  void real(double value);
  // UTF-8 text (lone surrogates as three bytes), not memoised.
  void text(std::string_view utf8);
  // Text written once and recalled by its content afterwards.
  void shared_text(std::string_view utf8);
  // A class or function by its Python 3 name (or any name as a file spelled it), memoised by name.
  void global(std::string_view module, std::string_view name);

  void mark();
  void empty_tuple();
  // The top `n` values become a tuple; for n > 3 mark() must stand before them.
  void tuple(std::size_t n);
  void empty_list();
  void append();
  void appends();
  void empty_dict();
  void setitem();
  void setitems();
  void reduce();
  void newobj();
  void build();
  void persid();

  // Memoises the top value under the next index, for recall(identity) or, without identity, only as Python
  // does.
  void memoize();
  void memoize(Identity identity);
  // Pushes the value memoised under `identity`; false when there is none.
  bool recall(Identity identity);

 private:
  void op(std::uint8_t code) { out_.u8(code); }
  void get(std::uint32_t index);
  std::uint32_t put();
  std::optional<std::uint32_t> place_of(Identity identity) const;  // in known_

  ByteWriter out_;
  std::uint32_t memo_size_ = 0;
  // What was memoised, with its number in the memo.
  struct Known {
    Identity identity;
    std::uint32_t number;
  };
  struct KnownText {
    std::string text;
    std::uint32_t number;
  };
  struct KnownGlobal {
    std::string module;  // as the caller says it
    std::string name;
    std::uint32_t number;
  };
  std::vector<Known> known_;
  HashIndex known_index_;
  std::vector<KnownText> texts_;
  HashIndex text_index_;
  std::vector<KnownGlobal> globals_;
  HashIndex global_index_;
  std::unordered_map<std::string, std::uint32_t> written_globals_;  // by the lines that protocol 2 has
};

// Fills a list or dict in batches of 1000 as Python does: call begin_item() before and end_item() after each
// of the `count` items (key and value for a dict).
class Batches {
 public:
  enum class Target { kList, kDict };
  // Python's pickler closes the last batch of a plain list or dict with APPENDS/SETITEMS even when one item
  // is left over; for subclasses and reduced objects (OrderedDict, deque) that item gets APPEND/SETITEM.
  enum class Source { kPlain, kReduced };

  Batches(Writer& writer, Target target, Source source, std::size_t count)
      : writer_(writer), target_(target), source_(source), count_(count) {}
  void begin_item();
  void end_item();

 private:
  bool single() const;
  Writer& writer_;
  Target target_;
  Source source_;
  std::size_t count_;
  std::size_t index_ = 0;
};

}  // namespace sconce::pickle
