// An optimizer over a network's flat buffer: its settings, its states (each as long as the parameters) and the update
// of a range. Called by train/engine with a block of whole rows whose gradient is still in cache.
#ifndef BPNATIVE_NN_OPTIMIZER_H_
#define BPNATIVE_NN_OPTIMIZER_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "core/types.h"
#include "kernels/table.h"

namespace bpnative {

template <class T>
class OptimizerState {
 public:
  OptimizerState(Optimizer kind, const std::map<std::string, double>& settings, std::size_t size);

  // Sets what the next updates share: counts the step, and corrects Adam's bias for it.
  void begin_step(double learning_rate);
  // weight and gradient: `size` elements; offset: where in the flat buffer (and in the states) they stand.
  void update(const Kernels<T>& kernels, T* weight, const T* gradient, std::size_t offset, std::size_t size);

  struct State {
    std::string name;
    Buffer<T> values;
  };
  std::vector<State>& states() { return states_; }
  std::int64_t step_count = 0;

 private:
  Optimizer kind_;
  double settings_[4] = {};
  std::vector<State> states_;
  UpdateArguments<T> arguments_{};
};

// Fills the numbers of one step; also used by the kernel bindings.
template <class T>
void set_step(UpdateArguments<T>& arguments, Optimizer kind, const double (&settings)[4], std::int64_t step,
              double learning_rate);

}  // namespace bpnative

#endif  // BPNATIVE_NN_OPTIMIZER_H_
