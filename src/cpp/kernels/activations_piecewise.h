// Activations made of straight pieces, and the exponential linear units; f' follows from the output y.
//   linear z | relu max(z, 0) | leaky_relu z > 0 ? z : slope z | relu6 min(max(z, 0), 6) | hard_tanh min(max(z, -1), 1)
//   hard_sigmoid min(max(z + 3, 0), 6) / 6 | elu z > 0 ? z : a (e^z - 1) | selu l elu(z) | celu z > 0 ? z : a (e^(z/a)
//   - 1)
// forward(z, p) and derivative(dy, y, p) = dy * f'(z), p the one setting. At a corner f' is that of the side nearer to
// zero slope, as in PyTorch. Written so that a NaN stays one. Called by activations.h.
#ifndef BPNATIVE_KERNELS_ACTIVATIONS_PIECEWISE_H_
#define BPNATIVE_KERNELS_ACTIVATIONS_PIECEWISE_H_

#include "kernels/math.h"

BPN_KERNELS_BEGIN

// dy where low < y < high, else zero.
template <class T>
BPN_INLINE V<T> only_between(T low, T high, V<T> y, V<T> dy) {
  return select<T>((y <= broadcast<T>(low)) | (y >= broadcast<T>(high)), V<T>{}, dy);
}

template <class T>
struct linear_activation {
  static BPN_INLINE V<T> forward(V<T> z, V<T>) { return z; }
  static BPN_INLINE V<T> derivative(V<T> dy, V<T>, V<T>) { return dy; }
};
template <class T>
struct relu_activation {
  static BPN_INLINE V<T> forward(V<T> z, V<T>) { return larger(V<T>{}, z); }
  static BPN_INLINE V<T> derivative(V<T> dy, V<T> y, V<T>) { return select<T>(y <= V<T>{}, V<T>{}, dy); }
};
template <class T>
struct leaky_relu_activation {
  static BPN_INLINE V<T> forward(V<T> z, V<T> slope) { return select<T>(z > V<T>{}, z, slope * z); }
  static BPN_INLINE V<T> derivative(V<T> dy, V<T> y, V<T> slope) { return select<T>(y > V<T>{}, dy, slope * dy); }
};
template <class T>
struct relu6_activation {
  static BPN_INLINE V<T> forward(V<T> z, V<T>) { return between<T>(0, 6, z); }
  static BPN_INLINE V<T> derivative(V<T> dy, V<T> y, V<T>) { return only_between<T>(0, 6, y, dy); }
};
template <class T>
struct hard_tanh_activation {
  static BPN_INLINE V<T> forward(V<T> z, V<T>) { return between<T>(-1, 1, z); }
  static BPN_INLINE V<T> derivative(V<T> dy, V<T> y, V<T>) { return only_between<T>(-1, 1, y, dy); }
};
template <class T>
struct hard_sigmoid_activation {
  static BPN_INLINE V<T> forward(V<T> z, V<T>) { return between<T>(0, 6, z + broadcast<T>(3)) / broadcast<T>(6); }
  static BPN_INLINE V<T> derivative(V<T> dy, V<T> y, V<T>) { return only_between<T>(0, 1, y, dy / broadcast<T>(6)); }
};

// z > 0 ? z : alpha (e^x - 1), x of the sign of z.
template <class T>
BPN_INLINE V<T> exponential_below_zero(V<T> z, V<T> x, V<T> alpha) {
  return select<T>(z > V<T>{}, z, alpha * expm1_negative<T>(select<T>(z > V<T>{}, V<T>{}, x)));
}
template <class T>
struct elu_activation {
  static BPN_INLINE V<T> forward(V<T> z, V<T> alpha) { return exponential_below_zero<T>(z, z, alpha); }
  static BPN_INLINE V<T> derivative(V<T> dy, V<T> y, V<T> alpha) {
    return dy * select<T>(y > V<T>{}, broadcast<T>(1), y + alpha);
  }
};
template <class T>
struct selu_activation {
  static constexpr T kAlpha = static_cast<T>(1.6732632423543772848), kScale = static_cast<T>(1.0507009873554804934);
  static BPN_INLINE V<T> forward(V<T> z, V<T>) {
    return broadcast<T>(kScale) * exponential_below_zero<T>(z, z, broadcast<T>(kAlpha));
  }
  static BPN_INLINE V<T> derivative(V<T> dy, V<T> y, V<T>) {
    const V<T> scale = broadcast<T>(kScale);
    return dy * select<T>(y > V<T>{}, scale, fma(scale, broadcast<T>(kAlpha), y));
  }
};
template <class T>
struct celu_activation {
  static BPN_INLINE V<T> forward(V<T> z, V<T> alpha) { return exponential_below_zero<T>(z, z / alpha, alpha); }
  static BPN_INLINE V<T> derivative(V<T> dy, V<T> y, V<T> alpha) {
    return dy * select<T>(y > V<T>{}, broadcast<T>(1), y / alpha + broadcast<T>(1));
  }
};

BPN_KERNELS_END

#endif  // BPNATIVE_KERNELS_ACTIVATIONS_PIECEWISE_H_
