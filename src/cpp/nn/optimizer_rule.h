// What an optimizer is, apart from its arithmetic over parameters: the names of its settings and states, and the
// numbers that depend on the step alone, made in double: Adam's corrections, NAdam's product, RAdam's rectification.
// Used by nn/optimizer, one rule for each group of layers, and by the kernel bindings.
#ifndef BPNATIVE_NN_OPTIMIZER_RULE_H_
#define BPNATIVE_NN_OPTIMIZER_RULE_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "kernels/table.h"

namespace bpnative {

class OptimizerRule {
 public:
  OptimizerRule(Optimizer kind, const std::map<std::string, double>& settings);

  struct State {
    std::string name;
    bool kept;       // with these settings
    double initial;  // of every element
  };
  std::vector<State> states() const;  // one a slot of UpdateArguments::state

  // Fills the numbers of one step, 1 for the first. They are a function of the step alone: nothing else of a run needs
  // to be kept for resuming it.
  template <class T>
  void set_step(UpdateArguments<T>& arguments, std::int64_t step, double learning_rate);

 private:
  double mu(std::int64_t step) const;
  double mu_product(std::int64_t step);

  Optimizer kind_;
  double settings_[6] = {};
  // NAdam's product over the steps so far, always multiplied in their order.
  std::int64_t product_step_ = 0;
  double product_ = 1;
};

}  // namespace bpnative

#endif  // BPNATIVE_NN_OPTIMIZER_RULE_H_
