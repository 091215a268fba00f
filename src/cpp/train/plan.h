// The plan of a pass over a batch: how wide its slices are, where every tensor lies, which rows of weights make a task,
// how many threads it is worth. Made once for a network, a batch size and a number of threads; nothing in it changes a
// result. Memory, in elements: workspaces x (features of all slots, twice where a slope is kept, + outputs + 3) x S for
// what a slice needs on its way through, and batch x (inputs in panels + outputs) of the layers that learn, for the
// gradients of rows.
#ifndef BPNATIVE_TRAIN_PLAN_H_
#define BPNATIVE_TRAIN_PLAN_H_

#include <cstddef>
#include <vector>

#include "nn/network.h"

namespace bpnative {

enum class Purpose {
  train,     // forward, loss, backward, gradients; a workspace a worker
  keep,      // forward now, backward in a later call: a workspace a slice
  evaluate,  // forward and loss
  predict,   // forward; two buffers that take turns
};

// A block of rows of one layer's weights: the unit of work of gradients and updates.
struct RowTask {
  int layer, first, rows;
};

struct Plan {
  Purpose purpose;
  int batch, stride, slices;  // samples at most; S; slices of the batch
  int threads;
  int first_backward;  // the lowest layer that learns (or 0 for the input's gradient); size() where none does

  static constexpr std::size_t kNone = ~std::size_t{0};
  std::vector<std::size_t> value;   // of each slot, in a workspace: [features x S]
  std::vector<std::size_t> slope;   // of each slot whose activation keeps it, in a workspace: [features x S], or kNone
  std::size_t loss, loss_gradient;  // in a workspace: the loss's own rows, and its gradient where none is kept
  std::size_t workspace;            // elements of one workspace, and how many there are
  int workspaces;
  std::vector<std::size_t> panels;    // of each slot, in the batch's memory: [panels][batch x panel], or kNone
  std::vector<std::size_t> gradient;  // of each slot: [slices][features x S], or kNone
  std::size_t batch_memory;
  std::size_t scratch;  // elements of one worker's block of finished rows

  std::vector<RowTask> rows;
  std::vector<int> row_starts;  // worker w owns tasks [row_starts[w], row_starts[w + 1])
};

template <class T>
Plan make_plan(const Network<T>& network, const KernelTable& table, int batch, int threads, Purpose purpose);

}  // namespace bpnative

#endif  // BPNATIVE_TRAIN_PLAN_H_
