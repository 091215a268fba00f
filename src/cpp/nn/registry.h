// Names to things: activations, losses, optimizers and layers as the lists of kernels/table.h and the factories here
// say. Used by nn/network and the bindings; the Python side, the tests and the benchmarks read the lists of names.
#ifndef BPNATIVE_NN_REGISTRY_H_
#define BPNATIVE_NN_REGISTRY_H_

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "nn/layer.h"

namespace bpnative {

std::vector<std::string> activation_names();
std::vector<std::string> loss_names();
std::vector<std::string> optimizer_names();
std::vector<std::string> layer_names();

Activation activation_of(const std::string& name);  // an unknown name fails with the known ones
Loss loss_of(const std::string& name);
Optimizer optimizer_of(const std::string& name);

// What a specification says of a layer: numbers (flags as 0 and 1), names and lists of numbers; and which slots it
// reads, slot 0 being the network's input and slot i + 1 the output of layer i (none named: what the layer before
// gave).
struct LayerSettings {
  std::string kind;
  std::map<std::string, double> numbers;
  std::map<std::string, std::string> names;
  std::map<std::string, std::vector<double>> lists;
  std::vector<int> sources;

  double number(const std::string& key, double otherwise) const;
  std::string name(const std::string& key, const std::string& otherwise) const;
};

template <class T>
std::unique_ptr<Layer<T>> make_layer(const LayerSettings& settings, int inputs);

}  // namespace bpnative

#endif  // BPNATIVE_NN_REGISTRY_H_
