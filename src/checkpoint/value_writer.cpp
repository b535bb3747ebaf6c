#include "checkpoint/value_writer.h"

#include <algorithm>

#include "checkpoint/stored_tensor.h"
#include "sconce/base/byte_reader.h"
#include "sconce/base/error.h"
#include "sconce/state/python_class.h"

namespace sconce::checkpoint {
namespace {

// Each byte as the character of the same number.
std::string latin1_to_utf8(std::span<const std::byte> bytes) {
  std::string out;
  out.reserve(bytes.size() + bytes.size() / 2);
  for (const std::byte byte : bytes) {
    const auto code = static_cast<unsigned>(byte);
    if (code < 0x80) {
      out += static_cast<char>(code);
    } else {
      out += static_cast<char>(0xC0 | (code >> 6));
      out += static_cast<char>(0x80 | (code & 0x3F));
    }
  }
  return out;
}

// Python keeps one object for each identifier that stands in a program ('weight', 'lr'), so equal ones are
// one object in its pickles; other strings are usually made anew each time.
bool is_identifier(std::string_view text) {
  if (text.empty() || (text[0] >= '0' && text[0] <= '9')) return false;
  return std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  });
}

// A key as it stands in a path: conv1.weight, 0.
std::string step_text(const Value& key) {
  if (key.is_string()) return escaped(key.as_string());
  if (key.is_int() && !key.is_big_int()) return std::to_string(key.as_int());
  return std::string(value_kind_name(key.kind()));
}

std::string object_text(const Value& object) {
  if (!object.is_object()) return cat("a ", value_kind_name(object.kind()), " that holds a Python object");
  return object.global_module().empty() ? "an object" : std::string(escaped(object_class(object)));
}

}  // namespace

std::vector<std::byte> ValueWriter::write(const Value& root) {
  require(keeps(root), ErrorCode::kUnsupported, "save",
          "the value is a Python object that cannot be written: ", root.is_object() ? object_text(root) : "");
  out_.proto();
  emit(root);
  run();
  out_.stop();
  return out_.take();
}

void ValueWriter::push(After after, const Value& owner, std::vector<Value> values) {
  frames_.push_back({after, owner, std::move(values), std::nullopt});
}

void ValueWriter::push_list(After after, const Value& owner, std::vector<Value> values, Source source) {
  const pickle::Batches batches(out_, pickle::Batches::Target::kList, source, values.size());
  frames_.push_back({after, owner, std::move(values), batches});
}

void ValueWriter::push_dict(After after, const Value& owner, std::vector<Value::Pair> pairs, Source source) {
  const pickle::Batches batches(out_, pickle::Batches::Target::kDict, source, pairs.size());
  std::vector<Value> flat;
  flat.reserve(2 * pairs.size());
  for (Value::Pair& pair : pairs) {
    flat.push_back(std::move(pair.first));
    flat.push_back(std::move(pair.second));
  }
  frames_.push_back({after, owner, std::move(flat), batches, 2});
}

void ValueWriter::push_state_dict(After after, const Value& owner,
                                  std::vector<std::pair<std::string, Value>> attributes) {
  std::vector<Value::Pair> pairs;
  pairs.reserve(attributes.size());
  for (auto& attribute : attributes) pairs.emplace_back(Value(attribute.first), std::move(attribute.second));
  out_.empty_dict();
  out_.memoize();
  push_dict(after, owner, kept(pairs), Source::kPlain);
}

// Values nest as deep as the data does, so the nesting is kept in frames_, not in calls.
void ValueWriter::run() {
  while (!frames_.empty()) {
    Frame& frame = frames_.back();
    const bool at_item = frame.batches && frame.next % frame.per_item == 0;
    if (at_item && frame.next > 0) frame.batches->end_item();
    if (frame.next == frame.values.size()) {
      const Frame done = std::move(frame);
      frames_.pop_back();
      finish(done);
      continue;
    }
    if (at_item) frame.batches->begin_item();
    const Value value = frame.values[frame.next++];
    emit(value);  // may add frames
  }
}

void ValueWriter::finish(const Frame& frame) {
  const pickle::Identity identity = identity_of(frame.owner);
  switch (frame.after) {
    case After::kNothing:
      return;
    case After::kTuple:
      if (out_.recall(identity)) {
        fail(ErrorCode::kUnsupported, "save", "a tuple contains itself, at ", path());
      }
      out_.tuple(frame.values.size());
      return out_.memoize(identity);
    case After::kSet:
      out_.tuple(1);
      out_.memoize();
      out_.reduce();
      return out_.memoize(identity);
    case After::kAttributes:
      if (auto attributes = frame.owner.attributes(); !attributes.empty()) {
        push_state_dict(After::kBuild, frame.owner, std::move(attributes));
      }
      return;
    case After::kBuild:
      return out_.build();
    case After::kRebuild:
      out_.tuple(4);
      out_.memoize();
      out_.reduce();
      return out_.memoize(identity);
    case After::kObjectCall:
      frame.owner.object_kind() == ObjectKind::kNew ? out_.newobj() : out_.reduce();
      out_.memoize(identity);
      return push_list(After::kObjectElements, frame.owner, kept(frame.owner.object_elements(), true),
                       Source::kReduced);
    case After::kObjectElements:
      return push_dict(After::kObjectItems, frame.owner, kept(frame.owner.object_items()), Source::kReduced);
    case After::kObjectItems:
      return emit_states(frame.owner, 0);
    case After::kObjectState:
      out_.build();
      return emit_states(frame.owner, frame.per_item);
  }
}

std::string ValueWriter::path() const {
  std::string out;
  for (const Frame& frame : frames_) {
    if (frame.next == 0 || (!frame.batches && frame.after != After::kTuple)) continue;
    const std::size_t item = (frame.next - 1) / frame.per_item;
    if (!out.empty()) out += '.';
    out += frame.per_item == 2 ? step_text(frame.values[2 * item]) : std::to_string(item);
  }
  return out.empty() ? "the top" : out;
}

void ValueWriter::emit(const Value& value) {
  switch (value.kind()) {
    case ValueKind::kNone:
      return out_.none();
    case ValueKind::kBool:
      return out_.boolean(value.as_bool());
    case ValueKind::kInt:
      return value.is_big_int() ? out_.big_integer(value.int_bytes()) : out_.integer(value.as_int());
    case ValueKind::kFloat:
      return out_.real(value.as_float());
    case ValueKind::kString:
      if (is_identifier(value.as_string())) return out_.shared_text(value.as_string());
      if (out_.recall(identity_of(value))) return;
      out_.text(value.as_string());
      return out_.memoize(identity_of(value));
    default:
      if (!out_.recall(identity_of(value))) emit_fresh(value);
  }
}

void ValueWriter::emit_fresh(const Value& value) {
  switch (value.kind()) {
    case ValueKind::kComplex:
      out_.global("builtins", "complex");
      out_.real(value.as_complex().real());
      out_.real(value.as_complex().imag());
      out_.tuple(2);
      out_.memoize();
      out_.reduce();
      return out_.memoize(identity_of(value));
    case ValueKind::kBytes:
      return emit_bytes(value);
    case ValueKind::kList:
      out_.empty_list();
      out_.memoize(identity_of(value));
      return push_list(After::kNothing, value, kept(value.elements(), true), Source::kPlain);
    case ValueKind::kTuple: {
      auto elements = kept(value.elements(), true);
      if (elements.empty()) return out_.empty_tuple();
      if (elements.size() > 3) out_.mark();
      return push(After::kTuple, value, std::move(elements));
    }
    case ValueKind::kSet:
      out_.global("builtins", value.is_frozen() ? "frozenset" : "set");
      out_.empty_list();
      out_.memoize();
      return push_list(After::kSet, value, kept(value.elements(), false), Source::kPlain);
    case ValueKind::kDict:
      return emit_dict(value);
    case ValueKind::kArray:
    case ValueKind::kSparse:
      return emit_tensor(value);
    default:
      return emit_object(value);
  }
}

void ValueWriter::emit_bytes(const Value& value) {
  const auto data = value.as_bytes();
  if (value.is_bytearray()) out_.global("builtins", "bytearray");
  if (data.empty() && !value.is_bytearray()) out_.global("builtins", "bytes");
  if (data.empty()) {
    out_.empty_tuple();
    out_.reduce();
    return out_.memoize(identity_of(value));
  }
  out_.global("_codecs", "encode");
  out_.text(latin1_to_utf8(data));
  out_.memoize();
  out_.shared_text("latin1");
  out_.tuple(2);
  out_.memoize();
  out_.reduce();
  if (value.is_bytearray()) {
    out_.memoize();
    out_.tuple(1);
    out_.memoize();
    out_.reduce();
  }
  out_.memoize(identity_of(value));
}

void ValueWriter::emit_dict(const Value& value) {
  if (!value.is_ordered_dict()) {
    out_.empty_dict();
    out_.memoize(identity_of(value));
    return push_dict(After::kNothing, value, kept(value.items()), Source::kPlain);
  }
  out_.global("collections", "OrderedDict");
  out_.empty_tuple();
  out_.reduce();
  out_.memoize(identity_of(value));
  push_dict(After::kAttributes, value, kept(value.items()), Source::kReduced);
}

void ValueWriter::storage_id(const Array& array, const std::string& device, bool is_untyped) {
  if (!is_in_torch(array.dtype())) refuse_foreign(array.dtype(), "save", path());
  const DTypeInfo& info = dtype_info(array.dtype());
  const bool is_typed = !is_untyped && !info.storage.empty();
  const bool is_legacy = options_.format == Format::kTorchLegacy;
  if (is_legacy && !is_typed) {
    fail(ErrorCode::kUnsupported, "save", "the tensor at ", path(), " has dtype ", array.dtype(),
         ", which torch-legacy files cannot hold: convert it to another dtype, or write torch (zip) or "
         "safetensors");
  }
  const std::string_view storage_class = is_typed ? info.storage : "UntypedStorage";
  const std::uint64_t unit = is_typed ? info.itemsize : 1;
  const auto [at, fresh] =
      storage_index_.try_emplace({array.storage().id(), storage_class}, storages_.size());
  if (fresh) {
    const std::uint64_t whole = array.storage().size() / unit * unit;
    storages_.push_back(
        {std::to_string(storages_.size()), array.storage(), whole, is_typed ? info.dtype : kUInt8});
  }
  const PlannedStorage& planned = storages_[at->second];
  out_.mark();
  out_.shared_text("storage");
  out_.global(is_typed ? "torch" : "torch.storage", storage_class);
  out_.shared_text(planned.key);
  // A tensor on "meta" would have data without its tag.
  out_.shared_text(options_.keep_device || device == "meta" ? std::string_view(device) : "cpu");
  out_.integer(static_cast<std::int64_t>(planned.bytes / unit));
  if (is_legacy) out_.none();  // a view, in the days of 0.1
  out_.tuple(is_legacy ? 6 : 5);
  out_.memoize();
  out_.persid();
}

void ValueWriter::emit_object(const Value& value) {
  if (value.object_kind() == ObjectKind::kGlobal) {
    return out_.global(value.global_module(), value.global_name());
  }
  // Those that are kept; others were left out before.
  const bool is_nested =
      value.global_module() == "torch._utils" && value.global_name() == "_rebuild_nested_tensor";
  if (is_nested && options_.format == Format::kTorchLegacy) {
    fail(ErrorCode::kUnsupported, "save", "the tensor at ", path(),
         " is nested, which PyTorch cannot read in torch-legacy files: leave it out, or write torch (zip)");
  }
  push(After::kObjectCall, value, {value.object_callable(), value.object_args()});
}

void ValueWriter::emit_states(const Value& value, std::size_t first) {
  const auto states = value.object_states();
  if (first >= states.size()) return;
  push(After::kObjectState, value, kept(std::vector<Value>{states[first]}, true));
  frames_.back().per_item = first + 1;
}

bool ValueWriter::keeps(const Value& value) { return !value.is_object() || writable_(value); }

void ValueWriter::note_left_out(const Value& value, const std::string& place) {
  report_.warnings.push_back(cat("left out ", object_text(value), " at ", place));
}

// A set keeps a member whole or not at all; elsewhere None stands for what is left out.
std::vector<Value> ValueWriter::kept(std::vector<Value> values, bool fill_with_none) {
  std::size_t left = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const bool keep = fill_with_none ? keeps(values[i]) : keeps_key_(values[i]);
    if (!keep) {
      note_left_out(values[i], cat(path(), " (item ", i, fill_with_none ? ", None in its place)" : ")"));
      if (!fill_with_none) continue;
      values[i] = Value();
    }
    if (left != i) values[left] = values[i];
    ++left;
  }
  values.erase(values.begin() + static_cast<std::ptrdiff_t>(left), values.end());
  return values;
}

std::vector<Value::Pair> ValueWriter::kept(const std::vector<Value::Pair>& pairs) {
  std::vector<Value::Pair> out;
  out.reserve(pairs.size());
  for (const auto& [key, value] : pairs) {
    const bool keep_key = keeps_key_(key);
    if (keep_key && keeps(value)) {
      out.emplace_back(key, value);
    } else {
      note_left_out(keep_key ? value : key,
                    frames_.empty() ? step_text(key) : cat(path(), ".", step_text(key)));
    }
  }
  return out;
}

}  // namespace sconce::checkpoint
