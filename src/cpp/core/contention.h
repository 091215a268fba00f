// Noticing that other programs run on our cores. A worker that loses its core in the middle of a task holds up everyone
// who waits for that phase; then fewer workers are faster, and spinning only takes time from whoever is to finish.
#ifndef BPNATIVE_CORE_CONTENTION_H_
#define BPNATIVE_CORE_CONTENTION_H_

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>

#if defined(__linux__)
#include <sched.h>
#include <sys/resource.h>
#include <time.h>
#endif

namespace bpnative {

inline std::int64_t now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

// For tests, which want all threads to take part however busy the machine is.
inline std::atomic<bool> contention_ignored{false};

// The processor that runs this thread just now; -1 where the system does not say.
inline int this_processor() {
#if defined(__linux__)
  return sched_getcpu();
#else
  return -1;
#endif
}

// One per worker: notices that it was woken where the caller was running, for want of another core, and so took the
// place of the one it was to help.
class Displacement {
 public:
  bool displaces(int callers_processor) {
    const int here = this_processor();
    const bool same = here >= 0 && here == callers_processor && !contention_ignored.load(std::memory_order_relaxed);
    in_a_row_ = same ? in_a_row_ + 1 : 0;
    return same;
  }
  bool persists() const { return in_a_row_ % 2 == 0; }  // after displaces(): once may be an accident

 private:
  int in_a_row_ = 0;
};

// One per worker: compares the time for which it wanted to run with the processor time that it got.
class CoreMeter {
 public:
  CoreMeter() { start(); }

  void fall_asleep() { awake_ += now_ns() - resumed_; }
  void wake_up() { resumed_ = now_ns(); }

  // True when others had more than a quarter of this core, over a time long enough that a passing interrupt does not
  // count. Waiting for a page of a mapped file is no such loss: the system did not take the core, the thread gave it
  // up.
  bool core_taken() {
    const std::int64_t wanted = awake_ + (now_ns() - resumed_);
    if (wanted < kWindow) return false;
    const std::int64_t got_before = got_, preempted_before = preempted_;
    start();
    const bool taken = preempted_ > preempted_before && wanted - (got_ - got_before) > wanted / 4;
    return taken && !contention_ignored.load(std::memory_order_relaxed);
  }

 private:
  static constexpr std::int64_t kWindow = 10'000'000;

  void start() {
#if defined(__linux__)
    timespec time;  // the times in rusage lag by a tick
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    got_ = time.tv_sec * std::int64_t{1'000'000'000} + time.tv_nsec;
    rusage usage;
    getrusage(RUSAGE_THREAD, &usage);
    preempted_ = usage.ru_nivcsw;
#endif
    awake_ = 0;
    resumed_ = now_ns();
  }

  std::int64_t awake_ = 0, resumed_ = 0;  // time wanted so far in this window; since when it runs
  std::int64_t got_ = 0, preempted_ = 0;  // at the window's start
};

// What the caller makes of it: how many workers are left asleep and how long the others spin. Tries all of them again
// after a while, which doubles each time that the cores turn out to be taken still.
class Restraint {
 public:
  bool active() const { return strikes_ > 0; }
  std::int64_t spin_ns() const { return kSpin >> strikes_; }

  void report(int cores_taken) {
    strikes_ = std::min(strikes_ + 1, kMaxStrikes);
    withheld_ += cores_taken;
    again_at_ = now_ns() + (kPause << strikes_);
  }

  int allowed(int threads) {
    if (active() && now_ns() >= again_at_) {
      if (withheld_ > 0) {
        withheld_ = 0;
        again_at_ = now_ns() + kPause;
      } else {
        strikes_ = 0;  // all were allowed again and nobody complained
      }
    }
    return std::max(1, threads - std::min(withheld_, threads));
  }

 private:
  static constexpr std::int64_t kSpin = 50'000, kPause = 50'000'000;
  static constexpr int kMaxStrikes = 5;

  int strikes_ = 0, withheld_ = 0;
  std::int64_t again_at_ = 0;
};

}  // namespace bpnative

#endif  // BPNATIVE_CORE_CONTENTION_H_
