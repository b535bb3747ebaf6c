#include "sconce/kernels/sgd.h"

#include <cmath>
#include <type_traits>

#include "kernels/dispatch.h"
#include "kernels/multiversion.h"
#include "kernels/sgd_momentum.h"
#include "sconce/base/parallel.h"

namespace sconce::kernels {
namespace {

constexpr std::int64_t kGrain = 16384;

// What PyTorch computes in double and rounds when it meets the tensor.
template <class T>
struct Factors {
  explicit Factors(const SgdRule& rule)
      : sign(rule.maximize ? T(-1) : T(1)),
        decay(static_cast<T>(rule.weight_decay)),
        momentum(static_cast<T>(rule.momentum)),
        fresh(static_cast<T>(1 - rule.dampening)),
        step(static_cast<T>(-rule.lr)) {}
  T sign, decay, momentum, fresh, step;
};

// torch/optim/sgd.py, _single_tensor_sgd; every add with a factor is fused there.
template <bool kDecay, bool kMomentum, bool kFirst, bool kNesterov, class T>
SCONCE_ALWAYS_INLINE inline void update(T* param, const T* grad, T* buffer, std::int64_t count,
                                        const Factors<T>& by) {
  for (std::int64_t i = 0; i < count; ++i) {
    T g = by.sign * grad[i];
    if constexpr (kDecay) g = std::fma(by.decay, param[i], g);
    if constexpr (kMomentum) {
      const T b = kFirst ? g : std::fma(by.fresh, g, buffer[i] * by.momentum);
      buffer[i] = b;
      g = kNesterov ? std::fma(by.momentum, b, g) : b;
    }
    param[i] = std::fma(by.step, g, param[i]);
  }
}

template <bool kDecay, bool kMomentum, bool kFirst, bool kNesterov, class T>
void run(T* param, const T* grad, T* buffer, std::int64_t count, const Factors<T>& by) {
  const auto piece = [&](std::int64_t begin, std::int64_t end) {
    if constexpr (std::is_same_v<T, float> && kMomentum && !kDecay && !kFirst && !kNesterov) {
      const bool is_common =
          by.momentum >= 0 && by.momentum <= 1 && std::fabs(by.step) <= 1 && std::isfinite(by.fresh);
      if (is_common) {
        begin += momentum_step(param + begin, grad + begin, buffer + begin, end - begin,
                               {by.sign, by.momentum, by.fresh, by.step});
      }
    }
    multiversion([&]() SCONCE_ALWAYS_INLINE {
      update<kDecay, kMomentum, kFirst, kNesterov, T>(param + begin, grad + begin,
                                                      kMomentum ? buffer + begin : nullptr, end - begin, by);
    });
  };
  if (count <= kGrain) return piece(0, count);
  parallel_for(count, kGrain, piece);
}

template <bool kDecay, class T>
void choose(T* param, const T* grad, T* buffer, std::int64_t count, bool is_first, const SgdRule& rule) {
  const Factors<T> by(rule);
  if (rule.momentum == 0) return run<kDecay, false, false, false>(param, grad, buffer, count, by);
  if (is_first && rule.nesterov) return run<kDecay, true, true, true>(param, grad, buffer, count, by);
  if (is_first) return run<kDecay, true, true, false>(param, grad, buffer, count, by);
  if (rule.nesterov) return run<kDecay, true, false, true>(param, grad, buffer, count, by);
  run<kDecay, true, false, false>(param, grad, buffer, count, by);
}

}  // namespace

void sgd_step(Array& param, const Array& grad, Array& buffer, bool is_first, const SgdRule& rule) {
  const auto check = [&](const Array& other, const char* what) {
    require_same_dtype("sgd", param, other);
    require(other.shape() == param.shape(), ErrorCode::kShapeMismatch, "sgd", what, " has shape ",
            other.shape(), ", the parameter has ", param.shape());
    require(other.is_contiguous(), ErrorCode::kInvalidArgument, "sgd", what, " is not contiguous");
  };
  check(param, "the parameter");
  check(grad, "the gradient");
  if (rule.momentum != 0) check(buffer, "the momentum buffer");
  visit_floating("sgd", param.dtype(), [&]<class T>(std::type_identity<T>) {
    T* data = param.mutable_data<T>();
    T* moving = rule.momentum != 0 ? buffer.mutable_data<T>() : nullptr;
    if (rule.weight_decay != 0) {
      choose<true>(data, grad.data<T>(), moving, param.numel(), is_first, rule);
    } else {
      choose<false>(data, grad.data<T>(), moving, param.numel(), is_first, rule);
    }
  });
}

}  // namespace sconce::kernels
