// The floating-point mode of native code. Subnormal numbers cost up to a hundred times an ordinary one on some
// processors, and training is full of them once units saturate; so they count as zero here, and only here.
#ifndef BPNATIVE_CORE_FP_MODE_H_
#define BPNATIVE_CORE_FP_MODE_H_

#include <cstdint>

#if defined(__x86_64__) || defined(__SSE2__)
#include <xmmintrin.h>
#endif

namespace bpnative {

// Between construction and destruction this thread rounds to nearest, raises no traps and takes subnormals, read or
// computed, as zero: always the same mode, whatever the caller's is, so that results cannot depend on it. Restoring
// also brings the caller's exception flags back: arithmetic done in here leaves no trace in np.errstate.
class FlushToZero {
 public:
  FlushToZero() : saved_(read()) { write(kMode); }
  ~FlushToZero() { write(saved_); }
  FlushToZero(const FlushToZero&) = delete;
  FlushToZero& operator=(const FlushToZero&) = delete;

  // The control register as it is; equal before and after a native call.
#if defined(__x86_64__) || defined(__SSE2__)
  using Register = std::uint32_t;
  static Register read() { return _mm_getcsr(); }
#elif defined(__aarch64__)
  using Register = std::uint64_t;
  static Register read() {
    Register value;
    __asm__ __volatile__("mrs %0, fpcr" : "=r"(value));
    return value;
  }
#else
  using Register = std::uint32_t;
  static Register read() { return 0; }
#endif

 private:
#if defined(__x86_64__) || defined(__SSE2__)
  static constexpr Register kMode = 0x1F80 | 0x8000 | 0x0040;  // all traps masked | flush to zero | denormals are zero
  static void write(Register value) { _mm_setcsr(value); }
#elif defined(__aarch64__)
  static constexpr Register kMode = Register{1} << 24;  // FZ, everything else at its default
  static void write(Register value) { __asm__ __volatile__("msr fpcr, %0" : : "r"(value) : "memory"); }
#else
  static constexpr Register kMode = 0;
  static void write(Register) {}
#endif

  Register saved_;
};

}  // namespace bpnative

#endif  // BPNATIVE_CORE_FP_MODE_H_
