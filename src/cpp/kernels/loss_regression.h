// Losses of numbers, beside mse. e = z - t; means run over the outputs, cosine is one number a sample.
//   mae           |e|                                       huber         |e| <= d: e^2 / 2, else d (|e| - d / 2)
//   log_cosh      ln cosh e                                 quantile      max(q (t - z), (q - 1) (t - z)) for each q
//   poisson       e^z - t z, or z - t ln(z + eps)           gaussian_nll  (ln v + e^2 / v) / 2, v = softplus(r) + eps
//   cosine        1 - z.t / (max(|z|, eps) max(|t|, eps))
// Several quantiles: for each target all levels. gaussian_nll: the rows of the means m, then those of the r.
#ifndef BPNATIVE_KERNELS_LOSS_REGRESSION_H_
#define BPNATIVE_KERNELS_LOSS_REGRESSION_H_

#include "kernels/loss_terms.h"

BPN_KERNELS_BEGIN

// above where x > 0, below where x < 0; at 0 and for a NaN x itself.
template <class T>
BPN_INLINE V<T> by_sign(V<T> x, V<T> above, V<T> below) {
  return select<T>(x > V<T>{}, above, select<T>(x < V<T>{}, below, x));
}

template <class T>
struct mae_term {
  static BPN_INLINE V<T> value(V<T> z, V<T> t, V<T>, V<T>, V<T>& slope) {
    const V<T> e = z - t;
    slope = by_sign<T>(e, broadcast<T>(1), broadcast<T>(-1));
    return magnitude<T>(e);
  }
};

template <class T>
struct huber_term {
  static BPN_INLINE V<T> value(V<T> z, V<T> t, V<T> delta, V<T>, V<T>& slope) {
    const V<T> e = z - t, half = broadcast<T>(static_cast<T>(0.5)), size = magnitude<T>(e);
    const I<T> far = size > delta;
    slope = select<T>(far, by_sign<T>(e, delta, -delta), e);
    return select<T>(far, delta * (size - half * delta), half * e * e);
  }
};

// With u = e^-|e| - 1: tanh |e| = -u (2 + u) / (1 + (1 + u)^2), and near zero, where |e| + ln((1 + e^-2|e|) / 2)
// cancels, ln cosh e = ln(1 + u^2 / (2 (1 + u))).
template <class T>
struct log_cosh_term {
  static BPN_INLINE V<T> value(V<T> z, V<T> t, V<T>, V<T>, V<T>& slope) {
    const V<T> e = z - t, one = broadcast<T>(1), two = broadcast<T>(2), size = magnitude<T>(e);
    const V<T> u = expm1_negative<T>(-size), decay = one + u, square = decay * decay;
    const V<T> hyperbolic = -u * (two + u) / (one + square);
    slope = select<T>(e < V<T>{}, -hyperbolic, hyperbolic);
    const I<T> near = size < one;
    const V<T> small = select<T>(near, u * u / (two * decay), square);
    const V<T> logarithm = log1p_unit<T>(small);
    return select<T>(near, logarithm, size - broadcast<T>(static_cast<T>(0.693147180559945309417)) + logarithm);
  }
};

template <class T>
struct poisson_log_term {
  static BPN_INLINE V<T> value(V<T> z, V<T> t, V<T>, V<T>, V<T>& slope) {
    const V<T> rate = exp<T>(z);
    slope = rate - t;
    return rate - t * z;
  }
};
template <class T>
struct poisson_rate_term {
  static BPN_INLINE V<T> value(V<T> z, V<T> t, V<T>, V<T> epsilon, V<T>& slope) {
    const V<T> rate = z + epsilon;
    slope = broadcast<T>(1) - t / rate;
    return z - t * log_of_any<T>(rate);
  }
};

template <class T>
void mae_loss(const LossArguments<T>& p) {
  output_by_output<T, mae_term>(p);
}
template <class T>
void huber_loss(const LossArguments<T>& p) {  // settings: delta
  output_by_output<T, huber_term>(p);
}
template <class T>
void log_cosh_loss(const LossArguments<T>& p) {
  output_by_output<T, log_cosh_term>(p);
}
template <class T>
void poisson_loss(const LossArguments<T>& p) {  // settings: log_input, epsilon
  if (p.settings[0] != 0)
    output_by_output<T, poisson_log_term>(p);
  else
    output_by_output<T, poisson_rate_term>(p);
}

template <class T>
void quantile_loss(const LossArguments<T>& p) {  // vector: levels
  const V<T> mean = broadcast<T>(T(1) / static_cast<T>(p.outputs)), one = broadcast<T>(1);
  const int levels = p.outputs / p.targets;
  for (int i = 0; i < p.width; i += kLanes<T>) {
    const V<T> factor = load<T>(p.scale + i) * mean;
    V<T> sum{};
    for (int k = 0; k < p.targets; ++k) {
      const V<T> t = load<T>(p.target + k * p.stride + i);
      for (int l = 0; l < levels; ++l) {
        const ptrdiff_t at = (k * levels + l) * p.stride + i;
        const V<T> e = load<T>(p.z + at) - t, q = broadcast<T>(p.vector[l]);
        sum += e * select<T>(e > V<T>{}, one - q, -q);
        store<T>(p.dz + at, weighted<T>(by_sign<T>(e, one - q, -q), factor));
      }
    }
    store<T>(p.losses + i, sum * mean);
  }
}

template <class T>
void gaussian_nll_loss(const LossArguments<T>& p) {  // settings: epsilon
  const V<T> mean = broadcast<T>(T(1) / static_cast<T>(p.targets)), half = broadcast<T>(static_cast<T>(0.5));
  const V<T> epsilon = broadcast<T>(p.settings[0]);
  for (int i = 0; i < p.width; i += kLanes<T>) {
    const V<T> factor = load<T>(p.scale + i) * mean;
    V<T> sum{};
    for (int k = 0; k < p.targets; ++k) {
      const ptrdiff_t at = k * p.stride + i, raw_at = (p.targets + k) * p.stride + i;
      const Odds<T> raw(load<T>(p.z + raw_at));
      const V<T> e = load<T>(p.z + at) - load<T>(p.target + at), variance = raw.softplus + epsilon;
      const V<T> precision = broadcast<T>(1) / variance, slope = e * precision, excess = e * slope;
      sum += log<T>(variance) + excess;
      store<T>(p.dz + at, weighted<T>(slope, factor));
      store<T>(p.dz + raw_at, weighted<T>(half * precision * raw.yes * (broadcast<T>(1) - excess), factor));
    }
    store<T>(p.losses + i, sum * mean * half);
  }
}

// With a = z / max(|z|, eps) and b of t likewise, 1 - a.b = (|a - b|^2 + (1 - |a|^2) + (1 - |b|^2)) / 2, in which
// nothing cancels where both point the same way; dz = -(b - (a.b) a) / |z|, where b - (a.b) a = (b - a) + l a. The
// length of a z shorter than eps counts as eps, and has no slope.
template <class T>
struct Direction {
  V<T> inverse;  // 1 / max(length, eps)
  V<T> missing;  // 1 - |a|^2 where the length is below eps, else 0
  I<T> shorter;

  BPN_INLINE Direction(const T* x, int features, ptrdiff_t stride, V<T> epsilon) {
    V<T> square{};
    for (int o = 0; o < features; ++o) {
      const V<T> v = load<T>(x + o * stride);
      square = fma(v, v, square);
    }
    const V<T> length = square_root(square);
    shorter = length <= epsilon;
    inverse = broadcast<T>(1) / select<T>(shorter, epsilon, length);
    missing = select<T>(shorter, broadcast<T>(1) - length * inverse * (length * inverse), V<T>{});
  }
};
template <class T>
void cosine_loss(const LossArguments<T>& p) {  // settings: epsilon
  const V<T> epsilon = broadcast<T>(p.settings[0]), half = broadcast<T>(static_cast<T>(0.5));
  for (int i = 0; i < p.width; i += kLanes<T>) {
    const V<T> scale = load<T>(p.scale + i);
    const Direction<T> z(p.z + i, p.outputs, p.stride, epsilon), t(p.target + i, p.outputs, p.stride, epsilon);
    V<T> sum = z.missing + t.missing;
    for (int o = 0; o < p.outputs; ++o) {
      const ptrdiff_t at = o * p.stride + i;
      const V<T> apart = load<T>(p.z + at) * z.inverse - load<T>(p.target + at) * t.inverse;
      sum = fma(apart, apart, sum);
    }
    const V<T> loss = half * sum;
    for (int o = 0; o < p.outputs; ++o) {
      const ptrdiff_t at = o * p.stride + i;
      const V<T> a = load<T>(p.z + at) * z.inverse, b = load<T>(p.target + at) * t.inverse;
      const V<T> across = select<T>(z.shorter, -b, (a - b) - loss * a);
      store<T>(p.dz + at, weighted<T>(across * z.inverse, scale));
    }
    store<T>(p.losses + i, loss);
  }
}

BPN_KERNELS_END

#endif  // BPNATIVE_KERNELS_LOSS_REGRESSION_H_
