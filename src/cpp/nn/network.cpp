// Makes the layers by name and lays their tensors out, one after the other, in the flat buffers. Called by the
// bindings.
#include "nn/network.h"

#include <cmath>

#include "core/error.h"

namespace bpnative {

namespace {

// Appends tensors, and returns how many elements there are now.
std::size_t lay_out(std::vector<Tensor>& all, int layer, std::vector<TensorShape> shapes, std::size_t total) {
  for (TensorShape& tensor : shapes) {
    std::size_t elements = 1;
    for (const std::size_t n : tensor.shape) elements = checked_multiply(elements, n, "the size of a tensor");
    all.push_back({layer, std::move(tensor.name), total, std::move(tensor.shape)});
    total = checked_add(total, elements, "the number of parameters");
  }
  return total;
}

}  // namespace

template <class T>
Network<T>::Network(int inputs, const std::vector<LayerSettings>& layers) : inputs_(inputs) {
  if (inputs < 1 || inputs > kMostFeatures)
    fail_value("input_size must be from 1 to " + std::to_string(kMostFeatures) + ", got " + std::to_string(inputs));
  if (layers.empty()) fail_value("a network needs at least one layer");
  std::size_t total = 0, statistics = 0;
  std::vector<bool> read(layers.size(), false);
  for (const LayerSettings& settings : layers) {
    const int here = size();
    const std::vector<int> sources = settings.sources.empty() ? std::vector<int>{here} : settings.sources;
    for (const int slot : sources) {
      if (slot < 0 || slot > here) fail_value("layer " + std::to_string(here) + " reads a slot that is not made yet");
      read[slot] = true;
    }
    layers_.push_back(make_layer<T>(settings, width(sources[0])));
    if (static_cast<int>(sources.size()) != layers_.back()->sources())
      fail_value("layer '" + settings.kind + "' reads " + std::to_string(layers_.back()->sources()) + " slots, got " +
                 std::to_string(sources.size()));
    if (sources.size() > 1 && (sources[0] == sources[1] || width(sources[1]) != width(sources[0])))
      fail_value("layer '" + settings.kind + "' needs two slots of one width, got " +
                 std::to_string(width(sources[0])) + " and " + std::to_string(width(sources[1])));
    sources_.emplace_back(sources[0], sources.size() > 1 ? sources[1] : -1);
    offsets_.push_back(total);
    statistics_offsets_.push_back(statistics);
    total = lay_out(tensors_, here, layers_.back()->tensors(), total);
    statistics = lay_out(statistics_tensors_, here, layers_.back()->statistics(), statistics);
  }
  // On the way back a slot's gradient is what its readers wrote.
  for (int slot = 0; slot < size(); ++slot)
    if (!read[slot]) fail_value("slot " + std::to_string(slot) + " is read by no layer");
  checked_multiply(total, sizeof(T), "the memory of the parameters");
  trainable_.assign(layers_.size(), true);
  parameters_ = Buffer<T>(total);
  gradients_ = Buffer<T>(total);
  statistics_ = Buffer<T>(statistics);
}

template <class T>
void Network<T>::set_trainable(int layer, bool trainable) {
  if (layer < 0 || layer >= size())
    fail_value("layer " + std::to_string(layer) + " does not exist; the network has " + std::to_string(size()));
  if (trainable_[layer] != trainable) ++revision_;
  trainable_[layer] = trainable;
}

template <class T>
void Network<T>::set_l2(int layer, double l2) {
  if (layer < 0 || layer >= size())
    fail_value("layer " + std::to_string(layer) + " does not exist; the network has " + std::to_string(size()));
  if (!(l2 >= 0) || std::isinf(l2))
    fail_value("expected l2 as a finite number of at least 0, got " + std::to_string(l2));
  const bool before = layers_[layer]->restraints().penalty();
  if (!layers_[layer]->set_l2(l2)) fail_value("layer " + std::to_string(layer) + " has no weight to penalize");
  if (layers_[layer]->restraints().penalty() != before) ++revision_;
}

template class Network<float>;
template class Network<double>;

}  // namespace bpnative
