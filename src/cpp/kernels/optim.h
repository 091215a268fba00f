// One step of an optimizer over a range of parameters, in place, elementwise. Called by nn/optimizer on rows whose
// gradient is still in cache, and through the binding on whole arrays.
//   sgd   v = momentum v + g;  w -= rate (nesterov ? g + momentum v : v);  without momentum  w -= rate g
//   adam  m = b1 m + (1 - b1) g;  v = b2 v + (1 - b2) g^2;  w -= rate m / (sqrt(v) / sqrt(1 - b2^t) + eps),
//         rate = learning_rate / (1 - b1^t)         (Kingma & Ba 2015, eps placed as in PyTorch)
#ifndef BPNATIVE_KERNELS_OPTIM_H_
#define BPNATIVE_KERNELS_OPTIM_H_

#include "kernels/simd.h"

BPN_KERNELS_BEGIN

// Each step is a struct of broadcast settings and a function of one vector; `sweep` carries it over the range and its
// tail.
template <class T, int States, class Step>
BPN_INLINE void sweep(const UpdateArguments<T>& p, const Step& step) {
  T* state[2] = {p.state[0], p.state[1]};
  ptrdiff_t i = 0;
  for (; i + kLanes<T> <= p.size; i += kLanes<T>) {
    V<T> weight = load<T>(p.weight + i), s[2] = {};
    BPN_UNROLL
    for (int j = 0; j < States; ++j) s[j] = load<T>(state[j] + i);
    step(weight, s, load<T>(p.gradient + i));
    store<T>(p.weight + i, weight);
    BPN_UNROLL
    for (int j = 0; j < States; ++j) store<T>(state[j] + i, s[j]);
  }
  if (i < p.size) {
    const int n = static_cast<int>(p.size - i);
    V<T> weight = load_first<T>(p.weight + i, n), s[2] = {};
    for (int j = 0; j < States; ++j) s[j] = load_first<T>(state[j] + i, n);
    step(weight, s, load_first<T>(p.gradient + i, n));
    store_first<T>(p.weight + i, weight, n);
    for (int j = 0; j < States; ++j) store_first<T>(state[j] + i, s[j], n);
  }
}

template <class T>
void sgd_update(const UpdateArguments<T>& p) {
  const V<T> rate = broadcast<T>(-p.learning_rate), momentum = broadcast<T>(p.settings[0]);
  if (!p.state[0])
    sweep<T, 0>(p, [=](V<T>& w, V<T>(&)[2], V<T> g) { w = fma(rate, g, w); });
  else if (p.settings[1] != 0)
    sweep<T, 1>(p, [=](V<T>& w, V<T>(&s)[2], V<T> g) {
      s[0] = fma(momentum, s[0], g);
      w = fma(rate, fma(momentum, s[0], g), w);
    });
  else
    sweep<T, 1>(p, [=](V<T>& w, V<T>(&s)[2], V<T> g) {
      s[0] = fma(momentum, s[0], g);
      w = fma(rate, s[0], w);
    });
}

template <class T>
void adam_update(const UpdateArguments<T>& p) {
  const V<T> rate = broadcast<T>(-p.learning_rate);
  const V<T> beta1 = broadcast<T>(p.settings[0]), beta2 = broadcast<T>(p.settings[1]);
  const V<T> fresh1 = broadcast<T>(p.settings[4]), fresh2 = broadcast<T>(p.settings[5]);
  const V<T> epsilon = broadcast<T>(p.settings[2]), correction = broadcast<T>(p.settings[3]);
  sweep<T, 2>(p, [=](V<T>& w, V<T>(&s)[2], V<T> g) {
    s[0] = fma(beta1, s[0], fresh1 * g);
    s[1] = fma(beta2, s[1], fresh2 * g * g);
    w = fma(rate, s[0] / fma(square_root(s[1]), correction, epsilon), w);
  });
}

BPN_KERNELS_END

#endif  // BPNATIVE_KERNELS_OPTIM_H_
