#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include "core/contention.h"
#include "core/thread_pool.h"

namespace bpnative {
namespace {

// A phase of two tasks that wait for each other, so that the caller cannot simply do both: the time until another
// thread has begun its task, 0 when it did not within `patience`.
std::int64_t until_both_are_here(Team& team, std::int64_t patience) {
  std::atomic<int> here{0};
  std::atomic<bool> given_up{false};
  const std::int64_t before = now_ns();
  team.run(2, [&](int, int) {
    here.fetch_add(1, std::memory_order_relaxed);
    while (here.load(std::memory_order_relaxed) < 2) {
      if (now_ns() - before < patience) continue;
      given_up.store(true, std::memory_order_relaxed);
      return;
    }
  });
  return given_up.load(std::memory_order_relaxed) ? 0 : now_ns() - before;
}

// The workers are awake: phases of one region.
std::vector<std::int64_t> hand_offs() {
  constexpr std::int64_t kPatience = 50'000, kBudget = 10'000'000;
  constexpr std::size_t kRounds = 200;
  std::vector<std::int64_t> rounds;
  parallel_region(2, [&](Team& team) {
    const std::int64_t end = now_ns() + kBudget;
    while (team.threads() == 2 && rounds.size() < kRounds && now_ns() < end) {
      if (const std::int64_t took = until_both_are_here(team, kPatience)) rounds.push_back(took);
    }
  });
  return rounds;
}

// The workers are asleep: one phase a region, and a pause before each.
std::vector<std::int64_t> wake_ups() {
  constexpr std::int64_t kPatience = 1'000'000;
  constexpr int kRounds = 12;
  std::vector<std::int64_t> rounds;
  for (int round = 0; round < kRounds; ++round) {
    std::this_thread::sleep_for(std::chrono::microseconds(100));
    parallel_region(2, [&](Team& team) {
      const std::int64_t took = team.threads() == 2 ? until_both_are_here(team, kPatience) : 0;
      if (took > 0) rounds.push_back(took);
    });
  }
  return rounds;
}

// A cost that is measured when it is first asked for.
class Cost {
 public:
  constexpr Cost(std::vector<std::int64_t> (*measure)(), std::size_t enough, double otherwise)
      : measure_(measure), enough_(enough), otherwise_(otherwise) {}

  double seconds() {
    const double known = measured_.load(std::memory_order_relaxed);
    if (known > 0.0) return known;
    // Not to be had while the pool or the other core is in use. Trying takes milliseconds, so not at every call.
    if (now_ns() < retry_at_.load(std::memory_order_relaxed)) return otherwise_;
    std::vector<std::int64_t> rounds = measure_();
    retry_at_.store(now_ns() + 1'000'000'000, std::memory_order_relaxed);
    if (rounds.size() < enough_) return otherwise_;
    // The lower quartile: what the processor needs, not what happened to run beside it just then.
    const auto quartile = rounds.begin() + static_cast<std::ptrdiff_t>(rounds.size() / 4);
    std::nth_element(rounds.begin(), quartile, rounds.end());
    measured_.store(static_cast<double>(*quartile) * 1e-9, std::memory_order_relaxed);
    return static_cast<double>(*quartile) * 1e-9;
  }

 private:
  std::vector<std::int64_t> (*measure_)();
  std::size_t enough_;
  double otherwise_;
  std::atomic<double> measured_{0.0};
  std::atomic<std::int64_t> retry_at_{0};
};

Cost hand_off(hand_offs, 50, 5e-6), wake_up(wake_ups, 6, 50e-6);

}  // namespace

double hand_off_seconds() { return hand_off.seconds(); }
double wake_up_seconds() { return wake_up.seconds(); }

}  // namespace bpnative
