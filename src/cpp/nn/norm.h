// Layer norm and RMS norm: each sample by itself, over its features. Made by nn/registry.
#ifndef BPNATIVE_NN_NORM_H_
#define BPNATIVE_NN_NORM_H_

#include "nn/layer.h"

namespace bpnative {

template <class T>
class FeatureNorm final : public Layer<T> {
 public:
  // centered: layer norm, with a mean taken off and a bias; else RMS norm.
  FeatureNorm(int size, bool centered, double epsilon)
      : Layer<T>(size, size), centered_(centered), epsilon_(static_cast<T>(epsilon)) {}

  std::vector<TensorShape> tensors() const override;
  int kept() const override { return this->inputs() + 1; }
  void forward(const SliceCall<T>& call) const override;
  void backward(const SliceCall<T>& call) const override;
  int gradient_rows() const override { return this->inputs(); }
  int row_size() const override { return 1; }
  Ranges ranges(int first, int rows) const override;
  void gradient(const RowsCall<T>& call) const override;

 private:
  const T* bias(const T* parameters) const { return centered_ ? parameters + this->inputs() : nullptr; }
  bool centered_;
  T epsilon_;
};

}  // namespace bpnative

#endif  // BPNATIVE_NN_NORM_H_
