// Layers of noise, which act while training alone: dropout, alpha dropout and Gaussian noise. Made by nn/registry.
#ifndef BPNATIVE_NN_NOISE_H_
#define BPNATIVE_NN_NOISE_H_

#include "nn/layer.h"

namespace bpnative {

template <class T>
class NoiseLayer final : public Layer<T> {
 public:
  // amount: the rate of dropping, or the deviation of the noise.
  NoiseLayer(int size, Noise kind, double amount);
  bool only_training() const override { return true; }
  int kept() const override { return kind_ == Noise::gaussian_noise ? 0 : this->inputs(); }
  void forward(const SliceCall<T>& call) const override;
  void backward(const SliceCall<T>& call) const override;

 private:
  Noise kind_;
  NoiseArguments<T> arguments_{};
};

}  // namespace bpnative

#endif  // BPNATIVE_NN_NOISE_H_
