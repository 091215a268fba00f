// The arithmetic limit of one core of this machine, measured: what benchmarks are compared with.
#ifndef BPNATIVE_CORE_FMA_PEAK_H_
#define BPNATIVE_CORE_FMA_PEAK_H_

#include <cstdint>

namespace bpnative {

// Floating-point operations per second of `fma_chain` (an entry of a kernel table), the best of the short runs that fit
// into `seconds`: other programs and a rising clock can only take away from it.
double fma_peak(double (*fma_chain)(std::int64_t rounds), double seconds);

}  // namespace bpnative

#endif  // BPNATIVE_CORE_FMA_PEAK_H_
