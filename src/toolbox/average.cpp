#include "sconce/toolbox/average.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <unordered_map>

#include "sconce/base/error.h"
#include "sconce/base/interrupt.h"
#include "sconce/base/parallel.h"
#include "sconce/checkpoint/named.h"
#include "sconce/checkpoint/recover.h"
#include "sconce/state/state_dict.h"
#include "sconce/toolbox/leaves.h"
#include "sconce/toolbox/same_value.h"
#include "sconce/toolbox/state_dict_place.h"
#include "toolbox/round_once.h"

namespace sconce::toolbox {
namespace {

using checkpoint::NamedLeaf;
using checkpoint::TensorInfo;

constexpr std::int64_t kAverageBlock = std::int64_t{1} << 14;
constexpr std::size_t kMostNamed = 5;  // in one message

bool is_averaged(DType dtype) { return is_floating(dtype) || is_complex(dtype); }

template <class T>
concept Real = std::is_floating_point_v<T> || requires(T value) {
  value.bits;
};

template <Real T>
bool is_finite(T value) {
  if constexpr (std::is_floating_point_v<T>)
    return std::isfinite(value);
  else
    return std::isfinite(static_cast<float>(value));
}

// The components of complex numbers as an array of twice the length; others as they are.
Array flat_components(const Array& array) {
  const Array dense = array.contiguous();
  const std::int64_t per_element = is_complex(array.dtype()) ? 2 : 1;
  Geometry geometry = Geometry::contiguous({dense.numel() * per_element});
  geometry.offset = dense.offset() * per_element;
  return {dense.storage(), component_dtype(array.dtype()), geometry};
}

// One input's state_dict.
struct Side {
  const AverageInput* input = nullptr;
  Value tree;  // with state_dicts in the places of modules
  StateDictPlace place;
  std::vector<std::string> names;                      // of its tensors, in order
  std::unordered_map<std::string, std::size_t> index;  // name -> index in the listing

  const TensorInfo& info(const std::string& name) const { return input->listing.tensors[index.at(name)]; }
};

bool is_below(const std::string& name, const std::string& prefix) {
  return prefix.empty() || name == prefix || (name.starts_with(prefix) && name[prefix.size()] == '.');
}

std::string relative(const std::string& name, const std::string& prefix) {
  return prefix.empty() ? name : name.substr(std::min(name.size(), prefix.size() + 1));
}

// Memory and shape of a tensor: equal texts in one file mean tied tensors.
std::string identity_of(const TensorInfo& info) {
  return cat(info.storage, " ", dtype_name(info.dtype), " ", info.geometry.offset, " ",
             info.geometry.shape.str(), " ", Shape(info.geometry.strides).str(), info.is_conj, info.is_neg);
}

class Averaging {
 public:
  Averaging(const std::vector<AverageInput>& inputs, const AverageOptions& options) : options_(options) {
    require(!inputs.empty(), ErrorCode::kInvalidArgument, "average", "expected at least one input");
    for (const AverageInput& input : inputs) sides_.push_back(side_of(input));
    make_weights();
  }

  AverageResult run() {
    for (const Side& side : sides_) check_names(side);
    for (const std::string& name : sides_.front().names) check_shapes(name);
    for (const std::string& name : sides_.front().names) results_[name] = result_of(name);
    build();
    return std::move(out_);
  }

 private:
  const Side& first() const { return sides_.front(); }
  const Side& last() const { return sides_.back(); }

  // ---- what is there

  Side side_of(const AverageInput& input) {
    try {
      Side out;
      out.input = &input;
      out.tree = checkpoint::recover_modules(input.listing.tree, input.listing.walk).value;
      out.place = find_state_dict(out.tree, options_.state_dict, input.listing.walk);
      note_optimizers(out);
      const auto& tensors = input.listing.tensors;
      for (std::size_t i = 0; i < tensors.size(); ++i) {
        const TensorInfo& info = tensors[i];
        if (!is_below(info.name, out.place.name) || is_optimizers(info.name)) continue;
        const DTypeKind kind = dtype_info(info.dtype).kind;
        require(info.role.empty() && kind != DTypeKind::kQuantized && kind != DTypeKind::kRaw,
                ErrorCode::kUnsupported, "average", "'", escaped(info.name), "' is ",
                info.role.empty() ? cat("of ", dtype_name(info.dtype)) : std::string("sparse"),
                ", which has no average");
        const std::string name = relative(info.name, out.place.name);
        require(out.index.emplace(name, i).second, ErrorCode::kUnsupported, "average",
                "two tensors are named '", escaped(name), "'");
        out.names.push_back(name);
      }
      require(!out.names.empty(), ErrorCode::kUnsupported, "average", "there are no tensors to average");
      return out;
    } catch (const Error& error) {
      throw error.in_file(input.name);
    }
  }

  void note_optimizers(const Side& side) {
    optimizers_.clear();
    for_each_leaf(
        side.tree, side.input->listing.walk, [](const NamedLeaf&) {},
        [&](const NamedLeaf& container) {
          if (is_optimizer_state(container.value)) optimizers_.push_back(container.name);
        });
    if (!side.place.name.empty() && side.tree.is_dict() && sides_.empty()) {
      for (const auto& [key, value] : side.tree.items()) {
        const std::string name = checkpoint::key_name(key);
        if (!is_below(side.place.name, name))
          out_.notes.push_back(cat("left out '", escaped(name), "': weights alone are averaged"));
      }
    }
  }

  bool is_optimizers(const std::string& name) const {
    return std::any_of(optimizers_.begin(), optimizers_.end(),
                       [&](const std::string& prefix) { return is_below(name, prefix); });
  }

  void make_weights() {
    if (options_.ema) {
      require(options_.weights.empty(), ErrorCode::kInvalidArgument, "average",
              "expected weights or an exponential average, not both");
      require(*options_.ema >= 0 && *options_.ema <= 1, ErrorCode::kInvalidArgument, "average",
              "expected a decay from 0 to 1, found ", *options_.ema);
      return;
    }
    weights_ = options_.weights;
    if (weights_.empty()) weights_.assign(sides_.size(), 1);
    require(weights_.size() == sides_.size(), ErrorCode::kInvalidArgument, "average", "expected ",
            sides_.size(), " weights, one for each input, found ", weights_.size());
    total_ = std::accumulate(weights_.begin(), weights_.end(), 0.0);
    require(std::isfinite(total_) && total_ != 0, ErrorCode::kInvalidArgument, "average",
            "expected weights whose sum is a number and not 0, found ", total_);
  }

  // ---- do they fit together

  void check_names(const Side& side) const {
    std::vector<std::string> missing;
    for (const std::string& name : first().names) {
      if (!side.index.contains(name)) missing.push_back(name);
    }
    std::vector<std::string> unexpected;
    for (const std::string& name : side.names) {
      if (!first().index.contains(name)) unexpected.push_back(name);
    }
    if (missing.empty() && unexpected.empty()) return;
    std::string text;
    for (std::size_t i = 0; i < std::min(missing.size(), kMostNamed); ++i) {
      const auto near = unexpected.size() > 2000 ? std::nullopt : nearest_name(missing[i], unexpected);
      text += cat(text.empty() ? "" : ", ", "no '", escaped(missing[i]), "'",
                  near ? cat(" (but '", escaped(*near), "')") : std::string());
    }
    if (missing.empty()) {
      for (std::size_t i = 0; i < std::min(unexpected.size(), kMostNamed); ++i)
        text += cat(text.empty() ? "" : ", ", "an additional '", escaped(unexpected[i]), "'");
    }
    const std::size_t count = missing.empty() ? unexpected.size() : missing.size();
    if (count > kMostNamed) text += cat(" and ", count - kMostNamed, " more");
    throw Error(ErrorCode::kKeyMismatch, "average",
                cat("not the tensors of ", escaped(first().input->name), ": ", text,
                    "; 'sconce repair' can bring names into line"))
        .in_file(side.input->name);
  }

  void check_shapes(const std::string& name) {
    const TensorInfo& expected = first().info(name);
    for (const Side& side : sides_) {
      const TensorInfo& found = side.info(name);
      const bool fits = found.geometry.shape == expected.geometry.shape &&
                        is_averaged(found.dtype) == is_averaged(expected.dtype) &&
                        is_complex(found.dtype) == is_complex(expected.dtype);
      if (!fits) {
        throw Error(ErrorCode::kKeyMismatch, "average",
                    cat("'", escaped(name), "' is ", dtype_name(found.dtype), " ", found.geometry.shape.str(),
                        ", in ", escaped(first().input->name), " it is ", dtype_name(expected.dtype), " ",
                        expected.geometry.shape.str()))
            .in_file(side.input->name);
      }
      if (found.dtype != expected.dtype)
        out_.notes.push_back(cat("'", escaped(name), "' is ", dtype_name(found.dtype), " in ",
                                 escaped(side.input->name), "; the result is ", dtype_name(expected.dtype)));
    }
  }

  // ---- numbers

  Array result_of(const std::string& name) {
    throw_if_stop_requested();
    std::string tie;
    for (const Side& side : sides_) tie += cat(identity_of(side.info(name)), "\n");
    const bool has_memory = first().info(name).storage_bytes > 0;
    if (const auto known = tied_.find(tie); known != tied_.end() && has_memory) return known->second;
    const DType dtype = first().info(name).dtype;
    Array out;
    if (is_averaged(dtype)) {
      out = average_of(name);
      ++out_.averaged;
    } else {
      out = last().input->listing.read(last().index.at(name)).cast(dtype).clone();
      ++out_.taken;
    }
    tied_.emplace(std::move(tie), out);
    return out;
  }

  Array average_of(const std::string& name) {
    const TensorInfo& info = first().info(name);
    Array sum;
    for (std::size_t i = 0; i < sides_.size(); ++i) {
      const Array input = flat_components(sides_[i].input->listing.read(sides_[i].index.at(name)));
      if (i == 0) sum = Array::zeros({input.numel()}, kFloat64);
      // sum = keep * sum + add * input
      const double keep = options_.ema && i > 0 ? *options_.ema : 1;
      const double add = !options_.ema ? weights_[i] : i > 0 ? 1 - *options_.ema : 1;
      accumulate(sum, keep, input, add);
      sides_[i].input->listing.release();
    }
    Array out = Array::empty(info.geometry.shape, info.dtype);
    const std::int64_t odd = round_into(sum, options_.ema ? 1 : total_, out);
    if (odd > 0)
      out_.notes.push_back(cat("'", escaped(name), "' has ", odd, " elements that are NaN or infinite"));
    return out;
  }

  static void accumulate(Array& sum, double keep, const Array& input, double add) {
    double* target = sum.mutable_data<double>();
    const std::int64_t count = input.numel();
    parallel_for((count + kAverageBlock - 1) / kAverageBlock, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t block = begin; block < end; ++block) {
        const std::int64_t at = block * kAverageBlock;
        const auto values = input.narrow(0, at, std::min(kAverageBlock, count - at)).to_vector<double>();
        for (std::size_t i = 0; i < values.size(); ++i) {
          double& element = target[at + static_cast<std::int64_t>(i)];
          element = keep * element + add * values[i];
        }
      }
    });
  }

  // Returns how many results are not finite.
  static std::int64_t round_into(const Array& sum, double total, Array& out) {
    const double* source = sum.data<double>();
    std::int64_t odd = 0;
    visit_dtype(component_dtype(out.dtype()), [&]<class T>(std::type_identity<T>) {
      if constexpr (Real<T>) {
        T* target = reinterpret_cast<T*>(out.mutable_raw());
        for (std::int64_t i = 0; i < sum.numel(); ++i) {
          target[i] = round_once<T>(source[i] / total);
          if (!is_finite(target[i])) ++odd;
        }
      }
    });
    return odd;
  }

  // ---- the result

  // The first input's dicts anew, with the results in their places.
  void build() {
    std::unordered_map<std::string, Value> last_values;
    for_each_leaf(last().tree, last().input->listing.walk, [&](const NamedLeaf& leaf) {
      if (is_below(leaf.name, last().place.name))
        last_values.emplace(relative(leaf.name, last().place.name), leaf.value);
    });
    std::vector<Value> open;  // the dict at each depth below the place
    const std::size_t depth = first().place.path.size();
    const auto put = [&](const NamedLeaf& leaf, const Value& value) {
      open[leaf.path.size() - depth - 1].set_item(leaf.path.back(), value);
    };
    const auto is_inside = [&](const NamedLeaf& leaf) {
      return leaf.path.size() > depth && is_below(leaf.name, first().place.name) && !is_optimizers(leaf.name);
    };
    const auto enter = [&](const NamedLeaf& container) {
      const bool is_place = container.path.size() == depth && container.name == first().place.name;
      if (!is_place && !is_inside(container)) return;
      require(container.value.is_dict(), ErrorCode::kUnsupported, "average", "'", escaped(container.name),
              "' is a ", value_kind_name(container.value.kind()), " of tensors; expected dicts");
      Value dict = container.value.is_ordered_dict() ? Value::ordered_dict() : Value::dict();
      for (const auto& [name, attribute] : container.value.attributes()) dict.set_attribute(name, attribute);
      if (!is_place) put(container, dict);
      open.resize(container.path.size() - depth);
      open.push_back(dict);
      if (is_place) out_.state = dict;
    };
    const auto visit = [&](const NamedLeaf& leaf) {
      if (!is_inside(leaf)) return;
      const std::string name = relative(leaf.name, first().place.name);
      if (leaf.value.is_array()) return put(leaf, tensor_value(name));
      const auto latest = last_values.find(name);
      const Value value = latest == last_values.end() ? leaf.value : latest->second;
      if (!same_value(leaf.value, value))
        out_.notes.push_back(cat("'", escaped(name), "' differs; it is the last input's"));
      put(leaf, value);
    };
    for_each_leaf(first().tree, first().input->listing.walk, visit, enter);
  }

  Value tensor_value(const std::string& name) const {
    const TensorInfo& info = first().info(name);
    TensorLeaf leaf;
    leaf.array = results_.at(name);
    leaf.requires_grad = info.requires_grad;
    leaf.is_parameter = info.is_parameter;
    leaf.device = info.device;
    leaf.bare_storage = info.bare_storage;
    return leaf;
  }

  const AverageOptions& options_;
  std::vector<Side> sides_;
  std::vector<std::string> optimizers_;  // of the input looked at last
  std::vector<double> weights_;
  double total_ = 1;
  std::unordered_map<std::string, Array> results_;
  std::unordered_map<std::string, Array> tied_;
  AverageResult out_;
};

}  // namespace

AverageResult average(const std::vector<AverageInput>& inputs, const AverageOptions& options) {
  return Averaging(inputs, options).run();
}

}  // namespace sconce::toolbox
