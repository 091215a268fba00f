// One phase after another, handed out to workers who may come late or not at all. No threads are made here: the pool
// has them call serve().
#ifndef BPNATIVE_CORE_PHASES_H_
#define BPNATIVE_CORE_PHASES_H_

#include <array>
#include <atomic>
#include <cstdint>
#include <exception>

#include "core/claim.h"
#include "core/contention.h"
#include "core/thread_count.h"
#include "core/wait_word.h"

namespace bpnative {

using Call = void (*)(void* task, int worker, int index);

class Phases {
 public:
  // The caller's side; one caller at a time.
  int open(int threads);  // a region begins: of so many threads, how many to use
  void run(int threads, int n_tasks, Call call, void* task, const int* starts);  // see Team::run
  void close();

  // The workers' side. Runs tasks, spins and sleeps until dismissed. The caller is worker 0.
  void serve(int worker, std::uint32_t seen);
  std::uint32_t last_seen(int worker) const { return slots_[worker].claim.generation(); }  // what a new worker has seen
  void dismiss(int workers);
  void dismissed() { stop_.store(false, std::memory_order_release); }  // all of them have left

 private:
  // What one worker waits for and takes from, on cache lines of its own (processors fetch them in pairs).
  struct alignas(128) Slot {
    ClaimWord claim;
    WaitWord asleep;  // 1: sleeps, or is about to
  };

  void work(int worker, std::uint32_t generation);
  void execute(int worker, int unit);
  void report(int finished);
  void wait_until_finished();
  bool wait_for_phase(Slot& slot, std::uint32_t seen, bool spins, CoreMeter& meter);
  bool spin(const Slot& slot, std::uint32_t seen) const;
  void wake(Slot& slot);
  void apply_restraint();

  static constexpr std::uint32_t kCallerSleeps = std::uint32_t{1} << 31;

  // The phase. Atomic because a late worker may read them while the next phase is being written; it acts only on what
  // it reads while it holds a claimed task, and then they stand still.
  std::atomic<Call> call_{nullptr};
  std::atomic<void*> task_{nullptr};
  std::atomic<int> n_tasks_{0}, grain_{1}, participants_{1}, callers_processor_{-1};
  std::atomic<bool> failed_{false};
  std::exception_ptr error_;  // of whoever set failed_

  alignas(128) WaitWord unfinished_;  // units of the phase that are not finished, and kCallerSleeps
  alignas(128) std::atomic<int> sleepers_{0};
  alignas(128) std::atomic<bool> live_{false};  // a region is open
  std::atomic<bool> stop_{false};
  std::atomic<std::int64_t> spin_ns_{0};
  std::atomic<int> cores_taken_{0};

  alignas(128) std::array<Slot, kMaxThreads> slots_;

  std::uint32_t generation_ = 0;  // the caller's own
  Restraint restraint_;
};

}  // namespace bpnative

#endif  // BPNATIVE_CORE_PHASES_H_
