#include "checkpoint/numpy_value.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <limits>
#include <vector>

#include "checkpoint/read_limits.h"
#include "sconce/base/error.h"

namespace sconce::checkpoint {
namespace {

constexpr int kMostNesting = 8;           // of records in records
constexpr std::int64_t kObjectFlags = 7;  // reference count, list in pickle, pointer

bool is_global(const Value& value, std::string_view module, std::string_view name) {
  return value.is_object() && value.object_kind() == ObjectKind::kGlobal && value.global_module() == module &&
         value.global_name() == name;
}

// The tuple of arguments of a call to module.name, in either spelling of numpy's package.
std::optional<std::vector<Value>> call_of(const Value& value, std::string_view module,
                                          std::string_view name) {
  if (!value.is_object() || value.object_kind() != ObjectKind::kReduce) return std::nullopt;
  const std::string written = value.global_module();
  const bool is_module = written == cat("numpy.", module) ||
                         (module.starts_with("core.") && written == cat("numpy._", module)) ||
                         (module.empty() && written == "numpy");
  if (!is_module || value.global_name() != name || !value.object_kwargs().is_none() ||
      !value.object_args().is_tuple()) {
    return std::nullopt;
  }
  if (!value.object_elements().empty() || !value.object_items().empty()) return std::nullopt;
  return value.object_args().elements();
}

// The elements of the one state that BUILD gave.
std::optional<std::vector<Value>> state_of(const Value& value) {
  if (!value.is_object()) return std::nullopt;
  const auto states = value.object_states();
  if (states.size() != 1 || !states[0].is_tuple()) return std::nullopt;
  return states[0].elements();
}

std::optional<std::int64_t> integer(const Value& value) {
  if (value.is_bool()) return value.as_bool() ? 1 : 0;
  if (!value.is_int() || value.is_big_int()) return std::nullopt;
  return value.as_int();
}

std::optional<std::uint64_t> data_size(const Value& value) {
  if (value.is_bytes()) return value.as_bytes().size();
  if (value.is_string()) return value.as_string().size();  // Python 2's str
  return std::nullopt;
}

// Shape as a tuple of sizes, and the number of elements.
std::optional<std::uint64_t> elements_of(const Value& shape, Shape& sizes) {
  if (!shape.is_tuple() || shape.size() > kMaxRank) return std::nullopt;
  std::uint64_t count = 1;
  bool is_empty = false;
  for (const Value& element : shape.elements()) {
    const auto size = integer(element);
    if (!size || *size < 0) return std::nullopt;
    sizes.push_back(*size);
    is_empty = is_empty || *size == 0;
    const auto factor = static_cast<std::uint64_t>(std::max<std::int64_t>(*size, 1));
    if (count > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()) / factor)
      return std::nullopt;
    count *= factor;
  }
  return is_empty ? 0 : count;
}

// True when `data` holds exactly `count` elements of `dtype`.
bool fits(const NumpyDType& dtype, const Value& data, std::uint64_t count) {
  if (dtype.holds_objects) return data.is_list() && data.size() == count;
  const auto size = data_size(data);
  if (!size) return false;
  if (dtype.itemsize == 0) return *size == 0;
  return *size % dtype.itemsize == 0 && *size / dtype.itemsize == count;
}

struct Code {
  char kind;
  std::uint64_t number;
};

std::optional<Code> code_of(const Value& value) {
  if (!value.is_string() || value.as_string().size() < 2) return std::nullopt;
  const std::string& text = value.as_string();
  Code code{text[0], 0};
  const char* end = text.data() + text.size();
  const auto [at, failed] = std::from_chars(text.data() + 1, end, code.number);
  const bool is_known = std::string_view("biufcSUVOMm").find(code.kind) != std::string_view::npos;
  if (!is_known || failed != std::errc() || at != end || code.number > (1U << 30)) return std::nullopt;
  return code;
}

// numpy's name and PyTorch's dtype of a number; an empty name for sizes that do not exist.
void name_number(const Code& code, NumpyDType& out) {
  struct Row {
    char kind;
    std::uint64_t size;
    std::string_view name;
  };
  static constexpr Row kRows[] = {
      {'b', 1, "bool"},       {'i', 1, "int8"},        {'i', 2, "int16"},       {'i', 4, "int32"},
      {'i', 8, "int64"},      {'u', 1, "uint8"},       {'u', 2, "uint16"},      {'u', 4, "uint32"},
      {'u', 8, "uint64"},     {'f', 2, "float16"},     {'f', 4, "float32"},     {'f', 8, "float64"},
      {'f', 16, "float128"},  {'c', 8, "complex64"},   {'c', 16, "complex128"}, {'c', 32, "complex256"},
      {'M', 8, "datetime64"}, {'m', 8, "timedelta64"},
  };
  for (const Row& row : kRows) {
    if (row.kind == code.kind && row.size == code.number) out.name = row.name;
  }
  out.dtype = dtype_from_name(out.name);
}

// The flags of a dtype without fields.
std::int64_t flags_of(char kind) { return kind == 'O' ? 63 : kind == 'U' ? 8 : 0; }

std::optional<NumpyDType> dtype_at(const Value& value, int nesting);

// A field: (dtype, offset) or (dtype, offset, title), within a record of `itemsize` bytes.
bool is_sound_field(const Value& field, std::uint64_t itemsize, int nesting) {
  if (!field.is_tuple() || field.size() < 2 || field.size() > 3) return false;
  const auto dtype = dtype_at(field.at(0), nesting + 1);
  const auto offset = integer(field.at(1));
  if (!dtype || dtype->holds_objects || !offset || *offset < 0) return false;
  const auto begin = static_cast<std::uint64_t>(*offset);
  return begin <= itemsize && dtype->itemsize <= itemsize - begin &&
         (field.size() == 2 || field.at(2).is_string());
}

bool are_sound_fields(const Value& names, const Value& fields, std::uint64_t itemsize, int nesting) {
  if (!names.is_tuple() || !fields.is_dict()) return false;
  for (const Value& name : names.elements()) {
    if (!name.is_string() || !fields.contains(name)) return false;
  }
  for (const auto& [name, field] : fields.items()) {
    if (!name.is_string() || !is_sound_field(field, itemsize, nesting)) return false;
  }
  return true;
}

// The unit of a date: ({} or None, (unit, number, denominator, events)).
bool is_date_metadata(const Value& value) {
  if (!value.is_tuple() || value.size() != 2 || !value.at(1).is_tuple() || value.at(1).size() != 4)
    return false;
  const Value extra = value.at(0);
  const Value unit = value.at(1);
  return (extra.is_none() || (extra.is_dict() && extra.size() == 0)) && data_size(unit.at(0)) &&
         integer(unit.at(1)) && integer(unit.at(2)) && integer(unit.at(3));
}

std::optional<NumpyDType> dtype_at(const Value& value, int nesting) {
  const auto args = call_of(value, "", "dtype");
  const auto state = state_of(value);
  if (nesting > kMostNesting || !args || args->size() != 3 || !state) return std::nullopt;
  const auto code = code_of((*args)[0]);
  if (!code || integer((*args)[1]) != 0 || integer((*args)[2]) != 1) return std::nullopt;
  const bool is_date = code->kind == 'M' || code->kind == 'm';
  if (state->size() != (is_date ? 9U : 8U)) return std::nullopt;
  const Value& order = (*state)[1];
  const auto version = integer((*state)[0]);
  const auto size = integer((*state)[5]);
  const auto alignment = integer((*state)[6]);
  const auto flags = integer((*state)[7]);
  if (!version || *version < 3 || *version > 4 || !size || !alignment || !flags) return std::nullopt;
  if (!order.is_string() || order.as_string().size() != 1 || !(*state)[2].is_none()) return std::nullopt;
  const char mark = order.as_string()[0];
  if (std::string_view("<>=|").find(mark) == std::string_view::npos) return std::nullopt;

  NumpyDType out;
  out.is_swapped = mark == (std::endian::native == std::endian::little ? '>' : '<');
  out.holds_objects = code->kind == 'O';
  out.itemsize = code->kind == 'U' ? 4 * code->number : code->number;
  out.is_record = !(*state)[3].is_none();
  if (out.is_record) {
    const bool is_sound = code->kind == 'V' && size == static_cast<std::int64_t>(out.itemsize) &&
                          *alignment >= 1 && *alignment <= 64 && (*flags & kObjectFlags) == 0 &&
                          are_sound_fields((*state)[3], (*state)[4], out.itemsize, nesting);
    if (!is_sound) return std::nullopt;
  } else {
    const bool is_sized = code->kind == 'S' || code->kind == 'U' || code->kind == 'V';
    const std::int64_t unit = code->kind == 'U' ? 4 : 1;
    const bool is_sound = (*state)[4].is_none() && flags == flags_of(code->kind) &&
                          size == (is_sized ? static_cast<std::int64_t>(out.itemsize) : -1) &&
                          alignment == (is_sized ? unit : -1);
    if (!is_sound) return std::nullopt;
  }
  if (is_date && !is_date_metadata((*state)[8])) return std::nullopt;

  if (out.holds_objects) {
    out.name = "object";
  } else if (out.is_record) {
    out.name = "record";
  } else if (code->kind == 'S' || code->kind == 'U' || code->kind == 'V') {
    out.name = cat(code->kind == 'U' ? "<" : "|", code->kind, code->number);
  } else {
    name_number(*code, out);
  }
  if (out.name.empty()) return std::nullopt;
  return out;
}

// _reconstruct(class, (0,), b'b'), then the content as (1, shape, dtype, is_fortran, data).
std::optional<NumpyObject> reconstructed(const Value& value) {
  const auto args = call_of(value, "core.multiarray", "_reconstruct");
  const auto state = state_of(value);
  if (!args || args->size() != 3 || !state || state->size() != 5) return std::nullopt;
  if (!is_global((*args)[0], "numpy", "ndarray") && !is_global((*args)[0], "numpy", "matrix")) {
    return std::nullopt;
  }
  const Value& empty = (*args)[1];
  if (!empty.is_tuple() || empty.size() != 1 || integer(empty.at(0)) != 0 || data_size((*args)[2]) != 1) {
    return std::nullopt;
  }
  NumpyObject out;
  auto dtype = numpy_dtype((*state)[2]);
  const auto count = elements_of((*state)[1], out.shape);
  if (integer((*state)[0]) != 1 || !dtype || !count || !(*state)[3].is_bool()) return std::nullopt;
  out.dtype = *std::move(dtype);
  out.is_fortran = (*state)[3].as_bool();
  out.data = (*state)[4];
  if (!fits(out.dtype, out.data, *count)) return std::nullopt;
  return out;
}

// _frombuffer(bytes, dtype, shape, order) of protocol 5.
std::optional<NumpyObject> from_buffer(const Value& value) {
  const auto args = call_of(value, "core.numeric", "_frombuffer");
  if (!args || args->size() != 4 || !value.object_states().empty()) return std::nullopt;
  NumpyObject out;
  auto dtype = numpy_dtype((*args)[1]);
  const auto count = elements_of((*args)[2], out.shape);
  const Value& order = (*args)[3];
  if (!dtype || dtype->holds_objects || !count || !order.is_string()) return std::nullopt;
  if (order.as_string() != "C" && order.as_string() != "F") return std::nullopt;
  out.dtype = *std::move(dtype);
  out.is_fortran = order.as_string() == "F";
  out.data = (*args)[0];
  if (!out.data.is_bytes() || !fits(out.dtype, out.data, *count)) return std::nullopt;
  return out;
}

// scalar(dtype, bytes).
std::optional<NumpyObject> scalar(const Value& value) {
  const auto args = call_of(value, "core.multiarray", "scalar");
  if (!args || args->size() != 2 || !value.object_states().empty()) return std::nullopt;
  auto dtype = numpy_dtype((*args)[0]);
  if (!dtype || dtype->holds_objects || !fits(*dtype, (*args)[1], 1)) return std::nullopt;
  return NumpyObject{NumpyObject::Kind::kScalar, *std::move(dtype), {}, false, (*args)[1]};
}

// _mareconstruct(MaskedArray, ndarray, (0,), 'b'), then (1, shape, dtype, is_fortran, data, mask, fill
// value).
std::optional<NumpyObject> masked(const Value& value) {
  const auto args = call_of(value, "ma.core", "_mareconstruct");
  const auto state = state_of(value);
  if (!args || args->size() != 4 || !state || state->size() != 7) return std::nullopt;
  const bool is_class = is_global((*args)[0], "numpy.ma.core", "MaskedArray") ||
                        is_global((*args)[0], "numpy.ma", "MaskedArray");
  const Value& empty = (*args)[2];
  if (!is_class || !is_global((*args)[1], "numpy", "ndarray") || !empty.is_tuple() || empty.size() != 1 ||
      integer(empty.at(0)) != 0 || data_size((*args)[3]) != 1) {
    return std::nullopt;
  }
  NumpyObject out;
  out.kind = NumpyObject::Kind::kMasked;
  auto dtype = numpy_dtype((*state)[2]);
  const auto count = elements_of((*state)[1], out.shape);
  if (integer((*state)[0]) != 1 || !dtype || dtype->is_record || !count || !(*state)[3].is_bool()) {
    return std::nullopt;
  }
  out.dtype = *std::move(dtype);
  out.is_fortran = (*state)[3].as_bool();
  out.data = (*state)[4];
  if (!fits(out.dtype, out.data, *count) || data_size((*state)[5]) != *count) return std::nullopt;
  const Value& fill = (*state)[6];  // None, or a 0-d array
  if (!fill.is_none() && !reconstructed(fill)) return std::nullopt;
  return out;
}

}  // namespace

std::optional<NumpyDType> numpy_dtype(const Value& value) { return dtype_at(value, 0); }

std::optional<NumpyObject> numpy_object(const Value& value) {
  if (!value.is_object() || !value.global_module().starts_with("numpy")) return std::nullopt;
  const std::string name = value.global_name();
  if (name == "_reconstruct") return reconstructed(value);
  if (name == "scalar") return scalar(value);
  if (name == "_frombuffer") return from_buffer(value);
  if (name == "_mareconstruct") return masked(value);
  return std::nullopt;
}

}  // namespace sconce::checkpoint
