// What the products over the non-zero elements of a batch take, see kernels/sparse.h. As table.h, seen by both worlds.
#ifndef BPNATIVE_KERNELS_SPARSE_ARGUMENTS_H_
#define BPNATIVE_KERNELS_SPARSE_ARGUMENTS_H_

#include "kernels/table.h"

namespace bpnative {

// The non-zero elements of a slice's rows: sample s has length[s] of them from begin[s] on, in the order of the
// features.
template <class T>
struct SparseForward {
  T* y;  // [outputs x width]
  ptrdiff_t stride;
  const T* packed;       // [inputs x packed_row]: W^T, of the features that occur
  ptrdiff_t packed_row;  // outputs in whole sample blocks
  const T* bias;         // or null
  const int64_t* begin;
  const int32_t *length, *feature;
  const T* value;
  int count, width, inputs, outputs;
  Activation activation;
  T parameter;
  T* slope;  // as in Product
};

// The non-zero elements of a batch by features: those of feature i are [start[i], start[i + 1]), in the order of the
// samples.
template <class T>
struct SparseGradient {
  T* gradient;  // [rows x inputs]
  const T* dz;  // slices of [rows x segment], dz_segment apart
  int segment;
  ptrdiff_t dz_segment;
  T* dz_rows;  // scratch, [count x dz_row]: dz sample by sample; dz_row: rows in whole sample blocks
  ptrdiff_t dz_row;
  const int32_t *start, *sample;
  const T* value;
  int count, rows, inputs;
};

}  // namespace bpnative

#endif  // BPNATIVE_KERNELS_SPARSE_ARGUMENTS_H_
