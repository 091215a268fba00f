// Layers for raw inputs: a fitted scaling of each column, and tables of vectors for columns of integer codes. Made by
// nn/registry.
#ifndef BPNATIVE_NN_INPUTS_H_
#define BPNATIVE_NN_INPUTS_H_

#include "nn/layer.h"

namespace bpnative {

template <class T>
class Normalize final : public Layer<T> {
 public:
  explicit Normalize(int size) : Layer<T>(size, size) {}
  std::vector<TensorShape> statistics() const override;
  void forward(const SliceCall<T>& call) const override;
  void backward(const SliceCall<T>& call) const override;
};

// One table: `codes` rows of `size` numbers each, for the codes 0 ... codes - 1 in a column.
struct Table {
  int column, codes, size;
};

template <class T>
class Embedding final : public Layer<T> {
 public:
  Embedding(int inputs, std::vector<Table> tables);
  static int outputs_of(int inputs, const std::vector<Table>& tables);

  std::vector<TensorShape> tensors() const override;
  void forward(const SliceCall<T>& call) const override;
  void backward(const SliceCall<T>& call) const override;
  int gradient_rows() const override { return first_rows_.back(); }
  int row_size() const override { return largest_; }
  bool reads_panels() const override { return true; }
  Ranges ranges(int first, int rows) const override;
  void gradient(const RowsCall<T>& call) const override;

 private:
  std::size_t offset(int row) const;

  std::vector<Table> tables_;
  std::vector<int> numeric_;          // the other columns, in their order: the first outputs
  std::vector<int> first_rows_;       // of each table among all rows, and the end
  std::vector<std::size_t> offsets_;  // of each table among the parameters, and the end
  int largest_ = 0;
};

}  // namespace bpnative

#endif  // BPNATIVE_NN_INPUTS_H_
