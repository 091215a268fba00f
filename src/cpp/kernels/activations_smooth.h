// Smooth activations. Those whose f' follows from the output y:  tanh | sigmoid 1 / (1 + e^-z) | exponential e^z
// Those that keep f'(z) beside y while training, because y does not tell it (not monotonic) or only with lost digits:
//   gelu z P(z), P the normal distribution | gelu_tanh z sigmoid(c (z + 0.044715 z^3)), c = 2 sqrt(2 / pi)
//   silu z sigmoid(z) | mish z tanh(ln(1 + e^z)) | softplus ln(1 + e^(b z)) / b | softsign z / (1 + |z|)
// All are made of e^-|z|, never of e^|z|, so nothing overflows and the tails keep their digits. Called by
// activations.h. Bounds in units of the last place, by tests: values 4, gelu, gelu_tanh and mish 8; slopes 8 of the
// larger of 1 and |f'|.
#ifndef BPNATIVE_KERNELS_ACTIVATIONS_SMOOTH_H_
#define BPNATIVE_KERNELS_ACTIVATIONS_SMOOTH_H_

#include "kernels/activations_piecewise.h"
#include "kernels/math.h"

BPN_KERNELS_BEGIN

template <class T>
struct tanh_activation {
  static BPN_INLINE V<T> forward(V<T> z, V<T>) { return tanh<T>(z); }
  static BPN_INLINE V<T> derivative(V<T> dy, V<T> y, V<T>) { return dy * fma(-y, y, broadcast<T>(1)); }
};
template <class T>
struct sigmoid_activation {
  static BPN_INLINE V<T> forward(V<T> z, V<T>) { return sigmoid<T>(z); }
  static BPN_INLINE V<T> derivative(V<T> dy, V<T> y, V<T>) { return dy * fma(-y, y, y); }
};
template <class T>
struct exponential_activation {
  static BPN_INLINE V<T> forward(V<T> z, V<T>) { return exp<T>(z); }
  static BPN_INLINE V<T> derivative(V<T> dy, V<T> y, V<T>) { return dy * y; }
};

template <class T>
BPN_INLINE V<T> magnitude_of(V<T> z) {
  return select<T>(z < V<T>{}, -z, z);
}

// y = z P(z) and y' = P(z) + z p(z) share one exponential: the tail 1 - P is e^(-z^2/2) times a slow function of z.
template <class T>
struct gelu_activation {
  static BPN_INLINE V<T> forward(V<T> z, V<T>& slope, V<T>) {
    const V<T> end = broadcast<T>(kTailEnd<T>);
    const V<T> low = select<T>(z < -end, -end, z);  // a NaN stays
    const V<T> inside = select<T>(low > end, end, low);
    const V<T> a = magnitude_of<T>(inside);
    const V<T> square = a * a, half = broadcast<T>(static_cast<T>(-0.5));
    const V<T> by_square = exp<T>(square * half);
    const V<T> e = fma(by_square, half * product_rounding<T>(a, a, square), by_square);
    const V<T> scaled = scaled_tail(a), tail = e * scaled;
    const I<T> negative = z < V<T>{};
    const V<T> p = select<T>(negative, tail, broadcast<T>(1) - tail);
    slope = fma(inside * e, broadcast<T>(static_cast<T>(0.39894228040143267794)), p);
    return select<T>(negative, low * scaled * e, low * p);  // the tail alone would be subnormal before z times it is
  }
};

// t = c0 a + c1 a^3 up to 100 (760) goes into e^-t, so what each step rounds off is carried along in `rest`.
template <class T>
struct Cubic;
template <>
struct Cubic<float> {
  static constexpr float c0 = 1.5957692f, c1 = 0.071354814f, c0_rest = -4.534068042e-8f, c1_rest = 2.398832396e-9f,
                         kEnd = 11;
};
template <>
struct Cubic<double> {
  static constexpr double c0 = 1.5957691216057308, c1 = 0.07135481627260025, c0_rest = -9.96930880911092e-17,
                          c1_rest = -6.175149918155315e-19, kEnd = 22;
};
template <class T>
struct gelu_tanh_activation {
  static BPN_INLINE V<T> forward(V<T> z, V<T>& slope, V<T>) {
    using C = Cubic<T>;
    const V<T> one = broadcast<T>(1), c0 = broadcast<T>(C::c0), c1 = broadcast<T>(C::c1);
    const V<T> low = larger<T>(broadcast<T>(-C::kEnd), z);
    const V<T> a = between<T>(0, C::kEnd, magnitude_of<T>(z)), square = a * a, cube = c1 * square;
    const V<T> square_rest = product_rounding<T>(a, a, square);
    const V<T> cube_rest =
        fma(c1, square_rest, fma(broadcast<T>(C::c1_rest), square, product_rounding<T>(c1, square, cube)));
    const V<T> weight = c0 + cube, added = weight - c0;
    const V<T> weight_rest = ((c0 - (weight - added)) + (cube - added)) + (cube_rest + broadcast<T>(C::c0_rest));
    const V<T> t = a * weight, rest = fma(a, weight_rest, product_rounding<T>(a, weight, t));
    const Decay<T> d = decay<T>(t, rest, low);
    const V<T> r = one / (one + d.e);
    const I<T> negative = z < V<T>{};
    slope = r * fma(d.times_factor * r, fma(cube, broadcast<T>(3), c0), select<T>(negative, d.e, one));
    return select<T>(negative, d.times_factor, low) * r;
  }
};
template <class T>
struct silu_activation {
  static BPN_INLINE V<T> forward(V<T> z, V<T>& slope, V<T>) {
    const V<T> one = broadcast<T>(1);
    const Decay<T> d = decay<T>(magnitude_of<T>(z), V<T>{}, z);
    const V<T> r = one / (one + d.e);
    const I<T> negative = z < V<T>{};
    slope = r * fma(d.times_factor, r, select<T>(negative, d.e, one));
    return select<T>(negative, d.times_factor, z) * r;
  }
};
// With e = e^z: tanh(ln(1 + e)) = e (e + 2) / (e (e + 2) + 2), its derivative 4 e (1 + e) / (..)^2; q = e or 1 / e.
template <class T>
struct mish_activation {
  static BPN_INLINE V<T> forward(V<T> z, V<T>& slope, V<T>) {
    const V<T> one = broadcast<T>(1), two = broadcast<T>(2);
    const Decay<T> d = decay<T>(magnitude_of<T>(z), V<T>{}, z);
    const V<T> q = d.e, zq = d.times_factor;
    const I<T> negative = z < V<T>{};
    const V<T> below = q * (q + two), above = fma(two, q, one);
    const V<T> r = one / select<T>(negative, below + two, fma(two * q, q, above));
    const V<T> bend = zq * (one + q) * select<T>(negative, one, q);
    slope = r * fma(broadcast<T>(4) * bend, r, select<T>(negative, below, above));
    return select<T>(negative, zq * (q + two), z * above) * r;
  }
};
// 1 - e^(-b y) would tell the slope from y too, but costs a second exponential.
template <class T>
struct softplus_activation {
  static BPN_INLINE V<T> forward(V<T> z, V<T>& slope, V<T> beta) {
    const V<T> one = broadcast<T>(1), inverse = one / beta, x = beta * z;
    const I<T> negative = x < V<T>{};
    const V<T> rest = product_rounding<T>(beta, z, x);
    const Decay<T> d = decay<T>(magnitude_of<T>(x), select<T>(negative, -rest, rest), inverse);
    slope = select<T>(negative, d.e, one) / (one + d.e);
    const I<T> tiny = d.e < broadcast<T>(sizeof(T) == 4 ? T(0x1p-25) : T(0x1p-54));
    return larger<T>(V<T>{}, z) + select<T>(tiny, d.times_factor, log1p_unit<T>(d.e) * inverse);
  }
};
template <class T>
struct softsign_activation {
  static BPN_INLINE V<T> forward(V<T> z, V<T>& slope, V<T>) {
    constexpr T kEnd = sizeof(T) == 4 ? T(0x1p64) : T(0x1p512);  // beyond, f is 1 and f' zero
    const V<T> inside = between<T>(-kEnd, kEnd, z), r = broadcast<T>(1) / (broadcast<T>(1) + magnitude_of<T>(inside));
    slope = r * r;
    return between<T>(-1, 1, inside * r);
  }
};

BPN_KERNELS_END

#endif  // BPNATIVE_KERNELS_ACTIVATIONS_SMOOTH_H_
