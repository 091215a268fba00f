// The other optimizers, each in PyTorch's form (lion in that of its paper), and the running average of weights. Called
// like optim.h, by nn/optimizer and through the binding. m, v as in Adam; what depends on the step t alone is made in
// double by nn/optimizer_rule.cpp.
//   amsgrad   as adam, with the largest v so far                                    (Reddi, Kale & Kumar 2018)
//   nadam     w -= (rate_g g + rate_m m) / (sqrt(v) / sqrt(1 - b2^t) + eps)         (Dozat 2016)
//   radam     w -= rate m / (sqrt(v) + eps), or while too few steps were seen  w -= rate m    (Liu et al. 2020)
//   adamax    u = max(b2 u, |g| + eps);  w -= rate m / u                            (Kingma & Ba 2015)
//   rmsprop   v = a v + (1 - a) g^2;  centered: a mean of g as well, squared and taken off v;  d = g / (sqrt(v) + eps),
//             with momentum b = momentum b + d, d = b;  w -= rate d                 (Hinton 2012; Graves 2013)
//   adagrad   v += g^2;  w -= rate g / (sqrt(v) + eps)                              (Duchi, Hazan & Singer 2011)
//   adadelta  v = r v + (1 - r) g^2;  d = sqrt(u + eps) / sqrt(v + eps) g;  u = r u + (1 - r) d^2;  w -= rate d
//                                                                                   (Zeiler 2012)
//   lion      w -= rate sign(b1 m + (1 - b1) g);  m = b2 m + (1 - b2) g             (Chen et al. 2023)
//   rprop     a step of its own for each weight: longer while g keeps its sign, shorter when it turns
//                                                                                   (Riedmiller & Braun 1993)
#ifndef BPNATIVE_KERNELS_OPTIM_MORE_H_
#define BPNATIVE_KERNELS_OPTIM_MORE_H_

#include "kernels/optim.h"

BPN_KERNELS_BEGIN

// -1, 0 or 1; a NaN stays.
template <class T>
BPN_INLINE V<T> sign_of(V<T> x) {
  const V<T> one = broadcast<T>(1), zero{};
  return select<T>(x > zero, one, select<T>(x < zero, -one, x));
}

// numbers: as adam; states: m, v, v_max
template <class T>
void amsgrad_update(const UpdateArguments<T>& p) {
  const V<T> rate = broadcast<T>(-p.learning_rate);
  const V<T> beta1 = broadcast<T>(p.numbers[0]), beta2 = broadcast<T>(p.numbers[1]);
  const V<T> fresh1 = broadcast<T>(p.numbers[3]), fresh2 = broadcast<T>(p.numbers[4]);
  const V<T> epsilon = broadcast<T>(p.numbers[2]), correction = broadcast<T>(p.numbers[5]);
  sweep_either<T, 3>(
      p, BPN_STEP {
        s[0] = fma(beta1, s[0], fresh1 * g);
        s[1] = fma(beta2, s[1], fresh2 * g * g);
        s[2] = larger(s[2], s[1]);
        w = fma(rate, s[0] / fma(square_root(s[2]), correction, epsilon), w);
      });
}

// numbers: as adam (its correction goes into the rates), the rate of g instead of the correction; states: m, v
template <class T>
void nadam_update(const UpdateArguments<T>& p) {
  const V<T> rate_m = broadcast<T>(-p.learning_rate), rate_g = broadcast<T>(-p.numbers[5]);
  const V<T> beta1 = broadcast<T>(p.numbers[0]), beta2 = broadcast<T>(p.numbers[1]);
  const V<T> fresh1 = broadcast<T>(p.numbers[3]), fresh2 = broadcast<T>(p.numbers[4]);
  const V<T> epsilon = broadcast<T>(p.numbers[2]);
  sweep_either<T, 2>(
      p, BPN_STEP {
        s[0] = fma(beta1, s[0], fresh1 * g);
        s[1] = fma(beta2, s[1], fresh2 * g * g);
        w = w + fma(rate_m, s[0], rate_g * g) / (square_root(s[1]) + epsilon);
      });
}

// numbers: as adam, whether rectified instead of the correction; states: m, v
template <class T>
void radam_update(const UpdateArguments<T>& p) {
  const V<T> rate = broadcast<T>(-p.learning_rate);
  const V<T> beta1 = broadcast<T>(p.numbers[0]), beta2 = broadcast<T>(p.numbers[1]);
  const V<T> fresh1 = broadcast<T>(p.numbers[3]), fresh2 = broadcast<T>(p.numbers[4]);
  const V<T> epsilon = broadcast<T>(p.numbers[2]);
  if (p.numbers[5] != 0)
    sweep_either<T, 2>(
        p, BPN_STEP {
          s[0] = fma(beta1, s[0], fresh1 * g);
          s[1] = fma(beta2, s[1], fresh2 * g * g);
          w = fma(rate, s[0] / (square_root(s[1]) + epsilon), w);
        });
  else
    sweep_either<T, 2>(
        p, BPN_STEP {
          s[0] = fma(beta1, s[0], fresh1 * g);
          s[1] = fma(beta2, s[1], fresh2 * g * g);
          w = fma(rate, s[0], w);
        });
}

// numbers: beta1, beta2, epsilon, 1 - beta1; states: m, u
template <class T>
void adamax_update(const UpdateArguments<T>& p) {
  const V<T> rate = broadcast<T>(-p.learning_rate);
  const V<T> beta1 = broadcast<T>(p.numbers[0]), beta2 = broadcast<T>(p.numbers[1]);
  const V<T> epsilon = broadcast<T>(p.numbers[2]), fresh1 = broadcast<T>(p.numbers[3]);
  sweep_coupled<T, 2>(
      p, BPN_STEP {
        s[0] = fma(beta1, s[0], fresh1 * g);
        s[1] = larger(beta2 * s[1], magnitude<T>(g) + epsilon);
        w = fma(rate, s[0] / s[1], w);
      });
}

// numbers: alpha, 1 - alpha, epsilon, momentum; states: v, mean of g (or null), momentum's buffer (or null)
template <class T, bool Centered, bool Momentum>
BPN_INLINE void rmsprop(UpdateArguments<T> p) {
  const V<T> rate = broadcast<T>(-p.learning_rate), zero{};
  const V<T> alpha = broadcast<T>(p.numbers[0]), fresh = broadcast<T>(p.numbers[1]);
  const V<T> epsilon = broadcast<T>(p.numbers[2]), momentum = broadcast<T>(p.numbers[3]);
  [[maybe_unused]] const V<T> infinity = broadcast<T>(static_cast<T>(__builtin_inf()));
  if (!Centered) p.state[1] = p.state[2];
  sweep_coupled<T, 1 + Centered + Momentum>(
      p, BPN_STEP {
        s[0] = fma(alpha, s[0], fresh * g * g);
        V<T> v = s[0];
        if (Centered) {
          s[1] = fma(alpha, s[1], fresh * g);
          // Rounding may make it negative, and the mean's square overflow as well; a NaN stays.
          v = select<T>(v == infinity, v, larger(zero, fma(-s[1], s[1], v)));
        }
        V<T> d = g / (square_root(v) + epsilon);
        if (Momentum) d = s[1 + Centered] = fma(momentum, s[1 + Centered], d);
        w = fma(rate, d, w);
      });
}
template <class T>
void rmsprop_update(const UpdateArguments<T>& p) {
  if (p.state[1])
    p.state[2] ? rmsprop<T, true, true>(p) : rmsprop<T, true, false>(p);
  else
    p.state[2] ? rmsprop<T, false, true>(p) : rmsprop<T, false, false>(p);
}

// numbers: epsilon; state: v
template <class T>
void adagrad_update(const UpdateArguments<T>& p) {
  const V<T> rate = broadcast<T>(-p.learning_rate), epsilon = broadcast<T>(p.numbers[0]);
  sweep_coupled<T, 1>(
      p, BPN_STEP {
        s[0] = fma(g, g, s[0]);
        w = fma(rate, g / (square_root(s[0]) + epsilon), w);
      });
}

// numbers: rho, 1 - rho, epsilon; states: v, u
template <class T>
void adadelta_update(const UpdateArguments<T>& p) {
  const V<T> rate = broadcast<T>(-p.learning_rate), epsilon = broadcast<T>(p.numbers[2]);
  const V<T> rho = broadcast<T>(p.numbers[0]), fresh = broadcast<T>(p.numbers[1]);
  sweep_coupled<T, 2>(
      p, BPN_STEP {
        s[0] = fma(rho, s[0], fresh * g * g);
        const V<T> d = square_root(s[1] + epsilon) / square_root(s[0] + epsilon) * g;
        s[1] = fma(rho, s[1], fresh * d * d);
        w = fma(rate, d, w);
      });
}

// numbers: beta1, 1 - beta1, beta2, 1 - beta2; state: m
template <class T>
void lion_update(const UpdateArguments<T>& p) {
  const V<T> rate = broadcast<T>(-p.learning_rate);
  const V<T> beta1 = broadcast<T>(p.numbers[0]), fresh1 = broadcast<T>(p.numbers[1]);
  const V<T> beta2 = broadcast<T>(p.numbers[2]), fresh2 = broadcast<T>(p.numbers[3]);
  sweep_decoupled<T, 1>(
      p, BPN_STEP {
        w = fma(rate, sign_of<T>(fma(beta1, s[0], fresh1 * g)), w);
        s[0] = fma(beta2, s[0], fresh2 * g);
      });
}

// numbers: eta_minus, eta_plus, smallest and largest step; states: the last g (zero where its sign turned), the step,
// where zero stands for one that has not begun: the learning rate. A learning rate of zero holds everything.
template <class T>
void rprop_update(const UpdateArguments<T>& p) {
  if (p.learning_rate == 0) return;
  const V<T> first = broadcast<T>(p.learning_rate), zero{}, one = broadcast<T>(1);
  const V<T> shorter = broadcast<T>(p.numbers[0]), longer = broadcast<T>(p.numbers[1]);
  const V<T> smallest = broadcast<T>(p.numbers[2]), largest = broadcast<T>(p.numbers[3]);
  sweep<T, 2>(
      p, BPN_STEP {
        const V<T> agreement = g * s[0];
        const V<T> level = agreement * zero + one;  // a NaN stays
        const V<T> factor = select<T>(agreement > zero, longer, select<T>(agreement < zero, shorter, level));
        const V<T> step = larger(smallest, select<T>(s[1] == zero, first, s[1]) * factor);
        s[1] = select<T>(largest < step, largest, step);
        s[0] = select<T>(agreement < zero, zero, g);
        w = fma(-s[1], sign_of<T>(s[0]), w);
      });
}

template <class T>
void average(T* mean, const T* weight, ptrdiff_t size, T fraction) {
  UpdateArguments<T> p{};
  p.weight = mean, p.gradient = weight, p.size = size;
  const V<T> part = broadcast<T>(fraction);
  if (fraction == 1)
    sweep<T, 0>(p, BPN_STEP { w = g; });
  else
    sweep<T, 0>(p, BPN_STEP { w = fma(part, g - w, w); });
}

BPN_KERNELS_END

#endif  // BPNATIVE_KERNELS_OPTIM_MORE_H_
