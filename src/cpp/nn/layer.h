// What a layer is to the engine: serial code on one slice of the batch (forward, backward) and on a block of rows of
// its parameters (gradient). A slice is [features x S], samples side by side; S is `stride`, of which `width` are
// computed. Layers know neither threads nor the batch's other slices; the engine (train/) hands them pointers and calls
// them in order. A layer that needs the whole batch says so, and is given all samples of a block of features (reduce).
#ifndef BPNATIVE_NN_LAYER_H_
#define BPNATIVE_NN_LAYER_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "kernels/table.h"

namespace bpnative {

// Sizes are ints, and rounded up to panels and slices on the way: a little room is left above.
constexpr int kMostFeatures = 2147483647 - 1024;

// The activation that made a tensor: its derivative is applied to that tensor's gradient as soon as the gradient is
// whole.
struct Applied {
  Activation activation = Activation::linear;
  double parameter = 0;
};

template <class T>
class SparseInputs;

template <class T>
struct SliceCall {
  const Kernels<T>* kernels;
  const T* parameters;       // of this layer
  const T* statistics;       // of this layer: what it keeps beside parameters
  const T* reduced;          // of this layer: what reduce() and reduce_backward() found in this batch
  T* kept;                   // [kept() x S]: of this layer and slice, written forward, read backward and by gradient()
  int count, width, stride;  // samples; computed are whole sample blocks
  bool training;             // else as in predict: no noise, and running statistics
  int first;                 // sample of the batch that the slice begins with
  NoiseSource noise;         // of this layer and step
  const T* x;                // [inputs x S], or null where `sparse` has the batch's inputs
  const SparseInputs<T>* sparse;
  const T* second;  // [inputs x S]: the other input of a layer that has two
  T* y;             // [outputs x S]
  T* slope;         // forward: [outputs x S], where the activation keeps its slope, or null
  const T* saved;   // backward: [inputs x S], what the derivative of the activation that made x is taken from
  Applied applied;  // forward: to y (linear where the loss works on logits); backward: what made x
  const T* dz;      // [outputs x S]: gradient before the layer's own activation
  T* dx;            // [inputs x S]: gradient before the activation that made x
};

// Parameters that lie together. A block of rows has one or two of them: of the weight, and of the bias.
struct Range {
  std::size_t offset = 0, size = 0;
};
struct Ranges {
  Range of[2];
  std::size_t size() const { return of[0].size + of[1].size; }
};

template <class T>
struct RowsCall {
  const Kernels<T>* kernels;
  int first, rows;    // of gradient_rows()
  int count;          // samples of the batch
  const T* x_panels;  // [panels][samples x panel], panel_size apart, or null where `sparse` has the batch's inputs
  const SparseInputs<T>* sparse;
  T* sparse_scratch;
  std::ptrdiff_t panel_size;
  const T* dz;  // slices of [outputs x stride], dz_slice apart
  int stride;
  std::ptrdiff_t dz_slice;
  const T* kept;  // slices of [kept() x stride], kept_slice apart
  std::ptrdiff_t kept_slice;
  const T* reduced;
  T* gradient[2];  // of each of the block's ranges
};

// All samples of features [first, first + rows): what a layer that needs the whole batch sums over.
template <class T>
struct ReduceCall {
  const Kernels<T>* kernels;
  const T* parameters;  // of the layer
  int first, rows, count, stride;
  const T* x;  // slices of [features x stride], x_slice apart
  std::ptrdiff_t x_slice;
  const T* dz;  // backward: slices of [features x stride], dz_slice apart
  std::ptrdiff_t dz_slice;
  T* reduced;     // of the layer, [reduced()]
  T* statistics;  // of the layer; null where they are to stay
};

template <class T>
struct RowsForward {
  const Kernels<T>* kernels;
  const T* parameters;
  const T* statistics;
  int samples;
  const T* x;
  T* y;
};

struct TensorShape {
  std::string name;
  std::vector<std::size_t> shape;
};

// What keeps weights small: gradient += l1 sign(w) + l2 w, loss += l1 |w| + l2 / 2 w^2, and after the update no row of
// the weight is longer than `longest` (0: any length).
struct Restraints {
  double l1 = 0, l2 = 0, longest = 0;
  bool penalty() const { return l1 != 0 || l2 != 0; }
  Restraints times(double penalty) const { return {l1 * penalty, l2 * penalty, longest}; }
};

template <class T>
class Layer {
 public:
  Layer(int inputs, int outputs, Applied applied = {}) : inputs_(inputs), outputs_(outputs), applied_(applied) {}
  virtual ~Layer() = default;
  Layer(const Layer&) = delete;
  Layer& operator=(const Layer&) = delete;

  int inputs() const { return inputs_; }
  int outputs() const { return outputs_; }
  Applied applied() const { return applied_; }

  virtual std::vector<TensorShape> tensors() const { return {}; }     // parameters in the order of the flat buffer
  virtual std::vector<TensorShape> statistics() const { return {}; }  // what is kept beside them and not trained
  virtual void forward(const SliceCall<T>& call) const = 0;
  virtual void backward(const SliceCall<T>& call) const = 0;

  virtual int sources() const { return 1; }             // 2: also reads `second`; backward's dx then serves both
  virtual int kept() const { return 0; }                // rows of [kept() x S] kept from forward on
  virtual bool only_training() const { return false; }  // otherwise y is x, and is not copied
  virtual bool whole_batch() const { return false; }    // while training: reduce() before forward and backward
  virtual int reduced() const { return 0; }
  virtual void reduce(const ReduceCall<T>&) const {}
  virtual void reduce_backward(const ReduceCall<T>&) const {}

  // Forward and gradient also take inputs of which only the non-zero elements are there.
  virtual bool takes_sparse() const { return false; }

  // The forward pass of a few samples in rows, [samples x inputs] to [samples x outputs], the same bits as in a slice.
  virtual bool takes_rows() const { return false; }
  virtual void forward_rows(const RowsForward<T>&) const {}

  // Rows of parameters whose gradients can be made (and updated) apart from each other, each of about row_size.
  virtual int gradient_rows() const { return 0; }
  virtual int row_size() const { return 0; }
  virtual bool reads_panels() const { return false; }  // gradient() takes x sample by sample
  virtual Ranges ranges(int /*first*/, int /*rows*/) const { return {}; }
  virtual void gradient(const RowsCall<T>&) const {}
  virtual Restraints restraints() const { return {}; }  // of the first range
  virtual bool set_l2(double /*l2*/) { return false; }  // false: the layer has no weight to penalize

  // Multiply-adds of one sample, forward; the plan weighs tasks by it.
  virtual double cost() const { return 0; }

 private:
  int inputs_, outputs_;
  Applied applied_;
};

}  // namespace bpnative

#endif  // BPNATIVE_NN_LAYER_H_
