// What a layer is to the engine: serial code on one slice of the batch (forward, backward) and on a block of rows of
// its parameters (gradient). A slice is [features x S], samples side by side; S is `stride`, of which `width` are
// computed. Layers know neither threads nor the batch's other slices; the engine (train/) hands them pointers and calls
// them in order.
#ifndef BPNATIVE_NN_LAYER_H_
#define BPNATIVE_NN_LAYER_H_

#include <cstddef>
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
struct SliceCall {
  const Kernels<T>* kernels;
  const T* parameters;  // of this layer
  int width, stride;
  const T* x;       // [inputs x S]
  T* y;             // [outputs x S]
  T* slope;         // forward: [outputs x S], where the activation keeps its slope, or null
  const T* saved;   // backward: [inputs x S], what the derivative of the activation that made x is taken from
  Applied applied;  // forward: to y (linear where the loss works on logits); backward: what made x
  const T* dz;      // [outputs x S]: gradient before the layer's own activation
  T* dx;            // [inputs x S]: gradient before the activation that made x
};

template <class T>
struct RowsCall {
  const Kernels<T>* kernels;
  int first, rows;    // of the weight matrix
  int count;          // samples of the batch
  const T* x_panels;  // [panels][samples x panel], panel_size apart
  std::ptrdiff_t panel_size;
  const T* dz;  // slices of [outputs x stride], dz_slice apart
  int stride;
  std::ptrdiff_t dz_slice;
  T* weight_gradient;  // row `first`
  T* bias_gradient;    // element `first`, or null
};

template <class T>
struct RowsForward {
  const Kernels<T>* kernels;
  const T* parameters;
  int samples;
  const T* x;
  T* y;
};

struct TensorShape {
  std::string name;
  std::vector<std::size_t> shape;
};

template <class T>
class Layer {
 public:
  Layer(int inputs, int outputs, Applied applied) : inputs_(inputs), outputs_(outputs), applied_(applied) {}
  virtual ~Layer() = default;
  Layer(const Layer&) = delete;
  Layer& operator=(const Layer&) = delete;

  int inputs() const { return inputs_; }
  int outputs() const { return outputs_; }
  Applied applied() const { return applied_; }

  virtual std::vector<TensorShape> tensors() const { return {}; }  // parameters in the order of the flat buffer
  virtual void forward(const SliceCall<T>& call) const = 0;
  virtual void backward(const SliceCall<T>& call) const = 0;

  // The forward pass of a few samples in rows, [samples x inputs] to [samples x outputs], the same bits as in a slice.
  virtual bool takes_rows() const { return false; }
  virtual void forward_rows(const RowsForward<T>&) const {}

  // Rows of parameters whose gradients can be made (and updated) apart from each other; row_size of them lie together.
  virtual int gradient_rows() const { return 0; }
  virtual int row_size() const { return 0; }
  virtual bool has_bias() const { return false; }
  virtual void gradient(const RowsCall<T>&) const {}

  // Multiply-adds of one sample, forward; the plan weighs tasks by it.
  virtual double cost() const { return 0; }

 private:
  int inputs_, outputs_;
  Applied applied_;
};

}  // namespace bpnative

#endif  // BPNATIVE_NN_LAYER_H_
