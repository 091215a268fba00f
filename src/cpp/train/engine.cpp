// The minibatch loop. Phase one takes each slice of the batch through everything that needs no other sample; phase two
// takes each block of rows of the weights through its gradient, sums over all slices in their order, and its update,
// while it is in cache. Nothing is allocated between the first step of a run and its last. Called by the bindings.
#include "train/engine.h"

#include <algorithm>

#include "core/error.h"

namespace bpnative {
namespace {

const void* this_thread() {  // an address of its own for every thread
  thread_local char here;
  return &here;
}

}  // namespace

template <class T>
struct Engine<T>::Pass {
  const Samples<T>* samples;
  std::int64_t begin;  // of the batch, in the order
  int count;           // samples of the batch
  T* outputs;          // of the whole run, or null
};

template <class T>
Engine<T>::Engine(Network<T>& network, std::optional<LossSpec> loss)
    : network_(network), table_(kernel_table()), kernels_(table_.of(T{})) {
  if (loss) loss_.emplace(*loss, network.layer(network.size() - 1).applied(), network.outputs());
}

template <class T>
void Engine<T>::plan(int batch, std::int64_t at_most, Purpose purpose) {
  const int threads = get_num_threads();
  const bool fits = plan_.batch >= batch && plan_.batch <= at_most && plan_.purpose == purpose &&
                    planned_threads_ == threads && planned_revision_ == network_.revision();
  if (fits) return;
  Plan made = make_plan(network_, table_, batch, threads, purpose);
  plan_.batch = 0;  // no plan holds until all of its memory is there
  workspaces_ = Buffer<T>();
  workspaces_ = Buffer<T>(checked_multiply(made.workspace, made.workspaces, "the memory of a batch"));
  batch_memory_ = Buffer<T>();
  batch_memory_ = Buffer<T>(made.batch_memory);
  scratch_ = Buffer<T>(made.scratch * made.threads);
  losses_ = Buffer<double>(purpose == Purpose::predict ? 0 : batch);
  plan_ = std::move(made);
  planned_threads_ = threads;
  planned_revision_ = network_.revision();
}

template <class T>
T* Engine<T>::gradient(int slot, int slice) {
  const std::size_t slice_size = static_cast<std::size_t>(network_.width(slot)) * plan_.stride;
  return batch_memory_.data() + plan_.gradient[slot] + slice * slice_size;
}

template <class T>
void Engine<T>::forward_slice(const Pass& pass, T* space, int slice) {
  const int first = slice * plan_.stride, count = std::min(plan_.stride, pass.count - first);
  const int width = round_up(count, kSampleBlock), last = network_.size() - 1;
  const std::ptrdiff_t panel_size = static_cast<std::ptrdiff_t>(plan_.batch) * kernels_.panel;
  const auto panels = [&](int slot) {
    return plan_.panels[slot] == Plan::kNone
               ? nullptr
               : batch_memory_.data() + plan_.panels[slot] + static_cast<std::size_t>(first) * kernels_.panel;
  };
  const Samples<T>& samples = *pass.samples;
  const std::int64_t start = pass.begin + first;
  kernels_.gather(space + plan_.value[0], panels(0), samples.order ? samples.x : samples.x + start * network_.inputs(),
                  samples.order ? samples.order + start : nullptr, network_.inputs(), count, width, plan_.stride,
                  panel_size);

  SliceCall<T> call{};
  call.kernels = &kernels_;
  call.width = width, call.stride = plan_.stride;
  for (int i = 0; i <= last; ++i) {
    call.parameters = network_.parameters().data() + network_.offset(i);
    call.x = space + plan_.value[i];
    call.y = space + plan_.value[i + 1];
    call.slope = plan_.slope[i + 1] == Plan::kNone ? nullptr : space + plan_.slope[i + 1];
    call.applied = i == last && loss_ && loss_->fused() ? Applied{} : network_.layer(i).applied();
    network_.layer(i).forward(call);
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
  loss_->evaluate(kernels_, own, *pass.samples, pass.begin, first, count, pass.count, space + plan_.value[last],
                  plan_.gradient[last] == Plan::kNone ? nullptr : saved(space, last), dz, losses_.data() + first,
                  outputs, round_up(count, kSampleBlock), plan_.stride);
}

template <class T>
void Engine<T>::output_slice(const Pass& pass, T* space, int slice) {
  if (!pass.outputs) return;
  const int first = slice * plan_.stride, count = std::min(plan_.stride, pass.count - first);
  const int last = network_.size(), outputs = network_.outputs();
  T* y = space + plan_.value[last];
  const Applied applied = network_.layer(last - 1).applied();
  if (loss_ && loss_->fused())
    kernels_.activations[static_cast<int>(applied.activation)].forward(y, y, outputs, round_up(count, kSampleBlock),
                                                                       plan_.stride, static_cast<T>(applied.parameter));
  kernels_.scatter(pass.outputs + (pass.begin + first) * outputs, y, outputs, count, plan_.stride);
}

template <class T>
void Engine<T>::backward_slice(const Pass& pass, const T* space, int slice) {
  const int first = slice * plan_.stride, count = std::min(plan_.stride, pass.count - first);
  SliceCall<T> call{};
  call.kernels = &kernels_;
  call.width = round_up(count, kSampleBlock), call.stride = plan_.stride;
  for (int i = network_.size() - 1; i >= plan_.first_backward && plan_.gradient[i] != Plan::kNone; --i) {
    call.parameters = network_.parameters().data() + network_.offset(i);
    call.saved = saved(space, i);
    call.applied = i > 0 ? network_.layer(i - 1).applied() : Applied{};
    call.dz = gradient(i + 1, slice);
    call.dx = gradient(i, slice);
    network_.layer(i).backward(call);
  }
}

template <class T>
void Engine<T>::row_task(const Pass& pass, int worker, const RowTask& task, OptimizerState<T>* optimizer) {
  const Layer<T>& layer = network_.layer(task.layer);
  const std::size_t row_size = layer.row_size(), weights = row_size * layer.gradient_rows();
  const std::size_t weight_at = network_.offset(task.layer) + task.first * row_size;
  const std::size_t bias_at = network_.offset(task.layer) + weights + task.first;
  T* block = scratch_.data() + worker * plan_.scratch;
  RowsCall<T> call{};
  call.kernels = &kernels_;
  call.first = task.first, call.rows = task.rows, call.count = pass.count;
  call.x_panels = batch_memory_.data() + plan_.panels[task.layer];
  call.panel_size = static_cast<std::ptrdiff_t>(plan_.batch) * kernels_.panel;
  call.dz = gradient(task.layer + 1, 0);
  call.stride = plan_.stride;
  call.dz_slice = static_cast<std::ptrdiff_t>(layer.outputs()) * plan_.stride;
  call.weight_gradient = optimizer ? block : network_.gradients().data() + weight_at;
  call.bias_gradient = optimizer ? block + task.rows * row_size : network_.gradients().data() + bias_at;
  layer.gradient(call);
  if (!optimizer) return;
  T* parameters = network_.parameters().data();
  optimizer->update(kernels_, parameters + weight_at, call.weight_gradient, weight_at, task.rows * row_size);
  if (layer.has_bias()) optimizer->update(kernels_, parameters + bias_at, call.bias_gradient, bias_at, task.rows);
}

template <class T>
void Engine<T>::train_batch(Team& team, const Pass& pass, OptimizerState<T>* optimizer) {
  team.run(divide_up(pass.count, plan_.stride), [&](int worker, int slice) {
    T* space = workspace(worker);
    forward_slice(pass, space, slice);
    loss_slice(pass, space, slice);
    backward_slice(pass, space, slice);
    output_slice(pass, space, slice);
  });
  const int* starts = team.threads() == plan_.threads ? plan_.row_starts.data() : nullptr;
  team.run(
      static_cast<int>(plan_.rows.size()), [&](int worker, int i) { row_task(pass, worker, plan_.rows[i], optimizer); },
      starts);
}

template <class T>
double Engine<T>::mean_loss(std::int64_t count) const {
  double sum = 0;  // in the order of the samples, whoever computed them
  for (std::int64_t i = 0; i < count; ++i) sum += losses_[i];
  return sum / static_cast<double>(count);
}

template <class T>
void Engine<T>::train(double* losses, T* outputs, OptimizerState<T>& optimizer, const Samples<T>& samples,
                      const double* learning_rate, int batch_size) {
  // A run that ends within a minibatch goes on with the plan of the whole ones, and so do single steps of changing
  // sizes.
  const int largest = static_cast<int>(std::min<std::int64_t>(batch_size, samples.count));
  plan(largest, std::max<std::int64_t>(batch_size, std::int64_t{2} * largest), Purpose::train);
  parallel_region(plan_.threads, [&](Team& team) {
    for (std::int64_t begin = 0, step = 0; begin < samples.count; begin += batch_size, ++step) {
      const Pass pass{&samples, begin, static_cast<int>(std::min<std::int64_t>(batch_size, samples.count - begin)),
                      outputs};
      optimizer.begin_step(learning_rate[step]);
      train_batch(team, pass, &optimizer);
      losses[step] = mean_loss(pass.count);
      ++network_.updates;
    }
  });
}

template <class T>
double Engine<T>::gradients(const Samples<T>& samples) {
  const int count = static_cast<int>(samples.count);
  plan(count, count, Purpose::train);
  std::fill_n(network_.gradients().data(), network_.gradients().size(), T(0));  // frozen layers have none
  const Pass pass{&samples, 0, count, nullptr};
  parallel_region(plan_.threads, [&](Team& team) { train_batch(team, pass, nullptr); });
  return mean_loss(pass.count);
}

template <class T>
double Engine<T>::evaluate(T* outputs, const Samples<T>& samples) {
  const int count = static_cast<int>(samples.count);
  // The short block at the end of the data goes on with the plan of the whole ones.
  plan(count, std::int64_t{4} * count, Purpose::evaluate);
  const Pass pass{&samples, 0, count, outputs};
  parallel_region(plan_.threads, [&](Team& team) {
    team.run(divide_up(count, plan_.stride), [&](int worker, int slice) {
      T* space = workspace(worker);
      forward_slice(pass, space, slice);
      loss_slice(pass, space, slice);
      output_slice(pass, space, slice);
    });
  });
  return mean_loss(pass.count);
}

template <class T>
void Engine<T>::predict_few(T* outputs, const T* x, int count) {
  plan(kSampleBlock, kSampleBlock, Purpose::predict);
  const int last = network_.size() - 1;
  for (int i = 0; i <= last; ++i) {
    const T* from = i == 0 ? x : workspaces_.data() + plan_.value[i];
    T* to = i == last ? outputs : workspaces_.data() + plan_.value[i + 1];
    network_.layer(i).forward_rows({&kernels_, network_.parameters().data() + network_.offset(i), count, from, to});
  }
}

template <class T>
void Engine<T>::predict(T* outputs, const T* x, std::int64_t count) {
  // A slice costs as much as sixteen samples; turning W for eight costs about as much.
  bool rows_taken = count <= 8;
  for (int i = 0; i < network_.size() && rows_taken; ++i) rows_taken = network_.layer(i).takes_rows();
  if (rows_taken) return predict_few(outputs, x, static_cast<int>(count));
  // Blocks bound the number of slices; the memory is two buffers a worker, whatever the count.
  constexpr std::int64_t kBlock = 1 << 20;
  for (std::int64_t begin = 0; begin < count; begin += kBlock) {
    const int rows = static_cast<int>(std::min(kBlock, count - begin));
    // Planned for the next power of two, so that predictions of changing sizes share a few plans.
    int planned = kSampleBlock;
    while (planned < rows) planned *= 2;
    plan(planned, planned, Purpose::predict);
    Samples<T> samples;
    samples.x = x + begin * network_.inputs();
    samples.count = rows;
    const Pass pass{&samples, 0, rows, outputs + begin * network_.outputs()};
    parallel_region(plan_.threads, [&](Team& team) {
      team.run(divide_up(rows, plan_.stride), [&](int worker, int slice) {
        forward_slice(pass, workspace(worker), slice);
        output_slice(pass, workspace(worker), slice);
      });
    });
  }
}

template <class T>
void Engine<T>::forward(T* outputs, const T* x, int count, bool training) {
  kept_ = 0;
  if (!training) return predict(outputs, x, count);
  plan(count, count, Purpose::keep);
  Samples<T> samples;
  samples.x = x;
  samples.count = count;
  const Pass pass{&samples, 0, count, outputs};
  parallel_region(plan_.threads, [&](Team& team) {
    team.run(plan_.slices, [&](int, int slice) {
      forward_slice(pass, workspace(slice), slice);
      output_slice(pass, workspace(slice), slice);
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
  const Applied applied = network_.layer(last - 1).applied();
  const Pass pass{nullptr, 0, count, nullptr};
  parallel_region(plan_.threads, [&](Team& team) {
    team.run(plan_.slices, [&](int, int slice) {
      const int first = slice * plan_.stride, rows = std::min(plan_.stride, count - first);
      const int width = round_up(rows, kSampleBlock);
      T* space = workspace(slice);
      T* dz = gradient(last, slice);
      kernels_.gather(dz, nullptr, output_gradient + static_cast<std::ptrdiff_t>(first) * outputs, nullptr, outputs,
                      rows, width, plan_.stride, 0);
      if (applied.activation != Activation::linear)
        kernels_.activations[static_cast<int>(applied.activation)].derivative(
            dz, dz, saved(space, last), outputs, width, plan_.stride, static_cast<T>(applied.parameter));
      backward_slice(pass, space, slice);
      if (input_gradient)
        kernels_.scatter(input_gradient + static_cast<std::ptrdiff_t>(first) * network_.inputs(), gradient(0, slice),
                         network_.inputs(), rows, plan_.stride);
    });
    team.run(static_cast<int>(plan_.rows.size()),
             [&](int worker, int i) { row_task(pass, worker, plan_.rows[i], nullptr); });
  });
}

template <class T>
void Engine<T>::apply(OptimizerState<T>& optimizer, double learning_rate) {
  optimizer.begin_step(learning_rate);
  for (int i = 0; i < network_.size(); ++i) {
    const std::size_t from = network_.offset(i);
    const std::size_t to = i + 1 < network_.size() ? network_.offset(i + 1) : network_.parameters().size();
    if (network_.trainable(i) && to > from)
      optimizer.update(kernels_, network_.parameters().data() + from, network_.gradients().data() + from, from,
                       to - from);
  }
  ++network_.updates;
}

template class Engine<float>;
template class Engine<double>;

}  // namespace bpnative
