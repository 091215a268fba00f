// The registries: one row a name. A new layer adds one row to kFactories; a new activation, loss or optimizer adds none
// here, its row stands in kernels/table.h.
#include "nn/registry.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "core/error.h"
#include "nn/dense.h"

namespace bpnative {
namespace {

#define BPN_NAME(name, ...) #name,
const std::vector<std::string> kActivations{BPN_ACTIVATIONS(BPN_NAME)};
const std::vector<std::string> kLosses{BPN_LOSSES(BPN_NAME)};
const std::vector<std::string> kOptimizers{BPN_OPTIMIZERS(BPN_NAME)};
#undef BPN_NAME

int index_of(const std::vector<std::string>& names, const std::string& name, const char* what) {
  const auto found = std::find(names.begin(), names.end(), name);
  if (found == names.end()) fail_unknown(what, name, names);
  return static_cast<int>(found - names.begin());
}

// Keys that no factory asks for are a mistake of the caller's, and said so.
void only(const LayerSettings& settings, const std::set<std::string>& numbers, const std::set<std::string>& names) {
  const auto check = [&](const std::string& key, const std::set<std::string>& known) {
    if (!known.count(key)) fail_value("layer '" + settings.kind + "' has no such setting of this type: '" + key + "'");
  };
  for (const auto& row : settings.numbers) check(row.first, numbers);
  for (const auto& row : settings.names) check(row.first, names);
}

template <class T>
std::unique_ptr<Layer<T>> make_dense(const LayerSettings& settings, int inputs) {
  only(settings, {"units", "bias", "parameter"}, {"activation"});
  const double units = settings.number("units", 0);
  if (!(units >= 1 && units <= kMostFeatures && std::floor(units) == units))
    fail_value("a dense layer needs a whole number of units from 1 to " + std::to_string(kMostFeatures) + ", got " +
               std::to_string(units));
  const Applied applied{activation_of(settings.name("activation", "linear")), settings.number("parameter", 0)};
  if (!std::isfinite(applied.parameter) || applied.parameter < 0)  // else an output would not tell its derivative
    fail_value("an activation's parameter must be finite and at least 0, got " + std::to_string(applied.parameter));
  return std::make_unique<Dense<T>>(inputs, static_cast<int>(units), settings.number("bias", 1) != 0, applied);
}

template <class T>
using Factory = std::unique_ptr<Layer<T>> (*)(const LayerSettings&, int inputs);

struct Row {
  const char* name;
  Factory<float> f32;
  Factory<double> f64;
  Factory<float> of(float) const { return f32; }
  Factory<double> of(double) const { return f64; }
};
constexpr Row kFactories[] = {{"dense", make_dense<float>, make_dense<double>}};

}  // namespace

std::vector<std::string> activation_names() { return kActivations; }
std::vector<std::string> loss_names() { return kLosses; }
std::vector<std::string> optimizer_names() { return kOptimizers; }
std::vector<std::string> layer_names() {
  std::vector<std::string> names;
  for (const Row& row : kFactories) names.emplace_back(row.name);
  return names;
}

Activation activation_of(const std::string& name) { return Activation(index_of(kActivations, name, "activation")); }
Loss loss_of(const std::string& name) { return Loss(index_of(kLosses, name, "loss")); }
Optimizer optimizer_of(const std::string& name) { return Optimizer(index_of(kOptimizers, name, "optimizer")); }

double LayerSettings::number(const std::string& key, double otherwise) const {
  const auto found = numbers.find(key);
  return found == numbers.end() ? otherwise : found->second;
}
std::string LayerSettings::name(const std::string& key, const std::string& otherwise) const {
  const auto found = names.find(key);
  return found == names.end() ? otherwise : found->second;
}

template <class T>
std::unique_ptr<Layer<T>> make_layer(const LayerSettings& settings, int inputs) {
  const int row = index_of(layer_names(), settings.kind, "layer");
  return kFactories[row].of(T{})(settings, inputs);
}
template std::unique_ptr<Layer<float>> make_layer(const LayerSettings&, int);
template std::unique_ptr<Layer<double>> make_layer(const LayerSettings&, int);

}  // namespace bpnative
