// Settings, states and bias corrections of the optimizers; the arithmetic over parameters is in kernels/optim.h.
// Adam's corrections are made in double here: rate / (1 - b1^t) and 1 / sqrt(1 - b2^t). Called by train/engine.
#include "nn/optimizer.h"

#include <algorithm>
#include <cmath>
#include <iterator>

#include "core/error.h"

namespace bpnative {
namespace {

struct Row {
  Optimizer kind;
  std::vector<std::string> settings, states;
};
const std::vector<Row>& rows() {
  static const std::vector<Row>* const list = new std::vector<Row>{
      {Optimizer::sgd, {"momentum", "nesterov"}, {"velocity"}},
      {Optimizer::adam, {"beta1", "beta2", "epsilon"}, {"m", "v"}},
  };
  return *list;
}

}  // namespace

template <class T>
void set_step(UpdateArguments<T>& arguments, Optimizer kind, const double (&settings)[4], std::int64_t step,
              double learning_rate) {
  for (int i = 0; i < 4; ++i) arguments.settings[i] = static_cast<T>(settings[i]);
  if (kind == Optimizer::adam) {
    const double t = static_cast<double>(step);
    learning_rate /= 1 - std::pow(settings[0], t);
    arguments.settings[3] = static_cast<T>(1 / std::sqrt(1 - std::pow(settings[1], t)));
    arguments.settings[4] = static_cast<T>(1 - settings[0]);
    arguments.settings[5] = static_cast<T>(1 - settings[1]);
  }
  arguments.learning_rate = static_cast<T>(learning_rate);
}

template <class T>
OptimizerState<T>::OptimizerState(Optimizer kind, const std::map<std::string, double>& settings, std::size_t size)
    : kind_(kind) {
  const Row& row = rows()[static_cast<int>(kind)];
  for (std::size_t i = 0; i < row.settings.size(); ++i) {
    const auto found = settings.find(row.settings[i]);
    if (found == settings.end()) fail_value("the optimizer's setting '" + row.settings[i] + "' is missing");
    settings_[i] = found->second;
    if (row.settings[i] == "momentum" || row.settings[i] == "beta1") momentum_at_ = static_cast<int>(i);
  }
  if (settings.size() != row.settings.size()) fail_value("the optimizer was given a setting that it does not have");
  if (kind == Optimizer::sgd && settings_[0] == 0) return;  // without momentum nothing is remembered
  for (const std::string& name : row.states) states_.push_back({name, Buffer<T>(size)});
}

template <class T>
void OptimizerState<T>::begin_step(double learning_rate, const double* momentum) {
  ++step_count;
  double settings[4];
  std::copy(std::begin(settings_), std::end(settings_), settings);
  if (momentum && takes_momentum()) settings[momentum_at_] = *momentum;
  set_step(arguments_, kind_, settings, step_count, learning_rate);
}

template <class T>
void OptimizerState<T>::update(const Kernels<T>& kernels, T* weight, const T* gradient, std::size_t offset,
                               std::size_t size) {
  UpdateArguments<T> p = arguments_;
  p.weight = weight;
  p.gradient = gradient;
  p.size = static_cast<std::ptrdiff_t>(size);
  for (std::size_t i = 0; i < states_.size(); ++i) p.state[i] = states_[i].values.data() + offset;
  kernels.optimizers[static_cast<int>(kind_)](p);
}

template class OptimizerState<float>;
template class OptimizerState<double>;
template void set_step(UpdateArguments<float>&, Optimizer, const double (&)[4], std::int64_t, double);
template void set_step(UpdateArguments<double>&, Optimizer, const double (&)[4], std::int64_t, double);

}  // namespace bpnative
