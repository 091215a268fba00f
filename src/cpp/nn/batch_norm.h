// Batch norm: each feature over all samples of the batch while training, over what was seen in training afterwards.
// Made by nn/registry.
#ifndef BPNATIVE_NN_BATCH_NORM_H_
#define BPNATIVE_NN_BATCH_NORM_H_

#include "nn/layer.h"

namespace bpnative {

template <class T>
class BatchNorm final : public Layer<T> {
 public:
  BatchNorm(int size, double momentum, double epsilon)
      : Layer<T>(size, size), momentum_(static_cast<T>(momentum)), epsilon_(static_cast<T>(epsilon)) {}

  std::vector<TensorShape> tensors() const override;
  std::vector<TensorShape> statistics() const override;
  void forward(const SliceCall<T>& call) const override;
  void backward(const SliceCall<T>& call) const override;
  bool whole_batch() const override { return true; }
  int reduced() const override { return kRows * this->inputs(); }
  void reduce(const ReduceCall<T>& call) const override;
  void reduce_backward(const ReduceCall<T>& call) const override;
  int gradient_rows() const override { return this->inputs(); }
  int row_size() const override { return 1; }
  Ranges ranges(int first, int rows) const override;
  void gradient(const RowsCall<T>& call) const override;

 private:
  enum Row { kMean, kInverse, kTimes, kBiasGradient, kWeightGradient, kByX, kPlus, kRows };
  template <class P>
  P* row(P* reduced, Row row) const {
    return reduced + static_cast<std::ptrdiff_t>(row) * this->inputs();
  }
  T times(const SliceCall<T>& call, int feature) const;  // of x, by the running variance

  T momentum_, epsilon_;
};

}  // namespace bpnative

#endif  // BPNATIVE_NN_BATCH_NORM_H_
