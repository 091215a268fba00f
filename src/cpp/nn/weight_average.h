// A running average of a network's weights: exponential (EMA) or of all alike (SWA). One more flat buffer, brought up
// to date right after the optimizer's update of the same rows, while they are in cache. Called by train/engine.
//   EMA  a = w at step 1, then a += (1 - decay) (w - a)
//   SWA  after steps start + every, start + 2 every, ..:  a += (w - a) / n, the n-th of them
#ifndef BPNATIVE_NN_WEIGHT_AVERAGE_H_
#define BPNATIVE_NN_WEIGHT_AVERAGE_H_

#include <cstdint>

#include "core/types.h"
#include "kernels/table.h"

namespace bpnative {

struct Averaging {
  bool on = false;
  double decay = -1;  // of EMA; below zero: SWA
  std::int64_t start = 0, every = 1;
};

template <class T>
class WeightAverage {
 public:
  WeightAverage(const Averaging& averaging, Buffer<T>& parameters);

  bool on() const { return averaging_.on; }
  Buffer<T>& values() { return values_; }
  // Before the updates of a step: what fraction of the weights goes into the average after them.
  void begin_step(std::int64_t step);
  void update(const Kernels<T>& kernels, std::size_t offset, std::size_t size) {
    if (fraction_ != 0)
      kernels.average(values_.data() + offset, parameters_.data() + offset, static_cast<std::ptrdiff_t>(size),
                      fraction_);
  }
  // Exchanges weights and average: twice is as before. Between the two, training must not go on.
  void swap();
  bool swapped() const { return swapped_; }

 private:
  Averaging averaging_;
  Buffer<T>& parameters_;
  Buffer<T> values_;
  T fraction_ = 0;
  bool swapped_ = false;
};

}  // namespace bpnative

#endif  // BPNATIVE_NN_WEIGHT_AVERAGE_H_
