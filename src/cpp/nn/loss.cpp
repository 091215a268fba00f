// loss = (1 / B) sum_b w_b l_b, so each sample's derivative carries scale_b = w_b / B; padding carries zero, and adds
// nothing. A loss that does not belong with the last activation is taken on its output and carried back through its
// derivative. Called by train/engine once a slice.
#include "nn/loss.h"

#include <algorithm>

namespace bpnative {

template <class T>
void LossFunction<T>::evaluate(const Kernels<T>& kernels, const LossSpace<T>& space, const Samples<T>& samples,
                               std::int64_t begin, int first, int count, std::int64_t batch, const T* z, const T* saved,
                               T* dz, double* losses, int outputs, int width, int stride) const {
  const std::int64_t start = begin + first;
  std::fill(space.scale + count, space.scale + width, T(0));
  for (int i = 0; i < count; ++i) {
    const T weight = samples.weight ? samples.weight[samples.row(start + i)] : T(1);
    space.scale[i] = weight / static_cast<T>(batch);
  }
  if (samples.labels) {
    std::fill(space.labels + count, space.labels + width, T(0));
    for (int i = 0; i < count; ++i) space.labels[i] = static_cast<T>(samples.labels[samples.row(start + i)]);
  } else {
    const T* rows = samples.order ? samples.target : samples.target + start * targets();
    kernels.gather(space.target, nullptr, rows, samples.order ? samples.order + start : nullptr, targets(), count,
                   width, stride, 0);
  }

  LossArguments<T> p{};
  p.dz = dz;
  p.losses = space.losses;
  p.z = z;
  p.target = samples.labels ? nullptr : space.target;
  p.labels = samples.labels ? space.labels : nullptr;
  p.scale = space.scale;
  p.vector = numbers_.vector.empty() ? nullptr : numbers_.vector.data();
  std::copy_n(numbers_.settings, 2, p.settings);
  p.outputs = outputs, p.targets = targets(), p.width = width, p.stride = stride;
  kernels.losses[static_cast<int>(kind_)](p);

  if (saved && !fused() && last_.activation != Activation::linear)
    kernels.activations[static_cast<int>(last_.activation)].derivative(dz, dz, saved, outputs, width, stride,
                                                                       static_cast<T>(last_.parameter));
  for (int i = 0; i < count; ++i) {
    const double weight = samples.weight ? static_cast<double>(samples.weight[samples.row(start + i)]) : 1.0;
    losses[i] = weight * static_cast<double>(space.losses[i]);
  }
}

template class LossFunction<float>;
template class LossFunction<double>;

}  // namespace bpnative
