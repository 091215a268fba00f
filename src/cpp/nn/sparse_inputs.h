// The inputs of a network whose data are mostly zero (one-hot columns, words, images on black): the non-zero elements
// of a batch by rows, for the first layer's forward product, and by features, for its gradient, and that layer's W^T.
// Filled by train/engine, slice by slice and block by block, each from any thread; read by nn/dense.
//   a dense product takes 2 B I O operations; one over the non-zero elements their share of that, at half the rate
#ifndef BPNATIVE_NN_SPARSE_INPUTS_H_
#define BPNATIVE_NN_SPARSE_INPUTS_H_

#include <cstdint>

#include "core/types.h"
#include "kernels/sparse_arguments.h"
#include "nn/loss.h"
#include "nn/network.h"

namespace bpnative {

template <class T>
class SparseInputs {
 public:
  // The layer that alone reads the input and takes it so, or -1.
  static int layer_of(const Network<T>& network);
  // Whether batches of these samples are to go this way: always where they come as elements, else where it is faster,
  // as a few rows tell (the same for any thread). `used`: it is on, and stays on where the gain is in doubt.
  static bool pays(const Kernels<T>& kernels, const Samples<T>& samples, int batch, int inputs, int outputs, bool used);

  // What a call with these samples needs beside its plan: batches of `batch` of them, memory for `planned` in so many
  // slices. Memory that suffices is kept, and what elements take is what the largest batch has.
  void reserve(const Samples<T>& samples, int batch, int planned, int slices, int inputs, int outputs, bool training);
  void release() { *this = SparseInputs(); }

  // Phase by phase of a batch of `count` samples that begins at `begin`. First every slice:
  void collect(const Kernels<T>& kernels, const Samples<T>& samples, std::int64_t begin, int slice, int first,
               int count);
  // then these two, in any order or at once: the elements by features, and W^T of a block of features.
  void sort(int count);
  static constexpr int kBlock = 32;  // the features of a word of occurs_, as the kernel sets its bits
  int blocks() const { return divide_up(inputs_, kBlock); }
  void pack(const Kernels<T>& kernels, const T* weight, int block, int slices);

  // y = act(W x + b) of a slice, and dW = dz x^T of a block of rows whose dz begins at `dz`.
  void forward(const SliceCall<T>& call, const T* bias) const;
  void gradient(const RowsCall<T>& call, const T* dz) const;
  // Elements that gradient() of so many rows needs as scratch.
  static std::size_t scratch(int batch, int rows) {
    return static_cast<std::size_t>(batch) * round_up(rows, kSampleBlock);
  }

 private:
  int inputs_ = 0, outputs_ = 0, packed_row_ = 0;
  // By rows: sample b has length_[b] elements from begin_[b] on, the user's own, or found in rows that were dense.
  const std::int32_t* feature_ = nullptr;
  const T* value_ = nullptr;
  Buffer<std::int64_t> begin_;
  Buffer<std::int32_t> length_, found_feature_;
  Buffer<T> found_value_, converted_;  // converted_: a row in each slice, where samples are bytes
  // By features: those of feature i from start_[i] on.
  Buffer<std::int32_t> start_, sample_;
  Buffer<T> by_feature_, packed_;
  Buffer<std::uint32_t> occurs_;  // in each slice: a bit a feature
};

}  // namespace bpnative

#endif  // BPNATIVE_NN_SPARSE_INPUTS_H_
