// What cuts a training step into more than two phases: a layer that needs the whole batch (batch norm) has its sums
// made by blocks of features, between slices that wait; an update that needs the whole gradient (its length, or several
// minibatches) comes after all rows. Called by train/engine and train/calls.
#include <algorithm>
#include <cmath>

#include "nn/restraint.h"
#include "train/engine.h"

namespace bpnative {

template <class T>
void Engine<T>::reduce(Team& team, const Pass& pass, int layer, bool backward) {
  constexpr int kFeatures = 16;
  const int slot = network_.source(layer), features = network_.width(slot);
  team.run(divide_up(features, kFeatures), [&](int, int task) {
    ReduceCall<T> call{};
    call.kernels = &kernels_;
    call.parameters = network_.parameters().data() + network_.offset(layer);
    call.first = task * kFeatures, call.rows = std::min(kFeatures, features - call.first);
    call.count = pass.count, call.stride = plan_.stride;
    call.x = workspaces_.data() + plan_.value[slot], call.x_slice = static_cast<std::ptrdiff_t>(plan_.workspace);
    call.reduced = reduced(layer);
    call.statistics = pass.moves ? network_.statistics().data() + network_.statistics_offset(layer) : nullptr;
    if (!backward) return network_.layer(layer).reduce(call);
    call.dz = gradient(layer + 1, 0);
    call.dz_slice = static_cast<std::ptrdiff_t>(network_.width(layer + 1)) * plan_.stride;
    network_.layer(layer).reduce_backward(call);
  });
}

// Before all slices: the elements of the batch's inputs that are not zero, and what the first layer needs to go over
// them. Sorting is one task beside many that turn blocks of its weights.
template <class T>
void Engine<T>::collect_sparse(Team& team, const Pass& pass) {
  const int slices = divide_up(pass.count, plan_.stride);
  team.run(slices, [&](int, int slice) {
    const int first = slice * plan_.stride;
    sparse_.collect(kernels_, *pass.samples, pass.begin, slice, first, std::min(plan_.stride, pass.count - first));
  });
  const T* weight = network_.parameters().data() + network_.offset(plan_.sparse);
  team.run(1 + sparse_.blocks(), [&](int, int task) {
    if (task > 0)
      sparse_.pack(kernels_, weight, task - 1, slices);
    else if (plan_.training() && network_.learns(plan_.sparse))
      sparse_.sort(pass.count);
  });
}

// Forward up to the last layer that needs the whole batch; returns where to go on.
template <class T>
int Engine<T>::forward_breaks(Team& team, const Pass& pass) {
  int from = kStart;
  for (const int to : plan_.breaks) {
    team.run(divide_up(pass.count, plan_.stride),
             [&](int worker, int slice) { forward_slice(pass, workspace(worker, slice), slice, from, to); });
    reduce(team, pass, to, false);
    from = to;
  }
  return from;
}

template <class T>
void Engine<T>::backward_breaks(Team& team, const Pass& pass) {
  for (std::size_t i = plan_.breaks.size(); i-- > 0;) {
    reduce(team, pass, plan_.breaks[i], true);
    team.run(divide_up(pass.count, plan_.stride), [&](int worker, int slice) {
      backward_slice(pass, workspace(worker, slice), slice, plan_.breaks[i], i > 0 ? plan_.breaks[i - 1] + 1 : 0);
    });
  }
}

// The update with the gradient as the network's buffer holds it, shortened first where it is too long (Pascanu, Mikolov
// & Bengio 2013, with PyTorch's 1e-6).
template <class T>
void Engine<T>::apply(Team& team, OptimizerState<T>& optimizer, const StepSettings& settings) {
  T* gradients = network_.gradients().data();
  double factor = 1;
  if (settings.clip_norm > 0) {
    team.run(static_cast<int>(plan_.chunks.size()), [&](int, int i) {
      squares_[i] = sum_of_squares(gradients + plan_.chunks[i].offset, plan_.chunks[i].size);
    });
    double sum = 0;
    for (std::size_t i = 0; i < plan_.chunks.size(); ++i) sum += squares_[i];
    factor = std::sqrt(sum) > settings.clip_norm ? settings.clip_norm / (std::sqrt(sum) + 1e-6) : 1;
  }
  team.run(static_cast<int>(plan_.rows.size()), [&](int, int i) {
    const RowTask& task = plan_.rows[i];
    const Ranges ranges = network_.layer(task.layer).ranges(task.first, task.rows);
    T* const of_layer = gradients + network_.offset(task.layer);
    T* const gradient[2] = {of_layer + ranges.of[0].offset, of_layer + ranges.of[1].offset};
    update_ranges(optimizer, task, ranges, gradient, factor, settings.clip_value);
  });
}

#define BPN_INSTANTIATE(T)                                        \
  template int Engine<T>::forward_breaks(Team&, const Pass&);     \
  template void Engine<T>::collect_sparse(Team&, const Pass&);    \
  template void Engine<T>::backward_breaks(Team&, const Pass&);   \
  template void Engine<T>::reduce(Team&, const Pass&, int, bool); \
  template void Engine<T>::apply(Team&, OptimizerState<T>&, const StepSettings&);
BPN_INSTANTIATE(float)
BPN_INSTANTIATE(double)
#undef BPN_INSTANTIATE

}  // namespace bpnative
