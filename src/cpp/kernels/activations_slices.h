// Loops that take an elementwise activation F over a slice [features x width], and its derivative, for the table in
// activations.h: y = F(z), and where y does not tell the derivative the slope F'(z) beside it; dz = dy F'.
#ifndef BPNATIVE_KERNELS_ACTIVATIONS_SLICES_H_
#define BPNATIVE_KERNELS_ACTIVATIONS_SLICES_H_

#include "kernels/activations_rows.h"
#include "kernels/math.h"

BPN_KERNELS_BEGIN

// [features x width], rows `stride` apart: any width, the last vector of a row as short as it is.
template <class T, template <class> class F>
void forward_rows(T* y, const T* z, int features, int width, ptrdiff_t stride, T parameter) {
  const V<T> p = broadcast<T>(parameter);
  for (int f = 0; f < features; ++f, y += stride, z += stride)
    by_vectors<T>(width, [=](int i, int n) { set_column<T>(y + i, F<T>::forward(column<T>(z + i, n), p), n); });
}
// One vector after the other, from z to y and slope.
template <class T, template <class> class F>
BPN_INLINE void keep_in_one_loop(T* y, T* slope, const T* z, int features, int width, ptrdiff_t stride, V<T> p) {
  for (int f = 0; f < features; ++f, y += stride, slope += slope ? stride : 0, z += stride) {
    by_vectors<T>(width, [=](int i, int n) {
      V<T> kept;
      set_column<T>(y + i, F<T>::forward(column<T>(z + i, n), kept, p), n);
      if (slope) set_column<T>(slope + i, kept, n);
    });
  }
}
// Half of the way for some vectors, then the other half: the operations of one depend on each other in a chain so long
// that the processor's window of instructions holds three vectors, and of each half six (softplus 36 -> 30 cycles, mish
// 28 -> 23, in double 56 -> 40, 35 -> 29). Not so gelu, whose two halves do not wait for each other (29 -> 32).
template <class T, template <class> class F>
BPN_INLINE void keep_in_two_loops(T* y, T* slope, const T* z, int features, int width, ptrdiff_t stride, V<T> p) {
  constexpr int kHeld = 32, kAcross = kHeld * kLanes<T>;
  for (int left = 0; left < width; left += kAcross) {
    const int across = width - left < kAcross ? width - left : kAcross;
    const int rows = kHeld / ((across + kLanes<T> - 1) / kLanes<T>);
    for (int f = 0; f < features; f += rows) {
      const int end = f + rows < features ? f + rows : features;
      Decay<T> held[kHeld];
      Decay<T>* next = held;
      for (int r = f; r < end; ++r) {
        const T* from = z + r * stride + left;
        by_vectors<T>(across, [&](int i, int n) { *next++ = F<T>::begin(column<T>(from + i, n), p); });
      }
      next = held;
      for (int r = f; r < end; ++r) {
        const ptrdiff_t at = r * stride + left;
        by_vectors<T>(across, [&](int i, int n) {
          V<T> kept;
          set_column<T>(y + at + i, F<T>::finish(column<T>(z + at + i, n), *next++, kept, p), n);
          if (slope) set_column<T>(slope + at + i, kept, n);
        });
      }
    }
  }
}
// Whether F has its two halves apart: begin(z, p), a Decay, and finish(z, decay, slope, p), instead of forward.
template <class F, class = void>
constexpr bool kTwoLoops = false;
template <class F>
constexpr bool kTwoLoops<F, decltype(void(F::begin))> = true;
template <class T, template <class> class F>
void forward_keeping_rows(T* y, T* slope, const T* z, int features, int width, ptrdiff_t stride, T parameter) {
  if constexpr (kTwoLoops<F<T>>)
    keep_in_two_loops<T, F>(y, slope, z, features, width, stride, broadcast<T>(parameter));
  else
    keep_in_one_loop<T, F>(y, slope, z, features, width, stride, broadcast<T>(parameter));
}
template <class T, template <class> class F>
void forward_without_slope(T* y, const T* z, int features, int width, ptrdiff_t stride, T parameter) {
  forward_keeping_rows<T, F>(y, nullptr, z, features, width, stride, parameter);
}
template <class T, template <class> class F>
void derivative_rows(T* dz, const T* dy, const T* saved, int features, int width, ptrdiff_t stride, T parameter) {
  const V<T> p = broadcast<T>(parameter);
  for (int f = 0; f < features; ++f, dz += stride, dy += stride, saved += stride)
    by_vectors<T>(width, [=](int i, int n) {
      set_column<T>(dz + i, F<T>::derivative(column<T>(dy + i, n), column<T>(saved + i, n), p), n);
    });
}

BPN_KERNELS_END

#endif  // BPNATIVE_KERNELS_ACTIVATIONS_SLICES_H_
