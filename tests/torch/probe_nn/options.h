// The options of a case, as the Python side wrote them: a dict by PyTorch's names.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "sconce/kernels/pad.h"
#include "sconce/kernels/window.h"
#include "sconce/nn/conv_padding.h"
#include "sconce/state/value.h"
#include "sconce/tensor/loss.h"
#include "sconce/tensor/tensor.h"

namespace sconce::probe {

// One option in C++; each throws for a value of another kind.
void convert(const Value& value, bool& out);
void convert(const Value& value, std::int64_t& out);
void convert(const Value& value, double& out);
void convert(const Value& value, std::string& out);
void convert(const Value& value, Scalar& out);
void convert(const Value& value, Dims& out);
void convert(const Value& value, Shape& out);
void convert(const Value& value, Pair& out);
void convert(const Value& value, nn::ConvPadding& out);
void convert(const Value& value, DType& out);
void convert(const Value& value, Reduction& out);
void convert(const Value& value, PadMode& out);
void convert(const Value& value, Tensor& out);
template <class T>
void convert(const Value& value, std::optional<T>& out) {
  out.reset();
  if (value.is_none()) return;
  T content{0};
  convert(value, content);
  out = content;
}

class Options {
 public:
  explicit Options(Value dict) : dict_(std::move(dict)) {}
  bool has(std::string_view name) const { return dict_.contains(name); }
  Value at(std::string_view name) const { return dict_.at(name); }
  // The option, or `fallback` where it is not given.
  template <class T>
  T get(std::string_view name, T fallback) const {
    if (has(name)) convert(at(name), fallback);
    return fallback;
  }

 private:
  Value dict_;
};

// What the loss's function and module both take.
CrossEntropyOptions cross_entropy_options(const Options& options);

}  // namespace sconce::probe
