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

template <class N>
void grow(Buffer<N>& buffer, std::size_t size) {
  if (buffer.size() >= size) return;
  buffer = Buffer<N>();
  buffer = Buffer<N>(size);
}

template <class T>
std::int64_t elements_of_largest_batch(const Samples<T>& samples, int batch) {
  std::int64_t largest = 0;
  for (std::int64_t begin = 0; begin < samples.count; begin += batch) {
    std::int64_t elements = 0;
    for (std::int64_t i = begin; i < std::min(begin + batch, samples.count); ++i)
      elements += samples.starts[samples.row(i) + 1] - samples.starts[samples.row(i)];
    largest = std::max(largest, elements);
  }
  return largest;
}

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
void SparseInputs<T>::reserve(const Samples<T>& samples, int batch, int planned, int slices, int inputs, int outputs,
                              bool training) {
  const char* const what = "the memory of a batch";
  const bool dense = !samples.elements_alone();
  const std::size_t found = dense ? checked_multiply(planned, inputs, what) : 0;
  std::size_t sorted = 0;
  if (training) sorted = dense ? found : static_cast<std::size_t>(elements_of_largest_batch(samples, batch));
  if (sorted > std::numeric_limits<std::int32_t>::max())
    fail_value("a batch of " + std::to_string(batch) + " rows with " + std::to_string(sorted) +
               " elements in all is too large: use a smaller batch_size");
  inputs_ = inputs, outputs_ = outputs, packed_row_ = round_up(outputs, kSampleBlock);
  grow(begin_, planned);
  grow(length_, planned);
  grow(found_feature_, found);
  grow(found_value_, found);
  feature_ = dense ? found_feature_.data() : samples.columns;
  value_ = dense ? found_value_.data() : samples.values;
  grow(converted_, samples.bytes ? checked_multiply(slices, inputs, what) : 0);
  grow(sample_, sorted);
  grow(by_feature_, sorted);
  if (training) grow(start_, static_cast<std::size_t>(inputs) + 2);
  grow(packed_, checked_multiply(inputs, packed_row_, what));
  grow(occurs_, checked_multiply(slices, blocks(), what));
}

template <class T>
void SparseInputs<T>::collect(const Kernels<T>& kernels, const Samples<T>& samples, std::int64_t begin, int slice,
                              int first, int count) {
  constexpr int kLine = 64 / static_cast<int>(sizeof(T));
  std::uint32_t* const occurs = occurs_.data() + static_cast<std::ptrdiff_t>(slice) * blocks();
  std::fill_n(occurs, blocks(), 0u);
  for (int b = first; b < first + count; ++b) {
    const std::int64_t row = samples.row(begin + b);
    if (!samples.elements_alone()) {
      if (samples.x && b + 1 < first + count) {  // rows in any order are not foreseen by the hardware
        const T* next = samples.x + samples.row(begin + b + 1) * inputs_;
        for (int i = 0; i < inputs_; i += kLine) __builtin_prefetch(next + i);
      }
      begin_[b] = static_cast<std::int64_t>(b) * inputs_;
      T* const space = samples.bytes ? converted_.data() + static_cast<std::ptrdiff_t>(slice) * inputs_ : nullptr;
      length_[b] = kernels.nonzeros(found_feature_.data() + begin_[b], found_value_.data() + begin_[b], occurs,
                                    row_of(kernels, samples, row, inputs_, space), inputs_);
    } else {
      begin_[b] = samples.starts[row];
      length_[b] = static_cast<std::int32_t>(samples.starts[row + 1] - begin_[b]);
      for (int i = 0; i < length_[b]; ++i) occurs[feature_[begin_[b] + i] / kBlock] = 1;
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
    const std::int32_t* feature = feature_ + begin_[b];
    for (int i = 0; i < length_[b]; ++i) ++start[feature[i] + 2];
  }
  for (int i = 2; i < inputs_ + 2; ++i) start[i] += start[i - 1];
  for (int b = 0; b < count; ++b) {
    for (std::int64_t i = begin_[b]; i < begin_[b] + length_[b]; ++i) {
      const std::int32_t place = start[feature_[i] + 1]++;
      sample_[place] = b;
      by_feature_[place] = value_[i];
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
  SparseForward<T> p{};
  p.y = call.y, p.stride = call.stride;
  p.packed = packed_.data(), p.packed_row = packed_row_;
  p.bias = bias;
  p.begin = begin_.data() + call.first, p.length = length_.data() + call.first;
  p.feature = feature_, p.value = value_;
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
