// When weights are averaged, and how much of them goes in: a function of the step alone, so that a resumed run goes on
// bit for bit. Called by nn/optimizer and train/engine; the arithmetic is in kernels/optim_more.h.
#include "nn/weight_average.h"

#include <algorithm>

namespace bpnative {

template <class T>
WeightAverage<T>::WeightAverage(const Averaging& averaging, Buffer<T>& parameters)
    : averaging_(averaging), parameters_(parameters), values_(averaging.on ? parameters.size() : 0) {
  std::copy_n(parameters.data(), values_.size(), values_.data());
}

template <class T>
void WeightAverage<T>::begin_step(std::int64_t step) {
  if (!averaging_.on) return;
  const std::int64_t after = step - averaging_.start;
  const bool due = after > 0 && after % averaging_.every == 0;
  const std::int64_t n = due ? after / averaging_.every : 0;
  fraction_ = static_cast<T>(!due ? 0 : n == 1 ? 1 : averaging_.decay >= 0 ? 1 - averaging_.decay : 1.0 / n);
  // The first time everything is taken over: frozen layers are never updated.
  if (n == 1) std::copy_n(parameters_.data(), values_.size(), values_.data());
}

template <class T>
void WeightAverage<T>::swap() {
  std::swap_ranges(values_.data(), values_.data() + values_.size(), parameters_.data());
  swapped_ = !swapped_;
}

template class WeightAverage<float>;
template class WeightAverage<double>;

}  // namespace bpnative
