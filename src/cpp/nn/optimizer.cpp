// Keeps the states of an optimizer and calls its kernel on ranges of them; what it does in a step is set by
// nn/optimizer_rule, the arithmetic over parameters is in kernels/optim.h and optim_more.h. Called by train/engine.
#include "nn/optimizer.h"

#include <algorithm>

#include "core/error.h"

namespace bpnative {

template <class T>
OptimizerState<T>::OptimizerState(const OptimizerSettings& settings, Network<T>& network)
    : average(settings.averaging, network.parameters()),
      kind_(settings.kind),
      group_of_layer_(settings.group_of_layer) {
  for (const auto& group : settings.groups) groups_.push_back({OptimizerRule(kind_, group)});
  if (groups_.empty()) fail_value("an optimizer needs the settings of at least one group of layers");
  group_of_layer_.resize(settings.group_of_layer.empty() ? network.size() : group_of_layer_.size(), 0);
  if (static_cast<int>(group_of_layer_.size()) != network.size())
    fail_value("group_of_layer must have an entry a layer, " + std::to_string(network.size()) + ", got " +
               std::to_string(group_of_layer_.size()));
  for (const int group : group_of_layer_)
    if (group < 0 || group >= groups())
      fail_value("groups of layers must be from 0 to " + std::to_string(groups() - 1) + ", got " +
                 std::to_string(group));

  const std::size_t slots = groups_[0].rule.states().size(), size = network.parameters().size();
  for (std::size_t slot = 0; slot < slots; ++slot) {
    const auto of_group = [&](int group) { return groups_[group].rule.states()[slot]; };
    bool kept = false;
    for (int g = 0; g < groups(); ++g) kept = kept || of_group(g).kept;
    if (!kept) continue;
    states_.push_back({of_group(0).name, Buffer<T>(size)});
    T* values = states_.back().values.data();
    for (int g = 0; g < groups(); ++g)
      if (of_group(g).kept) groups_[g].arguments.state[slot] = values;
    for (int i = 0; i < network.size(); ++i) {
      const std::size_t end = i + 1 < network.size() ? network.offset(i + 1) : size;
      std::fill(values + network.offset(i), values + end, static_cast<T>(of_group(group_of_layer_[i]).initial));
    }
  }
}

template <class T>
void OptimizerState<T>::begin_step(const double* learning_rates, const double* momentum) {
  ++step_count;
  for (int g = 0; g < groups(); ++g)
    groups_[g].rule.set_step(groups_[g].arguments, step_count, learning_rates[g], momentum);
  average.begin_step(step_count);
}

template <class T>
void OptimizerState<T>::update(const Kernels<T>& kernels, int layer, T* weight, const T* gradient, std::size_t offset,
                               std::size_t size) {
  UpdateArguments<T> p = groups_[group_of_layer_[layer]].arguments;
  p.weight = weight;
  p.gradient = gradient;
  p.size = static_cast<std::ptrdiff_t>(size);
  for (T*& state : p.state)
    if (state) state += offset;
  kernels.optimizers[static_cast<int>(kind_)](p);
}

template class OptimizerState<float>;
template class OptimizerState<double>;

}  // namespace bpnative
