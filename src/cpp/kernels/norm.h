// Elementwise work on slices with a number a feature, and the normalizations. Called by nn/ through the table.
//   affine  y = (x - minus_f) times_f + plus_f             blend  c = a by_a_f + (b - minus_f) by_b_f + plus_f
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
  each_vector<T>(features, width, stride, [=](int f, ptrdiff_t at) {
    store<T>(y + at,
             fma(load<T>(x + at) - of_feature<T>(minus, f, 0), of_feature<T>(times, f, 1), of_feature<T>(plus, f, 0)));
  });
}
template <class T>
void blend(T* c, const T* a, const T* by_a, const T* b, const T* minus, const T* by_b, const T* plus, int features,
           int width, ptrdiff_t stride) {
  each_vector<T>(features, width, stride, [=](int f, ptrdiff_t at) {
    const V<T> second = fma(load<T>(b + at) - broadcast<T>(minus[f]), broadcast<T>(by_b[f]), broadcast<T>(plus[f]));
    store<T>(c + at, fma(load<T>(a + at), broadcast<T>(by_a[f]), second));
  });
}

// N vectors of samples side by side: whole cache lines of every feature.
template <class T, int N>
BPN_INLINE void normalize_columns(T* y, T* kept, const T* x, const T* weight, const T* bias, int features,
                                  ptrdiff_t stride, T epsilon, bool centered) {
  const V<T> share = broadcast<T>(T(1) / static_cast<T>(features));
  V<T> mean[N] = {}, square[N] = {}, inverse[N];
  if (centered) {
    for (int f = 0; f < features; ++f) {
      BPN_UNROLL
      for (int v = 0; v < N; ++v) mean[v] += load<T>(x + f * stride + v * kLanes<T>);
    }
    for (int v = 0; v < N; ++v) mean[v] *= share;
  }
  for (int f = 0; f < features; ++f) {
    BPN_UNROLL
    for (int v = 0; v < N; ++v) {
      const V<T> apart = load<T>(x + f * stride + v * kLanes<T>) - mean[v];
      square[v] = fma(apart, apart, square[v]);
    }
  }
  for (int v = 0; v < N; ++v) {
    inverse[v] = broadcast<T>(1) / square_root(fma(square[v], share, broadcast<T>(epsilon)));
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
      const V<T> g = fma(load<T>(dz + at), times, -sum[v]);
      store<T>(dx + at, fma(-load<T>(kept + at), dot[v], g) * inverse[v]);
    }
  }
}
template <class T>
void normalize(T* y, T* kept, const T* x, const T* weight, const T* bias, int features, int width, ptrdiff_t stride,
               T epsilon, bool centered) {
  constexpr int kBlockWidth = kBlockVectors<T> * kLanes<T>;  // a width is a multiple of it
  for (int i = 0; i < width; i += kBlockWidth)
    normalize_columns<T, kBlockVectors<T>>(y + i, kept + i, x + i, weight, bias, features, stride, epsilon, centered);
}
template <class T>
void normalize_backward(T* dx, const T* dz, const T* kept, const T* weight, int features, int width, ptrdiff_t stride,
                        bool centered) {
  constexpr int kBlockWidth = kBlockVectors<T> * kLanes<T>;
  for (int i = 0; i < width; i += kBlockWidth)
    normalize_columns_backward<T, kBlockVectors<T>>(dx + i, dz + i, kept + i, weight, features, stride, centered);
}

// Sums f(row, vector of samples, lanes that count) over all samples of a row.
template <class T, class F>
BPN_INLINE T sum_of_row(int count, int segment, const F& term) {
  V<T> sum[kBlockVectors<T>] = {};
  for (int b = 0; b < count; b += kSampleBlock) {
    const int n = count - b < kSampleBlock ? count - b : kSampleBlock;
    BPN_UNROLL
    for (int v = 0; v < kBlockVectors<T>; ++v) {
      const int left = n - v * kLanes<T>;
      if (left > 0) sum[v] = term(b / segment, b % segment + v * kLanes<T>, left, sum[v]);
    }
  }
  return fold<T>(sum);
}
template <class T>
BPN_INLINE V<T> load_left(const T* p, int left) {
  return left >= kLanes<T> ? load<T>(p) : load_first<T>(p, left);
}

template <class T>
void row_moments(T* mean, T* variance, const T* x, int rows, int count, int segment, ptrdiff_t x_segment) {
  for (int r = 0; r < rows; ++r) {
    const T* row = x + static_cast<ptrdiff_t>(r) * segment;
    mean[r] = sum_of_row<T>(count, segment,
                            [=](int slice, int i, int left, V<T> sum) {
                              return sum + load_left<T>(row + slice * x_segment + i, left);
                            }) /
              static_cast<T>(count);
    const V<T> middle = broadcast<T>(mean[r]);
    variance[r] = sum_of_row<T>(count, segment,
                                [=](int slice, int i, int left, V<T> sum) {
                                  V<T> apart = load_left<T>(row + slice * x_segment + i, left) - middle;
                                  if (left < kLanes<T>) {
                                    T lanes[kLanes<T>];
                                    store<T>(lanes, apart);
                                    apart = load_first<T>(lanes, left);
                                  }
                                  return fma(apart, apart, sum);
                                }) /
                  static_cast<T>(count);
  }
}

template <class T>
void row_dots(T* out, const T* a, ptrdiff_t a_segment, const T* b, ptrdiff_t b_segment, const T* minus, int rows,
              int count, int segment) {
  for (int r = 0; r < rows; ++r) {
    const ptrdiff_t row = static_cast<ptrdiff_t>(r) * segment;
    const V<T> middle = broadcast<T>(minus ? minus[r] : T(0));
    // Lanes past the end are zero in a, so what b holds there counts nothing.
    out[r] = sum_of_row<T>(count, segment, [=](int slice, int i, int left, V<T> sum) {
      return fma(load_left<T>(a + row + slice * a_segment + i, left),
                 load_left<T>(b + row + slice * b_segment + i, left) - middle, sum);
    });
  }
}

BPN_KERNELS_END

#endif  // BPNATIVE_KERNELS_NORM_H_
