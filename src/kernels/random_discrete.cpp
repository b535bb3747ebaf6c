#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "kernels/memory_order.h"
#include "sconce/kernels/random.h"

namespace sconce::kernels {
namespace {

// Writes next() to every element in memory order, converted from Value.
template <class Value, class Next>
void fill_real(Array& out, std::string_view where, const Next& next) {
  const DTypeKind kind = dtype_info(out.dtype()).kind;
  require(kind == DTypeKind::kBoolean || kind == DTypeKind::kInteger || kind == DTypeKind::kFloating,
          ErrorCode::kDTypeMismatch, where, "expected a real dtype, found ", out.dtype());
  if (out.numel() == 0) return;
  visit_dtype(out.dtype(), [&]<class T>(std::type_identity<T>) {
    if constexpr (std::is_arithmetic_v<T> || requires(T t) { t.bits; }) {
      T* const first = out.mutable_data<T>();
      for_each_run(out.geometry(), where, [&](std::int64_t begin, std::int64_t step, std::int64_t count) {
        for (std::int64_t i = 0; i < count; ++i) {
          const Value value = next();
          if constexpr (std::is_arithmetic_v<T>)
            first[begin + i * step] = static_cast<T>(value);
          else
            first[begin + i * step] = T(static_cast<float>(value));
        }
      });
    }
  });
}

// Whether every integer in [low, last] is exact in `dtype`.
bool holds(DType dtype, std::int64_t low, std::int64_t last) {
  std::int64_t smallest = 0;
  std::int64_t largest = 0;
  visit_dtype(dtype, [&]<class T>(std::type_identity<T>) {
    if constexpr (std::is_integral_v<T>) {
      smallest = static_cast<std::int64_t>(std::numeric_limits<T>::min());
      constexpr std::uint64_t kMax = std::numeric_limits<std::int64_t>::max();
      largest = static_cast<std::int64_t>(
          std::min(static_cast<std::uint64_t>(std::numeric_limits<T>::max()), kMax));
    } else {
      // Floating: 2^p with p bits of precision. The 8-bit floats are not used as integers by anybody.
      constexpr int kBits = std::is_same_v<T, double>     ? 53
                            : std::is_same_v<T, float>    ? 24
                            : std::is_same_v<T, Float16>  ? 11
                            : std::is_same_v<T, BFloat16> ? 8
                                                          : -1;
      if constexpr (kBits > 0) {
        largest = std::int64_t{1} << kBits;
        smallest = -largest;
      }
    }
  });
  return smallest <= low && last <= largest;
}

// The index of the first of the cumulated weights that reaches u.
template <class T>
std::int64_t lower_bound_index(const std::vector<T>& cumulated, double u) {
  const auto at = std::partition_point(cumulated.begin(), cumulated.end(),
                                       [u](T edge) { return static_cast<double>(edge) < u; });
  return at - cumulated.begin();
}

template <class T>
std::vector<std::int64_t> draw_with_replacement(const std::vector<T>& weights, std::int64_t count,
                                                Generator& generator) {
  std::vector<T> cumulated(weights.size());
  std::partial_sum(weights.begin(), weights.end(), cumulated.begin());
  const T total = cumulated.back();
  for (T& edge : cumulated) edge /= total;
  cumulated.back() = T(1);
  std::vector<std::int64_t> out(static_cast<std::size_t>(count));
  for (std::int64_t& index : out) index = lower_bound_index(cumulated, generator.uniform53());
  return out;
}

// The largest ratios of weight to an exponential variable, in falling order.
template <class T>
std::vector<std::int64_t> draw_without_replacement(const std::vector<T>& weights, std::int64_t count,
                                                   Generator& generator) {
  std::vector<T> scores(weights.size());
  for (std::size_t i = 0; i < weights.size(); ++i) {
    scores[i] = weights[i] / static_cast<T>(-std::log1p(-generator.uniform53()));
  }
  std::vector<std::int64_t> order(weights.size());
  std::iota(order.begin(), order.end(), std::int64_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::int64_t a, std::int64_t b) {
    return scores[static_cast<std::size_t>(a)] > scores[static_cast<std::size_t>(b)];
  });
  order.resize(static_cast<std::size_t>(count));
  return order;
}

}  // namespace

void randint(Array& out, std::int64_t low, std::int64_t high, Generator& generator) {
  require(low < high, ErrorCode::kInvalidArgument, "randint", "expected low < high, found ", low, " and ",
          high);
  require(holds(out.dtype(), low, high - 1), ErrorCode::kInvalidArgument, "randint", out.dtype(),
          " does not hold every integer from ", low, " to ", high - 1);
  const std::uint64_t range = static_cast<std::uint64_t>(high) - static_cast<std::uint64_t>(low);
  constexpr std::uint64_t kWideRange = std::uint64_t{1} << 28;
  fill_real<std::int64_t>(out, "randint", [&] {
    const std::uint64_t drawn = range >= kWideRange ? generator.r64() : generator.r32();
    return static_cast<std::int64_t>(static_cast<std::uint64_t>(low) + drawn % range);
  });
}

Array randperm(std::int64_t n, Generator& generator) {
  require(n >= 0, ErrorCode::kInvalidArgument, "randperm", "expected 0 or more elements, found ", n);
  Array out = Array::empty(Shape{n}, kInt64);
  auto* const order = out.mutable_data<std::int64_t>();
  // Above this size a 32-bit remainder would be visibly uneven and PyTorch shuffles with 64 bits.
  constexpr std::int64_t kLarge = 0xFFFFFFFF / 20;
  if (n < kLarge) {
    std::iota(order, order + n, std::int64_t{0});
    for (std::int64_t i = 0; i < n - 1; ++i) {
      std::swap(order[i], order[i + generator.r32() % (n - i)]);
    }
  } else {
    for (std::int64_t i = 0; i < n; ++i) {
      const auto z = static_cast<std::int64_t>(generator.r64() % static_cast<std::uint64_t>(i + 1));
      order[i] = order[z];
      order[z] = i;
    }
  }
  return out;
}

void bernoulli(Array& out, double p, Generator& generator) {
  require(p >= 0 && p <= 1, ErrorCode::kInvalidArgument, "bernoulli", "expected 0 <= p <= 1, found ", p);
  fill_real<std::int64_t>(out, "bernoulli", [&] { return std::int64_t{generator.uniform53() < p ? 1 : 0}; });
}

void bernoulli(Array& out, const Array& p, Generator& generator) {
  require(is_floating(p.dtype()), ErrorCode::kDTypeMismatch, "bernoulli",
          "expected floating probabilities, found ", p.dtype());
  // The probabilities in the order in which out's elements lie in memory.
  const std::vector<std::int64_t> order = memory_order(out.geometry(), "bernoulli");
  const Array expanded = p.expand(out.shape());
  const Array ordered = expanded.with_geometry(expanded.geometry().permute(order));
  const std::vector<double> chances = ordered.to_vector<double>();
  for (const double chance : chances) {
    require(chance >= 0 && chance <= 1, ErrorCode::kInvalidArgument, "bernoulli",
            "expected probabilities from 0 to 1, found ", chance);
  }
  auto next = chances.begin();
  const bool is_wide = p.dtype() == kFloat64;
  fill_real<std::int64_t>(out, "bernoulli", [&] {
    const double u = is_wide ? generator.uniform53() : static_cast<double>(generator.uniform24());
    return std::int64_t{u < *next++ ? 1 : 0};
  });
}

Array multinomial(const Array& weights, std::int64_t count, bool replacement, Generator& generator) {
  require(weights.rank() == 1, ErrorCode::kShapeMismatch, "multinomial",
          "expected weights of one dimension, found ", weights.shape());
  require(weights.dtype() == kFloat32 || weights.dtype() == kFloat64, ErrorCode::kDTypeMismatch,
          "multinomial", "expected float32 or float64 weights, found ", weights.dtype());
  require(count >= 1 && (replacement || count <= weights.numel()), ErrorCode::kInvalidArgument, "multinomial",
          "cannot draw ", count, " of ", weights.numel(), " categories",
          replacement ? "" : " without replacement");
  double total = 0;
  for (const double weight : weights.to_vector<double>()) {
    require(weight >= 0 && std::isfinite(weight), ErrorCode::kInvalidArgument, "multinomial",
            "expected finite weights of 0 or more, found ", weight);
    total += weight;
  }
  require(total > 0, ErrorCode::kInvalidArgument, "multinomial", "every weight is 0");
  const auto drawn = [&]<class T>(std::type_identity<T>) {
    // A single draw is made without replacement in either mode.
    return replacement && count > 1 ? draw_with_replacement(weights.to_vector<T>(), count, generator)
                                    : draw_without_replacement(weights.to_vector<T>(), count, generator);
  };
  return Array::from(
      weights.dtype() == kFloat64 ? drawn(std::type_identity<double>{}) : drawn(std::type_identity<float>{}),
      Shape{count});
}

}  // namespace sconce::kernels
