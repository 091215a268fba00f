// Threads that share the non-zero elements of a batch: under ThreadSanitizer no phase of a step runs into the next one,
// and one thread or three make the same weights, losses and outputs.
#include <cstdint>
#include <vector>

#include "check.h"
#include "core/thread_count.h"
#include "train/engine.h"

namespace {

using namespace bpnative;

constexpr int kRows = 500, kInputs = 600, kUnits = 130, kOutputs = 3, kBatch = 192;

struct Results {
  std::vector<float> weights, trained, evaluated, predicted;
  std::vector<double> losses;
  bool operator==(const Results& other) const {
    return weights == other.weights && trained == other.trained && evaluated == other.evaluated &&
           predicted == other.predicted && losses == other.losses;
  }
};

// Rows of 600 elements of which 20 are not zero, dense or as elements alone.
Results results(int threads, bool elements) {
  set_num_threads(threads);
  std::uint32_t state = 1;
  const auto random = [&](std::uint32_t end) { return (state = state * 1664525u + 1013904223u) / 65536u % end; };
  std::vector<float> x(kRows * kInputs), target(kRows * kOutputs), values;
  std::vector<std::int64_t> starts{0}, order;
  std::vector<std::int32_t> columns;
  for (int row = 0; row < kRows; ++row) {
    for (int i = static_cast<int>(random(30)); i < kInputs; i += 1 + static_cast<int>(random(60))) {
      x[row * kInputs + i] = static_cast<float>(random(1000)) / 500 - 1.001f;
      columns.push_back(i);
      values.push_back(x[row * kInputs + i]);
    }
    starts.push_back(static_cast<std::int64_t>(columns.size()));
    order.push_back(kRows - 1 - row);
    for (int i = 0; i < kOutputs; ++i) target[row * kOutputs + i] = static_cast<float>(random(3));
  }

  LayerSettings hidden, last;
  hidden.kind = last.kind = "dense";
  hidden.numbers["units"] = kUnits, last.numbers["units"] = kOutputs;
  hidden.names["activation"] = "tanh";
  Network<float> network(kInputs, {hidden, last});
  for (std::size_t i = 0; i < network.parameters().size(); ++i)
    network.parameters()[i] = static_cast<float>(random(1000)) / 5000 - 0.1f;
  CHECK(SparseInputs<float>::layer_of(network) == 0);
  Engine<float> engine(network, LossSpec{Loss::mse, {}});
  const std::map<std::string, double> plain{{"momentum", 0}, {"nesterov", 0}, {"weight_decay", 0}};
  OptimizerState<float> optimizer({Optimizer::sgd, {plain}, {}, {}}, network);

  Samples<float> samples;
  samples.target = target.data();
  samples.count = kRows;
  Samples<float> sparse = samples;
  samples.x = x.data();
  sparse.starts = starts.data(), sparse.columns = columns.data(), sparse.values = values.data();
  Samples<float> ordered = elements ? sparse : samples;
  ordered.order = order.data();
  StepSettings settings;
  settings.batch_size = kBatch;
  const std::vector<double> rates(3, 0.05);
  Results out;
  out.losses.resize(6), out.trained.resize(target.size());
  out.evaluated.resize(target.size()), out.predicted.resize(target.size());
  for (int run = 0; run < 2; ++run)
    engine.train(out.losses.data() + 3 * run, out.trained.data(), optimizer, ordered, rates.data(), nullptr, nullptr,
                 settings);
  out.losses.push_back(engine.gradients(elements ? sparse : samples, 0));
  out.losses.push_back(engine.evaluate(out.evaluated.data(), elements ? sparse : samples));
  Engine<float>(network, std::nullopt).predict(out.predicted.data(), elements ? sparse : samples);
  out.weights.assign(network.parameters().data(), network.parameters().data() + network.parameters().size());
  return out;
}

}  // namespace

int main() {
  const Results expected = results(1, false);
  CHECK(expected.losses[5] < expected.losses[0]);
  // Again and again: on a busy machine most regions get the calling thread alone.
  for (int i = 0; i < 24; ++i) {
    CHECK(results(1 + i % 3, false) == expected);
    CHECK(results(1 + i % 3, true) == expected);
  }
  return report();
}
