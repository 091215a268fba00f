#include "nn/sparse_inputs.h"

#include <algorithm>
#include <limits>
#include <string>

#include "core/error.h"

namespace bpnative {
namespace {

// Larger batches would take more memory than the time they save is worth.
constexpr std::int64_t kMostElements = std::int64_t{1} << 24;
constexpr int kLeastBatch = 32, kLeastInputs = 64, kLeastOutputs = 16;

// Row i as numbers, converted to `space` where it is of bytes.
template <class T>
const T* row_of(const Kernels<T>& kernels, const Samples<T>& samples, std::int64_t i, int inputs, T* space) {
  if (!samples.bytes) return samples.x + i * inputs;
  kernels.from_bytes(space, samples.bytes + i * inputs, inputs, samples.scale, samples.offset);
  return space;
}

}  // namespace

template <class T>
int SparseInputs<T>::layer_of(const Network<T>& network) {
  int reader = -1, readers = 0;
  for (int i = 0; i < network.size(); ++i) {
    if (network.source(i) == 0) reader = i, ++readers;
    if (network.second(i) == 0) ++readers;
  }
  return readers == 1 && reader >= 0 && network.layer(reader).takes_sparse() ? reader : -1;
}

// An element costs about 5 ns to find and to sort, and 0.07 ns an output to multiply with in both products, where each
// element of the dense ones costs 0.043 (EPYC Zen 3, float32).
template <class T>
bool SparseInputs<T>::pays(const Kernels<T>& kernels, const Samples<T>& samples, int batch, int inputs, int outputs,
                           bool used) {
  if (samples.elements_alone()) return true;
  constexpr int kRows = 16;
  const std::int64_t rows = std::min<std::int64_t>(samples.count, kRows);
  if (batch < kLeastBatch || inputs < kLeastInputs || outputs < kLeastOutputs ||
      std::int64_t{batch} * inputs > kMostElements)
    return false;
  std::int64_t found = 0;
  Buffer<T> converted(samples.bytes ? inputs : 0);
  for (std::int64_t i = 0; i < rows; ++i)
    found += kernels.count_nonzeros(
        row_of(kernels, samples, samples.row(i * samples.count / rows), inputs, converted.data()), inputs);
  const double density = static_cast<double>(found) / (static_cast<double>(rows) * inputs);
  const double gain = outputs / (density * (150 + 2.2 * outputs) + 1e-9);
  return gain > (used ? 0.9 : 1.1);
}

template <class T>
void SparseInputs<T>::reserve(const Samples<T>& samples, int batch, int slices, int inputs, int outputs) {
  std::int64_t row = inputs;
  if (samples.elements_alone()) {
    row = 1;
    for (std::int64_t i = 0; i < samples.count; ++i)
      row = std::max(row, samples.starts[samples.row(i) + 1] - samples.starts[samples.row(i)]);
  }
  const std::size_t elements = checked_multiply(batch, static_cast<std::size_t>(row), "the memory of a batch");
  if (elements > std::numeric_limits<std::int32_t>::max())
    fail_value("batches of " + std::to_string(batch) + " rows with up to " + std::to_string(row) +
               " elements are too large: use a smaller batch_size");
  const std::size_t size = checked_multiply(slices, divide_up(inputs, kBlock), "the memory of a batch");
  if (inputs == inputs_ && outputs == outputs_ && row <= row_ && length_.size() >= static_cast<std::size_t>(batch) &&
      occurs_.size() >= size && (!samples.bytes || converted_.size() > 0))
    return;
  release();
  inputs_ = inputs, outputs_ = outputs, packed_row_ = round_up(outputs, kSampleBlock);
  row_ = static_cast<int>(row);
  length_ = Buffer<std::int32_t>(batch);
  feature_ = Buffer<std::int32_t>(elements);
  sample_ = Buffer<std::int32_t>(elements);
  start_ = Buffer<std::int32_t>(static_cast<std::size_t>(inputs) + 2);
  by_row_ = Buffer<T>(elements);
  by_feature_ = Buffer<T>(elements);
  packed_ = Buffer<T>(checked_multiply(inputs, packed_row_, "the memory of a batch"));
  if (samples.bytes) converted_ = Buffer<T>(checked_multiply(slices, inputs, "the memory of a batch"));
  occurs_ = Buffer<std::uint32_t>(size);
}

template <class T>
void SparseInputs<T>::collect(const Kernels<T>& kernels, const Samples<T>& samples, std::int64_t begin, int slice,
                              int first, int count) {
  constexpr int kLine = 64 / static_cast<int>(sizeof(T));
  std::uint32_t* const occurs = occurs_.data() + static_cast<std::ptrdiff_t>(slice) * blocks();
  std::fill_n(occurs, blocks(), 0u);
  for (int b = first; b < first + count; ++b) {
    std::int32_t* const feature = feature_.data() + static_cast<std::ptrdiff_t>(b) * row_;
    T* const value = by_row_.data() + static_cast<std::ptrdiff_t>(b) * row_;
    const std::int64_t row = samples.row(begin + b);
    if (!samples.elements_alone()) {
      if (samples.x && b + 1 < first + count) {  // rows in any order are not foreseen by the hardware
        const T* next = samples.x + samples.row(begin + b + 1) * inputs_;
        for (int i = 0; i < inputs_; i += kLine) __builtin_prefetch(next + i);
      }
      T* const space = samples.bytes ? converted_.data() + static_cast<std::ptrdiff_t>(slice) * inputs_ : nullptr;
      length_[b] = kernels.nonzeros(feature, value, occurs, row_of(kernels, samples, row, inputs_, space), inputs_);
    } else {
      const std::int64_t from = samples.starts[row];
      length_[b] = static_cast<std::int32_t>(samples.starts[row + 1] - from);
      std::copy_n(samples.columns + from, length_[b], feature);
      std::copy_n(samples.values + from, length_[b], value);
      for (int i = 0; i < length_[b]; ++i) occurs[feature[i] / kBlock] = 1;
    }
  }
}

// Counts, their sums, and each element to its place: a counting sort, whose cursors begin one place early so that they
// end as the starts.
template <class T>
void SparseInputs<T>::sort(int count) {
  std::int32_t* const start = start_.data();
  std::fill_n(start, inputs_ + 2, 0);
  for (int b = 0; b < count; ++b) {
    const std::int32_t* feature = feature_.data() + static_cast<std::ptrdiff_t>(b) * row_;
    for (int i = 0; i < length_[b]; ++i) ++start[feature[i] + 2];
  }
  for (int i = 2; i < inputs_ + 2; ++i) start[i] += start[i - 1];
  for (int b = 0; b < count; ++b) {
    const std::ptrdiff_t at = static_cast<std::ptrdiff_t>(b) * row_;
    for (std::ptrdiff_t i = at; i < at + length_[b]; ++i) {
      const std::int32_t place = start[feature_[i] + 1]++;
      sample_[place] = b;
      by_feature_[place] = by_row_[i];
    }
  }
}

template <class T>
void SparseInputs<T>::pack(const Kernels<T>& kernels, const T* weight, int block, int slices) {
  std::uint32_t any = 0;
  for (int i = 0; i < slices; ++i) any |= occurs_[static_cast<std::ptrdiff_t>(i) * blocks() + block];
  if (any == 0) return;
  const int first = block * kBlock, count = std::min(kBlock, inputs_ - first);
  kernels.transpose(packed_.data() + static_cast<std::ptrdiff_t>(first) * packed_row_, packed_row_, weight + first,
                    inputs_, outputs_, count);
}

template <class T>
void SparseInputs<T>::forward(const SliceCall<T>& call, const T* bias) const {
  const std::ptrdiff_t at = static_cast<std::ptrdiff_t>(call.first) * row_;
  SparseForward<T> p{};
  p.y = call.y, p.stride = call.stride;
  p.packed = packed_.data(), p.packed_row = packed_row_;
  p.bias = bias;
  p.length = length_.data() + call.first, p.feature = feature_.data() + at, p.value = by_row_.data() + at;
  p.row = row_;
  p.count = call.count, p.width = call.width, p.inputs = inputs_, p.outputs = outputs_;
  p.activation = call.applied.activation, p.parameter = static_cast<T>(call.applied.parameter);
  p.slope = call.slope;
  call.kernels->sparse_forward(p);
}

template <class T>
void SparseInputs<T>::gradient(const RowsCall<T>& call, const T* dz) const {
  SparseGradient<T> p{};
  p.gradient = call.gradient[0];
  p.dz = dz, p.segment = call.stride, p.dz_segment = call.dz_slice;
  p.dz_rows = call.sparse_scratch, p.dz_row = round_up(call.rows, kSampleBlock);
  p.start = start_.data(), p.sample = sample_.data(), p.value = by_feature_.data();
  p.count = call.count, p.rows = call.rows, p.inputs = inputs_;
  call.kernels->sparse_gradient(p);
}

template class SparseInputs<float>;
template class SparseInputs<double>;

}  // namespace bpnative
