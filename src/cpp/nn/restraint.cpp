// Penalties, clipping and limits, row by row in double where sums are made. Compiled once, so the bits are the same on
// every instruction set. Called by train/.
#include "nn/restraint.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace bpnative {

namespace {

constexpr std::size_t kLanes = 8;  // sums that do not wait for each other

// The sum of f(value) over the values, in an order that their number alone fixes.
template <class T, class F>
double sum_in_lanes(const T* values, std::size_t size, F f) {
  double sums[kLanes] = {};
  std::size_t i = 0;
  for (; i + kLanes <= size; i += kLanes)
    for (std::size_t k = 0; k < kLanes; ++k) sums[k] += f(static_cast<double>(values[i + k]));
  for (std::size_t k = 0; i + k < size; ++k) sums[k] += f(static_cast<double>(values[i + k]));
  return ((sums[0] + sums[1]) + (sums[2] + sums[3])) + ((sums[4] + sums[5]) + (sums[6] + sums[7]));
}

}  // namespace

template <class T>
double penalty_of(const T* weight, std::size_t size, Restraints r) {
  double penalty = 0;
  if (r.l2 > 0) penalty += r.l2 / 2 * sum_in_lanes(weight, size, [](double w) { return w * w; });
  if (r.l1 > 0) penalty += r.l1 * sum_in_lanes(weight, size, [](double w) { return std::fabs(w); });
  return penalty;
}

template <class T>
void add_penalty(T* gradient, double* penalties, const T* weight, int rows, std::size_t row_size, Restraints r) {
  const T l1 = static_cast<T>(r.l1), l2 = static_cast<T>(r.l2);
  const std::size_t size = rows * row_size;
  for (std::size_t i = 0; i < size; ++i) gradient[i] += l2 * weight[i];
  for (std::size_t i = 0; l1 > 0 && i < size; ++i) gradient[i] += weight[i] > 0 ? l1 : weight[i] < 0 ? -l1 : T(0);
  for (int row = 0; row < rows; ++row) penalties[row] = penalty_of(weight + row * row_size, row_size, r);
}

template <class T>
void scale_and_clip(T* gradient, std::size_t size, double factor, double most) {
  const T by = static_cast<T>(factor);
  const T high = static_cast<T>(std::min(most, static_cast<double>(std::numeric_limits<T>::max())));
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
