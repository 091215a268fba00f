// A loss on one slice: gathers the slice's targets, weighs the samples and calls the loss kernel. Called by
// train/engine. The cross entropies take logits; where the last layer's activation is the one they belong with, it is
// left out and the loss works on what enters it, which is the stable form: that pairing is stated here and nowhere
// else.
#ifndef BPNATIVE_NN_LOSS_H_
#define BPNATIVE_NN_LOSS_H_

#include <cstdint>

#include "kernels/table.h"
#include "nn/layer.h"

namespace bpnative {

// Rows of data in memory, C order. Row i of a batch is order[i] where an order is given.
template <class T>
struct Samples {
  const T* x = nullptr;                  // [n x inputs]
  const T* target = nullptr;             // [n x outputs], or
  const std::int32_t* labels = nullptr;  // [n]
  const T* weight = nullptr;             // [n] or null: all 1
  const std::int64_t* order = nullptr;
  std::int64_t count = 0;  // rows, or length of the order

  std::int64_t row(std::int64_t i) const { return order ? order[i] : i; }
};

// What a slice needs beside the network's own tensors: [outputs + 3 rows x S] of a worker's memory.
template <class T>
struct LossSpace {
  T* target;  // [outputs x S]
  T* labels;  // [S]
  T* scale;   // [S]
  T* losses;  // [S]
};

template <class T>
class LossFunction {
 public:
  LossFunction(Loss kind, Applied last) : kind_(kind), last_(last) {}

  // The last layer's activation is left to the loss.
  bool fused() const;
  // Samples [first, first + count) of the batch that begins at `begin` and has `batch` samples. z: what the last layer
  // gave. Writes dz [outputs x stride] before the last activation, and the samples' losses, weighted, to `losses`.
  void evaluate(const Kernels<T>& kernels, const LossSpace<T>& space, const Samples<T>& samples, std::int64_t begin,
                int first, int count, std::int64_t batch, const T* z, const T* saved, T* dz, double* losses,
                int outputs, int width, int stride) const;

 private:
  Loss kind_;
  Applied last_;
};

}  // namespace bpnative

#endif  // BPNATIVE_NN_LOSS_H_
