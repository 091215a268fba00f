// What the losses share: weighing a slope, logarithms of any number, powers, and the loop of those that look at one
// output at a time. Used by loss.h, loss_regression.h and loss_classes.h.
#ifndef BPNATIVE_KERNELS_LOSS_TERMS_H_
#define BPNATIVE_KERNELS_LOSS_TERMS_H_

#include "kernels/math.h"

BPN_KERNELS_BEGIN

// slope * factor; exactly nothing where the factor is zero (in the padding, and at samples of weight 0), where the
// slope may be an infinity or a NaN of numbers that nobody gave.
template <class T>
BPN_INLINE V<T> weighted(V<T> slope, V<T> factor) {
  return select<T>(factor == V<T>{}, V<T>{}, slope * factor);
}

// ln x for every x: minus infinity at 0, a NaN below.
template <class T>
BPN_INLINE V<T> log_of_any(V<T> x) {
  const V<T> infinity = broadcast<T>(static_cast<T>(__builtin_inf()));
  V<T> y = select<T>(x == infinity, infinity, log<T>(x));
  y = select<T>(x == V<T>{}, -infinity, y);
  return select<T>(x < V<T>{}, broadcast<T>(static_cast<T>(__builtin_nan(""))), y);
}

// m^gamma for m in 0 .. 1 and gamma >= 0; 0^0 is 1.
template <class T>
BPN_INLINE V<T> power(V<T> m, V<T> gamma) {
  const V<T> y = exp<T>(gamma * log<T>(m));
  return select<T>(m > V<T>{}, y, select<T>(gamma == V<T>{}, broadcast<T>(1), m));
}

// e^-|z| and what follows from it: sigmoid(z), sigmoid(-z), softplus(z) and softplus(-z), each to its own last digits.
template <class T>
struct Odds {
  V<T> yes, no, softplus, softminus;

  explicit BPN_INLINE Odds(V<T> z) {
    const I<T> below = negative<T>(z);
    const V<T> e = exp<T>(-magnitude<T>(z));
    const V<T> larger_part = broadcast<T>(1) / (broadcast<T>(1) + e), smaller_part = e * larger_part;
    const V<T> rest = log1p_unit<T>(e);
    yes = select<T>(below, smaller_part, larger_part);
    no = select<T>(below, larger_part, smaller_part);
    softplus = larger(V<T>{}, z) + rest;
    softminus = larger(V<T>{}, -z) + rest;
  }
};

// l = mean_o F(z_o, t_o), dz_o = scale F'(z_o, t_o) / O. F::value gives both; a and b are the loss's two settings.
template <class T, template <class> class F>
BPN_INLINE void output_by_output(const LossArguments<T>& p) {
  const V<T> mean = broadcast<T>(T(1) / static_cast<T>(p.outputs));
  const V<T> a = broadcast<T>(p.settings[0]), b = broadcast<T>(p.settings[1]);
  for (int i = 0; i < p.width; i += kLanes<T>) {
    const V<T> factor = load<T>(p.scale + i) * mean;
    V<T> sum{};
    for (int o = 0; o < p.outputs; ++o) {
      const ptrdiff_t at = o * p.stride + i;
      V<T> slope;
      sum += F<T>::value(load<T>(p.z + at), load<T>(p.target + at), a, b, slope);
      store<T>(p.dz + at, weighted<T>(slope, factor));
    }
    store<T>(p.losses + i, sum * mean);
  }
}

BPN_KERNELS_END

#endif  // BPNATIVE_KERNELS_LOSS_TERMS_H_
