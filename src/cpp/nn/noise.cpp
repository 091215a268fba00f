// dropout (Srivastava et al. 2014), alpha dropout (Klambauer et al. 2017), Gaussian noise. What each sample and feature
// gets is a function of seed, step, layer and place alone: kernels/noise.h. Called by train/engine.
//   y = kept x + shift,  dx = kept dz;   Gaussian noise: y = x + deviation n, dx = dz
#include "nn/noise.h"

#include <cmath>

#include "nn/pass.h"

namespace bpnative {

template <class T>
NoiseLayer<T>::NoiseLayer(int size, Noise kind, double amount) : Layer<T>(size, size), kind_(kind) {
  arguments_.features = size;
  arguments_.threshold = static_cast<std::uint32_t>(std::lround(amount * (1 << 24)));
  if (kind == Noise::dropout) arguments_.scale = static_cast<T>(1 / (1 - amount));
  if (kind == Noise::gaussian_noise) arguments_.scale = static_cast<T>(amount);
  if (kind == Noise::alpha_dropout) {
    // Dropped units take selu's limit -1.758…; scale and shift bring mean 0 and variance 1 back.
    constexpr double kLimit = -1.0507009873554804934193349852946 * 1.6732632423543772848170429916717;
    const double scale = 1 / std::sqrt((1 - amount) * (1 + amount * kLimit * kLimit)), shift = -scale * amount * kLimit;
    arguments_.scale = static_cast<T>(scale);
    arguments_.shift = static_cast<T>(shift);
    arguments_.dropped = static_cast<T>(scale * kLimit + shift);
  }
}

template <class T>
void NoiseLayer<T>::forward(const SliceCall<T>& call) const {
  NoiseArguments<T> p = arguments_;
  p.y = call.y, p.kept = call.kept, p.x = call.x;
  p.width = call.width, p.stride = call.stride;
  p.first = static_cast<std::uint32_t>(call.first);
  p.source = call.noise;
  call.kernels->slices.noises[static_cast<int>(kind_)](p);
}

template <class T>
void NoiseLayer<T>::backward(const SliceCall<T>& call) const {
  if (kind_ == Noise::gaussian_noise) return hand_back(call, this->inputs());
  call.kernels->slices.multiply(call.dx, call.dz, call.kept, this->inputs(), call.width, call.stride);
  apply_derivative(call, call.dx, this->inputs());
}

template class NoiseLayer<float>;
template class NoiseLayer<double>;

}  // namespace bpnative
