// One step of an optimizer over a range of parameters, in place, elementwise: gradient descent and Adam; the others are
// in optim_more.h. Called by nn/optimizer on rows whose gradient is still in cache, and through the binding on whole
// arrays.
//   sgd    v = momentum v + g;  w -= rate (nesterov ? g + momentum v : v);  without momentum  w -= rate g
//   adam   m = b1 m + (1 - b1) g;  v = b2 v + (1 - b2) g^2;  w -= rate m / (sqrt(v) / sqrt(1 - b2^t) + eps),
//          rate = learning_rate / (1 - b1^t)         (Kingma & Ba 2015, eps placed as in PyTorch)
//   adamw  the same with weight decay decoupled      (Loshchilov & Hutter 2019)
// Weight decay everywhere: coupled g += decay w, decoupled w -= learning_rate decay w, or none.
#ifndef BPNATIVE_KERNELS_OPTIM_H_
#define BPNATIVE_KERNELS_OPTIM_H_

#include "kernels/simd.h"

BPN_KERNELS_BEGIN

// Each step is a lambda that holds broadcast settings and changes one vector of weights and of each state; `sweep`
// carries it over the range and its tail. Steps stand in several sweeps, so inlining must be asked for.
template <class T>
using States = V<T> (&)[3];
#define BPN_STEP \
  [=]([[maybe_unused]] V<T>& w, [[maybe_unused]] States<T> s, [[maybe_unused]] V<T> g) __attribute__((always_inline))

template <class T, int Kept, class Step>
BPN_INLINE void sweep(const UpdateArguments<T>& p, const Step& step) {
  T* state[3] = {p.state[0], p.state[1], p.state[2]};
  ptrdiff_t i = 0;
  for (; i + kLanes<T> <= p.size; i += kLanes<T>) {
    V<T> weight = load<T>(p.weight + i), s[3] = {};
    BPN_UNROLL
    for (int j = 0; j < Kept; ++j) s[j] = load<T>(state[j] + i);
    step(weight, s, load<T>(p.gradient + i));
    store<T>(p.weight + i, weight);
    BPN_UNROLL
    for (int j = 0; j < Kept; ++j) store<T>(state[j] + i, s[j]);
  }
  if (i < p.size) {
    const int n = static_cast<int>(p.size - i);
    V<T> weight = load_first<T>(p.weight + i, n), s[3] = {};
    for (int j = 0; j < Kept; ++j) s[j] = load_first<T>(state[j] + i, n);
    step(weight, s, load_first<T>(p.gradient + i, n));
    store_first<T>(p.weight + i, weight, n);
    for (int j = 0; j < Kept; ++j) store_first<T>(state[j] + i, s[j], n);
  }
}

// What decays is decided outside the loop, so that no decay costs nothing.
template <class T, int Kept, class Step>
BPN_INLINE void sweep_coupled(const UpdateArguments<T>& p, const Step& step) {
  const V<T> decay = broadcast<T>(p.weight_decay);
  if (p.weight_decay == 0) return sweep<T, Kept>(p, step);
  sweep<T, Kept>(p, BPN_STEP { step(w, s, fma(decay, w, g)); });
}
template <class T, int Kept, class Step>
BPN_INLINE void sweep_decoupled(const UpdateArguments<T>& p, const Step& step) {
  const V<T> shrink = broadcast<T>(p.shrink);
  if (p.shrink == 0) return sweep<T, Kept>(p, step);
  sweep<T, Kept>(
      p, BPN_STEP {
        w = fma(shrink, w, w);
        step(w, s, g);
      });
}
template <class T, int Kept, class Step>
BPN_INLINE void sweep_either(const UpdateArguments<T>& p, const Step& step) {
  if (p.shrink != 0) return sweep_decoupled<T, Kept>(p, step);
  sweep_coupled<T, Kept>(p, step);
}

// numbers: momentum, nesterov; state: velocity (or null)
template <class T>
void sgd_update(const UpdateArguments<T>& p) {
  const V<T> rate = broadcast<T>(-p.learning_rate), momentum = broadcast<T>(p.numbers[0]);
  if (!p.state[0])
    sweep_coupled<T, 0>(p, BPN_STEP { w = fma(rate, g, w); });
  else if (p.numbers[1] != 0)
    sweep_coupled<T, 1>(
        p, BPN_STEP {
          s[0] = fma(momentum, s[0], g);
          w = fma(rate, fma(momentum, s[0], g), w);
        });
  else
    sweep_coupled<T, 1>(
        p, BPN_STEP {
          s[0] = fma(momentum, s[0], g);
          w = fma(rate, s[0], w);
        });
}

// numbers: beta1, beta2, epsilon, 1 - beta1, 1 - beta2, 1 / sqrt(1 - beta2^t); states: m, v
template <class T>
BPN_INLINE auto adam_step(const UpdateArguments<T>& p) {
  const V<T> rate = broadcast<T>(-p.learning_rate);
  const V<T> beta1 = broadcast<T>(p.numbers[0]), beta2 = broadcast<T>(p.numbers[1]);
  const V<T> fresh1 = broadcast<T>(p.numbers[3]), fresh2 = broadcast<T>(p.numbers[4]);
  const V<T> epsilon = broadcast<T>(p.numbers[2]), correction = broadcast<T>(p.numbers[5]);
  return BPN_STEP {
    s[0] = fma(beta1, s[0], fresh1 * g);
    s[1] = fma(beta2, s[1], fresh2 * g * g);
    w = fma(rate, s[0] / fma(square_root(s[1]), correction, epsilon), w);
  };
}
template <class T>
void adam_update(const UpdateArguments<T>& p) {
  sweep_coupled<T, 2>(p, adam_step<T>(p));
}
template <class T>
void adamw_update(const UpdateArguments<T>& p) {
  sweep_decoupled<T, 2>(p, adam_step<T>(p));
}

BPN_KERNELS_END

#endif  // BPNATIVE_KERNELS_OPTIM_H_
