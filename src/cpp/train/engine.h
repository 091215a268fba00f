// Runs a network over batches: training steps, gradients, evaluation, prediction, and forward and backward in two
// calls. The only user of threads: a step is two phases, slices of the batch (forward, loss, backward) and then rows of
// weights (gradient, update). Called by the bindings, which hold the network's mutex and have released the
// interpreter's lock.
#ifndef BPNATIVE_TRAIN_ENGINE_H_
#define BPNATIVE_TRAIN_ENGINE_H_

#include <cstdint>
#include <optional>

#include "core/dispatch.h"
#include "core/thread_pool.h"
#include "nn/loss.h"
#include "nn/network.h"
#include "nn/optimizer.h"
#include "train/plan.h"

namespace bpnative {

template <class T>
class Engine {
 public:
  Engine(Network<T>& network, std::optional<LossSpec> loss);

  // One update a minibatch of the order. losses[i]: the mean loss of minibatch i before its update. outputs: null, or
  // the network's outputs row by row of the order.
  void train(double* losses, T* outputs, OptimizerState<T>& optimizer, const Samples<T>& samples,
             const double* learning_rate, int batch_size);
  // The mean loss; its gradient goes to the network's gradient buffer.
  double gradients(const Samples<T>& samples);
  // The mean loss, and the outputs where wanted.
  double evaluate(T* outputs, const Samples<T>& samples);
  void predict(T* outputs, const T* x, std::int64_t count);
  // Keeps what backward needs when training.
  void forward(T* outputs, const T* x, int count, bool training);
  // After forward(training): fills the network's gradients; input_gradient may be null.
  void backward(T* input_gradient, const T* output_gradient, int count);
  // One update by what stands in the network's gradient buffer.
  void apply(OptimizerState<T>& optimizer, double learning_rate);

 private:
  struct Pass;  // one batch on its way: what every slice and row task of it shares

  // Makes plan_ one for at least `batch` samples; keeps the one there is if it is for no more than at_most.
  void plan(int batch, std::int64_t at_most, Purpose purpose);
  T* workspace(int index) { return workspaces_.data() + index * plan_.workspace; }
  T* gradient(int slot, int slice);
  // What the derivative of the activation that made the slot is taken from: its slope where kept, else its value.
  const T* saved(const T* space, int slot) const {
    return space + (plan_.slope[slot] == Plan::kNone ? plan_.value[slot] : plan_.slope[slot]);
  }
  void predict_few(T* outputs, const T* x, int count);
  void forward_slice(const Pass& pass, T* space, int slice);
  void backward_slice(const Pass& pass, const T* space, int slice);
  void loss_slice(const Pass& pass, T* space, int slice);
  void output_slice(const Pass& pass, T* space, int slice);
  void row_task(const Pass& pass, int worker, const RowTask& task, OptimizerState<T>* optimizer);
  void train_batch(Team& team, const Pass& pass, OptimizerState<T>* optimizer);
  double mean_loss(std::int64_t count) const;

  Network<T>& network_;
  const KernelTable& table_;
  const Kernels<T>& kernels_;
  std::optional<LossFunction<T>> loss_;
  Plan plan_{};
  int planned_threads_ = 0, planned_revision_ = -1;
  Buffer<T> workspaces_, batch_memory_, scratch_;
  Buffer<double> losses_;
  // The last forward(training), which backward may follow: its samples, its thread, and how far training had come.
  int kept_ = 0;
  const void* kept_by_ = nullptr;
  std::int64_t kept_after_ = 0;
};

}  // namespace bpnative

#endif  // BPNATIVE_TRAIN_ENGINE_H_
