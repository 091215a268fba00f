// Which plan holds for a call, and the memory that it asks for: everything that is allocated between the first step of
// a run and its last is allocated here, before the first. Called by train/engine and train/calls.
#include <algorithm>

#include "core/error.h"
#include "train/engine.h"

namespace bpnative {

template <class T>
void Engine<T>::plan(int batch, std::int64_t at_most, Purpose purpose, int sparse) {
  const int threads = get_num_threads();
  const bool fits = plan_.batch >= batch && plan_.batch <= at_most && plan_.purpose == purpose &&
                    plan_.sparse == sparse && planned_threads_ == threads && planned_revision_ == network_.revision();
  if (fits) return;
  Plan made = make_plan(network_, table_, batch, threads, purpose, sparse);
  plan_.batch = 0;  // no plan holds until all of its memory is there
  workspaces_ = Buffer<T>();
  workspaces_ = Buffer<T>(checked_multiply(made.workspace, made.workspaces, "the memory of a batch"));
  batch_memory_ = Buffer<T>();
  batch_memory_ = Buffer<T>(made.batch_memory);
  scratch_ = Buffer<T>(made.scratch * made.threads);
  if (sparse < 0) sparse_.release();
  losses_ = Buffer<double>(purpose == Purpose::predict ? 0 : batch);
  penalties_ = Buffer<double>(made.penalty_rows);
  squares_ = Buffer<double>(made.chunks.size());
  plan_ = std::move(made);
  planned_threads_ = threads;
  planned_revision_ = network_.revision();
}

template <class T>
void Engine<T>::plan_for(const Samples<T>& samples, int batch, std::int64_t at_most, Purpose purpose) {
  const int layer = SparseInputs<T>::layer_of(network_);
  if (layer < 0 && samples.elements_alone())
    fail_value("this network needs all elements of its input: its first layer is not Dense");
  const bool considered = layer >= 0 && (purpose == Purpose::train || samples.elements_alone());
  const bool pays = considered && SparseInputs<T>::pays(kernels_, samples, batch, network_.inputs(),
                                                        network_.layer(layer).outputs(), plan_.sparse >= 0);
  plan(batch, at_most, purpose, pays ? layer : -1);
  if (pays)
    sparse_.reserve(samples, batch, plan_.batch, plan_.slices, network_.inputs(), network_.layer(layer).outputs(),
                    plan_.training());
}

#define BPN_INSTANTIATE(T)                                        \
  template void Engine<T>::plan(int, std::int64_t, Purpose, int); \
  template void Engine<T>::plan_for(const Samples<T>&, int, std::int64_t, Purpose);
BPN_INSTANTIATE(float)
BPN_INSTANTIATE(double)
#undef BPN_INSTANTIATE

}  // namespace bpnative
