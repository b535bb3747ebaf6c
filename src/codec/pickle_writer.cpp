#include "sconce/codec/pickle_writer.h"

#include "sconce/base/big_int.h"
#include "sconce/base/error.h"
#include "sconce/codec/pickle_names.h"

namespace sconce::pickle {
namespace {

constexpr std::size_t kBatch = 1000;  // items per APPENDS or SETITEMS, as in CPython
constexpr std::uint32_t kMaxUint32 = 0xFFFFFFFF;

}  // namespace

void Writer::proto() {
  op(0x80);
  out_.u8(2);
}
void Writer::stop() { op('.'); }
void Writer::none() { op('N'); }
void Writer::boolean(bool value) { op(value ? 0x88 : 0x89); }

void Writer::integer(std::int64_t value) {
  if (value >= 0 && value <= 0xFF) {
    op('K');
    out_.u8(static_cast<std::uint8_t>(value));
  } else if (value >= 0 && value <= 0xFFFF) {
    op('M');
    out_.little(static_cast<std::uint16_t>(value));
  } else if (value >= INT32_MIN && value <= INT32_MAX) {
    op('J');
    out_.little(static_cast<std::int32_t>(value));
  } else {
    ByteWriter bytes;
    bytes.little(value);
    big_integer(bytes.view());
  }
}

void Writer::big_integer(std::span<const std::byte> value) {
  const auto bytes = shortest_integer(value);
  if (const auto small = integer_to_int64(bytes); small && *small >= INT32_MIN && *small <= INT32_MAX) {
    return integer(*small);
  }
  require(bytes.size() <= 255, ErrorCode::kLimit, "pickle", "an integer of ", bytes.size(),
          " bytes, at most 255 can be written");
  op(0x8A);
  out_.u8(static_cast<std::uint8_t>(bytes.size()));
  out_.bytes(bytes);
}

void Writer::real(double value) {
  op('G');
  out_.big(value);
}

void Writer::text(std::string_view utf8) {
  require(utf8.size() <= kMaxUint32, ErrorCode::kLimit, "pickle", "a string of ", utf8.size(),
          " bytes, at most 4 GiB can be written");
  op('X');
  out_.little(static_cast<std::uint32_t>(utf8.size()));
  out_.chars(utf8);
}

void Writer::shared_text(std::string_view utf8) {
  const std::uint32_t hash = text_hash(utf8);
  const auto known = text_index_.find(hash, [&](std::uint32_t i) { return texts_[i].text == utf8; });
  if (known) return get(texts_[*known].number);
  text(utf8);
  texts_.push_back({std::string(utf8), put()});
  text_index_.add(hash, static_cast<std::uint32_t>(texts_.size() - 1));
}

void Writer::global(std::string_view module, std::string_view name) {
  const std::uint32_t hash = 31 * text_hash(module) + text_hash(name);
  const auto known = global_index_.find(
      hash, [&](std::uint32_t i) { return globals_[i].name == name && globals_[i].module == module; });
  if (known) return get(globals_[*known].number);
  const QualifiedName written = protocol2_name({module, name});
  require(written.module.find('\n') == std::string_view::npos &&
              written.name.find('\n') == std::string_view::npos,
          ErrorCode::kInvalidArgument, "pickle", "the name of a global contains a line break");
  const std::string lines = cat(written.module, '\n', written.name, '\n');
  const auto [at, fresh] = written_globals_.try_emplace(lines, memo_size_);
  globals_.push_back({std::string(module), std::string(name), at->second});
  global_index_.add(hash, static_cast<std::uint32_t>(globals_.size() - 1));
  if (!fresh) return get(at->second);
  op('c');
  out_.chars(lines);
  put();
}

void Writer::mark() { op('('); }
void Writer::empty_tuple() { op(')'); }
void Writer::tuple(std::size_t n) {
  switch (n) {
    case 0:
      return empty_tuple();
    case 1:
      return op(0x85);
    case 2:
      return op(0x86);
    case 3:
      return op(0x87);
    default:
      return op('t');
  }
}
void Writer::empty_list() { op(']'); }
void Writer::append() { op('a'); }
void Writer::appends() { op('e'); }
void Writer::empty_dict() { op('}'); }
void Writer::setitem() { op('s'); }
void Writer::setitems() { op('u'); }
void Writer::reduce() { op('R'); }
void Writer::newobj() { op(0x81); }
void Writer::build() { op('b'); }
void Writer::persid() { op('Q'); }

std::uint32_t Writer::put() {
  require(memo_size_ < kMaxUint32, ErrorCode::kLimit, "pickle", "more than 2^32 shared objects");
  const std::uint32_t index = memo_size_++;
  if (index <= 0xFF) {
    op('q');
    out_.u8(static_cast<std::uint8_t>(index));
  } else {
    op('r');
    out_.little(index);
  }
  return index;
}

void Writer::get(std::uint32_t index) {
  if (index <= 0xFF) {
    op('h');
    out_.u8(static_cast<std::uint8_t>(index));
  } else {
    op('j');
    out_.little(index);
  }
}

void Writer::memoize() { put(); }
void Writer::memoize(Identity identity) {
  const std::uint32_t number = put();
  if (const auto at = place_of(identity)) {
    known_[*at].number = number;
    return;
  }
  known_.push_back({identity, number});
  known_index_.add(number_hash(identity), static_cast<std::uint32_t>(known_.size() - 1));
}

bool Writer::recall(Identity identity) {
  const auto at = place_of(identity);
  if (at) get(known_[*at].number);
  return at.has_value();
}

std::optional<std::uint32_t> Writer::place_of(Identity identity) const {
  return known_index_.find(number_hash(identity),
                           [&](std::uint32_t i) { return known_[i].identity == identity; });
}

bool Batches::single() const {
  const bool last_alone = index_ % kBatch == 0 && index_ + 1 == count_;
  return last_alone && (source_ == Source::kReduced || count_ == 1);
}

void Batches::begin_item() {
  if (index_ % kBatch == 0 && !single()) writer_.mark();
}

void Batches::end_item() {
  const bool dict = target_ == Target::kDict;
  if (single()) {
    dict ? writer_.setitem() : writer_.append();
  } else if (index_ % kBatch == kBatch - 1 || index_ + 1 == count_) {
    dict ? writer_.setitems() : writer_.appends();
  }
  ++index_;
}

}  // namespace sconce::pickle
