// A loss on one slice: gathers the slice's targets, weighs the samples and calls the loss kernel. Called by
// train/engine. The cross entropies take logits; where the last layer's activation is the one they belong with, it is
// left out and the loss works on what enters it, which is the stable form: that pairing is stated in loss_kinds and
// nowhere else.
#ifndef BPNATIVE_NN_LOSS_H_
#define BPNATIVE_NN_LOSS_H_

#include <cstdint>

#include "kernels/table.h"
#include "nn/layer.h"
#include "nn/loss_kinds.h"

namespace bpnative {

// Rows of data in memory, C order. Row i of a batch is order[i] where an order is given.
template <class T>
struct Samples {
  // One of these: x [n x inputs]; bytes [n x inputs], each taken as byte * scale + offset; or the elements that are not
  // zero, those of row i at [starts[i], starts[i + 1]) of columns and values.
  const T* x = nullptr;
  const std::uint8_t* bytes = nullptr;
  T scale = 1, offset = 0;
  const std::int64_t* starts = nullptr;
  const std::int32_t* columns = nullptr;
  const T* values = nullptr;
  const T* target = nullptr;             // [n x targets], or
  const std::int32_t* labels = nullptr;  // [n]
  const T* weight = nullptr;             // [n] or null: all 1
  const std::int64_t* order = nullptr;
  std::int64_t count = 0;  // rows, or length of the order

  bool elements_alone() const { return starts != nullptr; }
  std::int64_t row(std::int64_t i) const { return order ? order[i] : i; }
};

// What a slice needs beside the network's own tensors: [outputs + 3 rows x S] of a worker's memory.
template <class T>
struct LossSpace {
  T* target;  // [outputs x S], of which the targets, at most as many, are used
  T* labels;  // [S]
  T* scale;   // [S]
  T* losses;  // [S]
};

template <class T>
class LossFunction {
 public:
  // A loss on a last layer of so many outputs; fails where settings and outputs do not go together.
  LossFunction(const LossSpec& spec, Applied last, int outputs)
      : kind_(spec.kind), last_(last), numbers_(loss_numbers<T>(spec, outputs)), fused_(fuses(spec, last.activation)) {}

  // The last layer's activation is left to the loss.
  bool fused() const { return fused_; }
  // Columns of the targets.
  int targets() const { return numbers_.targets; }
  // Samples [first, first + count) of the batch that begins at `begin` and has `batch` samples. z: what the last layer
  // gave. Writes dz [outputs x stride] before the last activation, and the samples' losses, weighted, to `losses`.
  void evaluate(const Kernels<T>& kernels, const LossSpace<T>& space, const Samples<T>& samples, std::int64_t begin,
                int first, int count, std::int64_t batch, const T* z, const T* saved, T* dz, double* losses,
                int outputs, int width, int stride) const;

 private:
  Loss kind_;
  Applied last_;
  LossNumbers<T> numbers_;
  bool fused_;
};

}  // namespace bpnative

#endif  // BPNATIVE_NN_LOSS_H_
