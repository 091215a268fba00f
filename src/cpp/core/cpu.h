// What this processor can do and what the system lets us use of it.
#ifndef BPNATIVE_CORE_CPU_H_
#define BPNATIVE_CORE_CPU_H_

#include <cstddef>
#include <string>

namespace bpnative {

struct Cpu {
  std::string name = "unknown processor";
  // The levels of the x86-64 psABI; each contains the ones before.
  bool x86_v2 = false;  // SSE4.2, POPCNT
  bool x86_v3 = false;  // AVX2, FMA, BMI, F16C
  bool x86_v4 = false;  // AVX-512 F, BW, CD, DQ, VL
  bool neon = false;
  int physical_cores = 1;            // of the machine; thread_count says how many of them are for us
  std::size_t l1d_bytes = 32 << 10;  // first-level data cache of a core
  std::size_t l2_bytes = 512 << 10;
  std::size_t l3_bytes = 0;  // shared by several cores; 0: there is none
};

const Cpu& cpu();

}  // namespace bpnative

#endif  // BPNATIVE_CORE_CPU_H_
