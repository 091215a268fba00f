// Cuts a batch into slices and the weights into blocks of rows, and lays out the memory of both. Called by
// train/engine.
#include "train/plan.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "core/thread_pool.h"
#include "nn/sparse_inputs.h"

namespace bpnative {
namespace {

// Lays pieces one after the other, each at a cache line.
template <class T>
class Layout {
 public:
  std::size_t add(std::size_t a, std::size_t b) {
    const std::size_t at = size_;
    const std::size_t elements = checked_multiply(a, b, "the memory of a batch");
    size_ = checked_add(size_, round_up(elements, kAlignment / sizeof(T)), "the memory of a batch");
    checked_multiply(size_, sizeof(T), "the memory of a batch");
    return at;
  }
  std::size_t size() const { return size_; }

 private:
  std::size_t size_ = 0;
};

template <class T>
double multiply_adds(const Network<T>& network) {
  double sum = 0;
  for (int i = 0; i < network.size(); ++i) sum += network.layer(i).cost();
  return sum;
}

// More threads only where what they save is more than the hand-overs between two phases cost. The rate is a coarse
// guess at half of a core's peak: it decides who computes, never what.
template <class T>
int worthwhile_threads(const Network<T>& network, const KernelTable& table, int batch, int threads, Purpose purpose) {
  if (threads <= 1) return 1;
  const double passes = purpose == Purpose::train || purpose == Purpose::keep ? 3 : 1;
  const double rate = table.vector_bytes / static_cast<double>(sizeof(T)) * 5e9;
  const double seconds = 2 * passes * multiply_adds(network) * batch / rate;
  const double hand_over = 2 * hand_off_seconds();
  while (threads > 1 && seconds * (1 - 1.0 / threads) < 2 * hand_over) --threads;
  return threads;
}

// A panel's width keeps a slice in the first two caches. Where a layer's weights are far larger than these, they would
// be streamed in once a slice: eight times as wide, they are copied into cache and used for eight strips of columns.
template <class T>
int slice_width(const Network<T>& network, const Kernels<T>& kernels, int batch, int threads) {
  constexpr double kLargeLayer = 4 << 20;
  double largest = 0;
  for (int i = 0; i < network.size(); ++i) largest = std::max(largest, network.layer(i).cost() * sizeof(T));
  const int most = largest >= kLargeLayer ? 8 * kernels.panel : kernels.panel;
  return std::max(kSampleBlock, std::min(most, round_up(divide_up(batch, threads), kSampleBlock)));
}

// Whole blocks of rows, small enough to stay in a second-level cache between gradient and update and to share out well,
// a multiple of 12 (every tile's height divides it) where the layer is larger than that.
int rows_of_task(int outputs, int inputs, double share_of_rows) {
  const double cached = std::max(1.0, 98304.0 / inputs);
  const double rows = std::min({cached, std::max(share_of_rows, 1.0), static_cast<double>(outputs)});
  return std::min(outputs, std::max(12, static_cast<int>(rows) / 12 * 12));
}

template <class T>
void add_row_tasks(Plan& plan, const Network<T>& network) {
  constexpr std::size_t kChunk = 4096;
  double total = 0;
  for (int i = 0; i < network.size(); ++i)
    if (network.learns(i)) total += static_cast<double>(network.layer(i).gradient_rows()) * network.layer(i).row_size();
  std::vector<double> ends;
  double done = 0;
  plan.penalties.assign(network.size(), -1);
  for (int i = 0; i < network.size(); ++i) {
    const Layer<T>& layer = network.layer(i);
    if (!network.learns(i)) continue;
    const double row_cost = layer.row_size() + 1;
    const int step = rows_of_task(layer.gradient_rows(), layer.row_size(), total / (6.0 * plan.threads) / row_cost);
    for (int first = 0; first < layer.gradient_rows(); first += step) {
      const int rows = std::min(step, layer.gradient_rows() - first);
      plan.rows.push_back({i, first, rows});
      done += rows * row_cost;
      ends.push_back(done);
      plan.scratch = std::max(plan.scratch, layer.ranges(first, rows).size());
      if (i == plan.sparse)
        plan.sparse_scratch = std::max(plan.sparse_scratch, SparseInputs<T>::scratch(plan.batch, rows));
    }
    for (const Range& range : layer.ranges(0, layer.gradient_rows()).of)
      for (std::size_t at = 0; at < range.size; at += kChunk)
        plan.chunks.push_back({network.offset(i) + range.offset + at, std::min(kChunk, range.size - at)});
    if (layer.restraints().penalty()) plan.penalties[i] = plan.penalty_rows, plan.penalty_rows += layer.gradient_rows();
  }
  for (int w = 0; w <= plan.threads; ++w)
    plan.row_starts.push_back(
        static_cast<int>(std::lower_bound(ends.begin(), ends.end(), done * w / plan.threads - 1e-9 * done) -
                         ends.begin() + (w > 0 && w < plan.threads ? 1 : 0)));
  plan.row_starts.front() = 0;
  plan.row_starts.back() = static_cast<int>(plan.rows.size());
  for (int w = 1; w <= plan.threads; ++w)
    plan.row_starts[w] = std::clamp(plan.row_starts[w], plan.row_starts[w - 1], static_cast<int>(plan.rows.size()));
}

// Which slots need a gradient: those made by layers that learn, or made of slots that need one.
template <class T>
std::vector<bool> add_backward(Plan& plan, const Network<T>& network, bool input_gradient) {
  std::vector<bool> flows(network.size() + 1, false);
  flows[0] = input_gradient;
  plan.writes.resize(network.size());
  std::vector<int> readers(network.size() + 1, 0);
  for (int i = 0; i < network.size(); ++i) {
    const int slots[2] = {network.source(i), network.second(i)};
    bool back = false;
    for (const int slot : slots) back = back || (slot >= 0 && flows[slot]);
    plan.backward.push_back(back);
    flows[i + 1] = back || network.learns(i);
    for (int k = 0; k < 2; ++k)
      if (slots[k] >= 0) plan.writes[i][k].last = readers[slots[k]]++ == 0;  // the first reader is last on the way back
  }
  std::vector<int> left = readers;
  for (int i = 0; i < network.size(); ++i)
    for (const int slot : {network.source(i), network.second(i)})
      if (slot >= 0) plan.writes[i][slot == network.second(i)].first = --left[slot] == 0;
  return flows;
}

// A slot's values are dead after its last reader: predictions need no more buffers than values live at once.
template <class T>
void add_taking_turns(Plan& plan, const Network<T>& network, Layout<T>& workspace, std::size_t widest) {
  const int size = network.size();
  std::vector<int> last_reader(size + 1, size);
  for (int i = size - 1; i >= 0; --i)
    for (const int slot : {network.source(i), network.second(i)})
      if (slot >= 0 && last_reader[slot] == size) last_reader[slot] = i;
  last_reader[size] = size;
  std::vector<int> same(size + 1);  // the slot whose memory a slot has: that of its source, where y is x
  for (int slot = 0; slot <= size; ++slot) {
    const bool handed_on = slot > 0 && network.layer(slot - 1).only_training();
    same[slot] = handed_on ? same[network.source(slot - 1)] : slot;
    last_reader[same[slot]] = std::max(last_reader[same[slot]], last_reader[slot]);
  }
  std::vector<std::size_t> free;
  for (int slot = 0; slot <= size; ++slot) {
    if (same[slot] == slot && free.empty()) free.push_back(workspace.add(widest, plan.stride));
    plan.value.push_back(same[slot] == slot ? free.back() : plan.value[same[slot]]);
    if (same[slot] == slot) free.pop_back();
    for (int old = 0; slot > 0 && old < slot; ++old)  // what the layer that made this slot read for the last time
      if (same[old] == old && last_reader[old] == slot - 1) free.push_back(plan.value[old]);
  }
}

}  // namespace

template <class T>
Plan make_plan(const Network<T>& network, const KernelTable& table, int batch, int threads, Purpose purpose,
               int sparse) {
  const bool input_gradient = purpose == Purpose::keep;
  const Kernels<T>& kernels = table.of(T{});
  const int size = network.size();
  Plan plan{};
  plan.purpose = purpose;
  plan.sparse = sparse;
  const bool training = plan.training();
  plan.batch = batch;
  plan.threads = worthwhile_threads(network, table, batch, threads, purpose);
  plan.stride = slice_width(network, kernels, batch, plan.threads);
  plan.slices = divide_up(batch, plan.stride);
  plan.threads = std::min(plan.threads, std::max(plan.slices, training ? plan.threads : 1));
  std::vector<bool> flows(size + 1, false);
  if (training) {
    flows = add_backward(plan, network, input_gradient);
    for (int i = 0; i < size; ++i)
      if (network.layer(i).whole_batch() && network.learns(i)) plan.breaks.push_back(i);
  }

  const std::size_t stride = plan.stride, slices = plan.slices;
  Layout<T> workspace, memory;
  std::size_t widest = 0;
  for (int i = sparse >= 0 ? 1 : 0; i <= size; ++i) widest = std::max<std::size_t>(widest, network.width(i));
  if (purpose == Purpose::predict) add_taking_turns(plan, network, workspace, widest);
  plan.shared = Plan::kNone;
  for (int i = 0; i <= size; ++i) {
    const bool handed_on = i > 0 && !training && network.layer(i - 1).only_training();
    if (purpose != Purpose::predict)
      plan.value.push_back(handed_on               ? plan.value[network.source(i - 1)]
                           : i == 0 && sparse >= 0 ? Plan::kNone
                                                   : workspace.add(network.width(i), stride));
    const bool sloped = training && keeps_slope(network.applied(i).activation);
    plan.slope.push_back(sloped ? workspace.add(network.width(i), stride) : Plan::kNone);
    plan.panels.push_back(Plan::kNone);
    plan.gradient.push_back(flows[i] ? memory.add(checked_multiply(network.width(i), stride, "a slice"), slices)
                                     : Plan::kNone);
  }
  for (int i = 0; i < size; ++i) {
    const Layer<T>& layer = network.layer(i);
    const std::size_t kept = layer.kept();
    if (kept > 0 && training) {
      plan.kept.push_back(memory.add(checked_multiply(kept, stride, "a slice"), slices));
    } else {
      plan.kept.push_back(kept > 0 && !layer.only_training() ? workspace.add(kept, stride) : Plan::kNone);
    }
    const bool whole = training && layer.whole_batch() && network.learns(i);
    plan.reduced.push_back(whole ? memory.add(layer.reduced(), 1) : Plan::kNone);
    std::size_t& panels = plan.panels[network.source(i)];
    if (training && network.learns(i) && layer.reads_panels() && panels == Plan::kNone && i != sparse)
      panels = memory.add(round_up(network.width(network.source(i)), kernels.panel), batch);
    for (int k = 0; training && k < 2; ++k)
      if (plan.backward[i] && !plan.writes[i][k].first && plan.shared == Plan::kNone &&
          (k == 0 || network.second(i) >= 0))
        plan.shared = workspace.add(widest, stride);
  }
  if (purpose != Purpose::predict) plan.loss = workspace.add(network.outputs() + 3, stride);
  if (plan.gradient.back() == Plan::kNone && purpose != Purpose::predict)
    plan.loss_gradient = workspace.add(network.outputs(), stride);
  plan.workspace = workspace.size();
  plan.workspace_a_slice = purpose == Purpose::keep || !plan.breaks.empty();
  plan.workspaces = plan.workspace_a_slice ? plan.slices : plan.threads;
  plan.batch_memory = memory.size();
  if (training) add_row_tasks(plan, network);
  // No two workers' blocks share a cache line.
  const std::size_t beside = round_up(plan.sparse_scratch, kAlignment / sizeof(T));
  plan.sparse_scratch = round_up(plan.scratch, kAlignment / sizeof(T));
  plan.scratch = plan.sparse_scratch + beside;
  return plan;
}

template Plan make_plan(const Network<float>&, const KernelTable&, int, int, Purpose, int);
template Plan make_plan(const Network<double>&, const KernelTable&, int, int, Purpose, int);

}  // namespace bpnative
