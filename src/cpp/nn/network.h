// A network: its layers and the two flat buffers that hold all parameters and all gradients, tensor after tensor
// without a gap, in plain row-major order. What a user sees through a view is this memory itself. Used by train/ and
// the bindings.
#ifndef BPNATIVE_NN_NETWORK_H_
#define BPNATIVE_NN_NETWORK_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/turn.h"
#include "core/types.h"
#include "nn/registry.h"

namespace bpnative {

struct Tensor {
  int layer;
  std::string name;
  std::size_t offset;
  std::vector<std::size_t> shape;
};

template <class T>
class Network {
 public:
  Network(int inputs, const std::vector<LayerSettings>& layers);

  int inputs() const { return inputs_; }
  int outputs() const { return layers_.back()->outputs(); }
  int size() const { return static_cast<int>(layers_.size()); }
  const Layer<T>& layer(int i) const { return *layers_[i]; }
  // Features that enter layer i; i = size() is the output.
  int width(int i) const { return i == 0 ? inputs_ : layers_[i - 1]->outputs(); }

  Buffer<T>& parameters() { return parameters_; }
  Buffer<T>& gradients() { return gradients_; }
  std::size_t offset(int layer) const { return offsets_[layer]; }
  const std::vector<Tensor>& tensors() const { return tensors_; }

  bool trainable(int layer) const { return trainable_[layer]; }
  void set_trainable(int layer, bool trainable);
  std::int64_t updates = 0;                   // training steps made, by whatever trainer
  int revision() const { return revision_; }  // grows whenever a plan made before no longer holds

  // Held by every call that computes with the network, so that two threads are served in turn.
  Turn& turn() { return turn_; }

 private:
  int inputs_, revision_ = 0;
  std::vector<std::unique_ptr<Layer<T>>> layers_;
  std::vector<std::size_t> offsets_;
  std::vector<Tensor> tensors_;
  std::vector<bool> trainable_;
  Buffer<T> parameters_, gradients_;
  Turn turn_;
};

}  // namespace bpnative

#endif  // BPNATIVE_NN_NETWORK_H_
