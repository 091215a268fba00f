// The plan of a pass over a batch: how wide its slices are, where every tensor lies, which rows of weights make a task,
// how many threads it is worth. Made once for a network, a batch size and a number of threads; nothing in it changes a
// result. Memory, in elements: workspaces x (features of all slots, twice where a slope is kept, + outputs + 3) x S for
// what a slice needs on its way through, and batch x (inputs in panels + outputs + what is kept) of the layers that
// learn, for the gradients of rows.
#ifndef BPNATIVE_TRAIN_PLAN_H_
#define BPNATIVE_TRAIN_PLAN_H_

#include <array>
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

// A slot that several layers read gets its gradient from each of them, in the order of going back: the first writes,
// the others add, and at the last the derivative of the activation that made the slot is applied.
struct Write {
  bool first = false, last = false;
};

struct Plan {
  Purpose purpose;
  int batch, stride, slices;  // samples at most; S; slices of the batch
  int threads;
  int sparse = -1;  // the layer that takes the non-zero elements of the input alone, or -1: no slot 0, no panels of it
  bool training() const { return purpose == Purpose::train || purpose == Purpose::keep; }

  static constexpr std::size_t kNone = ~std::size_t{0};
  // In a workspace, of which there is one a worker, or one a slice where they must outlast a phase.
  bool workspace_a_slice;
  std::vector<std::size_t> value;   // of each slot: [features x S]
  std::vector<std::size_t> slope;   // of each slot whose activation keeps it: [features x S], or kNone
  std::size_t loss, loss_gradient;  // the loss's own rows, and its gradient where none is kept
  std::size_t shared;               // a part of the gradient of a slot that several layers read, or kNone
  std::size_t workspace;            // elements of one workspace, and how many there are
  int workspaces;
  // In the batch's memory.
  std::vector<std::size_t> panels;    // of each slot: [panels][batch x panel], or kNone
  std::vector<std::size_t> gradient;  // of each slot: [slices][features x S], or kNone
  std::vector<std::size_t> kept;      // of each layer: [slices][kept x S]; outside of training in a workspace; or kNone
  std::vector<std::size_t> reduced;   // of each layer that needs the whole batch, or kNone
  std::size_t batch_memory;
  std::size_t scratch;         // elements of one worker's block of finished rows,
  std::size_t sparse_scratch;  // from where on in it the gradient of the layer `sparse` has its own

  std::vector<bool> backward;                // of each layer: whether a slot that it reads needs a gradient
  std::vector<std::array<Write, 2>> writes;  // of each layer, to the slots that it reads
  std::vector<int> breaks;                   // layers before which all slices must have come
  std::vector<RowTask> rows;
  std::vector<int> row_starts;  // worker w owns tasks [row_starts[w], row_starts[w + 1])
  std::vector<Range> chunks;    // of the parameters that learn: units of sums over the whole gradient
  std::vector<int> penalties;   // of each layer: where its rows' penalties stand, or -1
  int penalty_rows;
};

template <class T>
Plan make_plan(const Network<T>& network, const KernelTable& table, int batch, int threads, Purpose purpose,
               int sparse = -1);

}  // namespace bpnative

#endif  // BPNATIVE_TRAIN_PLAN_H_
