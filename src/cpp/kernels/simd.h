// Vectors of the instruction set that this unit is compiled for, in GCC/Clang vector extensions, and the few intrinsics
// that those lack. Included by every kernel file; everything lives in an anonymous namespace inside the set's own, so
// that the linker can never merge code compiled for one processor into another's.
#ifndef BPNATIVE_KERNELS_SIMD_H_
#define BPNATIVE_KERNELS_SIMD_H_

#include <stddef.h>
#include <stdint.h>

#if defined(__AVX512F__) || defined(__AVX2__) || defined(__SSE2__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#include "kernels/table.h"

#define BPN_KERNELS_BEGIN \
  namespace bpnative {    \
  namespace BPN_ISA_TAG { \
  namespace {
#define BPN_KERNELS_END \
  }                     \
  }                     \
  }

#if defined(__clang__)
#define BPN_UNROLL _Pragma("clang loop unroll(full)")
#else
#define BPN_UNROLL _Pragma("GCC unroll 16")
#endif
#define BPN_INLINE inline __attribute__((always_inline))

BPN_KERNELS_BEGIN

#if defined(__AVX512F__)
constexpr int kVectorBytes = 64;
#elif defined(__AVX2__)
constexpr int kVectorBytes = 32;
#else
constexpr int kVectorBytes = 16;
#endif

#if defined(__AVX512F__) || defined(__FMA__) || defined(__aarch64__)
constexpr bool kHasFma = true;
#else
constexpr bool kHasFma = false;
#endif

// Architectural vector registers: what the register tiles are cut from.
#if defined(__AVX512F__) || defined(__aarch64__)
constexpr int kRegisters = 32;
#else
constexpr int kRegisters = 16;
#endif

template <class T>
struct VectorOf;
template <>
struct VectorOf<float> {
  typedef float V __attribute__((vector_size(kVectorBytes)));
  typedef int32_t I __attribute__((vector_size(kVectorBytes)));
  typedef uint32_t U __attribute__((vector_size(kVectorBytes)));
  typedef float Unaligned __attribute__((vector_size(kVectorBytes), aligned(4), may_alias));
  typedef float Quad __attribute__((vector_size(16)));
  typedef float UnalignedQuad __attribute__((vector_size(16), aligned(4), may_alias));
};
template <>
struct VectorOf<double> {
  typedef double V __attribute__((vector_size(kVectorBytes)));
  typedef int64_t I __attribute__((vector_size(kVectorBytes)));
  typedef uint64_t U __attribute__((vector_size(kVectorBytes)));
  typedef double Unaligned __attribute__((vector_size(kVectorBytes), aligned(8), may_alias));
  typedef double Quad __attribute__((vector_size(16)));
  typedef double UnalignedQuad __attribute__((vector_size(16), aligned(8), may_alias));
};

template <class T>
using V = typename VectorOf<T>::V;
template <class T>
using I = typename VectorOf<T>::I;
template <class T>
using U = typename VectorOf<T>::U;
template <class T>
constexpr int kLanes = kVectorBytes / static_cast<int>(sizeof(T));
// Vectors that hold one block of samples.
template <class T>
constexpr int kBlockVectors = kSampleBlock / kLanes<T>;

template <class T>
BPN_INLINE V<T> load(const T* p) {
  return *reinterpret_cast<const typename VectorOf<T>::Unaligned*>(p);
}
template <class T>
BPN_INLINE void store(T* p, V<T> v) {
  *reinterpret_cast<typename VectorOf<T>::Unaligned*>(p) = v;
}
template <class T>
BPN_INLINE V<T> broadcast(T s) {
  return s - V<T>{};  // exact for every s, -0 included, and folds to a broadcast
}
// The first n < kLanes lanes only; the others read as zero, and are not written.
template <class T>
BPN_INLINE V<T> load_first(const T* p, int n) {
  T lanes[kLanes<T>] = {};
  for (int i = 0; i < kLanes<T> && i < n; ++i) lanes[i] = p[i];
  return load<T>(lanes);
}
template <class T>
BPN_INLINE void store_first(T* p, V<T> v, int n) {
  T lanes[kLanes<T>];
  store<T>(lanes, v);
  for (int i = 0; i < kLanes<T> && i < n; ++i) p[i] = lanes[i];
}

// a * b + c, rounded once where the processor can. Without it, rounded twice: right, but not the same bits.
BPN_INLINE V<float> fma(V<float> a, V<float> b, V<float> c) {
#if defined(__AVX512F__)
  return V<float>(_mm512_fmadd_ps(__m512(a), __m512(b), __m512(c)));
#elif defined(__FMA__)
  return V<float>(_mm256_fmadd_ps(__m256(a), __m256(b), __m256(c)));
#elif defined(__aarch64__)
  return V<float>(vfmaq_f32(float32x4_t(c), float32x4_t(a), float32x4_t(b)));
#else
  return a * b + c;
#endif
}
BPN_INLINE V<double> fma(V<double> a, V<double> b, V<double> c) {
#if defined(__AVX512F__)
  return V<double>(_mm512_fmadd_pd(__m512d(a), __m512d(b), __m512d(c)));
#elif defined(__FMA__)
  return V<double>(_mm256_fmadd_pd(__m256d(a), __m256d(b), __m256d(c)));
#elif defined(__aarch64__)
  return V<double>(vfmaq_f64(float64x2_t(c), float64x2_t(a), float64x2_t(b)));
#else
  return a * b + c;
#endif
}

BPN_INLINE V<float> square_root(V<float> a) {
#if defined(__AVX512F__)
  return V<float>(_mm512_maskz_sqrt_ps(0xffff, __m512(a)));
#elif defined(__AVX2__)
  return V<float>(_mm256_sqrt_ps(__m256(a)));
#elif defined(__SSE2__)
  return V<float>(_mm_sqrt_ps(__m128(a)));
#elif defined(__aarch64__)
  return V<float>(vsqrtq_f32(float32x4_t(a)));
#else
  for (int i = 0; i < kLanes<float>; ++i) a[i] = __builtin_sqrtf(a[i]);
  return a;
#endif
}
BPN_INLINE V<double> square_root(V<double> a) {
#if defined(__AVX512F__)
  return V<double>(_mm512_maskz_sqrt_pd(0xff, __m512d(a)));
#elif defined(__AVX2__)
  return V<double>(_mm256_sqrt_pd(__m256d(a)));
#elif defined(__SSE2__)
  return V<double>(_mm_sqrt_pd(__m128d(a)));
#elif defined(__aarch64__)
  return V<double>(vsqrtq_f64(float64x2_t(a)));
#else
  for (int i = 0; i < kLanes<double>; ++i) a[i] = __builtin_sqrt(a[i]);
  return a;
#endif
}

// Interleaves within every 16 bytes: the low (high) halves of a and b, by elements of four and of eight bytes.
#if defined(__AVX512F__)
BPN_INLINE V<float> low32(V<float> a, V<float> b) {
  return V<float>(_mm512_maskz_unpacklo_ps(0xffff, __m512(a), __m512(b)));
}
BPN_INLINE V<float> high32(V<float> a, V<float> b) {
  return V<float>(_mm512_maskz_unpackhi_ps(0xffff, __m512(a), __m512(b)));
}
BPN_INLINE V<double> low64(V<double> a, V<double> b) {
  return V<double>(_mm512_maskz_unpacklo_pd(0xff, __m512d(a), __m512d(b)));
}
BPN_INLINE V<double> high64(V<double> a, V<double> b) {
  return V<double>(_mm512_maskz_unpackhi_pd(0xff, __m512d(a), __m512d(b)));
}
#elif defined(__AVX2__)
BPN_INLINE V<float> low32(V<float> a, V<float> b) { return V<float>(_mm256_unpacklo_ps(__m256(a), __m256(b))); }
BPN_INLINE V<float> high32(V<float> a, V<float> b) { return V<float>(_mm256_unpackhi_ps(__m256(a), __m256(b))); }
BPN_INLINE V<double> low64(V<double> a, V<double> b) { return V<double>(_mm256_unpacklo_pd(__m256d(a), __m256d(b))); }
BPN_INLINE V<double> high64(V<double> a, V<double> b) { return V<double>(_mm256_unpackhi_pd(__m256d(a), __m256d(b))); }
#else
#if defined(__clang__)
#define BPN_SHUFFLE2(a, b, i, j) __builtin_shufflevector(a, b, i, j)
#define BPN_SHUFFLE4(a, b, i, j, k, l) __builtin_shufflevector(a, b, i, j, k, l)
#else
#define BPN_SHUFFLE2(a, b, i, j) __builtin_shuffle(a, b, I<double>{i, j})
#define BPN_SHUFFLE4(a, b, i, j, k, l) __builtin_shuffle(a, b, I<float>{i, j, k, l})
#endif
BPN_INLINE V<float> low32(V<float> a, V<float> b) { return BPN_SHUFFLE4(a, b, 0, 4, 1, 5); }
BPN_INLINE V<float> high32(V<float> a, V<float> b) { return BPN_SHUFFLE4(a, b, 2, 6, 3, 7); }
BPN_INLINE V<double> low64(V<double> a, V<double> b) { return BPN_SHUFFLE2(a, b, 0, 2); }
BPN_INLINE V<double> high64(V<double> a, V<double> b) { return BPN_SHUFFLE2(a, b, 1, 3); }
#endif

// Turns the square blocks of 16 bytes by 16 bytes that vectors of rows hold: 4 x 4 floats, 2 x 2 doubles.
BPN_INLINE void turn(V<float> (&q)[4]) {
  const V<double> a = V<double>(low32(q[0], q[1])), b = V<double>(high32(q[0], q[1]));
  const V<double> c = V<double>(low32(q[2], q[3])), d = V<double>(high32(q[2], q[3]));
  q[0] = V<float>(low64(a, c));
  q[1] = V<float>(high64(a, c));
  q[2] = V<float>(low64(b, d));
  q[3] = V<float>(high64(b, d));
}
BPN_INLINE void turn(V<double> (&q)[2]) {
  const V<double> a = low64(q[0], q[1]);
  q[1] = high64(q[0], q[1]);
  q[0] = a;
}

// Lanes of `yes` where the mask is set, else of `no`. Comparisons are false for a NaN, so write them to let NaN
// through.
template <class T>
BPN_INLINE V<T> select(I<T> mask, V<T> yes, V<T> no) {
  return mask ? yes : no;
}
// a > b ? a : b (a < b ? a : b): b where either is a NaN, or both are zeros. One instruction on x86; those of other
// processors treat NaN and -0 in ways of their own.
#if defined(__AVX512F__)
BPN_INLINE V<float> larger(V<float> a, V<float> b) {
  return V<float>(_mm512_maskz_max_ps(0xffff, __m512(a), __m512(b)));
}
BPN_INLINE V<double> larger(V<double> a, V<double> b) {
  return V<double>(_mm512_maskz_max_pd(0xff, __m512d(a), __m512d(b)));
}
BPN_INLINE V<float> smaller(V<float> a, V<float> b) {
  return V<float>(_mm512_maskz_min_ps(0xffff, __m512(a), __m512(b)));
}
BPN_INLINE V<double> smaller(V<double> a, V<double> b) {
  return V<double>(_mm512_maskz_min_pd(0xff, __m512d(a), __m512d(b)));
}
#elif defined(__AVX2__)
BPN_INLINE V<float> larger(V<float> a, V<float> b) { return V<float>(_mm256_max_ps(__m256(a), __m256(b))); }
BPN_INLINE V<double> larger(V<double> a, V<double> b) { return V<double>(_mm256_max_pd(__m256d(a), __m256d(b))); }
BPN_INLINE V<float> smaller(V<float> a, V<float> b) { return V<float>(_mm256_min_ps(__m256(a), __m256(b))); }
BPN_INLINE V<double> smaller(V<double> a, V<double> b) { return V<double>(_mm256_min_pd(__m256d(a), __m256d(b))); }
#elif defined(__SSE2__)
BPN_INLINE V<float> larger(V<float> a, V<float> b) { return V<float>(_mm_max_ps(__m128(a), __m128(b))); }
BPN_INLINE V<double> larger(V<double> a, V<double> b) { return V<double>(_mm_max_pd(__m128d(a), __m128d(b))); }
BPN_INLINE V<float> smaller(V<float> a, V<float> b) { return V<float>(_mm_min_ps(__m128(a), __m128(b))); }
BPN_INLINE V<double> smaller(V<double> a, V<double> b) { return V<double>(_mm_min_pd(__m128d(a), __m128d(b))); }
#else
BPN_INLINE V<float> larger(V<float> a, V<float> b) { return a > b ? a : b; }
BPN_INLINE V<double> larger(V<double> a, V<double> b) { return a > b ? a : b; }
BPN_INLINE V<float> smaller(V<float> a, V<float> b) { return a < b ? a : b; }
BPN_INLINE V<double> smaller(V<double> a, V<double> b) { return a < b ? a : b; }
#endif

// low .. high, low <= high; a NaN stays.
template <class T>
BPN_INLINE V<T> between(T low, T high, V<T> x) {
  return smaller(broadcast<T>(high), larger(broadcast<T>(low), x));
}
template <class T>
BPN_INLINE V<T> magnitude(V<T> x) {
  return V<T>(I<T>(x) & ~I<T>(broadcast<T>(static_cast<T>(-0.0))));
}
// Where the sign bit is set, -0 included: what a select reads without a comparison.
template <class T>
BPN_INLINE I<T> negative(V<T> x) {
  return I<T>(x) < I<T>{};
}

// Sixteen lanes folded in a fixed tree, whatever the width of a vector: the order is part of the numeric contract.
template <class T>
BPN_INLINE T fold(const V<T> (&block)[kBlockVectors<T>]) {
  T lanes[kSampleBlock];
  for (int v = 0; v < kBlockVectors<T>; ++v) store<T>(lanes + v * kLanes<T>, block[v]);
  for (int half = kSampleBlock / 2; half > 0; half /= 2)
    for (int i = 0; i < half; ++i) lanes[i] += lanes[i + half];
  return lanes[0];
}

BPN_KERNELS_END

#endif  // BPNATIVE_KERNELS_SIMD_H_
