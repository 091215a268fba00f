// All kernels of one instruction set as one translation unit: the build compiles this file once a set, with that set's
// flags and BPN_ISA_TAG. Its only external symbol is the getter of the table, which core/dispatch calls where the
// processor allows.
#include "kernels/activations.h"
#include "kernels/elementwise.h"
#include "kernels/few.h"
#include "kernels/gemm.h"
#include "kernels/loss.h"
#include "kernels/loss_regression.h"
#include "kernels/noise.h"
#include "kernels/norm.h"
#include "kernels/optim.h"
#include "kernels/optim_more.h"
#include "kernels/simd.h"
#include "kernels/sparse.h"
#include "kernels/table.h"

BPN_KERNELS_BEGIN

template <class T>
constexpr Kernels<T> kernels() {
  Kernels<T> k{};
  k.panel = kPanel<T>;
  k.product = product<T>;
  k.forward_few = forward_few<T>;
  k.nonzeros = nonzeros<T>;
  k.count_nonzeros = count_nonzeros<T>;
  k.sparse_forward = sparse_forward<T>;
  k.sparse_gradient = sparse_gradient<T>;
  k.transpose = transpose<T>;
  k.row_sums = row_sums<T>;
  k.row_moments = row_moments<T>;
  k.row_dots = row_dots<T>;
  k.slices = {add<T>, multiply<T>, affine<T>, blend<T>, normalize<T>, normalize_backward<T>, {}};
#define BPN_ROW(name) k.slices.noises[static_cast<int>(Noise::name)] = name##_noise<T>;
  BPN_NOISES(BPN_ROW)
#undef BPN_ROW
  k.random_words = random_words;
  k.gather = gather<T>;
  k.gather_bytes = gather_bytes<T>;
  k.from_bytes = from_bytes<T>;
  k.to_panels = to_panels<T>;
  k.scatter = scatter<T>;
  for (int i = 0; i < static_cast<int>(Activation::count); ++i) k.activations[i] = ActivationTable<T>::rows[i];
#define BPN_ROW(name) k.losses[static_cast<int>(Loss::name)] = name##_loss<T>;
  BPN_LOSSES(BPN_ROW)
#undef BPN_ROW
#define BPN_ROW(name) k.optimizers[static_cast<int>(Optimizer::name)] = name##_update<T>;
  BPN_OPTIMIZERS(BPN_ROW)
#undef BPN_ROW
  k.average = average<T>;
  k.fma_chain = fma_chain<T>;
  return k;
}

static_assert(sizeof(ActivationTable<float>::rows) / sizeof(ActivationTable<float>::rows[0]) ==
                  static_cast<int>(Activation::count),
              "one row an activation");

#define BPN_TEXT_OF(name) #name
#define BPN_TEXT(name) BPN_TEXT_OF(name)
constexpr KernelTable kTable = {BPN_TEXT(BPN_ISA_TAG), kVectorBytes, kHasFma, kernels<float>(), kernels<double>()};

BPN_KERNELS_END

#define BPN_JOIN_OF(a, b) a##b
#define BPN_JOIN(a, b) BPN_JOIN_OF(a, b)
extern "C" const bpnative::KernelTable* BPN_JOIN(bpnative_kernels_, BPN_ISA_TAG)();
extern "C" const bpnative::KernelTable* BPN_JOIN(bpnative_kernels_, BPN_ISA_TAG)() {
  return &bpnative::BPN_ISA_TAG::kTable;
}
