// A dense layer for a few samples (1 to 4 at a time): y[n x O] = act(x[n x I] . W^T + b), rows as users have them.
// Called by nn/dense for predictions of few rows, where vectors along the samples would run nearly empty. Vectors lie
// along the outputs instead: blocks of W are turned in registers on the way. Terms are added in the order of k from the
// bias on, as in gemm.h, so a row predicts the same bits alone as in any batch.
#ifndef BPNATIVE_KERNELS_FEW_H_
#define BPNATIVE_KERNELS_FEW_H_

#include "kernels/activations.h"
#include "kernels/elementwise.h"

BPN_KERNELS_BEGIN

// Vector r: quad q of it from row r + q * kQuad, so that turning puts the rows' elements in order, a column a vector.
// Put together in registers: through memory the wide load would wait for the narrow stores (ten times slower).
template <class T>
BPN_INLINE V<T> load_quads(const T* const (&rows)[kLanes<T>], int r, ptrdiff_t column) {
#if defined(__AVX512F__)
  constexpr int q = kQuad<T>;
  const auto quad = [&](int i) { return __m128d(load_quad<T>(rows[r + i * q] + column)); };
  __m512d v = _mm512_castpd128_pd512(quad(0));
  v = _mm512_insertf64x2(v, quad(1), 1);
  v = _mm512_insertf64x2(v, quad(2), 2);
  return V<T>(_mm512_insertf64x2(v, quad(3), 3));
#elif defined(__AVX2__)
  const __m256 low = _mm256_castps128_ps256(__m128(load_quad<T>(rows[r] + column)));
  return V<T>(_mm256_insertf128_ps(low, __m128(load_quad<T>(rows[r + kQuad<T>] + column)), 1));
#else
  return V<T>(load_quad<T>(rows[r] + column));
#endif
}

// N samples and two vectors of outputs: two chains of sums hide most of the latency while blocks are turned.
template <class T, int N>
void few_outputs(const FewForward<T>& p, int sample, int output) {
  constexpr int kBlocks = 2, q = kQuad<T>;
  const T* rows[kBlocks][kLanes<T>];
  V<T> sum[N][kBlocks];
  const int last = p.outputs - 1;
  for (int b = 0; b < kBlocks; ++b) {
    T bias[kLanes<T>] = {};
    for (int i = 0; i < kLanes<T>; ++i) {
      const int o = output + b * kLanes<T> + i < last ? output + b * kLanes<T> + i : last;  // past the end: not stored
      rows[b][i] = p.weight + static_cast<ptrdiff_t>(o) * p.inputs;
      if (p.bias) bias[i] = p.bias[o];
    }
    for (int n = 0; n < N; ++n) sum[n][b] = load<T>(bias);
  }
  const T* x = p.x + static_cast<ptrdiff_t>(sample) * p.inputs;
  int k = 0;
  for (; k + q <= p.inputs; k += q) {
    BPN_UNROLL
    for (int b = 0; b < kBlocks; ++b) {
      V<T> block[q];
      BPN_UNROLL
      for (int r = 0; r < q; ++r) block[r] = load_quads<T>(rows[b], r, k);
      turn(block);
      BPN_UNROLL
      for (int c = 0; c < q; ++c) {
        BPN_UNROLL
        for (int n = 0; n < N; ++n)
          sum[n][b] = fma(broadcast<T>(x[static_cast<ptrdiff_t>(n) * p.inputs + k + c]), block[c], sum[n][b]);
      }
    }
  }
  for (; k < p.inputs; ++k) {
    for (int b = 0; b < kBlocks; ++b) {
      T column[kLanes<T>];
      for (int i = 0; i < kLanes<T>; ++i) column[i] = rows[b][i][k];
      for (int n = 0; n < N; ++n)
        sum[n][b] = fma(broadcast<T>(x[static_cast<ptrdiff_t>(n) * p.inputs + k]), load<T>(column), sum[n][b]);
    }
  }
  for (int n = 0; n < N; ++n) {
    T* y = p.y + static_cast<ptrdiff_t>(sample + n) * p.outputs + output;
    for (int b = 0; b < kBlocks; ++b) {
      const int left = p.outputs - output - b * kLanes<T>;
      if (left >= kLanes<T>)
        store<T>(y + b * kLanes<T>, sum[n][b]);
      else if (left > 0)
        store_first<T>(y + b * kLanes<T>, sum[n][b], left);
    }
  }
}

template <class T, int N>
void few_samples(const FewForward<T>& p, int sample) {
  for (int output = 0; output < p.outputs; output += 2 * kLanes<T>) few_outputs<T, N>(p, sample, output);
}

template <class T>
void forward_few(const FewForward<T>& p) {
  int sample = 0;
  for (; sample + 4 <= p.samples; sample += 4) few_samples<T, 4>(p, sample);
  if (p.samples - sample >= 2) few_samples<T, 2>(p, sample), sample += 2;
  if (p.samples > sample) few_samples<T, 1>(p, sample);
  // Features of a row lie together here, samples side by side there: softmax sees columns either way.
  for (sample = 0; sample < p.samples; ++sample) {
    T* y = p.y + static_cast<ptrdiff_t>(sample) * p.outputs;
    if (mixes_outputs(p.activation))
      activate<T>(y, nullptr, p.activation, p.outputs, 1, 1, p.parameter);
    else if (p.activation != Activation::linear)
      activate<T>(y, nullptr, p.activation, 1, p.outputs, p.outputs, p.parameter);
  }
}

BPN_KERNELS_END

#endif  // BPNATIVE_KERNELS_FEW_H_
