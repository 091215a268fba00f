// What is done to gradients and weights beside the optimizer: penalties, clipping, limits. Serial loops over ranges in
// memory, in a fixed order, for the few networks that ask for them. Called by train/.
#ifndef BPNATIVE_NN_RESTRAINT_H_
#define BPNATIVE_NN_RESTRAINT_H_

#include "nn/layer.h"

namespace bpnative {

// gradient += l1 sign(w) + l2 w for rows of weights; penalties[row] = sum l1 |w| + l2 / 2 w^2.
template <class T>
void add_penalty(T* gradient, double* penalties, const T* weight, int rows, std::size_t row_size, Restraints r);
// The same sum alone.
template <class T>
double penalty_of(const T* weight, std::size_t size, Restraints r);
// gradient = clamp(factor gradient, -most, most); most 0: any size.
template <class T>
void scale_and_clip(T* gradient, std::size_t size, double factor, double most);
template <class T>
void accumulate(T* sum, const T* part, std::size_t size);
template <class T>
double sum_of_squares(const T* values, std::size_t size);
// Shortens each row of weights to at most `longest` (Srebro & Shraibman 2005; Srivastava et al. 2014).
template <class T>
void limit_rows(T* weight, int rows, std::size_t row_size, double longest);

}  // namespace bpnative

#endif  // BPNATIVE_NN_RESTRAINT_H_
