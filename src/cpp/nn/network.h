// A network: its layers in the order of computation, each of which reads one slot or two, and the flat buffers that
// hold all parameters, gradients and statistics, tensor after tensor without a gap, in plain row-major order. Slot 0 is
// the input, slot i + 1 the output of layer i. What a user sees through a view is this memory itself. Used by train/
// and the bindings.
#ifndef BPNATIVE_NN_NETWORK_H_
#define BPNATIVE_NN_NETWORK_H_

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
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
  // Features of slot i; i = size() is the output.
  int width(int slot) const { return slot == 0 ? inputs_ : layers_[slot - 1]->outputs(); }
  // The activation that made slot i.
  Applied applied(int slot) const { return slot == 0 ? Applied{} : layers_[slot - 1]->applied(); }
  // The slots that layer i reads; second is -1 for most.
  int source(int layer) const { return sources_[layer].first; }
  int second(int layer) const { return sources_[layer].second; }

  Buffer<T>& parameters() { return parameters_; }
  Buffer<T>& gradients() { return gradients_; }
  Buffer<T>& statistics() { return statistics_; }
  std::size_t offset(int layer) const { return offsets_[layer]; }
  std::size_t statistics_offset(int layer) const { return statistics_offsets_[layer]; }
  const std::vector<Tensor>& tensors() const { return tensors_; }
  const std::vector<Tensor>& statistics_tensors() const { return statistics_tensors_; }

  bool trainable(int layer) const { return trainable_[layer]; }
  void set_trainable(int layer, bool trainable);
  void set_l2(int layer, double l2);  // between steps; a plan holds as long as it is 0 or not, as before
  // Training changes its parameters; a frozen one keeps its statistics, too.
  bool learns(int layer) const { return trainable_[layer] && layers_[layer]->gradient_rows() > 0; }
  std::int64_t updates = 0;   // training steps made, by whatever trainer
  std::int64_t forwards = 0;  // forward passes in training without a trainer
  std::uint64_t noise_seed = 0;
  int revision() const { return revision_; }  // grows whenever a plan made before no longer holds

  // Held by every call that computes with the network, so that two threads are served in turn.
  Turn& turn() { return turn_; }

 private:
  int inputs_, revision_ = 0;
  std::vector<std::unique_ptr<Layer<T>>> layers_;
  std::vector<std::pair<int, int>> sources_;
  std::vector<std::size_t> offsets_, statistics_offsets_;
  std::vector<Tensor> tensors_, statistics_tensors_;
  std::vector<bool> trainable_;
  Buffer<T> parameters_, gradients_, statistics_;
  Turn turn_;
};

}  // namespace bpnative

#endif  // BPNATIVE_NN_NETWORK_H_
