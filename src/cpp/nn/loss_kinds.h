// What each loss is, beside its arithmetic: the last activation that it is computed together with, whether it takes
// class numbers, its settings, and how many columns of targets belong to so many outputs. Used by nn/loss and the
// bindings.
#ifndef BPNATIVE_NN_LOSS_KINDS_H_
#define BPNATIVE_NN_LOSS_KINDS_H_

#include <map>
#include <string>
#include <vector>

#include "kernels/table.h"

namespace bpnative {

using LossSettings = std::map<std::string, std::vector<double>>;  // a plain number is a list of one

struct LossSpec {
  Loss kind;
  LossSettings settings;
};

// The settings as a kernel takes them, for a last layer of so many outputs.
template <class T>
struct LossNumbers {
  T settings[2] = {};
  std::vector<T> vector;  // empty: none
  int targets = 0;        // columns
};

// Fails where a setting is missing, unknown, of the wrong length, or does not go with the outputs.
template <class T>
LossNumbers<T> loss_numbers(const LossSpec& spec, int outputs);

bool takes_labels(Loss kind);
bool fuses(const LossSpec& spec, Activation last);

}  // namespace bpnative

#endif  // BPNATIVE_NN_LOSS_KINDS_H_
