// Activations y = f(z) and dz = dy f'(z) on a tile in registers, on rows just written, and as the table that nn/ calls.
// A derivative is taken from the output y, which a layer keeps anyway, or from the slope f'(z) that forward wrote
// beside it. gemm.h applies the forms named here to a tile; all other activations to the rows just stored, as these
// would spill the tile or be one more copy of it each. The functions: activations_piecewise.h, activations_smooth.h,
// activations_rows.h, each `<name>_activation`, found by the names of BPN_ACTIVATIONS.
#ifndef BPNATIVE_KERNELS_ACTIVATIONS_H_
#define BPNATIVE_KERNELS_ACTIVATIONS_H_

#include "kernels/activations_piecewise.h"
#include "kernels/activations_rows.h"
#include "kernels/activations_slices.h"
#include "kernels/activations_smooth.h"

BPN_KERNELS_BEGIN

template <class T>
struct kept_slope {
  static BPN_INLINE V<T> derivative(V<T> dy, V<T> slope, V<T>) { return dy * slope; }
};

constexpr bool forward_in_tile(Activation a) {
  return a == Activation::linear || a == Activation::relu || a == Activation::leaky_relu;
}
constexpr bool derivative_in_tile(Activation a) {
  return forward_in_tile(a) || a == Activation::tanh || a == Activation::sigmoid || keeps_slope(a);
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
  if (activation == Activation::relu) tile_forward<T, relu_activation, R, N>(sum, parameter);
  if (activation == Activation::leaky_relu) tile_forward<T, leaky_relu_activation, R, N>(sum, parameter);
}

template <class T, template <class> class F, int R, int N>
BPN_INLINE void tile_derivative(V<T> (&sum)[R][N], const T* saved, ptrdiff_t row, T parameter) {
  BPN_UNROLL
  for (int r = 0; r < R; ++r) {
    BPN_UNROLL
    for (int v = 0; v < N; ++v)
      sum[r][v] = F<T>::derivative(sum[r][v], load<T>(saved + r * row + v * kLanes<T>), broadcast<T>(parameter));
  }
}
template <class T, int R, int N>
BPN_INLINE void apply_derivative(V<T> (&sum)[R][N], Activation activation, const T* saved, ptrdiff_t row, T parameter) {
  switch (activation) {
    case Activation::relu:
      return tile_derivative<T, relu_activation, R, N>(sum, saved, row, parameter);
    case Activation::leaky_relu:
      return tile_derivative<T, leaky_relu_activation, R, N>(sum, saved, row, parameter);
    case Activation::tanh:
      return tile_derivative<T, tanh_activation, R, N>(sum, saved, row, parameter);
    case Activation::sigmoid:
      return tile_derivative<T, sigmoid_activation, R, N>(sum, saved, row, parameter);
    default:
      if (keeps_slope(activation)) tile_derivative<T, kept_slope, R, N>(sum, saved, row, parameter);
  }
}

template <class T, template <class> class F, DerivativeFrom from>
constexpr ActivationKernels<T> activation_kernels() {
  if constexpr (from == DerivativeFrom::column)
    return {F<T>::forward, F<T>::derivative, nullptr};
  else if constexpr (from == DerivativeFrom::slope)
    return {forward_without_slope<T, F>, derivative_rows<T, kept_slope>, forward_keeping_rows<T, F>};
  else
    return {forward_rows<T, F>, derivative_rows<T, F>, nullptr};
}
template <class T>
struct ActivationTable {
#define BPN_ROW(name, from) activation_kernels<T, name##_activation, DerivativeFrom::from>(),
  static constexpr ActivationKernels<T> rows[] = {BPN_ACTIVATIONS(BPN_ROW)};
#undef BPN_ROW
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
