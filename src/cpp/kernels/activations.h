// Activations y = f(z) and their derivatives, one struct each; f' is taken from the output y, which a layer keeps
// anyway. linear y = z | relu max(z, 0) | leaky_relu z > 0 ? z : slope z | tanh | sigmoid 1 / (1 + e^-z) | softmax
// e^z_o / sum e^z gemm.h applies the cheap ones to a tile in registers and the others to rows just written; nn/ calls
// the rest by table.
#ifndef BPNATIVE_KERNELS_ACTIVATIONS_H_
#define BPNATIVE_KERNELS_ACTIVATIONS_H_

#include "kernels/math.h"

BPN_KERNELS_BEGIN

// forward(z) and derivative(dy, y) = dy * f'(z). Written so that a NaN stays one.
template <class T>
struct linear {
  static BPN_INLINE V<T> forward(V<T> z, V<T>) { return z; }
  static BPN_INLINE V<T> derivative(V<T> dy, V<T>, V<T>) { return dy; }
};
template <class T>
struct relu {
  static BPN_INLINE V<T> forward(V<T> z, V<T>) { return larger<T>(V<T>{}, z); }
  static BPN_INLINE V<T> derivative(V<T> dy, V<T> y, V<T>) { return select<T>(y <= V<T>{}, V<T>{}, dy); }
};
template <class T>
struct leaky_relu {
  static BPN_INLINE V<T> forward(V<T> z, V<T> slope) { return select<T>(z > V<T>{}, z, slope * z); }
  static BPN_INLINE V<T> derivative(V<T> dy, V<T> y, V<T> slope) { return select<T>(y > V<T>{}, dy, slope * dy); }
};
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

// y = z P(z) and y' = P(z) + z p(z) share one exponential: the tail 1 - P is e^(-z^2/2) times a slow function of z.
template <class T>
struct gelu {
  static BPN_INLINE V<T> forward(V<T> z, V<T> parameter) {
    V<T> slope;
    return forward_keeping(z, slope, parameter);
  }
  static BPN_INLINE V<T> forward_keeping(V<T> z, V<T>& slope, V<T>) {
    const V<T> end = broadcast<T>(kTailEnd<T>);
    const V<T> low = select<T>(z < -end, -end, z);  // a NaN stays
    const V<T> inside = select<T>(low > end, end, low);
    const V<T> a = select<T>(inside < V<T>{}, -inside, inside);
    const V<T> square = a * a, half = broadcast<T>(static_cast<T>(-0.5));
    const V<T> by_square = exp<T>(square * half);
    const V<T> e = fma(by_square, half * square_rounding<T>(a, square), by_square);
    const V<T> scaled = scaled_tail(a), tail = e * scaled;
    const I<T> negative = z < V<T>{};
    const V<T> p = select<T>(negative, tail, broadcast<T>(1) - tail);
    slope = fma(inside * e, broadcast<T>(static_cast<T>(0.39894228040143267794)), p);
    return select<T>(negative, low * scaled * e, low * p);  // the tail alone would be subnormal before z times it is
  }
  static BPN_INLINE V<T> derivative(V<T> dy, V<T> slope, V<T>) { return dy * slope; }
};

// Applied to a tile while it is in registers; the others would spill it, and are applied to the rows just stored.
constexpr bool in_tile(Activation a) {
  return a == Activation::linear || a == Activation::relu || a == Activation::leaky_relu;
}

template <class T, template <class> class F, int R, int N>
BPN_INLINE void tile_forward(V<T> (&sum)[R][N], T parameter) {
  BPN_UNROLL
  for (int r = 0; r < R; ++r) {
    BPN_UNROLL
    for (int v = 0; v < N; ++v) sum[r][v] = F<T>::forward(sum[r][v], broadcast<T>(parameter));
  }
}
template <class T, int R, int N>
BPN_INLINE void apply_in_tile(V<T> (&sum)[R][N], Activation activation, T parameter) {
  if (activation == Activation::relu) tile_forward<T, relu, R, N>(sum, parameter);
  if (activation == Activation::leaky_relu) tile_forward<T, leaky_relu, R, N>(sum, parameter);
}

template <class T, template <class> class F, int R, int N>
BPN_INLINE void tile_derivative(V<T> (&sum)[R][N], const T* y, ptrdiff_t y_row, T parameter) {
  BPN_UNROLL
  for (int r = 0; r < R; ++r) {
    BPN_UNROLL
    for (int v = 0; v < N; ++v)
      sum[r][v] = F<T>::derivative(sum[r][v], load<T>(y + r * y_row + v * kLanes<T>), broadcast<T>(parameter));
  }
}
template <class T, int R, int N>
BPN_INLINE void apply_derivative(V<T> (&sum)[R][N], Activation activation, const T* y, ptrdiff_t y_row, T parameter) {
  switch (activation) {
    case Activation::relu:
      return tile_derivative<T, relu, R, N>(sum, y, y_row, parameter);
    case Activation::leaky_relu:
      return tile_derivative<T, leaky_relu, R, N>(sum, y, y_row, parameter);
    case Activation::tanh:
      return tile_derivative<T, tanh_activation, R, N>(sum, y, y_row, parameter);
    case Activation::sigmoid:
      return tile_derivative<T, sigmoid_activation, R, N>(sum, y, y_row, parameter);
    case Activation::gelu:
      return tile_derivative<T, gelu, R, N>(sum, y, y_row, parameter);
    default:
      return;
  }
}

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

// [features x width], rows `stride` apart: any width, the last lanes of a row one vector short.
template <class T, template <class> class F>
void forward_rows(T* y, const T* z, int features, int width, ptrdiff_t stride, T parameter) {
  const V<T> p = broadcast<T>(parameter);
  for (int f = 0; f < features; ++f, y += stride, z += stride) {
    int i = 0;
    for (; i + kLanes<T> <= width; i += kLanes<T>) store<T>(y + i, F<T>::forward(load<T>(z + i), p));
    if (i < width) store_first<T>(y + i, F<T>::forward(load_first<T>(z + i, width - i), p), width - i);
  }
}
template <class T, template <class> class F>
void forward_keeping_rows(T* y, T* slope, const T* z, int features, int width, ptrdiff_t stride, T parameter) {
  const V<T> p = broadcast<T>(parameter);
  for (int f = 0; f < features; ++f, y += stride, slope += stride, z += stride) {
    for (int i = 0; i < width; i += kLanes<T>) {
      const int n = width - i < kLanes<T> ? width - i : kLanes<T>;
      V<T> kept;
      const V<T> out = F<T>::forward_keeping(column<T>(z + i, n), kept, p);
      set_column<T>(y + i, out, n);
      set_column<T>(slope + i, kept, n);
    }
  }
}
template <class T, template <class> class F>
void derivative_rows(T* dz, const T* dy, const T* y, int features, int width, ptrdiff_t stride, T parameter) {
  const V<T> p = broadcast<T>(parameter);
  for (int f = 0; f < features; ++f, dz += stride, dy += stride, y += stride) {
    int i = 0;
    for (; i + kLanes<T> <= width; i += kLanes<T>)
      store<T>(dz + i, F<T>::derivative(load<T>(dy + i), load<T>(y + i), p));
    if (i < width) {
      const int n = width - i;
      store_first<T>(dz + i, F<T>::derivative(load_first<T>(dy + i, n), load_first<T>(y + i, n), p), n);
    }
  }
}

// Softmax: one vector of samples, all its classes. The sums run down the columns, so no lane meets another.
template <class T>
BPN_INLINE V<T> column_maximum(const T* z, int features, ptrdiff_t stride, int n) {
  V<T> most = column<T>(z, n);
  for (int f = 1; f < features; ++f) most = larger<T>(most, column<T>(z + f * stride, n));
  return most;
}
// y = e^(z - most); returns the sum. y may be z.
template <class T>
BPN_INLINE V<T> column_exponentials(T* y, const T* z, V<T> most, int features, ptrdiff_t stride, int n) {
  V<T> sum{};
  for (int f = 0; f < features; ++f) {
    const V<T> e = exp<T>(column<T>(z + f * stride, n) - most);
    set_column<T>(y + f * stride, e, n);
    sum += e;
  }
  return sum;
}

template <class T>
void softmax_forward(T* y, const T* z, int features, int width, ptrdiff_t stride, T) {
  for (int i = 0; i < width; i += kLanes<T>) {
    const int n = width - i < kLanes<T> ? width - i : kLanes<T>;
    const V<T> most = column_maximum<T>(z + i, features, stride, n);
    const V<T> sum = column_exponentials<T>(y + i, z + i, most, features, stride, n);
    for (int f = 0; f < features; ++f) set_column<T>(y + f * stride + i, column<T>(y + f * stride + i, n) / sum, n);
  }
}
// dz_o = y_o (dy_o - sum_j dy_j y_j)
template <class T>
void softmax_derivative(T* dz, const T* dy, const T* y, int features, int width, ptrdiff_t stride, T) {
  for (int i = 0; i < width; i += kLanes<T>) {
    const int n = width - i < kLanes<T> ? width - i : kLanes<T>;
    V<T> sum{};
    for (int f = 0; f < features; ++f)
      sum = fma(column<T>(dy + f * stride + i, n), column<T>(y + f * stride + i, n), sum);
    for (int f = 0; f < features; ++f) {
      const ptrdiff_t at = f * stride + i;
      set_column<T>(dz + at, column<T>(y + at, n) * (column<T>(dy + at, n) - sum), n);
    }
  }
}

// One row an activation, in the order of BPN_ACTIVATIONS.
template <class T>
struct ActivationTable {
  static constexpr ActivationKernels<T> rows[] = {
      {forward_rows<T, linear>, derivative_rows<T, linear>, nullptr},
      {forward_rows<T, relu>, derivative_rows<T, relu>, nullptr},
      {forward_rows<T, leaky_relu>, derivative_rows<T, leaky_relu>, nullptr},
      {forward_rows<T, tanh_activation>, derivative_rows<T, tanh_activation>, nullptr},
      {forward_rows<T, sigmoid_activation>, derivative_rows<T, sigmoid_activation>, nullptr},
      {softmax_forward<T>, softmax_derivative<T>, nullptr},
      {forward_rows<T, gelu>, derivative_rows<T, gelu>, forward_keeping_rows<T, gelu>},
  };
};

template <class T>
BPN_INLINE void activate(T* z, T* slope, Activation activation, int features, int width, ptrdiff_t stride,
                         T parameter) {
  const ActivationKernels<T>& row = ActivationTable<T>::rows[static_cast<int>(activation)];
  if (slope && row.forward_keeping)
    row.forward_keeping(z, slope, z, features, width, stride, parameter);
  else
    row.forward(z, z, features, width, stride, parameter);
}

BPN_KERNELS_END

#endif  // BPNATIVE_KERNELS_ACTIVATIONS_H_
