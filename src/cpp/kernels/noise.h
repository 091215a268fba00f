// Noise of a training step, as a function of seed, step, layer, sample and feature: Philox4x32-10 (Salmon, Moraes, Dror
// & Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011), a counter a sample, its four words for four
// features.
//   dropout         y = x kept, kept = 0 or 1 / (1 - rate)        gaussian_noise  y = x + deviation n
//   alpha_dropout   y = scale x + shift, or scale dropped + shift (Klambauer et al. 2017): mean and variance stay
// Called by nn/noise through the table.
#ifndef BPNATIVE_KERNELS_NOISE_H_
#define BPNATIVE_KERNELS_NOISE_H_

#include "kernels/math.h"

BPN_KERNELS_BEGIN

typedef uint32_t Words __attribute__((vector_size(kVectorBytes)));
typedef uint64_t WideWords __attribute__((vector_size(kVectorBytes)));
constexpr int kWords = kVectorBytes / 4;
constexpr int kMostNoiseWidth = 64;  // samples whose words are made at once

// The products of the even lanes, 32 by 32 bits to 64.
BPN_INLINE WideWords multiply_even(Words a, Words b) {
#if defined(__AVX512F__)
  return WideWords(_mm512_maskz_mul_epu32(0xff, __m512i(a), __m512i(b)));
#elif defined(__AVX2__)
  return WideWords(_mm256_mul_epu32(__m256i(a), __m256i(b)));
#elif defined(__SSE2__)
  return WideWords(_mm_mul_epu32(__m128i(a), __m128i(b)));
#else
  return (WideWords(a) & 0xffffffffu) * (WideWords(b) & 0xffffffffu);
#endif
}
BPN_INLINE void multiply_wide(Words a, uint32_t b, Words& high, Words& low) {
  const Words factor = Words{} + b;
  const WideWords even = multiply_even(a, factor), odd = multiply_even(Words(WideWords(a) >> 32), factor);
  low = Words((even & 0xffffffffu) | (odd << 32));
  high = Words((even >> 32) | (odd & 0xffffffff00000000u));
}

inline void random_words(uint32_t* words, uint32_t first, uint32_t group, const NoiseSource& source, int width) {
  Words lane{};
  for (int i = 0; i < kWords; ++i) lane[i] = static_cast<uint32_t>(i);
  for (int i = 0; i < width; i += kWords) {
    Words c0 = lane + (first + static_cast<uint32_t>(i)), c1 = Words{} + group;
    Words c2 = Words{} + static_cast<uint32_t>(source.step);
    Words c3 = Words{} + (source.layer ^ static_cast<uint32_t>(source.step >> 32) << 16);
    uint32_t k0 = static_cast<uint32_t>(source.seed), k1 = static_cast<uint32_t>(source.seed >> 32);
    for (int round = 0; round < 10; ++round) {
      Words high0, low0, high1, low1;
      multiply_wide(c0, 0xD2511F53u, high0, low0);
      multiply_wide(c2, 0xCD9E8D57u, high1, low1);
      c0 = high1 ^ c1 ^ k0;
      c1 = low1;
      c2 = high0 ^ c3 ^ k1;
      c3 = low0;
      k0 += 0x9E3779B9u;
      k1 += 0xBB67AE85u;
    }
    const Words out[4] = {c0, c1, c2, c3};
    for (int w = 0; w < 4; ++w) __builtin_memcpy(words + w * width + i, &out[w], sizeof(Words));
  }
}

// The upper 24 bits of each word: exact in both types.
template <class T>
BPN_INLINE V<T> words_to_vector(const uint32_t* words) {
  typedef int32_t Lanes __attribute__((vector_size(4 * kLanes<T>)));
  Lanes lanes;
  __builtin_memcpy(&lanes, words, sizeof(lanes));
  typedef uint32_t Unsigned __attribute__((vector_size(4 * kLanes<T>)));
  return __builtin_convertvector(Lanes(Unsigned(lanes) >> 8), V<T>);
}

// Calls f(feature, sample, words of that feature) for vectors of samples, all features.
template <class T, class F>
BPN_INLINE void each_noise(const NoiseArguments<T>& p, const F& f) {
  uint32_t words[4 * kMostNoiseWidth];
  for (int begin = 0; begin < p.width; begin += kMostNoiseWidth) {
    const int width = p.width - begin < kMostNoiseWidth ? p.width - begin : kMostNoiseWidth;
    for (int group = 0; group < p.features; group += 4) {
      random_words(words, p.first + static_cast<uint32_t>(begin), static_cast<uint32_t>(group / 4), p.source, width);
      const int features = p.features - group < 4 ? p.features - group : 4;
      for (int i = 0; i < width; i += kLanes<T>) f(group, features, begin + i, words + i, width);
    }
  }
}

template <class T, bool Shifted>
BPN_INLINE void drop(const NoiseArguments<T>& p) {
  const V<T> threshold = broadcast<T>(static_cast<T>(p.threshold)), scale = broadcast<T>(p.scale);
  const V<T> shift = broadcast<T>(p.shift), dropped = broadcast<T>(p.dropped);
  each_noise<T>(p, [=](int group, int features, int i, const uint32_t* words, int width) {
    for (int w = 0; w < features; ++w) {
      const ptrdiff_t at = (group + w) * p.stride + i;
      const I<T> out = words_to_vector<T>(words + w * width) < threshold;
      const V<T> kept = select<T>(out, V<T>{}, scale), x = load<T>(p.x + at);
      store<T>(p.kept + at, kept);
      store<T>(p.y + at, Shifted ? select<T>(out, dropped, fma(x, scale, shift)) : select<T>(out, V<T>{}, x * scale));
    }
  });
}
template <class T>
void dropout_noise(const NoiseArguments<T>& p) {
  drop<T, false>(p);
}
template <class T>
void alpha_dropout_noise(const NoiseArguments<T>& p) {
  drop<T, true>(p);
}

// sin(2 pi t) and cos(2 pi t) for |t| <= 1/4, to rounding: as many terms of Taylor's series as the type can tell.
template <class T>
BPN_INLINE V<T> sine_of_turn(V<T> t) {
  const V<T> a = t * broadcast<T>(static_cast<T>(6.283185307179586)), s = a * a;
  const T c[] = {static_cast<T>(-1.0 / 121645100408832000),
                 static_cast<T>(1.0 / 355687428096000),
                 static_cast<T>(-1.0 / 1307674368000),
                 static_cast<T>(1.0 / 6227020800),
                 static_cast<T>(-1.0 / 39916800),
                 static_cast<T>(1.0 / 362880),
                 static_cast<T>(-1.0 / 5040),
                 static_cast<T>(1.0 / 120),
                 static_cast<T>(-1.0 / 6),
                 T(1)};
  if constexpr (sizeof(T) == 8) return a * polynomial<T>(s, c);
  const T few[] = {c[4], c[5], c[6], c[7], c[8], c[9]};
  return a * polynomial<T>(s, few);
}
template <class T>
BPN_INLINE V<T> cosine_of_turn(V<T> t) {
  const V<T> a = t * broadcast<T>(static_cast<T>(6.283185307179586)), s = a * a;
  const T c[] = {static_cast<T>(1.0 / 2432902008176640000),
                 static_cast<T>(-1.0 / 6402373705728000),
                 static_cast<T>(1.0 / 20922789888000),
                 static_cast<T>(-1.0 / 87178291200),
                 static_cast<T>(1.0 / 479001600),
                 static_cast<T>(-1.0 / 3628800),
                 static_cast<T>(1.0 / 40320),
                 static_cast<T>(-1.0 / 720),
                 static_cast<T>(1.0 / 24),
                 static_cast<T>(-0.5),
                 T(1)};
  if constexpr (sizeof(T) == 8) return polynomial<T>(s, c);
  const T few[] = {c[4], c[5], c[6], c[7], c[8], c[9], c[10]};
  return polynomial<T>(s, few);
}

// Two independent standard normal numbers of two words (Box & Muller 1958).
template <class T>
BPN_INLINE void normal_pair(const uint32_t* a, const uint32_t* b, V<T>& first, V<T>& second) {
  const V<T> unit = broadcast<T>(static_cast<T>(1.0 / 16777216)), half = broadcast<T>(static_cast<T>(0.5));
  const V<T> u = (words_to_vector<T>(a) + half) * unit;
  const V<T> t = words_to_vector<T>(b) * unit - half;  // a turn, from -1/2 to 1/2
  const V<T> size = square_root(broadcast<T>(-2) * log<T>(u));
  const V<T> away = magnitude<T>(t);
  const I<T> far = away > broadcast<T>(static_cast<T>(0.25));
  const V<T> near = select<T>(far, half - away, away);
  const V<T> sine = sine_of_turn<T>(near), cosine = cosine_of_turn<T>(near);
  first = size * select<T>(far, -cosine, cosine);
  second = size * select<T>(negative<T>(t), -sine, sine);
}

template <class T>
void gaussian_noise_noise(const NoiseArguments<T>& p) {
  const V<T> deviation = broadcast<T>(p.scale);
  each_noise<T>(p, [=](int group, int features, int i, const uint32_t* words, int width) {
    V<T> n[4];
    normal_pair<T>(words, words + width, n[0], n[1]);
    normal_pair<T>(words + 2 * width, words + 3 * width, n[2], n[3]);
    for (int w = 0; w < features; ++w) {
      const ptrdiff_t at = (group + w) * p.stride + i;
      store<T>(p.y + at, fma(deviation, n[w], load<T>(p.x + at)));
    }
  });
}

BPN_KERNELS_END

#endif  // BPNATIVE_KERNELS_NOISE_H_
