// How near do activations and norms come to the limits of the processor? Prints, for each kernel of every instruction
// set that runs here, nanoseconds an element on a slice [256 x S] (in the second-level cache, as in training), and the
// share of its limit: the longer of its arithmetic at the measured peak of multiply-adds and its loads and stores at
// the speed of the `linear` activation, which only copies. Operations a vector are counted in the sources named below:
// a multiply-add, sum, product, minimum or comparison of floats is one, a division or square root too, although each of
// these keeps its unit busy for as long as ten to twenty others.
//   cmake --preset dev && cmake --build --preset dev --target elementwise && build/dev/elementwise
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <functional>
#include <string>
#include <vector>

#include "core/dispatch.h"
#include "core/fp_mode.h"
#include "core/types.h"

namespace bpnative {
namespace {

constexpr int kFeatures = 256;

double seconds(const std::function<void()>& run) {  // the least of many turns: noise only adds
  using Clock = std::chrono::steady_clock;
  const auto begin = Clock::now();
  double least = 1;
  while (Clock::now() - begin < std::chrono::milliseconds(100)) {
    const auto start = Clock::now();
    run();
    least = std::min(least, std::chrono::duration<double>(Clock::now() - start).count());
  }
  return least;
}

struct Case {
  std::string name;
  int operations;  // a vector
  int moves;       // vectors loaded and stored, a vector of results
  std::function<void()> run;
};

template <class T>
struct Slices {
  explicit Slices(const Kernels<T>& table)
      : kernels(table), stride(table.panel), x(size()), y(size()), kept(size() + stride), slope(size()) {
    for (std::size_t i = 0; i < size(); ++i) x.data()[i] = static_cast<T>(static_cast<int>(i * 37 % 1001) - 500) / 125;
  }
  std::size_t size() const { return static_cast<std::size_t>(kFeatures) * stride; }

  Case activation(const char* name, Activation of, int operations) {
    const ActivationKernels<T>& row = kernels.activations[static_cast<int>(of)];
    if (row.forward_keeping)
      return {name, operations, 3, [=, this_ = this] {
                row.forward_keeping(this_->y.data(), this_->slope.data(), this_->x.data(), kFeatures, this_->stride,
                                    this_->stride, T(1));
              }};
    return {name, operations, 2, [=, this_ = this] {
              row.forward(this_->y.data(), this_->x.data(), kFeatures, this_->stride, this_->stride, T(1));
            }};
  }
  // kernels/norm.h; a feature is read by three passes (two backward), those of the mean not where not centered.
  Case norm(const char* name, bool centered) {
    return {name, centered ? 7 : 6, centered ? 5 : 4, [=, this_ = this] {
              this_->kernels.slices.normalize(this_->y.data(), this_->kept.data(), this_->x.data(), nullptr, nullptr,
                                              kFeatures, this_->stride, this_->stride, T(1e-5), centered);
            }};
  }
  Case norm_backward(const char* name, bool centered) {
    return {name, 7, 5, [=, this_ = this] {
              this_->kernels.slices.normalize_backward(this_->y.data(), this_->x.data(), this_->kept.data(), nullptr,
                                                       kFeatures, this_->stride, this_->stride, centered);
            }};
  }

  const Kernels<T>& kernels;
  int stride;
  Buffer<T> x, y, kept, slope;
};

template <class T>
void measure(const KernelTable& table, const char* dtype) {
  constexpr bool single = sizeof(T) == 4;
  Slices<T> slices(table.of(T{}));
  const int lanes = table.vector_bytes / static_cast<int>(sizeof(T));
  const double vectors = static_cast<double>(slices.size()) / lanes;
  double done = 0;
  const double chain = seconds([&] { done = slices.kernels.fma_chain(20000); });
  const double peak = done / 2 / lanes / chain;  // multiply-adds of whole vectors a second
  const Case copy = slices.activation("linear", Activation::linear, 0);
  const double move = seconds(copy.run) / vectors / copy.moves;
  // Counted in kernels/activations_smooth.h and kernels/math.h: the parts that both types share, then the polynomials.
  const Case cases[] = {
      slices.activation("gelu", Activation::gelu, single ? 41 : 61),
      slices.activation("mish", Activation::mish, single ? 34 : 40),
      slices.activation("softplus", Activation::softplus, single ? 40 : 55),
      slices.activation("silu", Activation::silu, single ? 23 : 29),
      slices.activation("tanh", Activation::tanh, single ? 17 : 23),
      slices.norm("layer norm", true),
      slices.norm_backward("layer norm, backward", true),
      slices.norm("RMS norm", false),
      slices.norm_backward("RMS norm, backward", false),
  };
  for (const Case& one : cases) {
    const double time = seconds(one.run) / vectors, arithmetic = one.operations / peak, memory = one.moves * move;
    std::printf("%-10s %-8s %-21s %6.2f ns an element, %3.0f %% of %s\n", table.name, dtype, one.name.c_str(),
                time / lanes * 1e9, 100 * std::max(arithmetic, memory) / time,
                arithmetic > memory ? "arithmetic" : "memory");
  }
}

}  // namespace
}  // namespace bpnative

int main() {
  const bpnative::FlushToZero mode;
  bpnative::measure<float>(bpnative::kernel_table(), "float32");
  bpnative::measure<double>(bpnative::kernel_table(), "float64");
}
