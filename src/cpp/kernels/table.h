// The only header that both worlds see: the kernels of one instruction set as a table of plain function pointers, and
// the plain structs they take. variant.cpp fills one table per instruction set; core/dispatch picks one; nn/ and train/
// call it. Letters: B batch, I inputs, O outputs, S the stride of a slice (samples lie side by side: a slice is
// [features x S]). A list of names here is the registry: dispatch, Python, tests and benchmarks all read it.
#ifndef BPNATIVE_KERNELS_TABLE_H_
#define BPNATIVE_KERNELS_TABLE_H_

#include <stddef.h>
#include <stdint.h>

// clang-format off: a list, not code. X(name, what its derivative is taken from, see DerivativeFrom)
#define BPN_ACTIVATIONS(X)                                                                                  \
  X(linear, output) X(relu, output) X(leaky_relu, output) X(relu6, output) X(hard_tanh, output)             \
  X(hard_sigmoid, output) X(elu, output) X(selu, output) X(celu, output) X(exponential, output)             \
  X(tanh, output) X(sigmoid, output) X(softsign, slope) X(softplus, slope) X(gelu, slope)                   \
  X(gelu_tanh, slope) X(silu, slope) X(mish, slope) X(softmax, column) X(log_softmax, column)
#define BPN_LOSSES(X)                                                                                       \
  X(mse) X(cross_entropy) X(binary_cross_entropy) X(mae) X(huber) X(log_cosh) X(quantile) X(poisson)        \
  X(gaussian_nll) X(cosine) X(hinge) X(squared_hinge) X(focal) X(categorical_focal) X(kl_divergence)
#define BPN_OPTIMIZERS(X) \
  X(sgd) X(adam) X(adamw) X(amsgrad) X(nadam) X(radam) X(adamax) X(rmsprop) X(adagrad) X(adadelta) X(lion) X(rprop)
// clang-format on

namespace bpnative {

#define BPN_ENUMERATOR(name, ...) name,
enum class Activation : int { BPN_ACTIVATIONS(BPN_ENUMERATOR) count };
enum class Loss : int { BPN_LOSSES(BPN_ENUMERATOR) count };
enum class Optimizer : int { BPN_OPTIMIZERS(BPN_ENUMERATOR) count };
#undef BPN_ENUMERATOR

// What a derivative is taken from: the output y, which a layer has anyway; where y does not tell it (gelu is not
// monotonic) the slope f'(z) that the forward pass writes beside y; or the whole column of a sample's outputs.
enum class DerivativeFrom { output, slope, column };
#define BPN_DERIVATIVE_FROM(name, from) DerivativeFrom::from,
constexpr DerivativeFrom kDerivativeFrom[] = {BPN_ACTIVATIONS(BPN_DERIVATIVE_FROM)};
#undef BPN_DERIVATIVE_FROM
// Static: a kernel unit must not bring along a copy that the linker could merge with another's.
static constexpr bool keeps_slope(Activation activation) {
  return kDerivativeFrom[static_cast<int>(activation)] == DerivativeFrom::slope;
}
static constexpr bool mixes_outputs(Activation activation) {
  return kDerivativeFrom[static_cast<int>(activation)] == DerivativeFrom::column;
}

// Sums over samples are made in blocks of this many, folded in a fixed order, on every instruction set.
constexpr int kSampleBlock = 16;

// c[rows x columns] = act(bias + a . b), or (a . b) * act'(saved): the three products of a dense layer.
template <class T>
struct Product {
  T* c;
  ptrdiff_t c_row;       // between rows of c (and of `saved` and `slope`)
  const T* a;            // element (r, k) at a[r * a_row + (k / segment) * a_segment + (k % segment) * a_k]
  ptrdiff_t a_row, a_k;  // rows of W forward (I, 1), columns of W backward (1, I), rows of dz in gradients (S, 1)
  int segment;           // k runs through a in pieces of this length (slices of the batch); >= k for one piece
  ptrdiff_t a_segment;
  const T* b;     // [k x columns], readable up to the next multiple of kSampleBlock columns
  ptrdiff_t b_k;  // between rows of b
  int rows, columns, k;
  const T* bias;          // by row, or null
  Activation forward;     // applied to the finished sum
  Activation derivative;  // the finished sum is multiplied with its derivative, taken from the output `saved`
  T parameter;            // of whichever activation is applied
  const T* saved;         // [rows x columns], readable like b: outputs or slopes; null: no derivative
  T* slope;               // [rows x columns]: where `forward` keeps its slope; null: not wanted
};

// Elementwise over [features x width] with rows `stride` apart; what mixes outputs runs down the columns.
template <class T>
struct ActivationKernels {
  void (*forward)(T* y, const T* z, int features, int width, ptrdiff_t stride, T parameter);
  void (*derivative)(T* dz, const T* dy, const T* saved, int features, int width, ptrdiff_t stride, T parameter);
  // As forward, and f'(z) to slope; null for those that take their derivative from y.
  void (*forward_keeping)(T* y, T* slope, const T* z, int features, int width, ptrdiff_t stride, T parameter);
};

// y[samples x outputs] = act(x[samples x inputs] . weight^T + bias), all in rows: for very few samples.
template <class T>
struct FewForward {
  T* y;
  const T *x, *weight, *bias;  // bias or null
  int samples, inputs, outputs;
  Activation activation;
  T parameter;
};

template <class T>
struct SparseForward;  // kernels/sparse_arguments.h
template <class T>
struct SparseGradient;

template <class T>
struct LossArguments {
  T* dz;            // [outputs x width]: scale * d loss / d z
  T* losses;        // [width]: the loss of each sample, not scaled
  const T* z;       // [outputs x width]: the network's outputs (logits for the cross entropies)
  const T* target;  // [targets x width], or null where labels are given
  const T* labels;  // [width]: class numbers, or null
  const T* scale;   // [width]: sample weight / batch size; zero in the padding
  const T* vector;  // weights of classes or of positive targets [outputs], levels of quantiles; null: all weights 1
  T settings[2];    // in the order of nn/loss_kinds.cpp
  int outputs, targets, width;
  ptrdiff_t stride;
};

template <class T>
struct UpdateArguments {
  T* weight;
  T* state[3];  // by slot, as nn/optimizer_rule.cpp names them; null: not kept
  const T* gradient;
  ptrdiff_t size;
  T learning_rate;  // corrected for the step
  T weight_decay;   // times the weight, added to the gradient
  T shrink;         // times the weight, added to the weight before the step: - learning_rate * weight_decay, decoupled
  // In the order that each kernel names. 1 - beta is among them: float32 cannot make it of 0.999 itself without losing
  // four digits.
  T numbers[6];
};

// Random words are a function of these, of the sample's place in its batch and of the feature, by Philox4x32-10: no
// state, and nothing that depends on slices or threads.
struct NoiseSource {
  uint64_t seed, step;
  uint32_t layer;
};
#define BPN_NOISES(X) X(dropout) X(alpha_dropout) X(gaussian_noise)
#define BPN_ENUMERATOR(name) name,
enum class Noise : int { BPN_NOISES(BPN_ENUMERATOR) count };
#undef BPN_ENUMERATOR
template <class T>
struct NoiseArguments {
  T *y, *kept;  // [features x S]; kept: what the gradient is multiplied with (unused by gaussian_noise)
  const T* x;
  int features, width;
  ptrdiff_t stride;
  uint32_t first;  // sample of the batch
  NoiseSource source;
  uint32_t threshold;       // dropped where a word of 24 bits is below this
  T scale, shift, dropped;  // y = scale x + shift where x is kept, else `dropped`; gaussian: scale is the deviation
};

// Elementwise over a slice, [features x width] with rows `stride` apart; per-feature vectors are [features] or null.
template <class T>
struct SliceKernels {
  void (*add)(T* c, const T* a, const T* b, int features, int width, ptrdiff_t stride);
  void (*multiply)(T* c, const T* a, const T* b, int features, int width, ptrdiff_t stride);
  // y = (x - minus) * times + plus
  void (*affine)(T* y, const T* x, const T* minus, const T* times, const T* plus, int features, int width,
                 ptrdiff_t stride);
  // c = (a - minus_a) * by_a + (b - minus_b) * by_b
  void (*blend)(T* c, const T* a, const T* minus_a, const T* by_a, const T* b, const T* minus_b, const T* by_b,
                int features, int width, ptrdiff_t stride);
  // Per sample over its features: kept[features + 1 rows]: (x - mean) / deviation, 1 / deviation; mean 0 where not
  // centered. y = kept * weight + bias.
  void (*normalize)(T* y, T* kept, const T* x, const T* weight, const T* bias, int features, int width,
                    ptrdiff_t stride, T epsilon, bool centered);
  void (*normalize_backward)(T* dx, const T* dz, const T* kept, const T* weight, int features, int width,
                             ptrdiff_t stride, bool centered);
  void (*noises[static_cast<int>(Noise::count)])(const NoiseArguments<T>&);
};

template <class T>
struct Kernels {
  int panel;  // features side by side in a panel [samples x panel]; also the preferred width of a slice
  void (*product)(const Product<T>&);
  void (*forward_few)(const FewForward<T>&);
  // The elements of x[size] that are not zero, in order, and a bit set for each; how many there are.
  int (*nonzeros)(int32_t* feature, T* value, uint32_t* occurs, const T* x, int size);
  int (*count_nonzeros)(const T* x, int size);
  void (*sparse_forward)(const SparseForward<T>&);
  void (*sparse_gradient)(const SparseGradient<T>&);
  // out[columns x rows], out_row apart, of in[rows x columns], in_row apart.
  void (*transpose)(T* out, ptrdiff_t out_row, const T* in, ptrdiff_t in_row, int rows, int columns);
  // db[rows] = sum over samples of dz, slices of [.. x segment] a_segment apart, `count` samples in all.
  void (*row_sums)(T* db, const T* dz, int rows, int count, int segment, ptrdiff_t dz_segment);
  // mean and variance (over count) of each row, slices as in row_sums; sum of a * (b - minus) of each row.
  void (*row_moments)(T* mean, T* variance, const T* x, int rows, int count, int segment, ptrdiff_t x_segment);
  void (*row_dots)(T* out, const T* a, ptrdiff_t a_segment, const T* b, ptrdiff_t b_segment, const T* minus, int rows,
                   int count, int segment);
  // rows of x (picked by order where given) -> columns[features x stride], and -> panels where given.
  void (*gather)(T* columns, T* panels, const T* x, const int64_t* order, int features, int count, int width,
                 ptrdiff_t stride, ptrdiff_t panel_size);
  // The same of bytes, each times scale plus offset; and one row of them.
  void (*gather_bytes)(T* columns, T* panels, const uint8_t* x, const int64_t* order, int features, int count,
                       int width, ptrdiff_t stride, ptrdiff_t panel_size, T scale, T offset);
  void (*from_bytes)(T* out, const uint8_t* in, int size, T scale, T offset);
  // columns[features x stride] -> panels[ceil(features / panel)][samples x panel], panel_size apart.
  void (*to_panels)(T* panels, const T* columns, int features, int count, ptrdiff_t stride, ptrdiff_t panel_size);
  // columns[features x stride] -> rows[count x features].
  void (*scatter)(T* rows, const T* columns, int features, int count, ptrdiff_t stride);
  SliceKernels<T> slices;
  // words[4][width] of counters (first + i, group, low, high) under the key: what the noises are made of.
  void (*random_words)(uint32_t* words, uint32_t first, uint32_t group, const NoiseSource& source, int width);
  ActivationKernels<T> activations[static_cast<int>(Activation::count)];
  void (*losses[static_cast<int>(Loss::count)])(const LossArguments<T>&);
  void (*optimizers[static_cast<int>(Optimizer::count)])(const UpdateArguments<T>&);
  // mean += fraction * (weight - mean): a running average of weights; a fraction of 1 copies.
  void (*average)(T* mean, const T* weight, ptrdiff_t size, T fraction);
  double (*fma_chain)(
      int64_t rounds);  // runs independent multiply-add chains; returns the floating-point operations done
};

struct KernelTable {
  const char* name;  // "x86-64-v3"
  int vector_bytes;
  bool fma;
  Kernels<float> f32;
  Kernels<double> f64;

  const Kernels<float>& of(float) const { return f32; }
  const Kernels<double>& of(double) const { return f64; }
};

}  // namespace bpnative

#endif  // BPNATIVE_KERNELS_TABLE_H_
