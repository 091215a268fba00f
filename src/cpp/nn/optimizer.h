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

  // Sets what the next updates share: counts the step, and corrects Adam's bias for it. A momentum that is not null
  // replaces the optimizer's own (its momentum, or beta1) in this step.
  void begin_step(double learning_rate, const double* momentum = nullptr);
  // Whether begin_step can be given a momentum: the optimizer has one, and keeps the state that it needs.
  bool takes_momentum() const { return momentum_at_ >= 0 && !states_.empty(); }
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
  int momentum_at_ = -1;  // which of the settings is the momentum
  std::vector<State> states_;
  UpdateArguments<T> arguments_{};
};

// Fills the numbers of one step; also used by the kernel bindings.
template <class T>
void set_step(UpdateArguments<T>& arguments, Optimizer kind, const double (&settings)[4], std::int64_t step,
              double learning_rate);

}  // namespace bpnative

#endif  // BPNATIVE_NN_OPTIMIZER_H_
