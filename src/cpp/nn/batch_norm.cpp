// Batch norm (Ioffe & Szegedy 2015), B samples of a feature, m and v their mean and variance, r = 1 / sqrt(v + eps):
//   y = (x - m) r weight + bias          dbias = sum dz          dweight = r sum dz (x - m)
//   dx = weight r (dz - dbias / B - (x - m) r dweight / B)
// Running mean and variance (of B - 1) move by `momentum`, as in PyTorch; outside of training, and in a frozen layer,
// they stand for m and v. Called by train/engine: reduce before forward, reduce_backward before backward.
#include "nn/batch_norm.h"

#include <cmath>

#include "nn/pass.h"

namespace bpnative {

template <class T>
std::vector<TensorShape> BatchNorm<T>::tensors() const {
  const std::size_t size = this->inputs();
  return {{"weight", {size}}, {"bias", {size}}};
}
template <class T>
std::vector<TensorShape> BatchNorm<T>::statistics() const {
  const std::size_t size = this->inputs();
  return {{"running_mean", {size}}, {"running_variance", {size}}};
}
template <class T>
Ranges BatchNorm<T>::ranges(int first, int rows) const {
  const std::size_t size = this->inputs(), from = first, n = rows;
  return {{{from, n}, {size + from, n}}};
}

template <class T>
void BatchNorm<T>::reduce(const ReduceCall<T>& call) const {
  const std::ptrdiff_t at = static_cast<std::ptrdiff_t>(call.first) * call.stride;
  T *mean = row(call.reduced, kMean), *inverse = row(call.reduced, kInverse), *times = row(call.reduced, kTimes);
  call.kernels->row_moments(mean + call.first, inverse + call.first, call.x + at, call.rows, call.count, call.stride,
                            call.x_slice);
  for (int f = call.first; f < call.first + call.rows; ++f) {
    const T variance = inverse[f];
    inverse[f] = 1 / std::sqrt(variance + epsilon_);
    times[f] = call.parameters[f] * inverse[f];
    if (!call.statistics) continue;
    T &running_mean = call.statistics[f], &running_variance = call.statistics[this->inputs() + f];
    const T unbiased =
        call.count > 1 ? variance * (static_cast<T>(call.count) / static_cast<T>(call.count - 1)) : variance;
    running_mean += momentum_ * (mean[f] - running_mean);
    running_variance += momentum_ * (unbiased - running_variance);
  }
}

template <class T>
void BatchNorm<T>::reduce_backward(const ReduceCall<T>& call) const {
  const std::ptrdiff_t at = static_cast<std::ptrdiff_t>(call.first) * call.stride;
  T *dbias = row(call.reduced, kBiasGradient), *dweight = row(call.reduced, kWeightGradient);
  const T *mean = row(call.reduced, kMean), *inverse = row(call.reduced, kInverse), *times = row(call.reduced, kTimes);
  call.kernels->row_sums(dbias + call.first, call.dz + at, call.rows, call.count, call.stride, call.dz_slice);
  call.kernels->row_dots(dweight + call.first, call.dz + at, call.dz_slice, call.x + at, call.x_slice,
                         mean + call.first, call.rows, call.count, call.stride);
  const T share = 1 / static_cast<T>(call.count);
  for (int f = call.first; f < call.first + call.rows; ++f) {
    dweight[f] *= inverse[f];
    row(call.reduced, kByX)[f] = -times[f] * inverse[f] * dweight[f] * share;
    row(call.reduced, kPlus)[f] = -times[f] * dbias[f] * share;
  }
}

template <class T>
T BatchNorm<T>::times(const SliceCall<T>& call, int feature) const {
  return call.parameters[feature] / std::sqrt(call.statistics[this->inputs() + feature] + epsilon_);
}

template <class T>
void BatchNorm<T>::forward(const SliceCall<T>& call) const {
  const T* bias = call.parameters + this->inputs();
  const SliceKernels<T>& kernels = call.kernels->slices;
  if (call.training)
    return kernels.affine(call.y, call.x, row(call.reduced, kMean), row(call.reduced, kTimes), bias, this->inputs(),
                          call.width, call.stride);
  for (int f = 0; f < this->inputs(); ++f) {
    const std::ptrdiff_t at = static_cast<std::ptrdiff_t>(f) * call.stride;
    const T by = times(call, f);
    kernels.affine(call.y + at, call.x + at, call.statistics + f, &by, bias + f, 1, call.width, call.stride);
  }
}

template <class T>
void BatchNorm<T>::backward(const SliceCall<T>& call) const {
  const SliceKernels<T>& kernels = call.kernels->slices;
  if (call.training) {
    kernels.blend(call.dx, call.dz, row(call.reduced, kTimes), call.x, row(call.reduced, kMean),
                  row(call.reduced, kByX), row(call.reduced, kPlus), this->inputs(), call.width, call.stride);
  } else {
    for (int f = 0; f < this->inputs(); ++f) {
      const std::ptrdiff_t at = static_cast<std::ptrdiff_t>(f) * call.stride;
      const T by = times(call, f);
      kernels.affine(call.dx + at, call.dz + at, nullptr, &by, nullptr, 1, call.width, call.stride);
    }
  }
  apply_derivative(call, call.dx, this->inputs());
}

template <class T>
void BatchNorm<T>::gradient(const RowsCall<T>& call) const {
  for (int r = 0; r < call.rows; ++r) {
    call.gradient[0][r] = row(call.reduced, kWeightGradient)[call.first + r];
    call.gradient[1][r] = row(call.reduced, kBiasGradient)[call.first + r];
  }
}

template class BatchNorm<float>;
template class BatchNorm<double>;

}  // namespace bpnative
