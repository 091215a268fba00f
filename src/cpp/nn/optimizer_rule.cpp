// The registry of optimizers: one row each with the names of its settings and states, one case each for the numbers
// of a step, in the order that its kernel in kernels/optim.h or optim_more.h names. Formulas are PyTorch's.
#include "nn/optimizer_rule.h"

#include <cmath>

#include "core/error.h"

namespace bpnative {
namespace {

struct StateRow {
  const char* name;
  const char* needs = nullptr;    // kept where this setting is not zero
  const char* initial = nullptr;  // starts at this setting instead of zero
};
struct Row {
  Optimizer kind;
  std::vector<const char*> settings;
  std::vector<StateRow> states;
};

const Row& row_of(Optimizer kind) {
  static const std::vector<Row>* const list = new std::vector<Row>{
      {Optimizer::sgd, {"weight_decay", "momentum", "nesterov"}, {{"velocity", "momentum"}}},
      {Optimizer::adam, {"weight_decay", "beta1", "beta2", "epsilon"}, {{"m"}, {"v"}}},
      {Optimizer::adamw, {"weight_decay", "beta1", "beta2", "epsilon"}, {{"m"}, {"v"}}},
      {Optimizer::amsgrad,
       {"weight_decay", "beta1", "beta2", "epsilon", "decoupled_weight_decay"},
       {{"m"}, {"v"}, {"v_max"}}},
      {Optimizer::nadam,
       {"weight_decay", "beta1", "beta2", "epsilon", "decoupled_weight_decay", "momentum_decay"},
       {{"m"}, {"v"}}},
      {Optimizer::radam, {"weight_decay", "beta1", "beta2", "epsilon", "decoupled_weight_decay"}, {{"m"}, {"v"}}},
      {Optimizer::adamax, {"weight_decay", "beta1", "beta2", "epsilon"}, {{"m"}, {"u"}}},
      {Optimizer::rmsprop,
       {"weight_decay", "alpha", "epsilon", "momentum", "centered"},
       {{"v"}, {"mean", "centered"}, {"buffer", "momentum"}}},
      {Optimizer::adagrad,
       {"weight_decay", "epsilon", "learning_rate_decay", "initial_accumulator_value"},
       {{"v", nullptr, "initial_accumulator_value"}}},
      {Optimizer::adadelta, {"weight_decay", "rho", "epsilon"}, {{"v"}, {"u"}}},
      {Optimizer::lion, {"weight_decay", "beta1", "beta2"}, {{"m"}}},
      {Optimizer::rprop, {"eta_minus", "eta_plus", "step_min", "step_max"}, {{"previous"}, {"step_size"}}},
  };
  return (*list)[static_cast<std::size_t>(kind)];
}

}  // namespace

OptimizerRule::OptimizerRule(Optimizer kind, const std::map<std::string, double>& settings) : kind_(kind) {
  const Row& row = row_of(kind);
  for (std::size_t i = 0; i < row.settings.size(); ++i) {
    const auto found = settings.find(row.settings[i]);
    if (found == settings.end())
      fail_value("the optimizer's setting '" + std::string(row.settings[i]) + "' is missing");
    settings_[i] = found->second;
  }
  if (settings.size() != row.settings.size()) fail_value("the optimizer was given a setting that it does not have");
}

std::vector<OptimizerRule::State> OptimizerRule::states() const {
  const Row& row = row_of(kind_);
  const auto setting = [&](const char* name, double otherwise) {
    for (std::size_t i = 0; name && i < row.settings.size(); ++i)
      if (row.settings[i] == std::string(name)) return settings_[i];
    return otherwise;
  };
  std::vector<State> states;
  for (const StateRow& state : row.states)
    states.push_back({state.name, setting(state.needs, 1) != 0, setting(state.initial, 0)});
  return states;
}

double OptimizerRule::mu(std::int64_t step) const {
  return settings_[1] * (1 - 0.5 * std::pow(0.96, static_cast<double>(step) * settings_[5]));
}

double OptimizerRule::mu_product(std::int64_t step) {
  if (product_step_ > step) product_step_ = 0, product_ = 1;
  while (product_step_ < step) {
    product_ *= mu(++product_step_);
    // Nothing of it is left in 1 - product: a run resumed late need not multiply on.
    if (product_ < 1e-20) product_ = 0, product_step_ = step;
  }
  return product_;
}

template <class T>
void OptimizerRule::set_step(UpdateArguments<T>& arguments, std::int64_t step, double learning_rate) {
  const double* s = settings_;
  const double t = static_cast<double>(step);
  const auto fill = [&](std::initializer_list<double> numbers) {
    T* to = arguments.numbers;
    for (const double number : numbers) *to++ = static_cast<T>(number);
  };
  double rate = learning_rate, decay = s[0];
  bool decoupled = false;
  // What the kinds with two moments share; the others have no beta there and use none of these.
  const double beta1 = s[1], beta2 = s[2], epsilon = s[3];
  const double left1 = 1 - std::pow(beta1, t), left2 = 1 - std::pow(beta2, t);
  switch (kind_) {
    case Optimizer::sgd:
      fill({s[1], s[2]});
      break;
    case Optimizer::adam:
    case Optimizer::adamw:
    case Optimizer::amsgrad:
      decoupled = kind_ == Optimizer::adamw || (kind_ == Optimizer::amsgrad && s[4] != 0);
      rate /= left1;
      fill({beta1, beta2, epsilon, 1 - beta1, 1 - beta2, 1 / std::sqrt(left2)});
      break;
    case Optimizer::nadam: {
      decoupled = s[4] != 0;
      const double product = mu_product(step), next = mu(step + 1), root = std::sqrt(left2);
      // sqrt(v / left2) + eps = (sqrt(v) + eps root) / root
      rate = learning_rate * next / (1 - product * next) * root;
      fill({beta1, beta2, epsilon * root, 1 - beta1, 1 - beta2, learning_rate * (1 - mu(step)) / (1 - product) * root});
      break;
    }
    case Optimizer::radam: {
      decoupled = s[4] != 0;
      const double longest = 2 / (1 - beta2) - 1, length = longest - 2 * t * (1 - left2) / left2;
      rate /= left1;
      if (length > 5)
        rate *= std::sqrt((length - 4) * (length - 2) * longest / ((longest - 4) * (longest - 2) * length) * left2);
      fill({beta1, beta2, epsilon, 1 - beta1, 1 - beta2, length > 5 ? 1.0 : 0.0});
      break;
    }
    case Optimizer::adamax:
      rate /= left1;
      fill({beta1, beta2, epsilon, 1 - beta1});
      break;
    case Optimizer::rmsprop:
      fill({s[1], 1 - s[1], s[2], s[3]});
      break;
    case Optimizer::adagrad:
      rate /= 1 + (t - 1) * s[2];
      fill({s[1]});
      break;
    case Optimizer::adadelta:
      fill({s[1], 1 - s[1], s[2]});
      break;
    case Optimizer::lion:
      decoupled = true;
      fill({s[1], 1 - s[1], s[2], 1 - s[2]});
      break;
    case Optimizer::rprop:
      decay = 0;
      fill({s[0], s[1], s[2], s[3]});
      break;
    case Optimizer::count:
      break;
  }
  arguments.learning_rate = static_cast<T>(rate);
  arguments.weight_decay = decoupled ? T(0) : static_cast<T>(decay);
  arguments.shrink = decoupled ? static_cast<T>(-learning_rate * decay) : T(0);
}

template void OptimizerRule::set_step(UpdateArguments<float>&, std::int64_t, double);
template void OptimizerRule::set_step(UpdateArguments<double>&, std::int64_t, double);

}  // namespace bpnative
