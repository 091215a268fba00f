// Layers that hand values on: an activation by itself, and the sum at the end of a residual block. Made by nn/registry.
#ifndef BPNATIVE_NN_PASS_H_
#define BPNATIVE_NN_PASS_H_

#include "nn/layer.h"

namespace bpnative {

// dx holds the gradient of x; takes it back through the activation that made x.
template <class T>
void apply_derivative(const SliceCall<T>& call, T* dx, int features);

// The gradient of x is dz itself: writes dx, taken back through the activation that made x.
template <class T>
void hand_back(const SliceCall<T>& call, int features);

template <class T>
class ActivationLayer final : public Layer<T> {
 public:
  ActivationLayer(int size, Applied applied) : Layer<T>(size, size, applied) {}
  void forward(const SliceCall<T>& call) const override;
  void backward(const SliceCall<T>& call) const override;
};

template <class T>
class Add final : public Layer<T> {
 public:
  Add(int size, Applied applied) : Layer<T>(size, size, applied) {}
  int sources() const override { return 2; }
  void forward(const SliceCall<T>& call) const override;
  void backward(const SliceCall<T>& call) const override;
};

}  // namespace bpnative

#endif  // BPNATIVE_NN_PASS_H_
