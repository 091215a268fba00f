// The minibatch loop. Phase one takes each slice of the batch through everything that needs no other sample; phase two
// takes each block of rows of the weights through its gradient, sums over all slices in their order, and its update,
// while it is in cache. Nothing is allocated between the first step of a run and its last. Called by the bindings.
#include "train/engine.h"

#include <algorithm>

#include "core/error.h"
#include "nn/pass.h"
#include "nn/restraint.h"

namespace bpnative {

template <class T>
Engine<T>::Engine(Network<T>& network, std::optional<LossSpec> loss)
    : network_(network), table_(kernel_table()), kernels_(table_.of(T{})) {
  if (loss) loss_.emplace(*loss, network.layer(network.size() - 1).applied(), network.outputs());
}

template <class T>
T* Engine<T>::gradient(int slot, int slice) {
  const std::size_t slice_size = static_cast<std::size_t>(network_.width(slot)) * plan_.stride;
  return batch_memory_.data() + plan_.gradient[slot] + slice * slice_size;
}

template <class T>
T* Engine<T>::kept(T* space, int layer, int slice) {
  if (plan_.kept[layer] == Plan::kNone) return nullptr;
  if (!plan_.training()) return space + plan_.kept[layer];
  return batch_memory_.data() + plan_.kept[layer] +
         static_cast<std::size_t>(network_.layer(layer).kept()) * plan_.stride * slice;
}

// ---- phase one: slices ---------------------------------------------------------------------------------------------
template <class T>
SliceCall<T> Engine<T>::slice_call(const Pass& pass, int slice) const {
  SliceCall<T> call{};
  call.kernels = &kernels_;
  call.stride = plan_.stride;
  call.first = slice * plan_.stride;
  call.count = std::min(plan_.stride, pass.count - call.first);
  call.width = round_up(call.count, kSampleBlock);
  call.noise = {network_.noise_seed, pass.noise, 0};
  return call;
}

template <class T>
void Engine<T>::set_layer(SliceCall<T>& call, T* space, int layer, int slice) {
  call.parameters = network_.parameters().data() + network_.offset(layer);
  call.statistics = network_.statistics().data() + network_.statistics_offset(layer);
  call.reduced = reduced(layer);
  call.training = plan_.training() && (!network_.layer(layer).whole_batch() || network_.learns(layer));
  call.kept = kept(space, layer, slice);
  call.noise.layer = static_cast<std::uint32_t>(layer);
  const std::size_t x = plan_.value[network_.source(layer)];
  call.x = x == Plan::kNone ? nullptr : space + x;
  call.sparse = layer == plan_.sparse ? &sparse_ : nullptr;
}

// Layers from `from` up to `to`; from kStart on, the slice's rows are gathered first.
template <class T>
void Engine<T>::forward_slice(const Pass& pass, T* space, int slice, int from, int to) {
  SliceCall<T> call = slice_call(pass, slice);
  const int count = call.count, last = network_.size() - 1;
  const std::ptrdiff_t panel_size = static_cast<std::ptrdiff_t>(plan_.batch) * kernels_.panel;
  const auto panels = [&](int slot) {
    return plan_.panels[slot] == Plan::kNone
               ? nullptr
               : batch_memory_.data() + plan_.panels[slot] + static_cast<std::size_t>(call.first) * kernels_.panel;
  };
  if (from == kStart && plan_.sparse < 0) {
    const Samples<T>& samples = *pass.samples;
    const std::int64_t start = pass.begin + call.first;
    const std::int64_t* order = samples.order ? samples.order + start : nullptr;
    const std::int64_t first = samples.order ? 0 : start * network_.inputs();
    if (samples.bytes)
      kernels_.gather_bytes(space + plan_.value[0], panels(0), samples.bytes + first, order, network_.inputs(), count,
                            call.width, plan_.stride, panel_size, samples.scale, samples.offset);
    else
      kernels_.gather(space + plan_.value[0], panels(0), samples.x + first, order, network_.inputs(), count, call.width,
                      plan_.stride, panel_size);
  }
  for (int i = std::max(from, 0); i < to; ++i) {
    const Layer<T>& layer = network_.layer(i);
    if (!plan_.training() && layer.only_training()) continue;  // y is x, and lies where x lies
    set_layer(call, space, i, slice);
    call.second = network_.second(i) < 0 ? nullptr : space + plan_.value[network_.second(i)];
    call.y = space + plan_.value[i + 1];
    call.slope = plan_.slope[i + 1] == Plan::kNone ? nullptr : space + plan_.slope[i + 1];
    call.applied = i == last && loss_ && loss_->fused() ? Applied{} : layer.applied();
    layer.forward(call);
    if (T* out = panels(i + 1)) kernels_.to_panels(out, call.y, network_.width(i + 1), count, plan_.stride, panel_size);
  }
}

template <class T>
void Engine<T>::loss_slice(const Pass& pass, T* space, int slice) {
  const int first = slice * plan_.stride, count = std::min(plan_.stride, pass.count - first);
  const int last = network_.size(), outputs = network_.outputs();
  T* rows = space + plan_.loss;
  const std::ptrdiff_t stride = plan_.stride;
  const LossSpace<T> own{rows, rows + outputs * stride, rows + (outputs + 1) * stride, rows + (outputs + 2) * stride};
  T* dz = plan_.gradient[last] == Plan::kNone ? space + plan_.loss_gradient : gradient(last, slice);
  loss_->evaluate(kernels_, own, *pass.samples, pass.begin, first, count, pass.total, space + plan_.value[last],
                  plan_.gradient[last] == Plan::kNone ? nullptr : saved(space, last), dz, losses_.data() + first,
                  outputs, round_up(count, kSampleBlock), plan_.stride);
}

// Layers from `from` down to `to`, each to the slots it reads, as far as these need a gradient.
template <class T>
void Engine<T>::backward_slice(const Pass& pass, T* space, int slice, int from, int to) {
  SliceCall<T> call = slice_call(pass, slice);
  for (int i = from; i >= to; --i) {
    if (!plan_.backward[i]) continue;
    set_layer(call, space, i, slice);
    call.dz = gradient(i + 1, slice);
    for (int k = 0; k < 2; ++k) {
      const int slot = k == 0 ? network_.source(i) : network_.second(i);
      if (slot < 0 || plan_.gradient[slot] == Plan::kNone) continue;
      const Write write = plan_.writes[i][k];
      call.saved = saved(space, slot);
      call.applied = write.first && write.last ? network_.applied(slot) : Applied{};
      call.dx = write.first ? gradient(slot, slice) : space + plan_.shared;
      network_.layer(i).backward(call);
      if (write.first) continue;
      T* sum = gradient(slot, slice);
      kernels_.slices.add(sum, sum, call.dx, network_.width(slot), call.width, call.stride);
      call.applied = write.last ? network_.applied(slot) : Applied{};
      apply_derivative(call, sum, network_.width(slot));
    }
  }
}

template <class T>
void Engine<T>::output_slice(const Pass& pass, T* space, int slice) {
  if (!pass.outputs) return;
  const int first = slice * plan_.stride, count = std::min(plan_.stride, pass.count - first);
  const int last = network_.size(), outputs = network_.outputs();
  T* y = space + plan_.value[last];
  const Applied applied = network_.applied(last);
  if (loss_ && loss_->fused())
    kernels_.activations[static_cast<int>(applied.activation)].forward(y, y, outputs, round_up(count, kSampleBlock),
                                                                       plan_.stride, static_cast<T>(applied.parameter));
  kernels_.scatter(pass.outputs + (pass.begin + first) * outputs, y, outputs, count, plan_.stride);
}

// ---- phase two: rows of weights ------------------------------------------------------------------------------------
template <class T>
void Engine<T>::update_ranges(OptimizerState<T>& optimizer, const RowTask& task, const Ranges& ranges,
                              T* const (&gradient)[2], double factor, double clip_value) {
  for (int i = 0; i < 2; ++i) {
    const Range& range = ranges.of[i];
    if (range.size == 0) continue;
    const std::size_t at = network_.offset(task.layer) + range.offset;
    if (factor != 1 || clip_value > 0) scale_and_clip(gradient[i], range.size, factor, clip_value);
    optimizer.update(kernels_, task.layer, network_.parameters().data() + at, gradient[i], at, range.size);
  }
  const double longest = network_.layer(task.layer).restraints().longest;
  if (longest > 0)
    limit_rows(network_.parameters().data() + network_.offset(task.layer) + ranges.of[0].offset, task.rows,
               ranges.of[0].size / task.rows, longest);
  // Last, for it takes in the weights as the step leaves them.
  for (int i = 0; i < 2 && optimizer.average.on(); ++i)
    optimizer.average.update(kernels_, network_.offset(task.layer) + ranges.of[i].offset, ranges.of[i].size);
}

template <class T>
void Engine<T>::row_task(const Pass& pass, int worker, const RowTask& task, OptimizerState<T>* optimizer,
                         double clip_value) {
  const Layer<T>& layer = network_.layer(task.layer);
  const Ranges ranges = layer.ranges(task.first, task.rows);
  const std::size_t at = network_.offset(task.layer);
  T* block = scratch_.data() + worker * plan_.scratch;
  T* const whole[2] = {network_.gradients().data() + at + ranges.of[0].offset,
                       network_.gradients().data() + at + ranges.of[1].offset};
  const bool in_block = optimizer || pass.adds;
  RowsCall<T> call{};
  call.kernels = &kernels_;
  call.first = task.first, call.rows = task.rows, call.count = pass.count;
  call.sparse = task.layer == plan_.sparse ? &sparse_ : nullptr;
  call.sparse_scratch = block + plan_.sparse_scratch;
  if (layer.reads_panels() && !call.sparse)
    call.x_panels = batch_memory_.data() + plan_.panels[network_.source(task.layer)];
  call.panel_size = static_cast<std::ptrdiff_t>(plan_.batch) * kernels_.panel;
  call.dz = gradient(task.layer + 1, 0);
  call.stride = plan_.stride;
  call.dz_slice = static_cast<std::ptrdiff_t>(layer.outputs()) * plan_.stride;
  if (layer.kept() > 0) call.kept = batch_memory_.data() + plan_.kept[task.layer];
  call.kept_slice = static_cast<std::ptrdiff_t>(layer.kept()) * plan_.stride;
  call.reduced = reduced(task.layer);
  call.gradient[0] = in_block ? block : whole[0];
  call.gradient[1] = in_block ? block + ranges.of[0].size : whole[1];
  layer.gradient(call);
  // A penalty counts once a step, and not where somebody else's loss is carried back.
  if (pass.samples && !pass.adds && layer.restraints().penalty())
    add_penalty(call.gradient[0], penalties_.data() + plan_.penalties[task.layer] + task.first,
                network_.parameters().data() + at + ranges.of[0].offset, task.rows, ranges.of[0].size / task.rows,
                layer.restraints().times(pass.penalty));
  if (optimizer) update_ranges(*optimizer, task, ranges, call.gradient, 1, clip_value);
  if (pass.adds)
    for (int i = 0; i < 2; ++i) accumulate(whole[i], call.gradient[i], ranges.of[i].size);
}

// ---- a step --------------------------------------------------------------------------------------------------------
template <class T>
void Engine<T>::train_batch(Team& team, const Pass& pass, OptimizerState<T>* optimizer, double clip_value) {
  if (plan_.sparse >= 0) collect_sparse(team, pass);
  const int last = network_.size(), from = forward_breaks(team, pass);
  const int to = plan_.breaks.empty() ? 0 : plan_.breaks.back() + 1;
  team.run(divide_up(pass.count, plan_.stride), [&](int worker, int slice) {
    T* space = workspace(worker, slice);
    forward_slice(pass, space, slice, from, last);
    loss_slice(pass, space, slice);
    backward_slice(pass, space, slice, last - 1, to);
    output_slice(pass, space, slice);
  });
  backward_breaks(team, pass);
  const int* starts = team.threads() == plan_.threads ? plan_.row_starts.data() : nullptr;
  team.run(
      static_cast<int>(plan_.rows.size()),
      [&](int worker, int i) { row_task(pass, worker, plan_.rows[i], optimizer, clip_value); }, starts);
}

template <class T>
double Engine<T>::mean_loss(const Pass& pass) const {
  double sum = 0;  // in the order of the samples, whoever computed them
  for (std::int64_t i = 0; i < pass.count; ++i) sum += losses_[i];
  return sum / static_cast<double>(pass.total);
}

template <class T>
void Engine<T>::train(double* losses, T* outputs, OptimizerState<T>& optimizer, const Samples<T>& samples,
                      const double* learning_rate, const double* momentum, const double* penalty,
                      const StepSettings& settings) {
  // A run that ends within a minibatch goes on with the plan of the whole ones, and so do single steps of changing
  // sizes.
  const std::int64_t batch = settings.batch_size, whole = batch * settings.accumulate;
  const int largest = static_cast<int>(std::min<std::int64_t>(batch, samples.count));
  plan_for(samples, largest, std::max<std::int64_t>(batch, std::int64_t{2} * largest), Purpose::train);
  parallel_region(plan_.threads, [&](Team& team) {
    for (std::int64_t begin = 0, step = 0; begin < samples.count; begin += whole, ++step) {
      const std::int64_t end = std::min(begin + whole, samples.count);
      optimizer.begin_step(learning_rate + step * optimizer.groups(), momentum ? momentum + step : nullptr);
      losses[step] = 0;
      for (std::int64_t at = begin, part = 0; at < end; at += batch, ++part) {
        const int count = static_cast<int>(std::min(batch, end - at));
        const std::uint64_t noise = static_cast<std::uint64_t>(optimizer.step_count) * settings.accumulate + part;
        const double factor = penalty ? penalty[step] : 1;
        const Pass pass{&samples, at, count, end - begin, outputs, noise, part > 0, true, factor};
        train_batch(team, pass, settings.whole_gradient() ? nullptr : &optimizer, settings.clip_value);
        losses[step] += mean_loss(pass);
      }
      if (settings.whole_gradient()) apply(team, optimizer, settings);
      for (int i = 0; i < plan_.penalty_rows; ++i) losses[step] += penalties_[i];
      ++network_.updates;
    }
  });
}

template class Engine<float>;
template class Engine<double>;

}  // namespace bpnative
