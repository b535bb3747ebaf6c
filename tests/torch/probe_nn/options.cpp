#include "options.h"

#include <map>

namespace sconce::probe {
namespace {

template <class T>
T look_up(const std::map<std::string, T>& table, const Value& value) {
  const auto found = table.find(value.as_string());
  require(found != table.end(), ErrorCode::kInvalidArgument, "probe", "no such choice: ", value.as_string());
  return found->second;
}

}  // namespace

void convert(const Value& value, bool& out) { out = value.as_bool(); }
void convert(const Value& value, std::int64_t& out) { out = value.as_int(); }
void convert(const Value& value, double& out) { out = value.as_float(); }
void convert(const Value& value, std::string& out) { out = value.as_string(); }

void convert(const Value& value, Scalar& out) {
  if (value.is_bool()) {
    out = value.as_bool();
  } else if (value.is_int()) {
    out = value.as_int();
  } else {
    out = value.as_float();
  }
}

void convert(const Value& value, Dims& out) {
  out = Dims();
  for (const Value& element : value.elements()) out.push_back(element.as_int());
}

void convert(const Value& value, Shape& out) {
  Dims dims;
  convert(value, dims);
  out = Shape(dims);
}

void convert(const Value& value, Pair& out) {
  out = value.is_int() ? Pair(value.as_int()) : Pair(value.at(0).as_int(), value.at(1).as_int());
}

void convert(const Value& value, nn::ConvPadding& out) {
  if (value.is_string()) {
    out = nn::ConvPadding(value.as_string());
    return;
  }
  Pair size = 0;
  convert(value, size);
  out = size;
}

void convert(const Value& value, DType& out) {
  const std::optional<DType> dtype = dtype_from_name(value.as_string());
  require(dtype.has_value(), ErrorCode::kInvalidArgument, "probe", "no such dtype: ", value.as_string());
  out = *dtype;
}

void convert(const Value& value, Reduction& out) {
  static const std::map<std::string, Reduction> table{
      {"none", Reduction::kNone}, {"mean", Reduction::kMean}, {"sum", Reduction::kSum}};
  out = look_up(table, value);
}

void convert(const Value& value, PadMode& out) {
  static const std::map<std::string, PadMode> table{{"constant", PadMode::kConstant},
                                                    {"reflect", PadMode::kReflect},
                                                    {"replicate", PadMode::kReplicate},
                                                    {"circular", PadMode::kCircular}};
  out = look_up(table, value);
}

void convert(const Value& value, Tensor& out) { out = value.is_none() ? Tensor() : Tensor(value.as_array()); }

CrossEntropyOptions cross_entropy_options(const Options& options) {
  return {.weight = options.get("weight", Tensor()),
          .ignore_index = options.get("ignore_index", kIgnoreIndex),
          .reduction = options.get("reduction", Reduction::kMean),
          .label_smoothing = options.get("label_smoothing", 0.0)};
}

}  // namespace sconce::probe
