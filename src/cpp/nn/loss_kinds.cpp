// One row a loss, in the order of BPN_LOSSES. Used by nn/loss and the bindings.
#include "nn/loss_kinds.h"

#include <algorithm>

#include "core/error.h"
#include "nn/registry.h"

namespace bpnative {
namespace {

struct Row {
  const char* fused;       // the activation of a last layer that the loss is computed together with, on what enters it
  bool labels;             // class numbers as targets
  const char* numbers[2];  // LossArguments::settings
  const char* vector;      // LossArguments::vector
};
constexpr Row kRows[] = {
    /* mse                  */ {nullptr, false, {}, nullptr},
    /* cross_entropy        */ {"softmax", true, {"label_smoothing"}, "class_weight"},
    /* binary_cross_entropy */ {"sigmoid", false, {}, "positive_weight"},
    /* mae                  */ {nullptr, false, {}, nullptr},
    /* huber                */ {nullptr, false, {"delta"}, nullptr},
    /* log_cosh             */ {nullptr, false, {}, nullptr},
    /* quantile             */ {nullptr, false, {}, "levels"},
    /* poisson              */ {"exponential", false, {"log_input", "epsilon"}, nullptr},
    /* gaussian_nll         */ {nullptr, false, {"epsilon"}, nullptr},
    /* cosine               */ {nullptr, false, {"epsilon"}, nullptr},
    /* hinge                */ {nullptr, false, {}, nullptr},
    /* squared_hinge        */ {nullptr, false, {}, nullptr},
    /* focal                */ {"sigmoid", false, {"alpha", "gamma"}, nullptr},
    /* categorical_focal    */ {"softmax", true, {"gamma"}, "class_weight"},
    /* kl_divergence        */ {"softmax", false, {}, nullptr},
};
static_assert(sizeof(kRows) / sizeof(kRows[0]) == static_cast<std::size_t>(Loss::count), "one row a loss");

const Row& row_of(Loss kind) { return kRows[static_cast<int>(kind)]; }

}  // namespace

bool takes_labels(Loss kind) { return row_of(kind).labels; }

bool fuses(const LossSpec& spec, Activation last) {
  const char* fused = row_of(spec.kind).fused;
  if (!fused || activation_names()[static_cast<int>(last)] != fused) return false;
  // Poisson's loss of rates, not of their logarithms, takes what an exponential gives as any other output.
  return spec.kind != Loss::poisson || spec.settings.at("log_input")[0] != 0;
}

template <class T>
LossNumbers<T> loss_numbers(const LossSpec& spec, int outputs) {
  const Row& row = row_of(spec.kind);
  LossNumbers<T> numbers;
  std::size_t used = 0;
  for (int i = 0; i < 2 && row.numbers[i]; ++i, ++used) {
    const auto found = spec.settings.find(row.numbers[i]);
    if (found == spec.settings.end() || found->second.size() != 1)
      fail_value(std::string("the loss needs its setting '") + row.numbers[i] + "', one number");
    numbers.settings[i] = static_cast<T>(found->second[0]);
  }
  const auto vector = row.vector ? spec.settings.find(row.vector) : spec.settings.end();
  if (vector != spec.settings.end()) {
    ++used;
    for (const double value : vector->second) numbers.vector.push_back(static_cast<T>(value));
  }
  if (used != spec.settings.size()) fail_value("the loss was given a setting that it does not have");

  const int given = static_cast<int>(std::min<std::size_t>(numbers.vector.size(), kMostFeatures));
  int per_target = 1;  // outputs that belong to one column of the targets
  if (spec.kind == Loss::gaussian_nll) per_target = 2;
  if (spec.kind == Loss::quantile) {
    if (given == 0) fail_value("a quantile loss needs at least one level");
    per_target = given;
  } else if (given == 1) {
    numbers.vector.resize(outputs, numbers.vector[0]);
  } else if (given != 0 && given != outputs) {
    fail_value(std::string("'") + row.vector + "' must have " + std::to_string(outputs) +
               " numbers, one an output, got " + std::to_string(given));
  }
  if (outputs % per_target != 0)
    fail_value("the loss takes " + std::to_string(per_target) + " outputs for each column of the targets, got " +
               std::to_string(outputs) + " outputs");
  numbers.targets = outputs / per_target;
  return numbers;
}
template LossNumbers<float> loss_numbers(const LossSpec&, int);
template LossNumbers<double> loss_numbers(const LossSpec&, int);

}  // namespace bpnative
