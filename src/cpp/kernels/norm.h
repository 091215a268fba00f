// Elementwise work on slices with a number a feature, and the normalizations. Called by nn/ through the table.
//   affine  y = (x - minus_f) times_f + plus_f             blend  c = (a - minus_af) by_af + (b - minus_bf) by_bf
//   normalize, per sample over its F features (Ba, Kiros & Hinton 2016; without mean: Zhang & Sennrich 2019)
//     k = (x - mean) r, r = 1 / sqrt(var + eps), y = k weight_f + bias_f
//     dx = r (g - mean_f(g) - k mean_f(g k)), g = dz weight_f; not centered: without mean_f(g)
//   row_moments, row_dots: over all samples of a feature, in blocks of 16 folded in a fixed order (batch norm)
#ifndef BPNATIVE_KERNELS_NORM_H_
#define BPNATIVE_KERNELS_NORM_H_

#include "kernels/simd.h"

BPN_KERNELS_BEGIN

template <class T, class F>
BPN_INLINE void each_vector(int features, int width, ptrdiff_t stride, const F& f) {
  for (int feature = 0; feature < features; ++feature)
    for (int i = 0; i < width; i += kLanes<T>) f(feature, feature * stride + i);
}

template <class T>
void add(T* c, const T* a, const T* b, int features, int width, ptrdiff_t stride) {
  each_vector<T>(features, width, stride,
                 [=](int, ptrdiff_t at) { store<T>(c + at, load<T>(a + at) + load<T>(b + at)); });
}
template <class T>
void multiply(T* c, const T* a, const T* b, int features, int width, ptrdiff_t stride) {
  each_vector<T>(features, width, stride,
                 [=](int, ptrdiff_t at) { store<T>(c + at, load<T>(a + at) * load<T>(b + at)); });
}
template <class T>
BPN_INLINE V<T> of_feature(const T* vector, int feature, T otherwise) {
  return broadcast<T>(vector ? vector[feature] : otherwise);
}
template <class T>
void affine(T* y, const T* x, const T* minus, const T* times, const T* plus, int features, int width,
            ptrdiff_t stride) {
  for (int f = 0; f < features; ++f) {
    // Taken out of the inner loop by hand: the compiler must fear that y overwrites them.
    const V<T> middle = of_feature<T>(minus, f, 0), by = of_feature<T>(times, f, 1), up = of_feature<T>(plus, f, 0);
    for (ptrdiff_t at = f * stride, end = at + width; at < end; at += kLanes<T>)
      store<T>(y + at, fma(load<T>(x + at) - middle, by, up));
  }
}
template <class T>
void blend(T* c, const T* a, const T* minus_a, const T* by_a, const T* b, const T* minus_b, const T* by_b, int features,
           int width, ptrdiff_t stride) {
  for (int f = 0; f < features; ++f) {
    const V<T> from_a = broadcast<T>(minus_a[f]), from_b = broadcast<T>(minus_b[f]);
    const V<T> first = broadcast<T>(by_a[f]), second = broadcast<T>(by_b[f]);
    for (ptrdiff_t at = f * stride, end = at + width; at < end; at += kLanes<T>)
      store<T>(c + at, fma(load<T>(a + at) - from_a, first, (load<T>(b + at) - from_b) * second));
  }
}

// N vectors of samples side by side, so that one's additions need not wait for each other's. What the mean's rounding
// leaves over is added up beside the squares and taken off: a constant row of large numbers has no spread.
template <class T, int N>
BPN_INLINE void normalize_columns(T* y, T* kept, const T* x, const T* weight, const T* bias, int features,
                                  ptrdiff_t stride, T epsilon, bool centered) {
  const V<T> share = broadcast<T>(T(1) / static_cast<T>(features));
  V<T> mean[N] = {}, rest[N] = {}, square[N] = {}, inverse[N];
  if (centered) {
    for (int f = 0; f < features; ++f) {
      BPN_UNROLL
      for (int v = 0; v < N; ++v) mean[v] += load<T>(x + f * stride + v * kLanes<T>);
    }
    BPN_UNROLL
    for (int v = 0; v < N; ++v) mean[v] *= share;
  }
  for (int f = 0; f < features; ++f) {
    BPN_UNROLL
    for (int v = 0; v < N; ++v) {
      const V<T> apart = load<T>(x + f * stride + v * kLanes<T>) - mean[v];
      rest[v] += apart;
      square[v] = fma(apart, apart, square[v]);
    }
  }
  BPN_UNROLL
  for (int v = 0; v < N; ++v) {
    const V<T> more = centered ? rest[v] * share : V<T>{};
    const V<T> variance = fma(-more, more, square[v] * share);
    mean[v] += more;
    inverse[v] = broadcast<T>(1) / square_root(larger(V<T>{}, variance) + broadcast<T>(epsilon));
    store<T>(kept + features * stride + v * kLanes<T>, inverse[v]);
  }
  for (int f = 0; f < features; ++f) {
    const V<T> times = of_feature<T>(weight, f, 1), plus = of_feature<T>(bias, f, 0);
    BPN_UNROLL
    for (int v = 0; v < N; ++v) {
      const ptrdiff_t at = f * stride + v * kLanes<T>;
      const V<T> k = (load<T>(x + at) - mean[v]) * inverse[v];
      store<T>(kept + at, k);
      store<T>(y + at, fma(k, times, plus));
    }
  }
}
template <class T, int N>
BPN_INLINE void normalize_columns_backward(T* dx, const T* dz, const T* kept, const T* weight, int features,
                                           ptrdiff_t stride, bool centered) {
  const V<T> share = broadcast<T>(T(1) / static_cast<T>(features));
  V<T> sum[N] = {}, dot[N] = {}, inverse[N];
  for (int f = 0; f < features; ++f) {
    const V<T> times = of_feature<T>(weight, f, 1);
    BPN_UNROLL
    for (int v = 0; v < N; ++v) {
      const ptrdiff_t at = f * stride + v * kLanes<T>;
      const V<T> g = load<T>(dz + at) * times;
      sum[v] += g;
      dot[v] = fma(g, load<T>(kept + at), dot[v]);
    }
  }
  BPN_UNROLL
  for (int v = 0; v < N; ++v) {
    sum[v] = centered ? sum[v] * share : V<T>{};
    dot[v] *= share;
    inverse[v] = load<T>(kept + features * stride + v * kLanes<T>);
  }
  for (int f = 0; f < features; ++f) {
    const V<T> times = of_feature<T>(weight, f, 1);
    BPN_UNROLL
    for (int v = 0; v < N; ++v) {
      const ptrdiff_t at = f * stride + v * kLanes<T>;
      const V<T> g = load<T>(dz + at) * times - sum[v];  // rounded as it was summed: 0 where all of them are equal
      store<T>(dx + at, fma(-load<T>(kept + at), dot[v], g) * inverse[v]);
    }
  }
}
constexpr int kAbreast = 4;  // vectors: as many registers as three sums of each leave, with 16 of them
template <class T>
void normalize(T* y, T* kept, const T* x, const T* weight, const T* bias, int features, int width, ptrdiff_t stride,
               T epsilon, bool centered) {
  int i = 0;
  for (; i + kAbreast * kLanes<T> <= width; i += kAbreast * kLanes<T>)
    normalize_columns<T, kAbreast>(y + i, kept + i, x + i, weight, bias, features, stride, epsilon, centered);
  for (; i < width; i += kLanes<T>)
    normalize_columns<T, 1>(y + i, kept + i, x + i, weight, bias, features, stride, epsilon, centered);
}
template <class T>
void normalize_backward(T* dx, const T* dz, const T* kept, const T* weight, int features, int width, ptrdiff_t stride,
                        bool centered) {
  int i = 0;
  for (; i + kAbreast * kLanes<T> <= width; i += kAbreast * kLanes<T>)
    normalize_columns_backward<T, kAbreast>(dx + i, dz + i, kept + i, weight, features, stride, centered);
  for (; i < width; i += kLanes<T>)
    normalize_columns_backward<T, 1>(dx + i, dz + i, kept + i, weight, features, stride, centered);
}

// ---- over all samples of a feature ---------------------------------------------------------------------------------
// R rows at a time, where one row's sums would wait for each other; sums[row][sum] of each in its own order.
template <class T>
constexpr int kRowsAbreast = kBlockVectors<T> >= 4 ? 1 : 4 / kBlockVectors<T>;

// term(sums, row, vector of the block, slice, sample of the slice, samples that count) over all samples.
template <class T, int R, int S, class F>
BPN_INLINE void add_up(T (&out)[R][S], int count, int segment, const F& term) {
  V<T> sum[R][S][kBlockVectors<T>] = {};
  int slice = 0;
  for (int left = count; left > 0; left -= segment, ++slice) {
    const int samples = left < segment ? left : segment;
    int i = 0;
    for (; i + kSampleBlock <= samples; i += kSampleBlock) {
      BPN_UNROLL
      for (int r = 0; r < R; ++r) {
        BPN_UNROLL
        for (int v = 0; v < kBlockVectors<T>; ++v) term(sum[r], r, v, slice, i + v * kLanes<T>, kLanes<T>);
      }
    }
    if (i == samples) continue;
    // Unrolled as all loops over r: sums that a variable picks would have to lie in memory.
    BPN_UNROLL
    for (int r = 0; r < R; ++r) {
      BPN_UNROLL
      for (int v = 0; v < kBlockVectors<T>; ++v) {
        const int some = samples - i - v * kLanes<T>;
        if (some > 0) term(sum[r], r, v, slice, i + v * kLanes<T>, some < kLanes<T> ? some : kLanes<T>);
      }
    }
  }
  BPN_UNROLL
  for (int r = 0; r < R; ++r) {
    BPN_UNROLL
    for (int s = 0; s < S; ++s) out[r][s] = fold<T>(sum[r][s]);
  }
}
template <class T>
BPN_INLINE V<T> load_left(const T* p, int left) {
  return left == kLanes<T> ? load<T>(p) : load_first<T>(p, left);
}

template <class T, int R>
BPN_INLINE void moments_of(T* mean, T* variance, const T* x, int count, int segment, ptrdiff_t x_segment) {
  const auto of = [=](int r, int slice, int i) {
    return x + slice * x_segment + static_cast<ptrdiff_t>(r) * segment + i;
  };
  T first[R][1], second[R][2];
  add_up<T, R, 1>(first, count, segment,
                  [=](V<T>(&sum)[1][kBlockVectors<T>], int r, int v, int slice, int i, int left) {
                    sum[0][v] += load_left<T>(of(r, slice, i), left);
                  });
  V<T> middle[R];
  BPN_UNROLL
  for (int r = 0; r < R; ++r) middle[r] = broadcast<T>(mean[r] = first[r][0] / static_cast<T>(count));
  add_up<T, R, 2>(second, count, segment,
                  [&](V<T>(&sum)[2][kBlockVectors<T>], int r, int v, int slice, int i, int left) {
                    V<T> apart = load_left<T>(of(r, slice, i), left) - middle[r];
                    if (left < kLanes<T>) {
                      T lanes[kLanes<T>];
                      store<T>(lanes, apart);
                      apart = load_first<T>(lanes, left);
                    }
                    sum[0][v] += apart;
                    sum[1][v] = fma(apart, apart, sum[1][v]);
                  });
  for (int r = 0; r < R; ++r) {
    // What the mean's rounding left over, as in normalize_columns.
    const T more = second[r][0] / static_cast<T>(count),
            of_squares = second[r][1] / static_cast<T>(count) - more * more;
    mean[r] += more;
    variance[r] = of_squares < 0 ? T(0) : of_squares;
  }
}
template <class T>
void row_moments(T* mean, T* variance, const T* x, int rows, int count, int segment, ptrdiff_t x_segment) {
  constexpr int R = kRowsAbreast<T>;
  int r = 0;
  for (; r + R <= rows; r += R)
    moments_of<T, R>(mean + r, variance + r, x + static_cast<ptrdiff_t>(r) * segment, count, segment, x_segment);
  for (; r < rows; ++r)
    moments_of<T, 1>(mean + r, variance + r, x + static_cast<ptrdiff_t>(r) * segment, count, segment, x_segment);
}

template <class T, int R>
BPN_INLINE void dots_of(T* out, const T* a, ptrdiff_t a_segment, const T* b, ptrdiff_t b_segment, const T* minus,
                        int count, int segment) {
  V<T> middle[R];
  BPN_UNROLL
  for (int r = 0; r < R; ++r) middle[r] = broadcast<T>(minus ? minus[r] : T(0));
  T dot[R][1];
  // Lanes past the end are zero in a, so what b holds there counts nothing.
  add_up<T, R, 1>(dot, count, segment, [&](V<T>(&sum)[1][kBlockVectors<T>], int r, int v, int slice, int i, int left) {
    const ptrdiff_t row = static_cast<ptrdiff_t>(r) * segment + i;
    const V<T> other = load_left<T>(b + slice * b_segment + row, left) - middle[r];
    sum[0][v] = fma(load_left<T>(a + slice * a_segment + row, left), other, sum[0][v]);
  });
  for (int r = 0; r < R; ++r) out[r] = dot[r][0];
}
template <class T>
void row_dots(T* out, const T* a, ptrdiff_t a_segment, const T* b, ptrdiff_t b_segment, const T* minus, int rows,
              int count, int segment) {
  constexpr int R = kRowsAbreast<T>;
  const auto from = [=](int r) { return static_cast<ptrdiff_t>(r) * segment; };
  int r = 0;
  for (; r + R <= rows; r += R)
    dots_of<T, R>(out + r, a + from(r), a_segment, b + from(r), b_segment, minus ? minus + r : nullptr, count, segment);
  for (; r < rows; ++r)
    dots_of<T, 1>(out + r, a + from(r), a_segment, b + from(r), b_segment, minus ? minus + r : nullptr, count, segment);
}

BPN_KERNELS_END

#endif  // BPNATIVE_KERNELS_NORM_H_
