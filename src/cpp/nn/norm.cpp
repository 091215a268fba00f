// Layer norm (Ba, Kiros & Hinton 2016) and RMS norm (Zhang & Sennrich 2019); formulas in kernels/norm.h.
//   dweight_f = sum_b dz_fb k_fb,  dbias_f = sum_b dz_fb,  k = (x - mean) / deviation, kept from forward on
// Called by train/engine.
#include "nn/norm.h"

#include "nn/pass.h"

namespace bpnative {

template <class T>
std::vector<TensorShape> FeatureNorm<T>::tensors() const {
  const std::size_t size = this->inputs();
  std::vector<TensorShape> list{{"weight", {size}}};
  if (centered_) list.push_back({"bias", {size}});
  return list;
}

template <class T>
Ranges FeatureNorm<T>::ranges(int first, int rows) const {
  const std::size_t size = this->inputs(), from = first, n = rows;
  return {{{from, n}, {size + from, centered_ ? n : 0}}};
}

template <class T>
void FeatureNorm<T>::forward(const SliceCall<T>& call) const {
  call.kernels->slices.normalize(call.y, call.kept, call.x, call.parameters, bias(call.parameters), this->inputs(),
                                 call.width, call.stride, epsilon_, centered_);
}

template <class T>
void FeatureNorm<T>::backward(const SliceCall<T>& call) const {
  call.kernels->slices.normalize_backward(call.dx, call.dz, call.kept, call.parameters, this->inputs(), call.width,
                                          call.stride, centered_);
  apply_derivative(call, call.dx, this->inputs());
}

template <class T>
void FeatureNorm<T>::gradient(const RowsCall<T>& call) const {
  const std::ptrdiff_t at = static_cast<std::ptrdiff_t>(call.first) * call.stride;
  call.kernels->row_dots(call.gradient[0], call.dz + at, call.dz_slice, call.kept + at, call.kept_slice, nullptr,
                         call.rows, call.count, call.stride);
  if (centered_)
    call.kernels->row_sums(call.gradient[1], call.dz + at, call.rows, call.count, call.stride, call.dz_slice);
}

template class FeatureNorm<float>;
template class FeatureNorm<double>;

}  // namespace bpnative
