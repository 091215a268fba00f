// The three products of a dense layer, on a slice (forward, backward) and on rows of W (gradient). Called by
// train/engine.
//   y  = f(W x + b)            [O x S] = [O x I] [I x S]
//   dx = (W^T dz) f'(x)        [I x S] = [I x O] [O x S]     f' of the activation that made x
//   dW = dz x^T, db = sum dz   [rows x I] = [rows x B] [B x I], x sample by sample in panels
#include "nn/dense.h"

#include <algorithm>

#include "nn/sparse_inputs.h"

namespace bpnative {

template <class T>
std::vector<TensorShape> Dense<T>::tensors() const {
  const std::size_t inputs = this->inputs(), outputs = this->outputs();
  std::vector<TensorShape> list{{"weight", {outputs, inputs}}};
  if (bias_) list.push_back({"bias", {outputs}});
  return list;
}

template <class T>
void Dense<T>::forward(const SliceCall<T>& call) const {
  const std::ptrdiff_t inputs = this->inputs(), outputs = this->outputs();
  const T* bias = bias_ ? call.parameters + outputs * inputs : nullptr;
  if (call.sparse) return call.sparse->forward(call, bias);
  Product<T> p{};
  p.c = call.y, p.c_row = call.stride;
  p.a = call.parameters, p.a_row = inputs, p.a_k = 1;
  p.b = call.x, p.b_k = call.stride;
  p.rows = this->outputs(), p.columns = call.width, p.k = p.segment = this->inputs();
  p.bias = bias;
  p.slope = call.slope;
  p.forward = call.applied.activation, p.parameter = static_cast<T>(call.applied.parameter);
  call.kernels->product(p);
}

template <class T>
void Dense<T>::forward_rows(const RowsForward<T>& call) const {
  const T* bias = call.parameters + static_cast<std::ptrdiff_t>(this->outputs()) * this->inputs();
  call.kernels->forward_few({call.y, call.x, call.parameters, bias_ ? bias : nullptr, call.samples, this->inputs(),
                             this->outputs(), this->applied().activation, static_cast<T>(this->applied().parameter)});
}

template <class T>
void Dense<T>::backward(const SliceCall<T>& call) const {
  Product<T> p{};
  p.c = call.dx, p.c_row = call.stride;
  p.a = call.parameters, p.a_row = 1, p.a_k = this->inputs();
  p.b = call.dz, p.b_k = call.stride;
  p.rows = this->inputs(), p.columns = call.width, p.k = p.segment = this->outputs();
  const Activation made_x = call.applied.activation;
  p.parameter = static_cast<T>(call.applied.parameter);
  // What mixes the features of a sample (softmax) has a derivative that waits until all of dx is there.
  const bool whole = mixes_outputs(made_x);
  p.derivative = made_x, p.saved = made_x == Activation::linear || whole ? nullptr : call.saved;
  call.kernels->product(p);
  if (whole)
    call.kernels->activations[static_cast<int>(made_x)].derivative(call.dx, call.dx, call.saved, p.rows, p.columns,
                                                                   p.c_row, p.parameter);
}

template <class T>
Ranges Dense<T>::ranges(int first, int rows) const {
  const std::size_t inputs = this->inputs(), outputs = this->outputs(), from = first, n = rows;
  return {{{from * inputs, n * inputs}, {outputs * inputs + from, bias_ ? n : 0}}};
}

template <class T>
void Dense<T>::gradient(const RowsCall<T>& call) const {
  const T* dz = call.dz + static_cast<std::ptrdiff_t>(call.first) * call.stride;
  if (bias_) call.kernels->row_sums(call.gradient[1], dz, call.rows, call.count, call.stride, call.dz_slice);
  if (call.sparse) return call.sparse->gradient(call, dz);
  Product<T> p{};
  p.c_row = this->inputs();
  p.a = dz, p.a_row = call.stride, p.a_k = 1;
  p.segment = call.stride, p.a_segment = call.dz_slice;
  p.b_k = call.kernels->panel;
  p.rows = call.rows, p.k = call.count;
  for (int i = 0; i < this->inputs(); i += call.kernels->panel) {
    p.c = call.gradient[0] + i;
    p.b = call.x_panels + i / call.kernels->panel * call.panel_size;
    p.columns = std::min(call.kernels->panel, this->inputs() - i);
    call.kernels->product(p);
  }
}

template class Dense<float>;
template class Dense<double>;

}  // namespace bpnative
