// What an engine does beside training steps: gradients, updates with a gradient made elsewhere, evaluation, prediction,
// and forward and backward as two calls, for losses of the user's own. Called by the bindings.
#include <algorithm>

#include "core/error.h"
#include "nn/pass.h"
#include "nn/restraint.h"
#include "train/engine.h"

namespace bpnative {
namespace {

const void* this_thread() {  // an address of its own for every thread
  thread_local char here;
  return &here;
}

}  // namespace

template <class T>
double Engine<T>::gradients(const Samples<T>& samples, std::int64_t step) {
  const int count = static_cast<int>(samples.count);
  plan_for(samples, count, count, Purpose::train);
  std::fill_n(network_.gradients().data(), network_.gradients().size(), T(0));  // frozen layers have none
  const Pass pass{&samples, 0, count, count, nullptr, static_cast<std::uint64_t>(step), false, false};
  parallel_region(plan_.threads, [&](Team& team) { train_batch(team, pass, nullptr, 0); });
  return mean_loss(pass) + penalty();
}

template <class T>
double Engine<T>::penalty() const {
  double sum = 0;
  for (int i = 0; i < network_.size(); ++i) {
    const Layer<T>& layer = network_.layer(i);
    if (!network_.learns(i) || !layer.restraints().penalty()) continue;  // what can't change counts nowhere
    const Range all = layer.ranges(0, layer.gradient_rows()).of[0];
    const T* weight = network_.parameters().data() + network_.offset(i) + all.offset;
    const std::size_t row_size = layer.row_size();
    for (std::size_t at = 0; at < all.size; at += row_size)
      sum += penalty_of(weight + at, row_size, layer.restraints());
  }
  return sum;
}

template <class T>
void Engine<T>::add_penalties(double factor) {
  plan(1, kMostFeatures, Purpose::train);  // whatever batch it was made for
  for (int i = 0; i < network_.size(); ++i) {
    const Layer<T>& layer = network_.layer(i);
    if (!network_.learns(i) || !layer.restraints().penalty()) continue;
    const std::size_t at = network_.offset(i) + layer.ranges(0, layer.gradient_rows()).of[0].offset;
    add_penalty(network_.gradients().data() + at, penalties_.data() + plan_.penalties[i],
                network_.parameters().data() + at, layer.gradient_rows(), layer.row_size(),
                layer.restraints().times(factor));
  }
}

template <class T>
void Engine<T>::update(OptimizerState<T>& optimizer, const double* learning_rates, const double* momentum,
                       double penalty, const StepSettings& settings) {
  add_penalties(penalty);
  optimizer.begin_step(learning_rates, momentum);
  parallel_region(plan_.threads, [&](Team& team) { apply(team, optimizer, settings); });
  ++network_.updates;
}

template <class T>
double Engine<T>::evaluate(T* outputs, const Samples<T>& samples) {
  const int count = static_cast<int>(samples.count);
  // The short block at the end of the data goes on with the plan of the whole ones.
  plan_for(samples, count, std::int64_t{4} * count, Purpose::evaluate);
  const Pass pass{&samples, 0, count, count, outputs, 0, false, false};
  parallel_region(plan_.threads, [&](Team& team) {
    if (plan_.sparse >= 0) collect_sparse(team, pass);
    team.run(divide_up(count, plan_.stride), [&](int worker, int slice) {
      T* space = workspace(worker, slice);
      forward_slice(pass, space, slice, kStart, network_.size());
      loss_slice(pass, space, slice);
      output_slice(pass, space, slice);
    });
  });
  return mean_loss(pass) + penalty();
}

template <class T>
void Engine<T>::predict_few(T* outputs, const T* x, int count) {
  plan(kSampleBlock, kSampleBlock, Purpose::predict);
  int last = network_.size() - 1;
  while (last >= 0 && network_.layer(last).only_training()) --last;
  const T* from = x;
  for (int i = 0; i <= last; ++i) {
    if (network_.layer(i).only_training()) continue;
    T* to = i == last ? outputs : workspaces_.data() + plan_.value[i + 1];
    network_.layer(i).forward_rows({&kernels_, network_.parameters().data() + network_.offset(i),
                                    network_.statistics().data() + network_.statistics_offset(i), count, from, to});
    from = to;
  }
  if (last < 0) std::copy_n(x, static_cast<std::size_t>(count) * network_.outputs(), outputs);
}

template <class T>
void Engine<T>::predict(T* outputs, const Samples<T>& rows) {
  // A slice costs as much as sixteen samples; turning W for eight costs about as much.
  bool rows_taken = rows.x && rows.count <= 8;
  for (int i = 0; i < network_.size() && rows_taken; ++i)
    rows_taken = network_.layer(i).takes_rows() || network_.layer(i).only_training();
  if (rows_taken) return predict_few(outputs, rows.x, static_cast<int>(rows.count));
  // Blocks bound the number of slices; the memory is two buffers a worker, whatever the count, and the elements of a
  // block where these alone are given.
  const std::int64_t block = std::int64_t{1} << (rows.elements_alone() ? 14 : 20);
  for (std::int64_t begin = 0; begin < rows.count; begin += block) {
    const int count = static_cast<int>(std::min(block, rows.count - begin));
    // Planned for the next power of two, so that predictions of changing sizes share a few plans.
    int planned = kSampleBlock;
    while (planned < count) planned *= 2;
    Samples<T> samples = rows;
    if (rows.x) samples.x += begin * network_.inputs();
    if (rows.bytes) samples.bytes += begin * network_.inputs();
    if (rows.starts) samples.starts += begin;
    samples.count = count;
    plan_for(samples, planned, planned, Purpose::predict);
    const Pass pass{&samples, 0, count, count, outputs + begin * network_.outputs(), 0, false, false};
    parallel_region(plan_.threads, [&](Team& team) {
      if (plan_.sparse >= 0) collect_sparse(team, pass);
      team.run(divide_up(count, plan_.stride), [&](int worker, int slice) {
        forward_slice(pass, workspace(worker, slice), slice, kStart, network_.size());
        output_slice(pass, workspace(worker, slice), slice);
      });
    });
  }
}

template <class T>
void Engine<T>::forward(T* outputs, const T* x, int count, bool training) {
  kept_ = 0;
  Samples<T> samples;
  samples.x = x;
  samples.count = count;
  if (!training) return predict(outputs, samples);
  plan(count, count, Purpose::keep);
  const Pass pass{&samples, 0, count, count, outputs, static_cast<std::uint64_t>(++network_.forwards), false, true};
  parallel_region(plan_.threads, [&](Team& team) {
    const int from = forward_breaks(team, pass);
    team.run(plan_.slices, [&](int worker, int slice) {
      forward_slice(pass, workspace(worker, slice), slice, from, network_.size());
      output_slice(pass, workspace(worker, slice), slice);
    });
  });
  kept_ = count, kept_by_ = this_thread(), kept_after_ = network_.updates;
}

template <class T>
void Engine<T>::backward(T* input_gradient, const T* output_gradient, int count) {
  const bool holds = kept_ > 0 && plan_.batch >= kept_ && planned_revision_ == network_.revision();
  if (!holds || kept_by_ != this_thread() || kept_after_ != network_.updates)
    fail_value(
        "backward needs a forward(x, training=True) by the same thread before it, with no other forward, update or "
        "change of what is trainable in between");
  if (count != kept_)
    fail_value("backward got the gradient of " + std::to_string(count) + " rows, but forward had " +
               std::to_string(kept_));
  std::fill_n(network_.gradients().data(), network_.gradients().size(), T(0));
  const int last = network_.size(), outputs = network_.outputs();
  const Applied applied = network_.applied(last);
  const Pass pass{nullptr, 0, count, count, nullptr, static_cast<std::uint64_t>(network_.forwards), false, false};
  parallel_region(plan_.threads, [&](Team& team) {
    team.run(plan_.slices, [&](int worker, int slice) {
      const int first = slice * plan_.stride, rows = std::min(plan_.stride, count - first);
      const int width = round_up(rows, kSampleBlock);
      T* space = workspace(worker, slice);
      T* dz = gradient(last, slice);
      kernels_.gather(dz, nullptr, output_gradient + static_cast<std::ptrdiff_t>(first) * outputs, nullptr, outputs,
                      rows, width, plan_.stride, 0);
      if (applied.activation != Activation::linear)
        kernels_.activations[static_cast<int>(applied.activation)].derivative(
            dz, dz, saved(space, last), outputs, width, plan_.stride, static_cast<T>(applied.parameter));
      backward_slice(pass, space, slice, last - 1, plan_.breaks.empty() ? 0 : plan_.breaks.back() + 1);
    });
    backward_breaks(team, pass);
    team.run(input_gradient ? plan_.slices : 0, [&](int, int slice) {
      const int first = slice * plan_.stride, rows = std::min(plan_.stride, count - first);
      kernels_.scatter(input_gradient + static_cast<std::ptrdiff_t>(first) * network_.inputs(), gradient(0, slice),
                       network_.inputs(), rows, plan_.stride);
    });
    team.run(static_cast<int>(plan_.rows.size()),
             [&](int worker, int i) { row_task(pass, worker, plan_.rows[i], nullptr, 0); });
  });
}

#define BPN_INSTANTIATE(T)                                                                                        \
  template double Engine<T>::gradients(const Samples<T>&, std::int64_t);                                          \
  template void Engine<T>::update(OptimizerState<T>&, const double*, const double*, double, const StepSettings&); \
  template void Engine<T>::add_penalties(double);                                                                 \
  template double Engine<T>::penalty() const;                                                                     \
  template double Engine<T>::evaluate(T*, const Samples<T>&);                                                     \
  template void Engine<T>::predict_few(T*, const T*, int);                                                        \
  template void Engine<T>::predict(T*, const Samples<T>&);                                                        \
  template void Engine<T>::forward(T*, const T*, int, bool);                                                      \
  template void Engine<T>::backward(T*, const T*, int);
BPN_INSTANTIATE(float)
BPN_INSTANTIATE(double)
#undef BPN_INSTANTIATE

}  // namespace bpnative
