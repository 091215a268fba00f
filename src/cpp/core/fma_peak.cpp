#include "core/fma_peak.h"

#include <algorithm>

#include "core/contention.h"
#include "core/fp_mode.h"

namespace bpnative {

double fma_peak(double (*fma_chain)(std::int64_t rounds), double seconds) {
  const FlushToZero flush_to_zero;
  const std::int64_t start = now_ns();
  std::int64_t rounds = 1000;
  double best = 0.0;
  do {
    const std::int64_t before = now_ns();
    const double operations = fma_chain(rounds);
    const double took = static_cast<double>(std::max<std::int64_t>(now_ns() - before, 1)) * 1e-9;
    if (took < 2e-4) {
      rounds *= 2;  // too short for the clock
    } else {
      best = std::max(best, operations / took);
    }
  } while (static_cast<double>(now_ns() - start) * 1e-9 < seconds || best == 0.0);
  return best;
}

}  // namespace bpnative
