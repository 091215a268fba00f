// Penalties, clipping and limits, row by row in double where sums are made. Compiled once, so the bits are the same on
// every instruction set. Called by train/.
#include "nn/restraint.h"

#include <algorithm>
#include <cmath>

namespace bpnative {

template <class T>
double penalty_of(const T* weight, std::size_t size, Restraints r) {
  double absolute = 0, square = 0;
  for (std::size_t i = 0; i < size; ++i) {
    const double w = static_cast<double>(weight[i]);
    absolute += std::fabs(w);
    square += w * w;
  }
  return r.l1 * absolute + r.l2 / 2 * square;
}

template <class T>
void add_penalty(T* gradient, double* penalties, const T* weight, int rows, std::size_t row_size, Restraints r) {
  const T l1 = static_cast<T>(r.l1), l2 = static_cast<T>(r.l2);
  for (std::size_t i = 0; i < rows * row_size; ++i) {
    const T w = weight[i];
    gradient[i] += l2 * w + (w > 0 ? l1 : w < 0 ? -l1 : T(0));
  }
  for (int row = 0; row < rows; ++row) penalties[row] = penalty_of(weight + row * row_size, row_size, r);
}

template <class T>
void scale_and_clip(T* gradient, std::size_t size, double factor, double most) {
  const T by = static_cast<T>(factor), high = static_cast<T>(most);
  for (std::size_t i = 0; factor != 1 && i < size; ++i) gradient[i] *= by;
  for (std::size_t i = 0; most > 0 && i < size; ++i)  // a NaN stays
    gradient[i] = gradient[i] > high ? high : gradient[i] < -high ? -high : gradient[i];
}

template <class T>
void accumulate(T* sum, const T* part, std::size_t size) {
  for (std::size_t i = 0; i < size; ++i) sum[i] += part[i];
}

template <class T>
double sum_of_squares(const T* values, std::size_t size) {
  double sums[4] = {};
  for (std::size_t i = 0; i < size; ++i) sums[i % 4] += static_cast<double>(values[i]) * static_cast<double>(values[i]);
  return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

template <class T>
void limit_rows(T* weight, int rows, std::size_t row_size, double longest) {
  for (int row = 0; row < rows; ++row, weight += row_size) {
    const double length = std::sqrt(sum_of_squares(weight, row_size));
    if (!(length > longest)) continue;
    const T by = static_cast<T>(longest / length);
    for (std::size_t i = 0; i < row_size; ++i) weight[i] *= by;
  }
}

#define BPN_INSTANTIATE(T)                                                        \
  template double penalty_of(const T*, std::size_t, Restraints);                  \
  template void add_penalty(T*, double*, const T*, int, std::size_t, Restraints); \
  template void scale_and_clip(T*, std::size_t, double, double);                  \
  template void accumulate(T*, const T*, std::size_t);                            \
  template double sum_of_squares(const T*, std::size_t);                          \
  template void limit_rows(T*, int, std::size_t, double);
BPN_INSTANTIATE(float)
BPN_INSTANTIATE(double)
#undef BPN_INSTANTIATE

}  // namespace bpnative
