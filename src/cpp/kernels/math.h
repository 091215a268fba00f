// exp, log and their relatives on vectors: range reduction and polynomials in fused multiply-adds, no tables, no
// branches. Used by activations.h and loss.h. Error bounds (units in the last place, measured by tests against long
// double) stand at each function; a NaN gives a NaN, infinities their limits. Subnormal results are zero, as everywhere
// in the kernels.
#ifndef BPNATIVE_KERNELS_MATH_H_
#define BPNATIVE_KERNELS_MATH_H_

#include "kernels/simd.h"

BPN_KERNELS_BEGIN

template <class T, int N>
BPN_INLINE V<T> polynomial(V<T> x, const T (&c)[N]) {  // c[0] x^(N-1) + ... + c[N-1], by Horner's rule
  V<T> sum = broadcast<T>(c[0]);
  BPN_UNROLL
  for (int i = 1; i < N; ++i) sum = fma(sum, x, broadcast<T>(c[i]));
  return sum;
}

template <class T>
struct Exponent;
template <>
struct Exponent<float> {
  static constexpr float kMagic = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer, held in the low bits
  static constexpr int kMantissa = 23, kBias = 127;
  static constexpr float kLog2E = 1.44269504f, kLn2High = 0.693145752f, kLn2Low = 1.42860677e-6f;
  static constexpr float kOverflow = 88.7228394f, kUnderflow = -87.3365479f;  // beyond: infinity; zero (subnormal)
};
template <>
struct Exponent<double> {
  static constexpr double kMagic = 6755399441055744.0;
  static constexpr int kMantissa = 52, kBias = 1023;
  static constexpr double kLog2E = 1.4426950408889634, kLn2High = 0.693147180369123816490,
                          kLn2Low = 1.90821492927058770e-10;
  static constexpr double kOverflow = 709.782712893383973, kUnderflow = -708.396418532264106;
};

// x = n ln 2 + r with |r| <= ln 2 / 2.
template <class T>
struct Reduced {
  V<T> r, n;
  I<T> bits;  // n as an integer
};
template <class T>
BPN_INLINE Reduced<T> reduce(V<T> x) {
  using E = Exponent<T>;
  const V<T> shifted = fma(x, broadcast<T>(E::kLog2E), broadcast<T>(E::kMagic));
  const V<T> n = shifted - broadcast<T>(E::kMagic);
  V<T> r = fma(n, broadcast<T>(-E::kLn2High), x);
  r = fma(n, broadcast<T>(-E::kLn2Low), r);
  return {r, n, I<T>(shifted) - I<T>(broadcast<T>(E::kMagic))};
}
// 2^n for n within the normal range.
template <class T>
BPN_INLINE V<T> power_of_two(I<T> n) {
  return V<T>((n + Exponent<T>::kBias) << Exponent<T>::kMantissa);
}

// (e^r - 1 - r) / r^2 on |r| <= ln 2 / 2: Taylor's series, long enough for the type.
BPN_INLINE V<float> expm1_tail(V<float> r) {
  constexpr float c[] = {1.f / 5040, 1.f / 720, 1.f / 120, 1.f / 24, 1.f / 6, 0.5f};
  return polynomial<float>(r, c);
}
BPN_INLINE V<double> expm1_tail(V<double> r) {
  constexpr double c[] = {1. / 6227020800, 1. / 479001600, 1. / 39916800, 1. / 3628800, 1. / 362880, 1. / 40320,
                          1. / 5040,       1. / 720,       1. / 120,      1. / 24,      1. / 6,      0.5};
  return polynomial<double>(r, c);
}

// e^x, within 1.5 units.
template <class T>
BPN_INLINE V<T> exp(V<T> x) {
  using E = Exponent<T>;
  const V<T> low = broadcast<T>(E::kUnderflow), high = broadcast<T>(E::kOverflow);
  V<T> inside = select<T>(x < low, low, x);  // a NaN stays
  inside = select<T>(inside > high, high, inside);
  const Reduced<T> p = reduce<T>(inside);
  const V<T> e = fma(p.r * p.r, expm1_tail(p.r), p.r) + broadcast<T>(1);
  // 2^n in two halves: n reaches 128 (1024) at the upper end, where 2^n alone overflows.
  const I<T> half = p.bits >> 1;
  V<T> y = e * power_of_two<T>(half) * power_of_two<T>(p.bits - half);
  y = select<T>(x < low, V<T>{}, y);
  return select<T>(x > high, broadcast<T>(static_cast<T>(__builtin_inf())), y);
}

// e^x - 1 for x <= 0, within 2 units.
template <class T>
BPN_INLINE V<T> expm1_negative(V<T> x) {
  const V<T> low = broadcast<T>(static_cast<T>(-50));  // e^-50 is below half a unit of one in both types
  const Reduced<T> p = reduce<T>(select<T>(x < low, low, x));
  const V<T> scale = power_of_two<T>(p.bits);
  return fma(scale, fma(p.r * p.r, expm1_tail(p.r), p.r), scale - broadcast<T>(1));
}

// tanh x = -e / (2 + e) with e = exp(-2|x|) - 1, the sign put back: within 3 units for every x, zero and -0 included.
template <class T>
BPN_INLINE V<T> tanh(V<T> x) {
  const I<T> sign_bit = I<T>(broadcast<T>(static_cast<T>(-0.0))), sign = I<T>(x) & sign_bit;
  const V<T> magnitude = V<T>(I<T>(x) ^ sign);
  const V<T> e = expm1_negative<T>(magnitude * broadcast<T>(-2));
  return V<T>((I<T>(e / (e + broadcast<T>(2))) & ~sign_bit) | sign);
}

// 1 / (1 + e^-x), within 3 units.
template <class T>
BPN_INLINE V<T> sigmoid(V<T> x) {
  return broadcast<T>(1) / (broadcast<T>(1) + exp<T>(-x));
}

// ln x for normal x > 0, within 1.5 units: x = 2^n m with m in [sqrt(1/2), sqrt(2)), ln m = 2 atanh(s), s = (m - 1) /
// (m + 1).
BPN_INLINE V<float> atanh_tail(V<float> w) {  // (atanh(s) / s - 1) / s^2 * 2 in w = s^2
  constexpr float c[] = {2.f / 11, 2.f / 9, 2.f / 7, 2.f / 5, 2.f / 3};
  return polynomial<float>(w, c);
}
BPN_INLINE V<double> atanh_tail(V<double> w) {
  constexpr double c[] = {2. / 23, 2. / 21, 2. / 19, 2. / 17, 2. / 15, 2. / 13,
                          2. / 11, 2. / 9,  2. / 7,  2. / 5,  2. / 3};
  return polynomial<double>(w, c);
}
template <class T>
BPN_INLINE V<T> integer_to_vector(I<T> n) {  // exact for |n| < 2^22 (2^51)
  return V<T>(n + I<T>(broadcast<T>(Exponent<T>::kMagic))) - broadcast<T>(Exponent<T>::kMagic);
}
template <class T>
BPN_INLINE V<T> log(V<T> x) {
  using E = Exponent<T>;
  const I<T> root_half = I<T>(broadcast<T>(static_cast<T>(0.70710678118654752440)));
  const I<T> n = (I<T>(x) - root_half) >> E::kMantissa;
  const V<T> f = V<T>(I<T>(x) - (n << E::kMantissa)) - broadcast<T>(1);
  // ln(1 + f) = f - s (f - w tail) with w = s^2, the form that keeps f's own bits.
  const V<T> s = f / (f + broadcast<T>(2)), w = s * s;
  const V<T> half_square = f * f * broadcast<T>(static_cast<T>(0.5));
  const V<T> tail = fma(s, fma(w, atanh_tail(w), half_square), -half_square);
  const V<T> exponent = integer_to_vector<T>(n);
  const V<T> y = fma(exponent, broadcast<T>(E::kLn2High), f + fma(exponent, broadcast<T>(E::kLn2Low), tail));
  return select<T>(x == x, y, x);
}

// ln(1 + u) for 0 <= u <= 1: the rounding of 1 + u is put back.
template <class T>
BPN_INLINE V<T> log1p_unit(V<T> u) {
  const V<T> sum = broadcast<T>(1) + u;
  return log<T>(sum) + (u - (sum - broadcast<T>(1))) / sum;
}

// ln(1 + e^x) without overflow.
template <class T>
BPN_INLINE V<T> softplus(V<T> x) {
  const V<T> magnitude = select<T>(x < V<T>{}, -x, x);
  return larger<T>(V<T>{}, x) + log1p_unit<T>(exp<T>(-magnitude));
}

BPN_KERNELS_END

#endif  // BPNATIVE_KERNELS_MATH_H_
