// Runs a network over batches: training steps, gradients, evaluation, prediction, and forward and backward in two
// calls. The only user of threads: a step is two phases, slices of the batch (forward, loss, backward) and then rows of
// weights (gradient, update), and more where a layer needs the whole batch or the update the whole gradient. Called by
// the bindings, which hold the network's mutex and have released the interpreter's lock. engine.cpp holds the training
// step, phases.cpp what cuts it into more phases, memory.cpp what is made before it, calls.cpp everything else.
#ifndef BPNATIVE_TRAIN_ENGINE_H_
#define BPNATIVE_TRAIN_ENGINE_H_

#include <cstdint>
#include <optional>

#include "core/dispatch.h"
#include "core/thread_pool.h"
#include "nn/loss.h"
#include "nn/network.h"
#include "nn/optimizer.h"
#include "nn/sparse_inputs.h"
#include "train/plan.h"

namespace bpnative {

// How an update is made. A step takes `accumulate` minibatches of batch_size, whose gradients add up to that of one
// large batch; the gradient's length over all parameters, and each of its elements, are cut to what is above 0.
struct StepSettings {
  int batch_size = 1, accumulate = 1;
  double clip_norm = 0, clip_value = 0;
  bool whole_gradient() const { return accumulate > 1 || clip_norm > 0; }
};

template <class T>
class Engine {
 public:
  Engine(Network<T>& network, std::optional<LossSpec> loss);

  // One update a step of the order. losses[i]: the mean loss of step i before its update. outputs: null, or the
  // network's outputs row by row of the order. momentum: null, or one a step, see OptimizerState::begin_step. penalty:
  // null, or one a step, a factor of the layers' l1 and l2.
  void train(double* losses, T* outputs, OptimizerState<T>& optimizer, const Samples<T>& samples,
             const double* learning_rate, const double* momentum, const double* penalty, const StepSettings& settings);
  // One update with the network's gradient buffer as it is, and so often the layers' penalties.
  void update(OptimizerState<T>& optimizer, const double* learning_rates, const double* momentum, double penalty,
              const StepSettings& settings);
  // So often the gradients of the layers' penalties, on top of what the network's gradient buffer holds.
  void add_penalties(double factor);
  // The layers' penalties of the weights as they are.
  double penalty() const;
  // The mean loss; its gradient goes to the network's gradient buffer. step: which step's noise.
  double gradients(const Samples<T>& samples, std::int64_t step);
  // The mean loss, and the outputs where wanted.
  double evaluate(T* outputs, const Samples<T>& samples);
  void predict(T* outputs, const Samples<T>& rows);  // x or elements, in their order
  // Keeps what backward needs when training.
  void forward(T* outputs, const T* x, int count, bool training);
  // After forward(training): fills the network's gradients; input_gradient may be null.
  void backward(T* input_gradient, const T* output_gradient, int count);

 private:
  // One batch on its way: what every slice and row task of it shares.
  struct Pass {
    const Samples<T>* samples;
    std::int64_t begin;   // of the batch, in the order
    int count;            // samples of the batch
    std::int64_t total;   // samples of the step, of which the loss is the mean
    T* outputs;           // of the whole run, or null
    std::uint64_t noise;  // of which step
    bool adds;            // its gradient is added to the network's gradient buffer
    bool moves;           // running statistics follow the batch
    double penalty = 1;   // how often the layers' penalties count
  };

  static constexpr int kStart = -1;  // in the place of a layer: gather the slice's rows, then the first layer

  // Makes plan_ one for at least `batch` samples; keeps the one there is if it is for no more than at_most.
  void plan(int batch, std::int64_t at_most, Purpose purpose, int sparse = -1);
  // The same for these samples, and whether the first layer takes their non-zero elements alone.
  void plan_for(const Samples<T>& samples, int batch, std::int64_t at_most, Purpose purpose);
  T* workspace(int worker, int slice) {
    return workspaces_.data() + (plan_.workspace_a_slice ? slice : worker) * plan_.workspace;
  }
  T* gradient(int slot, int slice);
  T* kept(T* space, int layer, int slice);
  T* reduced(int layer) {
    return plan_.reduced[layer] == Plan::kNone ? nullptr : batch_memory_.data() + plan_.reduced[layer];
  }
  // What the derivative of the activation that made the slot is taken from: its slope where kept, else its value.
  const T* saved(const T* space, int slot) const {
    return space + (plan_.slope[slot] == Plan::kNone ? plan_.value[slot] : plan_.slope[slot]);
  }
  SliceCall<T> slice_call(const Pass& pass, int slice) const;
  void set_layer(SliceCall<T>& call, T* space, int layer, int slice);
  void forward_slice(const Pass& pass, T* space, int slice, int from, int to);
  void backward_slice(const Pass& pass, T* space, int slice, int from, int to);
  void loss_slice(const Pass& pass, T* space, int slice);
  void output_slice(const Pass& pass, T* space, int slice);
  int forward_breaks(Team& team, const Pass& pass);
  void backward_breaks(Team& team, const Pass& pass);
  void reduce(Team& team, const Pass& pass, int layer, bool backward);
  void row_task(const Pass& pass, int worker, const RowTask& task, OptimizerState<T>* optimizer, double clip_value);
  void collect_sparse(Team& team, const Pass& pass);
  void train_batch(Team& team, const Pass& pass, OptimizerState<T>* optimizer, double clip_value);
  void apply(Team& team, OptimizerState<T>& optimizer, const StepSettings& settings);
  void update_ranges(OptimizerState<T>& optimizer, const RowTask& task, const Ranges& ranges, T* const (&gradient)[2],
                     double factor, double clip_value);
  double mean_loss(const Pass& pass) const;
  void predict_few(T* outputs, const T* x, int count);

  Network<T>& network_;
  const KernelTable& table_;
  const Kernels<T>& kernels_;
  std::optional<LossFunction<T>> loss_;
  Plan plan_{};
  int planned_threads_ = 0, planned_revision_ = -1;
  Buffer<T> workspaces_, batch_memory_, scratch_;
  SparseInputs<T> sparse_;
  Buffer<double> losses_, penalties_, squares_;
  // The last forward(training), which backward may follow: its samples, its thread, and how far training had come.
  int kept_ = 0;
  const void* kept_by_ = nullptr;
  std::int64_t kept_after_ = 0;
};

}  // namespace bpnative

#endif  // BPNATIVE_TRAIN_ENGINE_H_
