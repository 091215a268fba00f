#include <algorithm>
#include <atomic>
#include <vector>

#include "core/contention.h"
#include "core/thread_pool.h"

namespace bpnative {
namespace {

constexpr int kRounds = 240, kWarmUp = 40, kEnough = 16;
constexpr double kUnmeasured = 5e-6;
constexpr std::int64_t kPatience = 50'000, kBudget = 3'000'000, kRetry = 1'000'000'000;

// A phase of two tasks that wait for each other, so that the caller cannot simply do both: the time until another
// thread has noticed its task and the caller has noticed that it is done.
double measure() {
  std::vector<double> rounds;
  rounds.reserve(kRounds);
  parallel_region(2, [&](Team& team) {
    if (team.threads() < 2) return;
    const std::int64_t start = now_ns();
    for (int round = 0; round < kRounds && now_ns() - start < kBudget; ++round) {
      std::atomic<int> here{0};
      const std::int64_t before = now_ns();
      team.run(2, [&](int, int) {
        here.fetch_add(1, std::memory_order_relaxed);
        while (here.load(std::memory_order_relaxed) < 2 && now_ns() - before < kPatience) {
        }
      });
      const std::int64_t took = now_ns() - before;
      if (round >= kWarmUp && took < kPatience) rounds.push_back(static_cast<double>(took) * 1e-9);
    }
  });
  if (rounds.size() < kEnough) return 0.0;
  // The lower quartile: what the processor needs, not what happened to run beside it just then.
  const auto quartile = rounds.begin() + static_cast<std::ptrdiff_t>(rounds.size() / 4);
  std::nth_element(rounds.begin(), quartile, rounds.end());
  return *quartile;
}

}  // namespace

double hand_off_seconds() {
  static std::atomic<double> measured{0.0};
  static std::atomic<std::int64_t> retry_at{0};
  double seconds = measured.load(std::memory_order_relaxed);
  if (seconds > 0.0) return seconds;
  // Not to be had while the pool or the other core is in use; trying costs milliseconds, so not at every call.
  if (now_ns() < retry_at.load(std::memory_order_relaxed)) return kUnmeasured;
  seconds = measure();
  retry_at.store(now_ns() + kRetry, std::memory_order_relaxed);
  if (seconds <= 0.0) return kUnmeasured;
  measured.store(seconds, std::memory_order_relaxed);
  return seconds;
}

}  // namespace bpnative
