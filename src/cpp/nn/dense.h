// The fully connected layer: y = f(W x + b), W [outputs x inputs] row by row, b [outputs]. Made by nn/registry.
#ifndef BPNATIVE_NN_DENSE_H_
#define BPNATIVE_NN_DENSE_H_

#include "nn/layer.h"

namespace bpnative {

template <class T>
class Dense final : public Layer<T> {
 public:
  Dense(int inputs, int outputs, bool bias, Applied applied, Restraints restraints = {})
      : Layer<T>(inputs, outputs, applied), bias_(bias), restraints_(restraints) {}

  std::vector<TensorShape> tensors() const override;
  void forward(const SliceCall<T>& call) const override;
  void backward(const SliceCall<T>& call) const override;
  bool takes_sparse() const override { return true; }
  bool takes_rows() const override { return true; }
  void forward_rows(const RowsForward<T>& call) const override;
  int gradient_rows() const override { return this->outputs(); }
  int row_size() const override { return this->inputs(); }
  bool reads_panels() const override { return true; }
  Ranges ranges(int first, int rows) const override;
  void gradient(const RowsCall<T>& call) const override;
  Restraints restraints() const override { return restraints_; }
  bool set_l2(double l2) override {
    restraints_.l2 = l2;
    return true;
  }
  double cost() const override { return static_cast<double>(this->inputs()) * this->outputs(); }

 private:
  bool bias_;
  Restraints restraints_;
};

}  // namespace bpnative

#endif  // BPNATIVE_NN_DENSE_H_
