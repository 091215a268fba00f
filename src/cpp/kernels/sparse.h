// The products of a first dense layer whose inputs are mostly zero, over their non-zero elements alone. Called by
// nn/sparse_inputs through the table.
//   forward   y[O x S]  = act(bias + W[O x I] . x[I x S])
//   gradient  dW[R x I] = dz[R x B] . x[B x I]
// Vectors lie along the outputs: an element of x is multiplied with a row of W^T, or of dz^T. Terms are added in the
// order of k as in gemm.h, and zero times a finite number changes no sum, a sum of -0 (of terms too small for the type,
// or a bias of -0) apart: the bits are those of the dense product, but for the signs of such zeros.
#ifndef BPNATIVE_KERNELS_SPARSE_H_
#define BPNATIVE_KERNELS_SPARSE_H_

#include "kernels/activations.h"
#include "kernels/elementwise.h"
#include "kernels/sparse_arguments.h"

BPN_KERNELS_BEGIN

// Bit i: lane i is not zero. A NaN is not.
template <class T>
BPN_INLINE uint32_t nonzero_lanes(V<T> x) {
#if defined(__AVX512F__)
  if constexpr (sizeof(T) == 4)
    return _mm512_cmp_ps_mask(__m512(x), _mm512_setzero_ps(), _CMP_NEQ_UQ);
  else
    return _mm512_cmp_pd_mask(__m512d(x), _mm512_setzero_pd(), _CMP_NEQ_UQ);
#elif defined(__AVX2__)
  if constexpr (sizeof(T) == 4)
    return static_cast<uint32_t>(_mm256_movemask_ps(_mm256_cmp_ps(__m256(x), _mm256_setzero_ps(), _CMP_NEQ_UQ)));
  else
    return static_cast<uint32_t>(_mm256_movemask_pd(_mm256_cmp_pd(__m256d(x), _mm256_setzero_pd(), _CMP_NEQ_UQ)));
#elif defined(__SSE2__)
  if constexpr (sizeof(T) == 4)
    return static_cast<uint32_t>(_mm_movemask_ps(_mm_cmpneq_ps(__m128(x), _mm_setzero_ps())));
  else
    return static_cast<uint32_t>(_mm_movemask_pd(_mm_cmpneq_pd(__m128d(x), _mm_setzero_pd())));
#else
  uint32_t bits = 0;
  for (int i = 0; i < kLanes<T>; ++i) bits |= static_cast<uint32_t>(x[i] != T(0)) << i;
  return bits;
#endif
}

// The non-zero elements of a row, in order; returns how many. Bit i % 32 of occurs[i / 32] is set where feature i is
// one. Bits of 32 elements are walked together: one wrong guess of the end of a loop where each vector would cost one.
template <class T>
int nonzeros(int32_t* feature, T* value, uint32_t* occurs, const T* x, int size) {
  int n = 0, i = 0;
  for (; i + 32 <= size; i += 32) {
    uint32_t bits = 0;
    BPN_UNROLL
    for (int v = 0; v < 32; v += kLanes<T>) bits |= nonzero_lanes<T>(load<T>(x + i + v)) << v;
    occurs[i / 32] |= bits;
    for (; bits != 0; bits &= bits - 1) {
      const int at = i + __builtin_ctz(bits);
      feature[n] = at;
      value[n++] = x[at];
    }
  }
  for (; i < size; ++i) {
    if (x[i] == T(0)) continue;
    occurs[i / 32] |= uint32_t{1} << i % 32;
    feature[n] = i;
    value[n++] = x[i];
  }
  return n;
}

template <class T>
int count_nonzeros(const T* x, int size) {
  int n = 0, i = 0;
  for (; i + kLanes<T> <= size; i += kLanes<T>) n += __builtin_popcount(nonzero_lanes<T>(load<T>(x + i)));
  for (; i < size; ++i) n += x[i] != T(0);
  return n;
}

// sum += value[i] * rows[at[i]] while i < end and at[i] < limit, the vectors of a row side by side; returns i.
template <class T, bool kLimited, int N>
BPN_INLINE int add_rows(V<T> (&sum)[N], const T* rows, ptrdiff_t row, const int32_t* at, const T* value, int i, int end,
                        int limit) {
  for (; i < end && (!kLimited || at[i] < limit); ++i) {
    const T* from = rows + at[i] * row;
    // One address for all vectors: else GCC keeps a sum for each, more than there are registers.
    __asm__("" : "+r"(from));
    const V<T> factor = broadcast<T>(value[i]);
    BPN_UNROLL
    for (int v = 0; v < N; ++v) sum[v] = fma(factor, load<T>(from + v * kLanes<T>), sum[v]);
  }
  return i;
}

template <int N>
struct Constant {
  static constexpr int value = N;
};
// Vectors side by side: chains enough to hide the latency of a multiply-add.
constexpr int kSideBySide = 8;
// Calls f with a constant: how many vectors hold n elements, at most kSideBySide.
template <class T, int N = kSideBySide, class F>
BPN_INLINE void with_vectors(int n, const F& f) {
  if constexpr (N > 1) {
    if (n <= (N - 1) * kLanes<T>) return with_vectors<T, N - 1>(n, f);
  }
  f(Constant<N>{});
}

// N vectors of outputs from `output` on, for all samples, into y. Blocks of W^T stay in the first-level cache while the
// samples go over them, where a sample has several elements in a block (784 x 256 x 128: 290 -> 210 us).
template <class T, int N>
void sparse_outputs(const SparseForward<T>& p, int output) {
  constexpr int kWidth = N * kLanes<T>, kSamples = 2 * kSampleBlock, kElements = 8;
  constexpr int kCached = 16 * 1024 / (kWidth * static_cast<int>(sizeof(T)));
  alignas(kVectorBytes) T sums[kSamples * kWidth];
  T bias[kWidth] = {};
  const int outputs = p.outputs - output < kWidth ? p.outputs - output : kWidth;
  for (int i = 0; i < outputs && p.bias; ++i) bias[i] = p.bias[output + i];
  for (int first = 0; first < p.width; first += kSamples) {
    const int width = p.width - first < kSamples ? p.width - first : kSamples;
    const int count = p.count - first < width ? p.count - first : width;
    int next[kSamples] = {};
    int64_t elements = 0;
    for (int s = 0; s < width; ++s) {
      elements += s < count ? p.length[first + s] : 0;
      for (int v = 0; v < N; ++v) store<T>(sums + s * kWidth + v * kLanes<T>, load<T>(bias + v * kLanes<T>));
    }
    const bool blocks = elements * kCached >= static_cast<int64_t>(kElements) * count * p.inputs;
    const int step = blocks && p.inputs > kCached ? kCached : p.inputs;
    for (int limit = 0; limit < p.inputs;) {
      limit = p.inputs - limit < step ? p.inputs : limit + step;
      for (int s = 0; s < count; ++s) {
        V<T> sum[N];
        BPN_UNROLL
        for (int v = 0; v < N; ++v) sum[v] = load<T>(sums + s * kWidth + v * kLanes<T>);
        const ptrdiff_t at = static_cast<ptrdiff_t>(p.begin[first + s]);
        next[s] = add_rows<T, true>(sum, p.packed + output, p.packed_row, p.feature + at, p.value + at, next[s],
                                    p.length[first + s], limit);
        BPN_UNROLL
        for (int v = 0; v < N; ++v) store<T>(sums + s * kWidth + v * kLanes<T>, sum[v]);
      }
    }
    transpose_block<T>(
        p.y + output * p.stride + first, p.stride, [&](int s) { return sums + s * kWidth; }, width, outputs);
  }
}

template <class T>
void sparse_forward(const SparseForward<T>& p) {
  for (int output = 0; output < p.outputs; output += kSideBySide * kLanes<T>)
    with_vectors<T>(p.outputs - output, [&](auto n) { sparse_outputs<T, decltype(n)::value>(p, output); });
  if (p.activation != Activation::linear)
    activate<T>(p.y, p.slope, p.activation, p.outputs, p.width, p.stride, p.parameter);
}

// N vectors of rows from `row` on, for all features.
template <class T, int N>
void sparse_rows(const SparseGradient<T>& p, int row) {
  constexpr int kWidth = N * kLanes<T>, kFeatures = 16;
  alignas(kVectorBytes) T turned[kFeatures * kWidth];
  const int rows = p.rows - row < kWidth ? p.rows - row : kWidth;
  for (int feature = 0; feature < p.inputs; feature += kFeatures) {
    const int features = p.inputs - feature < kFeatures ? p.inputs - feature : kFeatures;
    for (int i = 0; i < features; ++i) {
      V<T> sum[N] = {};
      add_rows<T, false>(sum, p.dz_rows + row, p.dz_row, p.sample, p.value, p.start[feature + i],
                         p.start[feature + i + 1], 0);
      BPN_UNROLL
      for (int v = 0; v < N; ++v) store<T>(turned + i * kWidth + v * kLanes<T>, sum[v]);
    }
    transpose_block<T>(
        p.gradient + static_cast<ptrdiff_t>(row) * p.inputs + feature, p.inputs,
        [&](int i) { return turned + i * kWidth; }, features, rows);
  }
}

template <class T>
void sparse_gradient(const SparseGradient<T>& p) {
  for (int b = 0; b < p.count; b += p.segment) {
    const T* dz = p.dz + b / p.segment * p.dz_segment;
    const int n = p.count - b < p.segment ? p.count - b : p.segment;
    transpose_block<T>(
        p.dz_rows + b * p.dz_row, p.dz_row, [=](int r) { return dz + static_cast<ptrdiff_t>(r) * p.segment; }, p.rows,
        n);
  }
  for (int row = 0; row < p.rows; row += kSideBySide * kLanes<T>)
    with_vectors<T>(p.rows - row, [&](auto n) { sparse_rows<T, decltype(n)::value>(p, row); });
}

BPN_KERNELS_END

#endif  // BPNATIVE_KERNELS_SPARSE_H_
