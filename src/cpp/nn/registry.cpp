// The registries: one row a name. A new layer adds one row to kFactories; a new activation, loss or optimizer adds none
// here, its row stands in kernels/table.h.
#include "nn/registry.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "core/error.h"
#include "nn/batch_norm.h"
#include "nn/dense.h"
#include "nn/inputs.h"
#include "nn/noise.h"
#include "nn/norm.h"
#include "nn/pass.h"

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
void only(const LayerSettings& settings, const std::set<std::string>& known) {
  const auto check = [&](const std::string& key) {
    if (!known.count(key)) fail_value("layer '" + settings.kind + "' has no such setting: '" + key + "'");
  };
  for (const auto& row : settings.numbers) check(row.first);
  for (const auto& row : settings.names) check(row.first);
  for (const auto& row : settings.lists) check(row.first);
}

double number_in(const LayerSettings& settings, const std::string& key, double otherwise, double low, double high) {
  const double value = settings.number(key, otherwise);
  if (!(value >= low && value <= high))
    fail_value("layer '" + settings.kind + "' needs " + key + " from " + std::to_string(low) + " to " +
               std::to_string(high) + ", got " + std::to_string(value));
  return value;
}
int whole_number(const std::string& what, double value, double most = kMostFeatures) {
  if (!(value >= 1 && value <= most && std::floor(value) == value))
    fail_value(what + " must be a whole number from 1 to " + std::to_string(static_cast<std::int64_t>(most)) +
               ", got " + std::to_string(value));
  return static_cast<int>(value);
}

Applied applied_of(const LayerSettings& settings) {
  const Applied applied{activation_of(settings.name("activation", "linear")), settings.number("parameter", 0)};
  if (!std::isfinite(applied.parameter) || applied.parameter < 0)  // else an output would not tell its derivative
    fail_value("an activation's parameter must be finite and at least 0, got " + std::to_string(applied.parameter));
  return applied;
}

template <class T>
std::unique_ptr<Layer<T>> make_dense(const LayerSettings& settings, int inputs) {
  only(settings, {"units", "bias", "activation", "parameter", "l1", "l2", "max_norm"});
  constexpr double kMost = std::numeric_limits<double>::max();
  const Restraints restraints{number_in(settings, "l1", 0, 0, kMost), number_in(settings, "l2", 0, 0, kMost),
                              number_in(settings, "max_norm", 0, 0, kMost)};
  const int units = whole_number("units of a dense layer", settings.number("units", 0));
  return std::make_unique<Dense<T>>(inputs, units, settings.number("bias", 1) != 0, applied_of(settings), restraints);
}
template <class T>
std::unique_ptr<Layer<T>> make_activation(const LayerSettings& settings, int inputs) {
  only(settings, {"activation", "parameter"});
  return std::make_unique<ActivationLayer<T>>(inputs, applied_of(settings));
}
template <class T>
std::unique_ptr<Layer<T>> make_add(const LayerSettings& settings, int inputs) {
  only(settings, {"activation", "parameter"});
  return std::make_unique<Add<T>>(inputs, applied_of(settings));
}
template <class T, Noise kind>
std::unique_ptr<Layer<T>> make_noise(const LayerSettings& settings, int inputs) {
  const bool gaussian = kind == Noise::gaussian_noise;
  const std::string amount = gaussian ? "deviation" : "rate";
  only(settings, {amount});
  const double most = gaussian ? 1e30 : 1 - 1.0 / (1 << 24);
  return std::make_unique<NoiseLayer<T>>(inputs, kind, number_in(settings, amount, 0, 0, most));
}
template <class T>
std::unique_ptr<Layer<T>> make_batch_norm(const LayerSettings& settings, int inputs) {
  only(settings, {"momentum", "epsilon"});
  return std::make_unique<BatchNorm<T>>(inputs, number_in(settings, "momentum", 0.1, 0, 1),
                                        number_in(settings, "epsilon", 1e-5, 1e-30, 1e30));
}
template <class T, bool centered>
std::unique_ptr<Layer<T>> make_feature_norm(const LayerSettings& settings, int inputs) {
  only(settings, {"epsilon"});
  return std::make_unique<FeatureNorm<T>>(inputs, centered, number_in(settings, "epsilon", 1e-5, 1e-30, 1e30));
}
template <class T>
std::unique_ptr<Layer<T>> make_normalize(const LayerSettings& settings, int inputs) {
  only(settings, {});
  return std::make_unique<Normalize<T>>(inputs);
}
template <class T>
std::unique_ptr<Layer<T>> make_embedding(const LayerSettings& settings, int inputs) {
  only(settings, {"columns", "codes", "sizes"});
  const auto list = [&](const char* key) {
    const auto found = settings.lists.find(key);
    return found == settings.lists.end() ? std::vector<double>{} : found->second;
  };
  const std::vector<double> columns = list("columns"), codes = list("codes"), sizes = list("sizes");
  if (columns.empty() || codes.size() != columns.size() || sizes.size() != columns.size())
    fail_value("an embedding needs lists 'columns', 'codes' and 'sizes' of the same length, at least 1");
  std::vector<Table> tables;
  std::set<int> seen;
  double rows = 0;
  for (std::size_t i = 0; i < columns.size(); ++i) {
    const int column = whole_number("a column's number + 1", columns[i] + 1, inputs) - 1;
    if (!seen.insert(column).second) fail_value("an embedding has column " + std::to_string(column) + " twice");
    tables.push_back(
        {column, whole_number("codes of a column", codes[i], 1 << 24), whole_number("size of an embedding", sizes[i])});
    rows += codes[i];
  }
  whole_number("codes of all columns", rows);
  if (Embedding<T>::outputs_of(inputs, tables) > kMostFeatures) fail_value("the embeddings' sizes are too large");
  return std::make_unique<Embedding<T>>(inputs, std::move(tables));
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
constexpr Row kFactories[] = {
    {"dense", make_dense<float>, make_dense<double>},
    {"activation", make_activation<float>, make_activation<double>},
    {"add", make_add<float>, make_add<double>},
    {"dropout", make_noise<float, Noise::dropout>, make_noise<double, Noise::dropout>},
    {"alpha_dropout", make_noise<float, Noise::alpha_dropout>, make_noise<double, Noise::alpha_dropout>},
    {"gaussian_noise", make_noise<float, Noise::gaussian_noise>, make_noise<double, Noise::gaussian_noise>},
    {"batch_norm", make_batch_norm<float>, make_batch_norm<double>},
    {"layer_norm", make_feature_norm<float, true>, make_feature_norm<double, true>},
    {"rms_norm", make_feature_norm<float, false>, make_feature_norm<double, false>},
    {"normalize", make_normalize<float>, make_normalize<double>},
    {"embedding", make_embedding<float>, make_embedding<double>},
};

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
