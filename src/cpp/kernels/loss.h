// Losses of a slice: value of each sample and derivative in one pass, samples along the vectors. Called by nn/loss.
//   mse                   l = mean_o (z_o - t_o)^2                         dz_o = scale 2 (z_o - t_o) / O
//   cross_entropy         l = logsumexp(z) - z_c, or sum_o t_o (lse - z_o)  dz_o = scale (softmax(z)_o sum t - t_o)
//   binary_cross_entropy  l = mean_o softplus(z_o) - t_o z_o               dz_o = scale (sigmoid(z_o) - t_o) / O
// With class weights, label smoothing or positive weights the cross entropies go on in loss_classes.h. z are logits for
// them; scale = sample weight / batch size, zero in the padding.
#ifndef BPNATIVE_KERNELS_LOSS_H_
#define BPNATIVE_KERNELS_LOSS_H_

#include "kernels/activations.h"
#include "kernels/loss_classes.h"
#include "kernels/math.h"

BPN_KERNELS_BEGIN

template <class T>
void mse_loss(const LossArguments<T>& p) {
  const V<T> mean = broadcast<T>(T(1) / static_cast<T>(p.outputs));
  for (int i = 0; i < p.width; i += kLanes<T>) {
    const V<T> factor = load<T>(p.scale + i) * mean * broadcast<T>(2);
    V<T> sum{};
    for (int o = 0; o < p.outputs; ++o) {
      const ptrdiff_t at = o * p.stride + i;
      const V<T> error = load<T>(p.z + at) - load<T>(p.target + at);
      sum = fma(error, error, sum);
      store<T>(p.dz + at, error * factor);
    }
    store<T>(p.losses + i, sum * mean);
  }
}

template <class T>
void cross_entropy_loss(const LossArguments<T>& p) {
  if (p.vector || p.settings[0] != 0) return cross_entropy_with_options<T>(p);
  for (int i = 0; i < p.width; i += kLanes<T>) {
    const V<T> scale = load<T>(p.scale + i);
    const V<T> most = column_maximum<T>(p.z + i, p.outputs, p.stride, kLanes<T>);
    const V<T> sum = column_exponentials<T>(p.dz + i, p.z + i, most, p.outputs, p.stride, kLanes<T>);
    const V<T> log_sum = log<T>(sum);
    // The loss is made of (z_t - most) - log_sum, never of z alone: nothing cancels at logits of 1e4.
    V<T> loss{}, total = broadcast<T>(1);
    if (p.labels) {
      const V<T> label = load<T>(p.labels + i);
      const V<T> share = scale / sum;
      for (int o = 0; o < p.outputs; ++o) {
        const ptrdiff_t at = o * p.stride + i;
        const I<T> hit = label == broadcast<T>(static_cast<T>(o));
        loss = select<T>(hit, log_sum - (load<T>(p.z + at) - most), loss);
        store<T>(p.dz + at, load<T>(p.dz + at) * share - select<T>(hit, scale, V<T>{}));
      }
    } else {
      total = V<T>{};
      for (int o = 0; o < p.outputs; ++o) {
        const ptrdiff_t at = o * p.stride + i;
        const V<T> t = load<T>(p.target + at), surprise = log_sum - (load<T>(p.z + at) - most);
        // A class that the target rules out costs nothing, however impossible the network thinks it: 0 times infinity.
        loss = select<T>(t == V<T>{}, loss, fma(t, surprise, loss));
        total += t;
      }
      const V<T> share = scale * total / sum;
      for (int o = 0; o < p.outputs; ++o) {
        const ptrdiff_t at = o * p.stride + i;
        store<T>(p.dz + at, load<T>(p.dz + at) * share - scale * load<T>(p.target + at));
      }
    }
    store<T>(p.losses + i, loss);
  }
}

template <class T>
void binary_cross_entropy_loss(const LossArguments<T>& p) {
  if (p.vector) return binary_cross_entropy_with_weights<T>(p);
  const V<T> mean = broadcast<T>(T(1) / static_cast<T>(p.outputs));
  for (int i = 0; i < p.width; i += kLanes<T>) {
    const V<T> factor = load<T>(p.scale + i) * mean;
    V<T> sum{};
    for (int o = 0; o < p.outputs; ++o) {
      const ptrdiff_t at = o * p.stride + i;
      const V<T> z = load<T>(p.z + at), t = load<T>(p.target + at);
      // softplus(z) - t z = max(z, 0) - t z + log1p(e^-|z|): the large parts cancel before the small one is added.
      const V<T> e = exp<T>(-magnitude<T>(z));
      const V<T> large = select<T>(z > V<T>{}, z - t * z, -(t * z));
      sum += large + log1p_unit<T>(e);
      const V<T> positive = broadcast<T>(1) / (broadcast<T>(1) + e);
      store<T>(p.dz + at, (select<T>(negative<T>(z), e * positive, positive) - t) * factor);
    }
    store<T>(p.losses + i, sum * mean);
  }
}

BPN_KERNELS_END

#endif  // BPNATIVE_KERNELS_LOSS_H_
