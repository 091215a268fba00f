// An optimizer over a network's flat buffer: its settings, one set for each group of layers, its states (each as long
// as the parameters), the update of a range, and the average of weights beside it. Called by train/engine with a block
// of whole rows whose gradient is still in cache.
#ifndef BPNATIVE_NN_OPTIMIZER_H_
#define BPNATIVE_NN_OPTIMIZER_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "nn/network.h"
#include "nn/optimizer_rule.h"
#include "nn/weight_average.h"

namespace bpnative {

struct OptimizerSettings {
  Optimizer kind;
  std::vector<std::map<std::string, double>> groups;  // at least one
  std::vector<int> group_of_layer;                    // one a layer; empty: all belong to the first group
  Averaging averaging;
};

template <class T>
class OptimizerState {
 public:
  OptimizerState(const OptimizerSettings& settings, Network<T>& network);

  int groups() const { return static_cast<int>(groups_.size()); }
  // Sets what the next updates share: counts the step, and corrects Adam's bias for it. One learning rate a group.
  void begin_step(const double* learning_rates);
  // weight and gradient: `size` elements; offset: where in the flat buffer (and in the states) they stand.
  void update(const Kernels<T>& kernels, int layer, T* weight, const T* gradient, std::size_t offset, std::size_t size);

  struct State {
    std::string name;
    Buffer<T> values;
  };
  std::vector<State>& states() { return states_; }
  std::int64_t step_count = 0;
  WeightAverage<T> average;

 private:
  struct Group {
    OptimizerRule rule;
    UpdateArguments<T> arguments{};  // its states from their beginning
  };

  Optimizer kind_;
  std::vector<Group> groups_;
  std::vector<int> group_of_layer_;
  std::vector<State> states_;
};

}  // namespace bpnative

#endif  // BPNATIVE_NN_OPTIMIZER_H_
