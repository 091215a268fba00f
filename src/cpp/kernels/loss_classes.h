// Losses of classes and of yes and no, beside the plain cross entropies of loss.h. z are logits, p = softmax(z) or
// sigmoid(z), lse = logsumexp(z).
//   cross_entropy with options   sum_o u_o (lse - z_o), u_o = w_o ((1 - s) t_o + s / O)      dz_o = p_o sum u - u_o
//   kl_divergence                sum_o t_o (ln t_o + lse - z_o)                              dz_o = p_o sum t - t_o
//   categorical_focal            sum_o w_o t_o (1 - p_o)^g (lse - z_o)
//   binary_cross_entropy with positive weights   mean_o w_o t softplus(-z) + (1 - t) softplus(z)
//   focal                        mean_o a_t m^g ce, ce = t softplus(-z) + (1 - t) softplus(z), m = t (1 - p) + (1 - t)
//   p hinge, squared_hinge         mean_o max(0, 1 - y z), or its square; y = 1 where t > 0, else -1
#ifndef BPNATIVE_KERNELS_LOSS_CLASSES_H_
#define BPNATIVE_KERNELS_LOSS_CLASSES_H_

#include "kernels/activations.h"
#include "kernels/loss_terms.h"

BPN_KERNELS_BEGIN

// One vector of samples of a loss over classes: what its outputs and its target are.
template <class T>
struct Classes {
  const LossArguments<T>& p;
  int i;
  V<T> most, sum, log_sum, label;

  // Leaves e^(z - most) in dz.
  BPN_INLINE Classes(const LossArguments<T>& arguments, int at) : p(arguments), i(at) {
    most = column_maximum<T>(p.z + i, p.outputs, p.stride, kLanes<T>);
    sum = column_exponentials<T>(p.dz + i, p.z + i, most, p.outputs, p.stride, kLanes<T>);
    log_sum = log<T>(sum);
    label = p.labels ? load<T>(p.labels + i) : V<T>{};
  }
  BPN_INLINE ptrdiff_t at(int o) const { return o * p.stride + i; }
  BPN_INLINE V<T> target(int o) const {
    if (!p.labels) return load<T>(p.target + at(o));
    return select<T>(label == broadcast<T>(static_cast<T>(o)), broadcast<T>(1), V<T>{});
  }
  BPN_INLINE V<T> weight(int o) const { return broadcast<T>(p.vector ? p.vector[o] : T(1)); }
  // lse - z_o = -ln p_o, at least 0
  BPN_INLINE V<T> surprise(int o) const { return log_sum - (load<T>(p.z + at(o)) - most); }
};

template <class T>
void cross_entropy_with_options(const LossArguments<T>& p) {  // settings: label smoothing; vector: weights
  const V<T> keep = broadcast<T>(1 - p.settings[0]), even = broadcast<T>(p.settings[0] / static_cast<T>(p.outputs));
  for (int i = 0; i < p.width; i += kLanes<T>) {
    const Classes<T> c(p, i);
    const V<T> scale = load<T>(p.scale + i);
    V<T> loss{}, total{};
    for (int o = 0; o < p.outputs; ++o) {
      const V<T> u = c.weight(o) * fma(keep, c.target(o), even);
      loss = select<T>(u == V<T>{}, loss, fma(u, c.surprise(o), loss));
      total += u;
    }
    const V<T> share = total / c.sum;
    for (int o = 0; o < p.outputs; ++o) {
      const V<T> u = c.weight(o) * fma(keep, c.target(o), even);
      store<T>(p.dz + c.at(o), weighted<T>(load<T>(p.dz + c.at(o)) * share - u, scale));
    }
    store<T>(p.losses + i, loss);
  }
}

template <class T>
void kl_divergence_loss(const LossArguments<T>& p) {
  for (int i = 0; i < p.width; i += kLanes<T>) {
    const Classes<T> c(p, i);
    const V<T> scale = load<T>(p.scale + i);
    V<T> loss{}, total{};
    for (int o = 0; o < p.outputs; ++o) {
      const V<T> t = c.target(o);
      loss = select<T>(t == V<T>{}, loss, fma(t, log_of_any<T>(t) + c.surprise(o), loss));
      total += t;
    }
    const V<T> share = total / c.sum;
    for (int o = 0; o < p.outputs; ++o)
      store<T>(p.dz + c.at(o), weighted<T>(load<T>(p.dz + c.at(o)) * share - c.target(o), scale));
    store<T>(p.losses + i, loss);
  }
}

// m^g and -d (m^g s) / d ln p = m^g (1 + g p s / m), with s = -ln p and m = 1 - p; s / m is 1 where m is 0.
template <class T>
struct Focus {
  V<T> loss, slope;

  BPN_INLINE Focus(const Classes<T>& c, int o, V<T> gamma) {
    const V<T> s = c.surprise(o), m = -expm1_negative<T>(-s), p = broadcast<T>(1) - m;
    const V<T> u = c.weight(o) * c.target(o), factor = u * power<T>(m, gamma);
    const V<T> ratio = select<T>(m == V<T>{}, broadcast<T>(1), s / m);
    const I<T> none = u == V<T>{};  // a class that is not wanted counts nothing, not even 0 times infinity
    loss = select<T>(none, V<T>{}, factor * s);
    slope = select<T>(none, V<T>{}, factor * fma(gamma * p, ratio, broadcast<T>(1)));
  }
};
template <class T>
void categorical_focal_loss(const LossArguments<T>& p) {  // settings: gamma; vector: weights
  const V<T> gamma = broadcast<T>(p.settings[0]);
  for (int i = 0; i < p.width; i += kLanes<T>) {
    const Classes<T> c(p, i);
    const V<T> scale = load<T>(p.scale + i);
    V<T> loss{}, total{};
    for (int o = 0; o < p.outputs; ++o) {
      const Focus<T> focus(c, o, gamma);
      loss += focus.loss;
      total += focus.slope;
    }
    const V<T> share = total / c.sum;
    for (int o = 0; o < p.outputs; ++o) {
      const Focus<T> focus(c, o, gamma);
      store<T>(p.dz + c.at(o), weighted<T>(load<T>(p.dz + c.at(o)) * share - focus.slope, scale));
    }
    store<T>(p.losses + i, loss);
  }
}

template <class T>
void binary_cross_entropy_with_weights(const LossArguments<T>& p) {  // vector: weights of the positive targets
  const V<T> mean = broadcast<T>(T(1) / static_cast<T>(p.outputs));
  for (int i = 0; i < p.width; i += kLanes<T>) {
    const V<T> factor = load<T>(p.scale + i) * mean;
    V<T> sum{};
    for (int o = 0; o < p.outputs; ++o) {
      const ptrdiff_t at = o * p.stride + i;
      const V<T> t = load<T>(p.target + at), wanted = t * broadcast<T>(p.vector[o]), unwanted = broadcast<T>(1) - t;
      const Odds<T> odds(load<T>(p.z + at));
      sum += fma(wanted, odds.softminus, unwanted * odds.softplus);
      store<T>(p.dz + at, weighted<T>(fma(unwanted, odds.yes, -(wanted * odds.no)), factor));
    }
    store<T>(p.losses + i, sum * mean);
  }
}

// d/dz = a_t m^g (g (1 - 2 t) ce p (1 - p) / m + p - t); where m is 0 so is m^g, or g.
template <class T>
struct focal_term {
  static BPN_INLINE V<T> value(V<T> z, V<T> t, V<T> alpha, V<T> gamma, V<T>& slope) {
    const V<T> one = broadcast<T>(1), other = one - t;
    const Odds<T> odds(z);
    const V<T> ce = fma(t, odds.softminus, other * odds.softplus), m = fma(t, odds.no, other * odds.yes);
    const V<T> balance = select<T>(alpha < V<T>{}, one, fma(alpha, t, (one - alpha) * other));
    const V<T> factor = balance * power<T>(m, gamma);
    const V<T> ratio = select<T>(m == V<T>{}, one, odds.yes * odds.no / m);
    const V<T> error = fma(other, odds.yes, -(t * odds.no));
    slope = factor * fma(gamma * (other - t), ce * ratio, error);
    return factor * ce;
  }
};

template <class T>
BPN_INLINE V<T> sign_of_target(V<T> t) {
  return select<T>(t > V<T>{}, broadcast<T>(1), select<T>(t <= V<T>{}, broadcast<T>(-1), t));
}
template <class T>
struct hinge_term {
  static BPN_INLINE V<T> value(V<T> z, V<T> t, V<T>, V<T>, V<T>& slope) {
    const V<T> y = sign_of_target<T>(t), m = broadcast<T>(1) - y * z;
    slope = select<T>(m > V<T>{}, -y, select<T>(m <= V<T>{}, V<T>{}, m));
    return larger(V<T>{}, m);
  }
};
template <class T>
struct squared_hinge_term {
  static BPN_INLINE V<T> value(V<T> z, V<T> t, V<T>, V<T>, V<T>& slope) {
    const V<T> y = sign_of_target<T>(t), m = larger(V<T>{}, broadcast<T>(1) - y * z);
    slope = broadcast<T>(-2) * y * m;
    return m * m;
  }
};

template <class T>
void focal_loss(const LossArguments<T>& p) {  // settings: alpha (below 0: none), gamma
  output_by_output<T, focal_term>(p);
}
template <class T>
void hinge_loss(const LossArguments<T>& p) {
  output_by_output<T, hinge_term>(p);
}
template <class T>
void squared_hinge_loss(const LossArguments<T>& p) {
  output_by_output<T, squared_hinge_term>(p);
}

BPN_KERNELS_END

#endif  // BPNATIVE_KERNELS_LOSS_CLASSES_H_
