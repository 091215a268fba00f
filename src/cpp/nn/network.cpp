// Makes the layers by name and lays their tensors out, one after the other, in the flat buffers. Called by the
// bindings.
#include "nn/network.h"

#include "core/error.h"

namespace bpnative {

template <class T>
Network<T>::Network(int inputs, const std::vector<LayerSettings>& layers) : inputs_(inputs) {
  if (inputs < 1 || inputs > kMostFeatures)
    fail_value("input_size must be from 1 to " + std::to_string(kMostFeatures) + ", got " + std::to_string(inputs));
  if (layers.empty()) fail_value("a network needs at least one layer");
  std::size_t total = 0;
  for (const LayerSettings& settings : layers) {
    layers_.push_back(make_layer<T>(settings, width(size())));
    offsets_.push_back(total);
    for (TensorShape& tensor : layers_.back()->tensors()) {
      std::size_t elements = 1;
      for (const std::size_t n : tensor.shape) elements = checked_multiply(elements, n, "the size of a tensor");
      tensors_.push_back({size() - 1, std::move(tensor.name), total, std::move(tensor.shape)});
      total = checked_add(total, elements, "the number of parameters");
    }
  }
  checked_multiply(total, sizeof(T), "the memory of the parameters");
  trainable_.assign(layers_.size(), true);
  parameters_ = Buffer<T>(total);
  gradients_ = Buffer<T>(total);
}

template <class T>
void Network<T>::set_trainable(int layer, bool trainable) {
  if (layer < 0 || layer >= size())
    fail_value("layer " + std::to_string(layer) + " does not exist; the network has " + std::to_string(size()));
  if (trainable_[layer] != trainable) ++revision_;
  trainable_[layer] = trainable;
}

template class Network<float>;
template class Network<double>;

}  // namespace bpnative
