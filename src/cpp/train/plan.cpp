// Cuts a batch into slices and the weights into blocks of rows, and lays out the memory of both. Called by
// train/engine.
#include "train/plan.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "core/thread_pool.h"

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
  double total = 0;
  for (int i = 0; i < network.size(); ++i)
    if (network.trainable(i)) total += network.layer(i).cost();
  std::vector<double> ends;
  double done = 0;
  for (int i = 0; i < network.size(); ++i) {
    const Layer<T>& layer = network.layer(i);
    if (!network.trainable(i) || layer.gradient_rows() == 0) continue;
    const double row_cost = layer.row_size() + 1;
    const int step = rows_of_task(layer.gradient_rows(), layer.row_size(), total / (6.0 * plan.threads) / row_cost);
    for (int first = 0; first < layer.gradient_rows(); first += step) {
      const int rows = std::min(step, layer.gradient_rows() - first);
      plan.rows.push_back({i, first, rows});
      done += rows * row_cost;
      ends.push_back(done);
      plan.scratch = std::max(plan.scratch, static_cast<std::size_t>(rows) * (layer.row_size() + 1));
    }
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

}  // namespace

template <class T>
Plan make_plan(const Network<T>& network, const KernelTable& table, int batch, int threads, Purpose purpose) {
  const bool input_gradient = purpose == Purpose::keep;
  const Kernels<T>& kernels = table.of(T{});
  const int size = network.size();
  const bool learns = purpose == Purpose::train || purpose == Purpose::keep;
  Plan plan{};
  plan.purpose = purpose;
  plan.batch = batch;
  plan.threads = worthwhile_threads(network, table, batch, threads, purpose);
  plan.stride = slice_width(network, kernels, batch, plan.threads);
  plan.slices = divide_up(batch, plan.stride);
  plan.threads = std::min(plan.threads, std::max(plan.slices, learns ? plan.threads : 1));
  plan.first_backward = size;
  for (int i = size - 1; learns && i >= 0; --i)
    if (input_gradient || (network.trainable(i) && network.layer(i).gradient_rows() > 0)) plan.first_backward = i;

  const std::size_t stride = plan.stride, slices = plan.slices;
  Layout<T> workspace, memory;
  int widest = 0;
  for (int i = 0; i <= size; ++i) widest = std::max(widest, network.width(i));
  const std::size_t turns[2] = {purpose == Purpose::predict ? workspace.add(widest, stride) : 0,
                                purpose == Purpose::predict ? workspace.add(widest, stride) : 0};
  for (int i = 0; i <= size; ++i) {
    plan.value.push_back(purpose == Purpose::predict ? turns[i % 2] : workspace.add(network.width(i), stride));
    const bool sloped = learns && i > 0 && keeps_slope(network.layer(i - 1).applied().activation);
    plan.slope.push_back(sloped ? workspace.add(network.width(i), stride) : Plan::kNone);
    const bool feeds = learns && i < size && network.trainable(i) && network.layer(i).gradient_rows() > 0;
    plan.panels.push_back(feeds ? memory.add(round_up(network.width(i), kernels.panel), batch) : Plan::kNone);
    const bool flows = learns && (i > plan.first_backward || (i == 0 && input_gradient));
    plan.gradient.push_back(flows ? memory.add(checked_multiply(network.width(i), stride, "a slice"), slices)
                                  : Plan::kNone);
  }
  if (purpose != Purpose::predict) plan.loss = workspace.add(network.outputs() + 3, stride);
  if (plan.gradient.back() == Plan::kNone && purpose != Purpose::predict)
    plan.loss_gradient = workspace.add(network.outputs(), stride);
  plan.workspace = workspace.size();
  plan.workspaces = purpose == Purpose::keep ? plan.slices : plan.threads;
  plan.batch_memory = memory.size();
  if (learns) add_row_tasks(plan, network);
  plan.scratch = round_up(plan.scratch, kAlignment / sizeof(T));  // no two workers' blocks share a cache line
  return plan;
}

template Plan make_plan(const Network<float>&, const KernelTable&, int, int, Purpose);
template Plan make_plan(const Network<double>&, const KernelTable&, int, int, Purpose);

}  // namespace bpnative
