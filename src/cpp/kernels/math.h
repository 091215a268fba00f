// exp, log and their relatives on vectors: range reduction and polynomials in fused multiply-adds, no tables, no
// branches. Used by activations.h and loss.h. Error bounds (units in the last place, measured by tests against long
// double) stand at each function; a NaN gives a NaN, infinities their limits. Subnormal results are zero, as everywhere
// in the kernels.
#ifndef BPNATIVE_KERNELS_MATH_H_
#define BPNATIVE_KERNELS_MATH_H_

#include "kernels/simd.h"

BPN_KERNELS_BEGIN

// c[0] x^(N-1) + ... + c[N-1]: even and odd powers by Horner's rule apart, two chains half as long as one (gelu 45 ->
// 39 cycles a vector, in double 80 -> 52).
template <class T, int N>
BPN_INLINE V<T> polynomial(V<T> x, const T (&c)[N]) {
  const V<T> square = x * x;
  V<T> first = broadcast<T>(c[0]), second = broadcast<T>(c[1]);  // powers of the parity of N - 1, and the others
  BPN_UNROLL
  for (int i = 2; i + 1 < N; i += 2) {
    first = fma(first, square, broadcast<T>(c[i]));
    second = fma(second, square, broadcast<T>(c[i + 1]));
  }
  if constexpr (N % 2 == 0) return fma(first, x, second);
  first = fma(first, square, broadcast<T>(c[N - 1]));
  return fma(second, x, first);
}

template <class T>
struct Exponent;
template <>
struct Exponent<float> {
  static constexpr float kMagic = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer, held in the low bits
  static constexpr int kMantissa = 23, kBias = 127;
  static constexpr float kLog2E = 1.44269504f, kLn2High = 0.693145752f, kLn2Low = 1.42860677e-6f;
  static constexpr float kOverflow = 89, kUnderflow = -104;  // beyond ln of the largest and of the smallest, subnormal
};
template <>
struct Exponent<double> {
  static constexpr double kMagic = 6755399441055744.0;
  static constexpr int kMantissa = 52, kBias = 1023;
  static constexpr double kLog2E = 1.4426950408889634, kLn2High = 0.693147180369123816490,
                          kLn2Low = 1.90821492927058770e-10;
  static constexpr double kOverflow = 710, kUnderflow = -746;
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

// e^x, within 1.5 units. Beyond the ends it overflows to infinity, or flushes to zero, by itself.
template <class T>
BPN_INLINE V<T> exp(V<T> x) {
  using E = Exponent<T>;
  const Reduced<T> p = reduce<T>(between<T>(E::kUnderflow, E::kOverflow, x));
  const V<T> e = fma(p.r * p.r, expm1_tail(p.r), p.r) + broadcast<T>(1);
  // 2^n in two halves: n reaches 128 (1024) at the upper end, where 2^n alone overflows.
  const I<T> half = p.bits >> 1;
  return e * power_of_two<T>(half) * power_of_two<T>(p.bits - half);
}

// e^x - 1 for x <= 0, within 2 units.
template <class T>
BPN_INLINE V<T> expm1_negative(V<T> x) {
  // e^-50 is below half a unit of one in both types.
  const Reduced<T> p = reduce<T>(larger(broadcast<T>(static_cast<T>(-50)), x));
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
  // Unsigned, because callers pass zeros and negative numbers too and drop what comes of them: signed would overflow.
  const U<T> bits = U<T>(x), root_half = U<T>(broadcast<T>(static_cast<T>(0.70710678118654752440)));
  const I<T> n = I<T>(bits - root_half) >> E::kMantissa;
  const V<T> f = V<T>(bits - (U<T>(n) << E::kMantissa)) - broadcast<T>(1);
  // ln(1 + f) = f - s (f - w tail) with w = s^2, the form that keeps f's own bits.
  const V<T> s = f / (f + broadcast<T>(2)), w = s * s;
  const V<T> half_square = f * f * broadcast<T>(static_cast<T>(0.5));
  const V<T> tail = fma(s, fma(w, atanh_tail(w), half_square), -half_square);
  const V<T> exponent = integer_to_vector<T>(n);
  const V<T> y = fma(exponent, broadcast<T>(E::kLn2High), f + fma(exponent, broadcast<T>(E::kLn2Low), tail));
  return select<T>(x == x, y, x);
}

// ln(1 + u) for 0 <= u <= 1, within 3 units: 2 atanh(s) with s = u / (2 + u), which keeps the digits of a small u.
BPN_INLINE V<float> log1p_tail(V<float> w) {  // as atanh_tail, for w up to 1/9
  constexpr float c[] = {2.f / 15, 2.f / 13, 2.f / 11, 2.f / 9, 2.f / 7, 2.f / 5, 2.f / 3};
  return polynomial<float>(w, c);
}
BPN_INLINE V<double> log1p_tail(V<double> w) {
  constexpr double c[] = {2. / 33, 2. / 31, 2. / 29, 2. / 27, 2. / 25, 2. / 23, 2. / 21, 2. / 19,
                          2. / 17, 2. / 15, 2. / 13, 2. / 11, 2. / 9,  2. / 7,  2. / 5,  2. / 3};
  return polynomial<double>(w, c);
}
template <class T>
BPN_INLINE V<T> log1p_unit(V<T> u) {
  const V<T> s = u / (u + broadcast<T>(2)), w = s * s;
  return fma(s * w, log1p_tail(w), s + s);
}

// ln(1 + e^x) without overflow.
template <class T>
BPN_INLINE V<T> softplus(V<T> x) {
  return larger(V<T>{}, x) + log1p_unit<T>(exp<T>(-magnitude<T>(x)));
}

// What rounding cut off a * b: a * a at a = 13 moves e^(-a^2/2) by 80 units. Without fused multiply-add by Dekker's
// halves.
template <class T>
BPN_INLINE V<T> high_half(V<T> a) {
  const V<T> shifted = a * broadcast<T>(sizeof(T) == 4 ? T(4097) : T(134217729));
  return shifted - (shifted - a);
}
template <class T>
BPN_INLINE V<T> product_rounding(V<T> a, V<T> b, V<T> product) {
  if constexpr (kHasFma) return fma(a, b, -product);
  const V<T> a_high = high_half<T>(a), a_low = a - a_high, b_high = high_half<T>(b), b_low = b - b_high;
  return ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low;
}

// e^-(a + rest) for a in 0 .. kGone and a rest that is a rounding error of a, within 2 units; and factor times it,
// which is zero only where the product itself would be subnormal, for |factor| up to 1e6 or a. From kGone on, both are.
template <class T>
constexpr T kGone = sizeof(T) == 4 ? T(104) : T(740);
template <class T>
struct Decay {
  V<T> e, times_factor;
};
template <class T>
BPN_INLINE Decay<T> scaled_decay(V<T> e, V<T> factor, I<T> n) {  // e 2^n in two halves: n goes below the smallest power
  const I<T> half = n >> 1;
  const V<T> near = e * power_of_two<T>(half), rest = power_of_two<T>(n - half);
  return {near * rest, factor * near * rest};
}
template <class T>
BPN_INLINE Decay<T> decay(V<T> a, V<T> factor) {
  const Reduced<T> p = reduce<T>(-a);
  return scaled_decay<T>(fma(p.r * p.r, expm1_tail(p.r), p.r) + broadcast<T>(1), factor, p.bits);
}
template <class T>
BPN_INLINE Decay<T> decay(V<T> a, V<T> rest, V<T> factor) {
  const Reduced<T> p = reduce<T>(-a);
  const V<T> whole = fma(p.r * p.r, expm1_tail(p.r), p.r) + broadcast<T>(1);
  return scaled_decay<T>(fma(-rest, whole, whole), factor, p.bits);
}

// e^(a^2/2) times the upper tail of the normal distribution, for a in 0 .. 14 (39 in double), where the tail itself
// becomes subnormal: t Q(t) with t = 1 / (1 + 0.3 a / sqrt 2), Q a Chebyshev fit of half the scaled complementary error
// function, made with 60 digits, relative error 2e-8 (1e-18), and evaluated in u, which runs over -1 .. 1.
BPN_INLINE V<float> scaled_tail(V<float> a) {
  constexpr float c[] = {-2.504805889e-5f, -8.344801759e-5f, 2.665814387e-4f, 3.075652217e-3f, 1.355576725e-2f,
                         3.985787765e-2f,  8.77816386e-2f,   0.1508720147f,   0.2046989538f};
  const V<float> t = broadcast(1.f) / fma(a, broadcast(0.2121320343f), broadcast(1.f));
  return t * polynomial<float>(fma(t, broadcast(2.673435806f), broadcast(-1.673435806f)), c);
}
BPN_INLINE V<double> scaled_tail(V<double> a) {
  constexpr double c[] = {
      1.70484634519388005e-11, -1.38225799642042975e-11, -2.03175439760037259e-10, 2.67521438146551433e-10,
      1.48878776480005767e-9,  -3.07878893116486388e-9,  -9.82782877411884164e-9,  2.90713259821968954e-8,
      7.25894369524022835e-8,  -2.5396901626193749e-7,   -6.91416829860168561e-7,  2.04581606167174964e-6,
      8.4740754260546028e-6,   -1.07857339421638856e-5,  -1.13244951662998126e-4,  -1.4307473098193889e-4,
      1.02163974404376089e-3,  6.53963735939739328e-3,   2.17650032344192166e-2,   5.17569102974667097e-2,
      9.60823912425648766e-2,  0.144457764716282259,     0.178634094006266405};
  const V<double> t = broadcast(1.) / fma(a, broadcast(0.21213203435596425732), broadcast(1.));
  return t * polynomial<double>(fma(t, broadcast(2.2417453332466525138), broadcast(-1.2417453332466525138)), c);
}
template <class T>
constexpr T kTailEnd = sizeof(T) == 4 ? T(14) : T(39);

BPN_KERNELS_END

#endif  // BPNATIVE_KERNELS_MATH_H_
