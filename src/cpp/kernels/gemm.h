// The matrix product of all three roles of a dense layer: c = act(bias + a . b), or (a . b) * act'(saved).
//   forward   y[O x S]  = W[O x I] . x[I x S]
//   backward  dx[I x S] = W^T[I x O] . dz[O x S]
//   gradient  dW[O x I] = dz[O x B] . x[B x I]
// Called by nn/dense through the table. Rows of a are broadcast, columns of b lie in vectors; b is read as it lies,
// because a slice [features x samples] and a panel [samples x features] are already what a packed operand would be.
// Every element of c adds its terms in the order of k by fused multiply-add, starting from the bias and continuing from
// the stored value between blocks of k: tiles, blocks and threads change who computes, never what.
#ifndef BPNATIVE_KERNELS_GEMM_H_
#define BPNATIVE_KERNELS_GEMM_H_

#include "kernels/activations.h"
#include "kernels/elementwise.h"
#include "kernels/simd.h"

BPN_KERNELS_BEGIN

// Rows of the widest tile of N vectors. Accumulators + one row of b + one broadcast stay within the registers:
// 16 registers: 3x4, 4x3, 6x2 (12 accumulators); 32 registers: 6x4, 8x3, 12x2 (24).
constexpr int tile_rows(int vectors) { return (kRegisters == 32 ? 24 : 12) / (vectors == 1 ? 2 : vectors); }

// Whether the sums of this block of k begin here, and whether they end here.
struct Place {
  bool first, last;
};

template <class T, int R, int N>
BPN_INLINE void multiply_add(V<T> (&sum)[R][N], const T* a, ptrdiff_t a_row, ptrdiff_t a_k, const T* b, ptrdiff_t b_k,
                             int count) {
  // One base for three rows keeps the addresses within the general registers.
  const T* base[(R + 2) / 3];
  for (int r = 0; r < R; r += 3) base[r / 3] = a + r * a_row;
  for (int k = 0; k < count; ++k) {
    V<T> row[N];
    BPN_UNROLL
    for (int v = 0; v < N; ++v) row[v] = load<T>(b + v * kLanes<T>);
    BPN_UNROLL
    for (int r = 0; r < R; ++r) {
      const V<T> factor = broadcast<T>(base[r / 3][(r % 3) * a_row]);
      BPN_UNROLL
      for (int v = 0; v < N; ++v) sum[r][v] = fma(factor, row[v], sum[r][v]);
    }
    BPN_UNROLL
    for (int i = 0; i < (R + 2) / 3; ++i) base[i] += a_k;
    b += b_k;
  }
}

// Asks for what the next tile reads of a, a tile's time ahead: weights come from the third-level cache, which the
// hardware does not follow along three short rows, or down a column (256 x 256 weights out of 20 such layers: 65 -> 85
// GFLOP/s).
template <class T, int R>
BPN_INLINE void prefetch_next(const T* a, ptrdiff_t a_row, ptrdiff_t a_k, int count) {
  constexpr int kLine = 64 / static_cast<int>(sizeof(T));
  if (a_k == 1) {
    BPN_UNROLL
    for (int r = R; r < 2 * R; ++r)
      for (int k = 0; k < count; k += kLine) __builtin_prefetch(a + r * a_row + k);
  } else if (a_row == 1) {
    // A line holds the columns of several tiles: each of them asks for its share of the next line.
    constexpr int kTiles = (kLine + R - 1) / R;
    const int turn = static_cast<int>(reinterpret_cast<uintptr_t>(a) % 64) / (R * static_cast<int>(sizeof(T)));
    for (int k = count * turn / kTiles, end = count * (turn + 1) / kTiles; k < end; ++k)
      __builtin_prefetch(a + k * a_k + kLine);
  }
}

// A tile of R rows and N vectors, in registers from the first term to the activation; c is where its corner is stored.
template <class T, int R, int N>
void tile(const Product<T>& p, T* c, ptrdiff_t c_row, int row, int column, Place place) {
  V<T> sum[R][N];
  BPN_UNROLL
  for (int r = 0; r < R; ++r) {
    if (!place.first) {  // what the next tile goes on from
      __builtin_prefetch(c + (R + r) * c_row);
      __builtin_prefetch(c + (R + r) * c_row + N * kLanes<T> - 1);
    }
    BPN_UNROLL
    for (int v = 0; v < N; ++v) {
      if (place.first)
        sum[r][v] = p.bias ? broadcast<T>(p.bias[row + r]) : V<T>{};
      else
        sum[r][v] = load<T>(c + r * c_row + v * kLanes<T>);
    }
  }

  const T* a = p.a + row * p.a_row;
  const T* b = p.b + column;
  for (int left = p.k; left > 0; left -= p.segment) {
    const int count = left < p.segment ? left : p.segment;
    prefetch_next<T, R>(a, p.a_row, p.a_k, count);
    multiply_add<T, R, N>(sum, a, p.a_row, p.a_k, b, p.b_k, count);
    a += p.a_segment;
    b += count * p.b_k;
  }

  if (place.last && p.saved)
    apply_derivative<T, R, N>(sum, p.derivative, p.saved + row * p.c_row + column, p.c_row, p.parameter);
  else if (place.last)
    apply_in_tile<T, R, N>(sum, p.forward, p.parameter);
  BPN_UNROLL
  for (int r = 0; r < R; ++r) {
    BPN_UNROLL
    for (int v = 0; v < N; ++v) store<T>(c + r * c_row + v * kLanes<T>, sum[r][v]);
  }
}

// Rows are split evenly: the first or second comparison finds the tile in all but layers of very few rows.
template <class T, int N, int R = tile_rows(N)>
BPN_INLINE void tile_of(int rows, const Product<T>& p, T* c, ptrdiff_t c_row, int row, int column, Place place) {
  if (rows == R) return tile<T, R, N>(p, c, c_row, row, column, place);
  if constexpr (R > 1) tile_of<T, N, R - 1>(rows, p, c, c_row, row, column, place);
}

// All rows of c in tiles of N vectors; the rows are split evenly, so that no tile is much narrower than the others.
// A strip that ends within a vector is computed beside c and copied, so that nothing outside of c is written.
template <class T, int N>
void strip(const Product<T>& p, int column, int width, Place place) {
  constexpr int kMost = tile_rows(N), kWidth = N * kLanes<T>;
  alignas(kVectorBytes) T beside[kMost * kWidth];
  const int tiles = (p.rows + kMost - 1) / kMost;
  for (int t = 0; t < tiles; ++t) {
    const int row = static_cast<int>(static_cast<int64_t>(p.rows) * t / tiles);
    const int rows = static_cast<int>(static_cast<int64_t>(p.rows) * (t + 1) / tiles) - row;
    T* c = p.c + row * p.c_row + column;
    if (width == kWidth) {
      tile_of<T, N>(rows, p, c, p.c_row, row, column, place);
    } else {
      for (int r = 0; r < rows && !place.first; ++r)
        for (int i = 0; i < width; ++i) beside[r * kWidth + i] = c[r * p.c_row + i];
      tile_of<T, N>(rows, p, beside, kWidth, row, column, place);
      for (int r = 0; r < rows; ++r)
        for (int i = 0; i < width; ++i) c[r * p.c_row + i] = beside[r * kWidth + i];
    }
    if (place.last && p.saved && !derivative_in_tile(p.derivative))
      ActivationTable<T>::rows[static_cast<int>(p.derivative)].derivative(c, c, p.saved + row * p.c_row + column, rows,
                                                                          width, p.c_row, p.parameter);
    else if (place.last && !p.saved && !forward_in_tile(p.forward) && !mixes_outputs(p.forward))
      activate<T>(c, p.slope ? p.slope + row * p.c_row + column : nullptr, p.forward, rows, width, p.c_row,
                  p.parameter);
  }
}

template <class T>
void strips(const Product<T>& p, Place place) {
  constexpr int kWidest = 4 * kLanes<T>;
  for (int column = 0; column < p.columns; column += kWidest) {
    const int width = p.columns - column < kWidest ? p.columns - column : kWidest;
    switch ((width + kLanes<T> - 1) / kLanes<T>) {
      case 4:
        strip<T, 4>(p, column, width, place);
        break;
      case 3:
        strip<T, 3>(p, column, width, place);
        break;
      case 2:
        strip<T, 2>(p, column, width, place);
        break;
      default:
        strip<T, 1>(p, column, width, place);
        break;
    }
  }
}

// A block of b that a strip of rows goes over again and again stays in half of a 32 KiB first-level cache; a packed
// block of a, which all strips of columns go over, and the packed strips of b in parts of the second.
template <class T>
constexpr int kBlock = 16 * 1024 / (4 * kVectorBytes);
constexpr int kPackedStrips = 8;
template <class T>
constexpr int kPackedRows = 64 * 1024 / (kBlock<T> * static_cast<int>(sizeof(T)));

// `rows` rows of a from `row` on, one after the other.
template <class T>
BPN_INLINE void pack_rows(T* out, const Product<T>& p, int row, int rows) {
  const T* a = p.a + row * p.a_row;
  if (p.a_row == 1) {
    transpose_block<T>(out, p.k, [=](int k) { return a + k * p.a_k; }, p.k, rows);
  } else {
    for (int r = 0; r < rows; ++r)
      __builtin_memcpy(out + r * p.k, a + r * p.a_row, static_cast<size_t>(p.k) * sizeof(T));
  }
}
// Columns `first` to `end` of b in strips of `wide`, one after the other.
template <class T>
BPN_INLINE void pack_columns(T* out, const Product<T>& p, int first, int end, int wide) {
  for (int column = first; column < end; column += wide, out += p.k * wide) {
    const int width = end - column < wide ? end - column : wide;
    for (int k = 0; k < p.k; ++k)
      for (int i = 0; i < width; i += kLanes<T>) store<T>(out + k * wide + i, load<T>(p.b + k * p.b_k + column + i));
  }
}

// The same product with blocks of a and b copied together: where several strips of columns use them, and rows far apart
// would fall into few sets of the caches and a page each (2048 x 2048: 47 GFLOP/s as it lies, of 100).
template <class T>
void packed_strips(const Product<T>& p, Place place) {
  constexpr int kWidest = 4 * kLanes<T>;
  alignas(kVectorBytes) T packed_a[kPackedRows<T> * kBlock<T>];
  alignas(kVectorBytes) T packed_b[kPackedStrips * kBlock<T> * kWidest];
  const int most = kPackedStrips * kWidest;
  for (int first = 0; first < p.columns; first += most) {
    const int end = p.columns - first < most ? p.columns : first + most;
    pack_columns<T>(packed_b, p, first, end, kWidest);
    for (int row = 0; row < p.rows; row += kPackedRows<T>) {
      Product<T> part = p;
      part.rows = p.rows - row < kPackedRows<T> ? p.rows - row : kPackedRows<T>;
      pack_rows<T>(packed_a, p, row, part.rows);
      part.a_row = p.k, part.a_k = 1;
      part.a = packed_a;
      if (p.bias) part.bias += row;
      part.b_k = kWidest;
      for (int column = first; column < end; column += kWidest) {
        part.columns = end - column < kWidest ? end - column : kWidest;
        part.b = packed_b + (column - first) * p.k;
        part.c = p.c + row * p.c_row + column;
        if (p.saved) part.saved = p.saved + row * p.c_row + column;
        if (p.slope) part.slope = p.slope + row * p.c_row + column;
        strips(part, place);
      }
    }
  }
}

template <class T>
void product(const Product<T>& p) {
  const bool segmented = p.segment < p.k;
  const bool pack = !segmented && p.columns > 4 * kLanes<T> && p.rows > kPackedRows<T>;
  const int pieces = p.k <= kBlock<T> * 3 / 2 ? 1 : (p.k + kBlock<T> - 1) / kBlock<T>;
  const int even = pieces == 1 ? p.k : (p.k + pieces - 1) / pieces;
  int start = 0;
  do {
    int size = p.k - start < even ? p.k - start : even;
    if (segmented && p.segment <= kBlock<T>)  // whole segments
      size = p.k - start < kBlock<T> ? p.k - start : kBlock<T> / p.segment * p.segment;
    else if (segmented && size > p.segment - start % p.segment)  // within one
      size = p.segment - start % p.segment;
    Product<T> part = p;
    part.a += segmented ? start / p.segment * p.a_segment + start % p.segment * p.a_k : start * p.a_k;
    part.b += start * p.b_k;
    part.k = size;
    const Place place{start == 0, start + size == p.k};
    if (pack && size <= kBlock<T>)
      packed_strips(part, place);
    else
      strips(part, place);
    start += size;
  } while (start < p.k);
  if (!p.saved && mixes_outputs(p.forward))
    activate<T>(p.c, nullptr, p.forward, p.rows, p.columns, p.c_row, p.parameter);
}

BPN_KERNELS_END

#endif  // BPNATIVE_KERNELS_GEMM_H_
