// Smooth activations. Those whose f' follows from the output y:  tanh | sigmoid 1 / (1 + e^-z) | exponential e^z
// Those that keep f'(z) beside y while training, because y does not tell it (not monotonic) or only with lost digits:
//   gelu z P(z), P the normal distribution | gelu_tanh z sigmoid(c (z + 0.044715 z^3)), c = 2 sqrt(2 / pi)
//   silu z sigmoid(z) | mish z tanh(ln(1 + e^z)) | softplus ln(1 + e^(b z)) / b | softsign z / (1 + |z|)
// Most of these begin with an exponential and finish with the rest of it in a loop of its own, see activations.h.
// All are made of e^-|z|, never of e^|z|, so nothing overflows and the tails keep their digits. Called by
// activations.h. Measured bounds: values within 5 units of the last place (gelu 12, in its tail), kept slopes within 7
// roundings of the larger of 1 and |f'|; tests hold 8 epsilons of a value, which are up to 16 units.
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

// y = z P(z) and y' = P(z) + z p(z) share one exponential: the tail 1 - P is e^(-z^2/2) times a slow function of z.
template <class T>
struct gelu_activation {
  static BPN_INLINE V<T> forward(V<T> z, V<T>& slope, V<T>) {
    const V<T> low = larger(broadcast<T>(-kTailEnd<T>), z), inside = smaller(broadcast<T>(kTailEnd<T>), low);
    const V<T> a = magnitude<T>(inside);
    const V<T> square = a * a, half = broadcast<T>(static_cast<T>(0.5));
    const Decay<T> d = decay<T>(half * square, half * product_rounding<T>(a, a, square), inside);
    const V<T> scaled = scaled_tail(a), tail = d.e * scaled;
    const I<T> below = negative<T>(z);
    const V<T> p = select<T>(below, tail, broadcast<T>(1) - tail);
    slope = fma(d.times_factor, broadcast<T>(static_cast<T>(0.39894228040143267794)), p);
    return select<T>(below, d.times_factor * scaled, low * p);
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
  static BPN_INLINE Decay<T> begin(V<T> z, V<T>) {
    using C = Cubic<T>;
    const V<T> c0 = broadcast<T>(C::c0), c1 = broadcast<T>(C::c1);
    const V<T> inside = between<T>(-C::kEnd, C::kEnd, z), a = magnitude<T>(inside), square = a * a, cube = c1 * square;
    const V<T> square_rest = product_rounding<T>(a, a, square);
    const V<T> cube_rest =
        fma(c1, square_rest, fma(broadcast<T>(C::c1_rest), square, product_rounding<T>(c1, square, cube)));
    const V<T> weight = c0 + cube, added = weight - c0;
    const V<T> weight_rest = ((c0 - (weight - added)) + (cube - added)) + (cube_rest + broadcast<T>(C::c0_rest));
    const V<T> t = a * weight, rest = fma(a, weight_rest, product_rounding<T>(a, weight, t));
    return decay<T>(t, rest, inside);
  }
  static BPN_INLINE V<T> finish(V<T> z, Decay<T> d, V<T>& slope, V<T>) {
    using C = Cubic<T>;
    const V<T> one = broadcast<T>(1), c0 = broadcast<T>(C::c0), low = larger(broadcast<T>(-C::kEnd), z);
    const V<T> a = magnitude<T>(smaller(broadcast<T>(C::kEnd), low)), cube = broadcast<T>(C::c1) * (a * a);
    const V<T> r = one / (one + d.e);
    const I<T> below = negative<T>(z);
    slope = r * fma(d.times_factor * r, fma(cube, broadcast<T>(3), c0), select<T>(below, d.e, one));
    return select<T>(below, d.times_factor, low) * r;
  }
};
template <class T>
struct silu_activation {
  static BPN_INLINE Decay<T> begin(V<T> z, V<T>) {
    const V<T> inside = between<T>(-kGone<T>, kGone<T>, z);
    return decay<T>(magnitude<T>(inside), inside);
  }
  static BPN_INLINE V<T> finish(V<T> z, Decay<T> d, V<T>& slope, V<T>) {
    const V<T> one = broadcast<T>(1);
    const V<T> r = one / (one + d.e);
    const I<T> below = negative<T>(z);
    slope = r * fma(d.times_factor, r, select<T>(below, d.e, one));
    return select<T>(below, d.times_factor, z) * r;
  }
};
// With e = e^z: tanh(ln(1 + e)) = e (e + 2) / (e (e + 2) + 2), its derivative 4 e (1 + e) / (..)^2; q = e or 1 / e.
template <class T>
struct mish_activation {
  static BPN_INLINE Decay<T> begin(V<T> z, V<T>) {
    const V<T> inside = between<T>(-kGone<T>, kGone<T>, z);
    return decay<T>(magnitude<T>(inside), inside);
  }
  static BPN_INLINE V<T> finish(V<T> z, Decay<T> d, V<T>& slope, V<T>) {
    const V<T> one = broadcast<T>(1), two = broadcast<T>(2);
    const V<T> q = d.e, zq = d.times_factor;
    const I<T> minus = negative<T>(z);
    const V<T> below = q * (q + two), above = fma(two, q, one);
    const V<T> r = one / select<T>(minus, below + two, fma(two * q, q, above));
    const V<T> bend = zq * (one + q) * select<T>(minus, one, q);
    slope = r * fma(broadcast<T>(4) * bend, r, select<T>(minus, below, above));
    return select<T>(minus, zq * (q + two), z * above) * r;
  }
};
// 1 - e^(-b y) would tell the slope from y too, but costs a second exponential. One division for both denominators made
// the chain longer and a fifth slower.
template <class T>
struct softplus_activation {
  static BPN_INLINE Decay<T> begin(V<T> z, V<T> beta) {
    const V<T> inverse = broadcast<T>(1) / beta, gone = broadcast<T>(kGone<T>) * inverse;
    const V<T> inside = smaller(gone, larger(-gone, z)), x = beta * inside;
    const V<T> rest = product_rounding<T>(beta, inside, x);
    return decay<T>(magnitude<T>(x), select<T>(negative<T>(x), -rest, rest), inverse);
  }
  static BPN_INLINE V<T> finish(V<T> z, Decay<T> d, V<T>& slope, V<T> beta) {
    const V<T> one = broadcast<T>(1), inverse = one / beta;
    const I<T> below = negative<T>(z);
    slope = select<T>(below, d.e, one) / (one + d.e);
    const I<T> tiny = d.e < broadcast<T>(sizeof(T) == 4 ? T(0x1p-25) : T(0x1p-54));
    return larger(V<T>{}, z) + select<T>(tiny, d.times_factor, log1p_unit<T>(d.e) * inverse);
  }
};
template <class T>
struct softsign_activation {
  static BPN_INLINE V<T> forward(V<T> z, V<T>& slope, V<T>) {
    constexpr T kEnd = sizeof(T) == 4 ? T(0x1p64) : T(0x1p512);  // beyond, f is 1 and f' zero
    const V<T> inside = between<T>(-kEnd, kEnd, z), r = broadcast<T>(1) / (broadcast<T>(1) + magnitude<T>(inside));
    slope = r * r;
    return between<T>(-1, 1, inside * r);
  }
};

BPN_KERNELS_END

#endif  // BPNATIVE_KERNELS_ACTIVATIONS_SMOOTH_H_
