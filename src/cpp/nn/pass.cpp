// y = f(x), and y = f(x + second) at the end of a residual block (He et al. 2016). The gradient before f is the
// gradient of what entered: dx = dz, for both inputs of a sum. Called by train/engine.
#include "nn/pass.h"

namespace bpnative {
namespace {

template <class T>
void activate(const SliceCall<T>& call, const T* z, int features) {
  const ActivationKernels<T>& kernel = call.kernels->activations[static_cast<int>(call.applied.activation)];
  const T parameter = static_cast<T>(call.applied.parameter);
  if (call.slope && kernel.forward_keeping)
    kernel.forward_keeping(call.y, call.slope, z, features, call.width, call.stride, parameter);
  else
    kernel.forward(call.y, z, features, call.width, call.stride, parameter);
}

}  // namespace

template <class T>
void apply_derivative(const SliceCall<T>& call, T* dx, int features) {
  if (call.applied.activation == Activation::linear) return;
  call.kernels->activations[static_cast<int>(call.applied.activation)].derivative(
      dx, dx, call.saved, features, call.width, call.stride, static_cast<T>(call.applied.parameter));
}

template <class T>
void hand_back(const SliceCall<T>& call, int features) {
  call.kernels->activations[static_cast<int>(call.applied.activation)].derivative(
      call.dx, call.dz, call.saved, features, call.width, call.stride, static_cast<T>(call.applied.parameter));
}

template <class T>
void ActivationLayer<T>::forward(const SliceCall<T>& call) const {
  activate(call, call.x, this->inputs());
}
template <class T>
void ActivationLayer<T>::backward(const SliceCall<T>& call) const {
  hand_back(call, this->inputs());
}

template <class T>
void Add<T>::forward(const SliceCall<T>& call) const {
  call.kernels->slices.add(call.y, call.x, call.second, this->inputs(), call.width, call.stride);
  if (call.applied.activation != Activation::linear) activate(call, call.y, this->inputs());
}
template <class T>
void Add<T>::backward(const SliceCall<T>& call) const {
  hand_back(call, this->inputs());
}

template void apply_derivative(const SliceCall<float>&, float*, int);
template void apply_derivative(const SliceCall<double>&, double*, int);
template void hand_back(const SliceCall<float>&, int);
template void hand_back(const SliceCall<double>&, int);
template class ActivationLayer<float>;
template class ActivationLayer<double>;
template class Add<float>;
template class Add<double>;

}  // namespace bpnative
