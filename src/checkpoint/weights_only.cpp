#include "checkpoint/weights_only.h"

#include <unordered_map>

#include "checkpoint/weights_only_calls.h"
#include "sconce/base/big_int.h"
#include "sconce/base/byte_reader.h"
#include "sconce/base/text.h"
#include "sconce/codec/pickle.h"
#include "sconce/codec/pickle_names.h"

namespace sconce::checkpoint::weights_only {
namespace {

constexpr std::size_t kLongestName = 65536;

// Python's "surrogatepass": lone surrogates stand as three bytes each.
bool is_text_with_surrogates(std::string_view text) {
  if (is_utf8(text)) return true;
  std::string plain(text);
  for (std::size_t i = 0; i + 2 < plain.size(); ++i) {
    const auto second = static_cast<unsigned char>(plain[i + 1]);
    const auto third = static_cast<unsigned char>(plain[i + 2]);
    if (plain[i] == '\xED' && second >= 0xA0 && second < 0xC0 && third >= 0x80 && third < 0xC0) {
      plain.replace(i, 3, "???");
    }
  }
  return is_utf8(plain);
}

std::string opcode_reason(std::uint8_t opcode) {
  const std::string_view name = pickle::opcode_name(opcode);
  if (name.empty()) return cat("it holds the byte ", int{opcode}, " where an opcode must stand");
  if (opcode == 'G') return "it holds a float (the opcode BINFLOAT), which this version cannot read";
  const bool is_new = opcode >= 0x8C && opcode <= 0x98;
  return cat("it uses the opcode ", name, is_new ? ", which stands in pickles of protocol 4 and up" : "");
}

struct NobodyReadsOn {};

class Machine {
 public:
  Machine(const PickleToFollow& pickle, Verdicts& verdicts)
      : pickle_(pickle),
        verdicts_(verdicts),
        in_(pickle.bytes, "pickle", pickle.base_offset),
        values_(4 * pickle.bytes.size()),
        calls_(
            values_, [this](Versions versions, const std::string& reason) { refuse(versions, reason); },
            pickle.pids == PidForm::kLegacy) {}

  void run() {
    try {
      while (true) {
        at_ = in_.offset();
        const std::uint8_t opcode = in_.u8();
        if (const Versions knowing = versions_with_opcode(opcode); knowing != kEvery) {
          refuse(static_cast<Versions>(kEvery & ~knowing), opcode_reason(opcode));
        }
        if (opcode == '.') {
          pop();
          return;
        }
        step(opcode);
      }
    } catch (const NobodyReadsOn&) {
    } catch (const Error& error) {
      // Too few bytes, or a limit.
      verdicts_.refuse(kEvery, error.code() == ErrorCode::kTruncated ? "the pickle breaks off" : error.text(),
                       pickle_.record, at_);
    }
  }

 private:
  void refuse(Versions versions, const std::string& reason) {
    verdicts_.refuse(versions, reason, pickle_.record, at_);
    if (verdicts_.accepting() == 0) throw NobodyReadsOn{};
  }
  void require(bool condition, std::string_view reason) {
    if (!condition) refuse(kEvery, std::string(reason));
  }

  std::size_t fence() const { return marks_.empty() ? 0 : marks_.back(); }
  Id top() {
    require(stack_.size() > fence(), "it takes a value from an empty stack");
    return stack_.back();
  }
  Id pop() {
    const Id id = top();
    stack_.pop_back();
    return id;
  }
  void push(Id id) { stack_.push_back(id); }
  std::vector<Id> pop_mark() {
    require(!marks_.empty(), "it takes values down to a mark that is not there");
    std::vector<Id> out(stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back()), stack_.end());
    stack_.resize(marks_.back());
    marks_.pop_back();
    return out;
  }
  void push_tuple(std::size_t n) {
    require(stack_.size() - fence() >= n, "it takes a value from an empty stack");
    std::vector<Id> items(stack_.end() - static_cast<std::ptrdiff_t>(n), stack_.end());
    stack_.resize(stack_.size() - n);
    push(values_.container(Kind::kTuple, std::move(items)));
  }

  void global() {
    const std::string_view module = in_.line(kLongestName);
    const std::string_view name = in_.line(kLongestName);
    require(is_utf8(module) && is_utf8(name), "it names a global in text that is not UTF-8");
    // 1.13 does not know Python 2's names. None of them leads to what it allows.
    pickle::QualifiedName modern = pickle::modern_name({module, name});
    if (module == "torch.tensor") modern = {module, name};
    const std::string path = cat(modern.module, ".", modern.name);
    const Allowed* row = find_allowed(path);
    const std::string shown = escaped(path);
    require(row != nullptr && !is_blocked_module(modern.module),
            cat("it names ", shown, ", which is not on the list of what may be loaded"));
    Versions knowing = row->versions;
    if (modern.module != module || modern.name != name) knowing &= kTorch2;
    if (knowing != kEvery) {
      refuse(static_cast<Versions>(kEvery & ~knowing),
             cat("it names ", shown, ", which is not on this version's list of what may be loaded"));
    }
    push(values_.callable(row));
  }

  void append(std::span<const Id> items) {
    const Id list = top();
    require(values_.is(list, Kind::kList), cat("it appends to ", values_.describe(list), ", not to a list"));
    auto& target = values_.items(list);
    target.insert(target.end(), items.begin(), items.end());
  }

  void set_items(std::span<const Id> pairs) {
    const Id target = top();
    // The newest looks at the target even when there is nothing to set.
    if (!values_.is_dict(target)) {
      refuse(kTorch2_13, cat("it sets an item of ", values_.describe(target), ", which is no dict"));
    }
    for (std::size_t i = 0; i < pairs.size(); i += 2) {
      require(i + 1 < pairs.size(), "it sets an item without a value");
      calls_.set_item(target, pairs[i], pairs[i + 1]);
    }
  }

  // ---- persistent ids

  std::string key_text(Id key) {
    if (values_.is(key, Kind::kString)) return std::string(values_[key].text);
    return values_.is_int(key) ? std::to_string(values_[key].number) : std::string();
  }

  // What a class or other global says its elements are.
  StorageFacts storage_class(Id cls, bool untyped_is_bytes) {
    StorageFacts facts;
    const bool is_callable = values_.is(cls, Kind::kCallable);
    const Callee callee = is_callable ? values_.allowed(cls).callee : Callee::kOrderedDict;
    const bool has_dtype = callee == Callee::kStorageClass || callee == Callee::kTensorType ||
                           callee == Callee::kSparseType || callee == Callee::kCudaType;
    const bool is_untyped = untyped_is_bytes && callee == Callee::kUntypedStorage;
    require(is_callable && (has_dtype || is_untyped),
            "a storage has no class that says what its elements are");
    facts.dtype = is_untyped ? kUInt8 : values_.allowed(cls).dtype.value_or(kUInt8);
    return facts;
  }

  void persistent() {
    const Id pid = pop();
    const bool is_tuple = values_.is(pid, Kind::kTuple);
    const bool is_int = values_.is(pid, Kind::kInt);
    // 1.13 and 2.6 have the test for ints the wrong way round: an int is refused, everything else goes on.
    refuse_unless(is_tuple || is_int, kTorch2_13, "a persistent id is no tuple");
    refuse_unless(!is_int, kTorch1_13 | kTorch2_6, "a persistent id is no tuple");
    const bool says_storage = is_tuple && !values_.items(pid).empty() &&
                              values_.is(values_.items(pid)[0], Kind::kString) &&
                              values_[values_.items(pid)[0]].text == "storage";
    require(!is_tuple || says_storage, "a persistent id is not that of a storage");
    switch (pickle_.pids) {
      case PidForm::kNone:
        return refuse(kEvery, "a persistent id stands where none is understood");
      case PidForm::kZip:
        require(is_tuple && values_.items(pid).size() == 5, "the id of a storage has not five items");
        return push(zip_storage(values_.items(pid)));
      case PidForm::kLegacy:
        require(is_tuple && values_.items(pid).size() == 6, "the id of a storage has not six items");
        return push(legacy_storage(values_.items(pid)));
      case PidForm::kTar:
        require(values_.is(pid, Kind::kString), "a persistent id is not that of a tensor");
        return push(values_.tensor(Kind::kTensor, {}));
    }
  }
  void refuse_unless(bool condition, Versions versions, const std::string& reason) {
    if (!condition) refuse(versions, reason);
  }

  std::int64_t storage_bytes(Id count, const StorageFacts& facts) {
    std::int64_t bytes = 0;
    const bool is_count = values_.is_int(count) || values_.is(count, Kind::kBool);
    require(is_count && values_[count].number >= 0 &&
                !__builtin_mul_overflow(values_[count].number,
                                        static_cast<std::int64_t>(itemsize(*facts.dtype)), &bytes),
            "a storage has no sensible number of elements");
    return bytes;
  }

  Id zip_storage(std::span<const Id> pid) {
    StorageFacts facts = storage_class(pid[1], true);
    require(values_[pid[2]].hashable, "a storage has an impossible key");
    const std::string key = key_text(pid[2]);
    if (const auto known = storages_.find(key); known != storages_.end()) return known->second;
    facts.bytes = storage_bytes(pid[4], facts);
    require(!key.empty() && pickle_.has_storage(key),
            cat("there is no record for the storage '", escaped(key), "'"));
    require(values_.is(pid[3], Kind::kString), "a storage's device is not a string");
    const Id storage = values_.storage(Kind::kStorage, facts);
    storages_.emplace(key, storage);
    return storage;
  }

  Id legacy_storage(std::span<const Id> pid) {
    StorageFacts facts = storage_class(pid[1], false);
    require(values_[pid[2]].hashable, "a storage has an impossible key");
    require(values_.is(pid[3], Kind::kString), "a storage's device is not a string");
    facts.bytes = storage_bytes(pid[4], facts);
    const auto [root, fresh] = storages_.try_emplace(key_text(pid[2]), 0);
    if (fresh) root->second = values_.storage(Kind::kStorage, facts);
    if (values_.is(pid[5], Kind::kNone)) return root->second;
    const auto view = values_.iterate(pid[5]);
    require(view && view->size() == 3 && values_[(*view)[0]].hashable && values_.is_int((*view)[1]),
            "a storage is an odd part of another");
    facts.bytes = storage_bytes((*view)[2], facts);
    const auto [part, is_new] = storages_.try_emplace(key_text((*view)[0]), 0);
    if (is_new) part->second = values_.storage(Kind::kStorage, facts);
    return part->second;
  }

  // ---- opcodes

  void push_integer(std::span<const std::byte> bytes) {
    const auto small = integer_to_int64(bytes);
    push(small ? values_.integer(*small) : values_.big_integer());
  }

  void python2_string() {
    const std::string_view text = in_.chars(in_.u8());
    require(is_utf8(text), "it holds a string of Python 2 that is not UTF-8");
    push(values_.text(Kind::kString, text));
  }
  void unicode() {
    const std::string_view text = in_.chars(in_.little<std::uint32_t>());
    require(is_text_with_surrogates(text), "it holds a string that is not UTF-8");
    push(values_.text(Kind::kString, text));
  }
  void put(std::uint32_t index) { memo_[index] = top(); }
  void get(std::uint32_t index) {
    const auto at = memo_.find(index);
    if (at == memo_.end()) refuse(kEvery, cat("it asks for the memo entry ", index, ", which is not set"));
    push(at->second);
  }

  void step(std::uint8_t opcode) {
    switch (opcode) {
      case 'c':
        return global();
      case 0x81: {
        const Id args = pop();
        return push(calls_.new_object(pop(), args));
      }
      case 'R': {
        const Id args = pop();
        return push(calls_.reduce(pop(), args));
      }
      case 'b': {
        const Id state = pop();
        return calls_.build(top(), state);
      }
      case 'a': {
        const Id item = pop();
        return append({&item, 1});
      }
      case 'e':
        return append(pop_mark());
      case 's': {
        const Id value = pop();
        const Id key = pop();
        const Id pair[] = {key, value};
        return set_items(pair);
      }
      case 'u':
        return set_items(pop_mark());
      case '(':
        return marks_.push_back(stack_.size());
      case 't':
        return push(values_.container(Kind::kTuple, pop_mark()));
      case 0x85:
        return push_tuple(1);
      case 0x86:
        return push_tuple(2);
      case 0x87:
        return push_tuple(3);
      case 'N':
        return push(values_.none());
      case 0x88:
        return push(values_.boolean(true));
      case 0x89:
        return push(values_.boolean(false));
      case ')':
        return push(values_.container(Kind::kTuple, {}));
      case ']':
        return push(values_.container(Kind::kList, {}));
      case '}':
        return push(values_.container(Kind::kDict, {}));
      case 0x8F:
        return push(values_.container(Kind::kSet, {}));
      case 'J':
        return push(values_.integer(in_.little<std::int32_t>()));
      case 'K':
        return push(values_.integer(in_.u8()));
      case 'M':
        return push(values_.integer(in_.little<std::uint16_t>()));
      case 'G':
        return push(values_.real(in_.big<double>()));
      case 'X':
        return unicode();
      case 'U':
        return python2_string();
      case 'Q':
        return persistent();
      case 'h':
        return get(in_.u8());
      case 'j':
        return get(in_.little<std::uint32_t>());
      case 'q':
        return put(in_.u8());
      case 'r':
        return put(in_.little<std::uint32_t>());
      case 0x8A:
        return push_integer(in_.bytes(in_.u8()));
      case 0x80:
        return in_.skip(1);
      default:
        refuse(kEvery, opcode_reason(opcode));
    }
  }

  const PickleToFollow& pickle_;
  Verdicts& verdicts_;
  ByteReader in_;
  Values values_;
  Calls calls_;
  std::uint64_t at_ = 0;  // of the opcode at hand
  std::vector<Id> stack_;
  std::vector<std::size_t> marks_;
  std::unordered_map<std::uint32_t, Id> memo_;
  std::unordered_map<std::string, Id> storages_;
};

}  // namespace

Verdicts::Verdicts() {
  for (std::size_t i = 0; i < answers_.size(); ++i) answers_[i].version = kVersionNames[i];
}

void Verdicts::refuse(Versions versions, const std::string& reason, const std::string& record,
                      std::optional<std::uint64_t> offset) {
  for (std::size_t i = 0; i < answers_.size(); ++i) {
    if ((versions & accepting_ & (1u << i)) == 0) continue;
    answers_[i].accepted = false;
    answers_[i].reason = reason;
    answers_[i].record = record;
    answers_[i].offset = offset;
  }
  accepting_ = static_cast<Versions>(accepting_ & ~versions);
}

std::vector<WeightsOnly> Verdicts::answers() const { return {answers_.begin(), answers_.end()}; }

void follow(const PickleToFollow& pickle, Verdicts& verdicts) {
  if (verdicts.accepting() == 0) return;
  Machine(pickle, verdicts).run();
}

}  // namespace sconce::checkpoint::weights_only
