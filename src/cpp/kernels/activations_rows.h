// Activations that mix the outputs of a sample. Samples lie along the vectors, a sample's outputs down a column, so the
// sums run down the columns and no lane meets another. Called by activations.h and loss.h.
//   softmax      y_o = e^(z_o - max z) / sum_j e^(z_j - max z)            dz_o = y_o (dy_o - sum_j dy_j y_j)
//   log_softmax  y_o = z_o - max z - ln sum_j e^(z_j - max z)             dz_o = dy_o - e^y_o sum_j dy_j
#ifndef BPNATIVE_KERNELS_ACTIVATIONS_ROWS_H_
#define BPNATIVE_KERNELS_ACTIVATIONS_ROWS_H_

#include "kernels/math.h"

BPN_KERNELS_BEGIN

// A whole vector, or the n lanes that are left of one.
template <class T>
BPN_INLINE V<T> column(const T* p, int n) {
  return n == kLanes<T> ? load<T>(p) : load_first<T>(p, n);
}
template <class T>
BPN_INLINE void set_column(T* p, V<T> v, int n) {
  if (n == kLanes<T>)
    store<T>(p, v);
  else
    store_first<T>(p, v, n);
}
// Calls run(i, n) for every vector of a row: n lanes from i on.
template <class T, class Run>
BPN_INLINE void by_vectors(int width, const Run& run) {
  for (int i = 0; i < width; i += kLanes<T>) run(i, width - i < kLanes<T> ? width - i : kLanes<T>);
}

template <class T>
BPN_INLINE V<T> column_maximum(const T* z, int features, ptrdiff_t stride, int n) {
  V<T> most = column<T>(z, n);
  for (int f = 1; f < features; ++f) most = larger(most, column<T>(z + f * stride, n));
  return most;
}
// y = e^(z - most), unless y is null; returns the sum. y may be z.
template <class T>
BPN_INLINE V<T> column_exponentials(T* y, const T* z, V<T> most, int features, ptrdiff_t stride, int n) {
  V<T> sum{};
  for (int f = 0; f < features; ++f) {
    const V<T> e = exp<T>(column<T>(z + f * stride, n) - most);
    if (y) set_column<T>(y + f * stride, e, n);
    sum += e;
  }
  return sum;
}

template <class T>
struct softmax_activation {
  static void forward(T* y, const T* z, int features, int width, ptrdiff_t stride, T) {
    by_vectors<T>(width, [=](int i, int n) {
      const V<T> most = column_maximum<T>(z + i, features, stride, n);
      const V<T> sum = column_exponentials<T>(y + i, z + i, most, features, stride, n);
      for (int f = 0; f < features; ++f) set_column<T>(y + f * stride + i, column<T>(y + f * stride + i, n) / sum, n);
    });
  }
  static void derivative(T* dz, const T* dy, const T* y, int features, int width, ptrdiff_t stride, T) {
    by_vectors<T>(width, [=](int i, int n) {
      V<T> sum{};
      for (int f = 0; f < features; ++f)
        sum = fma(column<T>(dy + f * stride + i, n), column<T>(y + f * stride + i, n), sum);
      for (int f = 0; f < features; ++f) {
        const ptrdiff_t at = f * stride + i;
        set_column<T>(dz + at, column<T>(y + at, n) * (column<T>(dy + at, n) - sum), n);
      }
    });
  }
};

template <class T>
struct log_softmax_activation {
  static void forward(T* y, const T* z, int features, int width, ptrdiff_t stride, T) {
    by_vectors<T>(width, [=](int i, int n) {
      const V<T> most = column_maximum<T>(z + i, features, stride, n);
      const V<T> log_sum = log<T>(column_exponentials<T>(nullptr, z + i, most, features, stride, n));
      for (int f = 0; f < features; ++f) {
        const ptrdiff_t at = f * stride + i;
        set_column<T>(y + at, (column<T>(z + at, n) - most) - log_sum, n);
      }
    });
  }
  static void derivative(T* dz, const T* dy, const T* y, int features, int width, ptrdiff_t stride, T) {
    by_vectors<T>(width, [=](int i, int n) {
      V<T> sum{};
      for (int f = 0; f < features; ++f) sum += column<T>(dy + f * stride + i, n);
      for (int f = 0; f < features; ++f) {
        const ptrdiff_t at = f * stride + i;
        set_column<T>(dz + at, fma(-exp<T>(column<T>(y + at, n)), sum, column<T>(dy + at, n)), n);
      }
    });
  }
};

BPN_KERNELS_END

#endif  // BPNATIVE_KERNELS_ACTIVATIONS_ROWS_H_
