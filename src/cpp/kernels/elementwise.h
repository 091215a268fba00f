// What turns rows of samples into columns of features and back, and the sums over samples. Called by train/ and
// nn/dense.
//   gather: rows X[order] -> columns [features x S] and panels [samples x panel], gather_bytes from bytes
//   to_panels: columns -> panels
//   scatter: columns -> rows;  row_sums: db_o = sum_b dz_ob in blocks of 16 samples, folded in a fixed order
#ifndef BPNATIVE_KERNELS_ELEMENTWISE_H_
#define BPNATIVE_KERNELS_ELEMENTWISE_H_

#include "kernels/simd.h"

BPN_KERNELS_BEGIN

// Features side by side in a panel: the columns of the widest tile, so that a tile reads whole cache lines in sequence.
template <class T>
constexpr int kPanel = 4 * kLanes<T> < kSampleBlock ? kSampleBlock : 4 * kLanes<T>;

template <class T>
using Quad = typename VectorOf<T>::Quad;
template <class T>
constexpr int kQuad = 16 / static_cast<int>(sizeof(T));
template <class T>
BPN_INLINE Quad<T> load_quad(const T* p) {
  return *reinterpret_cast<const typename VectorOf<T>::UnalignedQuad*>(p);
}
template <class T>
BPN_INLINE void store_quad(T* p, Quad<T> v) {
  *reinterpret_cast<typename VectorOf<T>::UnalignedQuad*>(p) = v;
}

// Sixteen bytes a row are enough: two shuffles a cycle keep up with the stores, on every instruction set.
#if defined(__clang__)
#define BPN_QUAD2(a, b, i, j) __builtin_shufflevector(a, b, i, j)
#define BPN_QUAD4(a, b, i, j, k, l) __builtin_shufflevector(a, b, i, j, k, l)
#else
typedef int32_t QuadOfInts __attribute__((vector_size(16)));
typedef int64_t PairOfInts __attribute__((vector_size(16)));
#define BPN_QUAD2(a, b, i, j) __builtin_shuffle(a, b, PairOfInts{i, j})
#define BPN_QUAD4(a, b, i, j, k, l) __builtin_shuffle(a, b, QuadOfInts{i, j, k, l})
#endif
BPN_INLINE void transpose(Quad<float> (&q)[4]) {
  const Quad<float> a = BPN_QUAD4(q[0], q[1], 0, 4, 1, 5), b = BPN_QUAD4(q[0], q[1], 2, 6, 3, 7);
  const Quad<float> c = BPN_QUAD4(q[2], q[3], 0, 4, 1, 5), d = BPN_QUAD4(q[2], q[3], 2, 6, 3, 7);
  q[0] = BPN_QUAD4(a, c, 0, 1, 4, 5);
  q[1] = BPN_QUAD4(a, c, 2, 3, 6, 7);
  q[2] = BPN_QUAD4(b, d, 0, 1, 4, 5);
  q[3] = BPN_QUAD4(b, d, 2, 3, 6, 7);
}
BPN_INLINE void transpose(Quad<double> (&q)[2]) {
  const Quad<double> a = BPN_QUAD2(q[0], q[1], 0, 2);
  q[1] = BPN_QUAD2(q[0], q[1], 1, 3);
  q[0] = a;
}

// out(c, r) = in(r, c) for `rows` x `columns`; out_row between rows of out (columns of in). row_of(r) is where row r of
// in lies.
template <class T, class RowOf>
BPN_INLINE void transpose_block(T* out, ptrdiff_t out_row, const RowOf& row_of, int rows, int columns) {
  constexpr int q = kQuad<T>;
  int r = 0;
  for (; r + q <= rows; r += q) {
    const T* in[q];
    BPN_UNROLL
    for (int i = 0; i < q; ++i) in[i] = row_of(r + i);
    int c = 0;
    for (; c + q <= columns; c += q) {
      Quad<T> block[q];
      BPN_UNROLL
      for (int i = 0; i < q; ++i) block[i] = load_quad<T>(in[i] + c);
      transpose(block);
      BPN_UNROLL
      for (int i = 0; i < q; ++i) store_quad<T>(out + (c + i) * out_row + r, block[i]);
    }
    for (; c < columns; ++c)
      for (int i = 0; i < q; ++i) out[c * out_row + r + i] = in[i][c];
  }
  for (; r < rows; ++r) {
    const T* in = row_of(r);
    for (int c = 0; c < columns; ++c) out[c * out_row + r] = in[c];
  }
}

template <class T>
void transpose(T* out, ptrdiff_t out_row, const T* in, ptrdiff_t in_row, int rows, int columns) {
  transpose_block<T>(out, out_row, [=](int r) { return in + r * in_row; }, rows, columns);
}

template <class T>
void gather(T* columns, T* panels, const T* x, const int64_t* order, int features, int count, int width,
            ptrdiff_t stride, ptrdiff_t panel_size) {
  const auto row_of = [=](int r) { return x + (order ? order[r] : r) * features; };
  // Piece by piece of a panel's width, so that a row's piece is in cache for both copies of it; too many rows for the
  // hardware to follow, so each is asked for two pieces ahead (60,000 rows of 784: a quarter faster).
  constexpr int kLine = 64 / static_cast<int>(sizeof(T));
  const int begin = features < 2 * kPanel<T> ? features : 2 * kPanel<T>;
  for (int r = 0; r < count; ++r)
    for (int i = 0; i < begin; i += kLine) __builtin_prefetch(row_of(r) + i);
  for (int f = 0; f < features; f += kPanel<T>) {
    const int n = features - f < kPanel<T> ? features - f : kPanel<T>;
    for (int r = 0; r < count && f + 3 * kPanel<T> <= features; ++r)
      for (int i = 0; i < kPanel<T>; i += kLine) __builtin_prefetch(row_of(r) + f + 2 * kPanel<T> + i);
    transpose_block<T>(columns + f * stride, stride, [&](int r) { return row_of(r) + f; }, count, n);
    for (int i = f; i < f + n; ++i)
      for (int b = count; b < width; ++b) columns[i * stride + b] = T(0);
    if (!panels) continue;
    T* panel = panels + f / kPanel<T> * panel_size;
    for (int r = 0; r < count; ++r) {
      const T* row = row_of(r) + f;
      if (n == kPanel<T>) {
        BPN_UNROLL
        for (int i = 0; i < kPanel<T>; i += kLanes<T>) store<T>(panel + r * kPanel<T> + i, load<T>(row + i));
      } else {
        for (int i = 0; i < n; ++i) panel[r * kPanel<T> + i] = row[i];
      }
    }
  }
}

template <class T>
void from_bytes(T* out, const uint8_t* in, int size, T scale, T offset) {
  for (int i = 0; i < size; ++i) out[i] = static_cast<T>(in[i]) * scale + offset;
}

// Converted piece by piece beside both copies, in the first-level cache.
template <class T>
void gather_bytes(T* columns, T* panels, const uint8_t* x, const int64_t* order, int features, int count, int width,
                  ptrdiff_t stride, ptrdiff_t panel_size, T scale, T offset) {
  constexpr int kRows = 2 * kSampleBlock;
  T piece[kRows * kPanel<T>];
  for (int f = 0; f < features; f += kPanel<T>) {
    const int n = features - f < kPanel<T> ? features - f : kPanel<T>;
    T* panel = panels ? panels + f / kPanel<T> * panel_size : nullptr;
    for (int first = 0; first < count; first += kRows) {
      const int rows = count - first < kRows ? count - first : kRows;
      for (int r = 0; r < rows; ++r) {
        const int64_t row = order ? order[first + r] : first + r;
        from_bytes<T>(piece + r * kPanel<T>, x + row * features + f, n, scale, offset);
      }
      transpose_block<T>(columns + f * stride + first, stride, [&](int r) { return piece + r * kPanel<T>; }, rows, n);
      for (int r = 0; panel && r < rows; ++r)
        for (int i = 0; i < n; ++i) panel[(first + r) * kPanel<T> + i] = piece[r * kPanel<T> + i];
    }
    for (int i = f; i < f + n; ++i)
      for (int b = count; b < width; ++b) columns[i * stride + b] = T(0);
  }
}

template <class T>
void to_panels(T* panels, const T* columns, int features, int count, ptrdiff_t stride, ptrdiff_t panel_size) {
  for (int f = 0; f < features; f += kPanel<T>) {
    const int n = features - f < kPanel<T> ? features - f : kPanel<T>;
    const T* from = columns + f * stride;
    transpose_block<T>(
        panels + f / kPanel<T> * panel_size, kPanel<T>, [=](int r) { return from + r * stride; }, n, count);
  }
}

template <class T>
void scatter(T* rows, const T* columns, int features, int count, ptrdiff_t stride) {
  transpose_block<T>(rows, features, [=](int r) { return columns + r * stride; }, features, count);
}

template <class T>
void row_sums(T* db, const T* dz, int rows, int count, int segment, ptrdiff_t dz_segment) {
  for (int r = 0; r < rows; ++r) {
    V<T> sum[kBlockVectors<T>] = {};
    for (int b = 0; b < count; b += kSampleBlock) {
      const T* p = dz + (b / segment) * dz_segment + static_cast<ptrdiff_t>(r) * segment + b % segment;
      const int n = count - b < kSampleBlock ? count - b : kSampleBlock;
      BPN_UNROLL
      for (int v = 0; v < kBlockVectors<T>; ++v) {
        const int left = n - v * kLanes<T>;
        if (left >= kLanes<T>)
          sum[v] += load<T>(p + v * kLanes<T>);
        else if (left > 0)
          sum[v] += load_first<T>(p + v * kLanes<T>, left);
      }
    }
    db[r] = fold<T>(sum);
  }
}

// Twelve chains of fused multiply-adds hide the latency of any processor: the machine's peak, measured by `bench`.
template <class T>
double fma_chain(int64_t rounds) {
  V<T> sum[12];
  for (int i = 0; i < 12; ++i) sum[i] = broadcast<T>(static_cast<T>(i));
  V<T> factor = broadcast<T>(static_cast<T>(0.999));
  for (int64_t n = 0; n < rounds; ++n) {
    BPN_UNROLL
    for (int i = 0; i < 12; ++i) sum[i] = fma(sum[i], factor, factor);
  }
  for (int i = 1; i < 12; ++i) sum[0] += sum[i];
  volatile T kept = sum[0][0];  // the chains must not be optimized away
  (void)kept;
  return static_cast<double>(rounds) * 12 * 2 * kLanes<T>;
}

BPN_KERNELS_END

#endif  // BPNATIVE_KERNELS_ELEMENTWISE_H_
