#include "core/phases.h"

#include <algorithm>
#include <cassert>
#include <thread>
#include <utility>

#include "core/fp_mode.h"
#include "core/types.h"

#if defined(__x86_64__) || defined(__i386__)
#define BPN_PAUSE() __builtin_ia32_pause()
#elif defined(__aarch64__)
#define BPN_PAUSE() __asm__ __volatile__("yield" ::: "memory")
#else
#define BPN_PAUSE() std::this_thread::yield()
#endif

namespace bpnative {

// ---- the caller ----

void Phases::run(int threads, int n_tasks, Call call, void* task, const int* starts) {
  apply_restraint();
  int participants = starts != nullptr ? threads : std::min(threads, n_tasks);
  if (restraint_.active()) participants = std::min(participants, restraint_.allowed(threads));
  if (participants == 1) {
    for (int index = 0; index < n_tasks; ++index) call(task, 0, index);
    return;
  }
  // A claim word counts to 65,535: more tasks than that are claimed several at a time.
  const int grain = 1 + (n_tasks - 1) / ClaimWord::kMaxEnd;
  const auto unit_from = [&](std::int64_t index) { return static_cast<int>(divide_up(index, std::int64_t{grain})); };
  const int units = unit_from(n_tasks);
  const auto first = [&](int worker) {
    if (worker == participants) return units;
    if (starts == nullptr) return static_cast<int>(std::int64_t{units} * worker / participants);
    assert(starts[0] == 0 && starts[threads] == n_tasks && starts[worker] <= starts[worker + 1]);
    return unit_from(starts[worker]);
  };

  call_.store(call, std::memory_order_relaxed);
  task_.store(task, std::memory_order_relaxed);
  n_tasks_.store(n_tasks, std::memory_order_relaxed);
  grain_.store(grain, std::memory_order_relaxed);
  participants_.store(participants, std::memory_order_relaxed);
  callers_processor_.store(this_processor(), std::memory_order_relaxed);
  failed_.store(false, std::memory_order_relaxed);
  unfinished_.value.store(static_cast<std::uint32_t>(units), std::memory_order_relaxed);
  ++generation_;
  for (int w = participants - 1; w >= 0; --w) slots_[w].claim.publish(generation_, first(w), first(w + 1));

  // Read by an addition of nothing: of two read-modify-writes one sees the other, so either this one counts a worker
  // that falls asleep, or that worker, which looks once more after counting itself, sees the phase just published.
  if (sleepers_.fetch_add(0, std::memory_order_acq_rel) > 0) {
    for (int w = 1; w < participants; ++w) {
      if (first(w) < first(w + 1)) wake(slots_[w]);
    }
  }
  work(0, generation_);
  wait_until_finished();
  if (failed_.load(std::memory_order_relaxed)) std::rethrow_exception(std::exchange(error_, nullptr));
}

void Phases::wait_until_finished() {
  const auto finished = [this] { return unfinished_.value.load(std::memory_order_acquire) == 0; };
  if (finished()) return;
  const std::int64_t deadline = now_ns() + restraint_.spin_ns();
  do {
    for (int i = 0; i < 32; ++i) {
      if (finished()) return;
      BPN_PAUSE();
    }
  } while (now_ns() < deadline);
  // The last worker sees the mark in the very word that it counts down. While we sleep, our core is free for a worker
  // that lost its own.
  for (;;) {
    const std::uint32_t left = unfinished_.value.fetch_or(kCallerSleeps, std::memory_order_acq_rel) | kCallerSleeps;
    if (left == kCallerSleeps) return;
    unfinished_.wait(left);
  }
}

void Phases::wake(Slot& slot) {
  if (slot.asleep.value.load(std::memory_order_relaxed) == 1 &&
      slot.asleep.value.exchange(0, std::memory_order_acq_rel) == 1) {
    slot.asleep.wake();
  }
}

void Phases::apply_restraint() {
  if (cores_taken_.load(std::memory_order_relaxed) > 0) {
    restraint_.report(cores_taken_.exchange(0, std::memory_order_relaxed));
  }
  // Written only when it changes: waiting workers read this cache line all the time.
  if (spin_ns_.load(std::memory_order_relaxed) != restraint_.spin_ns()) {
    spin_ns_.store(restraint_.spin_ns(), std::memory_order_relaxed);
  }
}

// ---- the caller and workers ----

// Takes tasks of this generation as long as there are any.
void Phases::work(int worker, std::uint32_t generation) {
  int finished = 0;
  for (int unit; (unit = slots_[worker].claim.claim_front(generation)) >= 0; ++finished) execute(worker, unit);
  report(finished);
  const int participants = participants_.load(std::memory_order_relaxed);
  for (int step = 1; step < participants; ++step) {
    ClaimWord& other = slots_[(worker + step) % participants].claim;
    for (int unit; (unit = other.claim_back(generation)) >= 0;) {
      execute(worker, unit);
      report(1);
    }
  }
}

void Phases::execute(int worker, int unit) {
  const Call call = call_.load(std::memory_order_relaxed);
  void* const task = task_.load(std::memory_order_relaxed);
  const std::int64_t grain = grain_.load(std::memory_order_relaxed), begin = unit * grain;
  const std::int64_t end = std::min(begin + grain, std::int64_t{n_tasks_.load(std::memory_order_relaxed)});
  for (std::int64_t index = begin; index < end && !failed_.load(std::memory_order_relaxed); ++index) {
    try {
      call(task, worker, static_cast<int>(index));
    } catch (...) {
      if (!failed_.exchange(true, std::memory_order_relaxed)) error_ = std::current_exception();
    }
  }
}

// After the last report the caller may return and open another phase: only the pool itself may be touched then.
void Phases::report(int finished) {
  const auto count = static_cast<std::uint32_t>(finished);
  if (count == 0) return;
  if (unfinished_.value.fetch_sub(count, std::memory_order_acq_rel) == (kCallerSleeps | count)) unfinished_.wake();
}

// ---- workers ----

void Phases::serve(int worker, std::uint32_t seen) {
  const FlushToZero flush_to_zero;
  CoreMeter meter;
  Displacement displacement;
  Slot& slot = slots_[worker];
  bool helps = true;
  while (wait_for_phase(slot, seen, helps, meter)) {
    seen = slot.claim.generation();
    helps = !displacement.displaces(callers_processor_.load(std::memory_order_relaxed));
    if (helps) work(worker, seen);
    if (helps ? meter.core_taken() : displacement.persists()) cores_taken_.fetch_add(1, std::memory_order_relaxed);
  }
}

// Until a phase newer than `seen` has work for this worker; false when it is to end. A worker that stands in the
// caller's way does not spin: the sooner it sleeps the sooner the caller goes on.
bool Phases::wait_for_phase(Slot& slot, std::uint32_t seen, bool spins, CoreMeter& meter) {
  const auto called = [&] { return slot.claim.generation() != seen || stop_.load(std::memory_order_acquire); };
  if (!(spins && spin(slot, seen))) {
    meter.fall_asleep();
    do {
      slot.asleep.value.store(1, std::memory_order_relaxed);
      sleepers_.fetch_add(1, std::memory_order_acq_rel);
      if (!called()) slot.asleep.wait(1);
      sleepers_.fetch_sub(1, std::memory_order_acq_rel);
    } while (!called());
    slot.asleep.value.store(0, std::memory_order_relaxed);
    meter.wake_up();
  }
  return !stop_.load(std::memory_order_acquire);
}

bool Phases::spin(const Slot& slot, std::uint32_t seen) const {
  const std::int64_t deadline = now_ns() + spin_ns_.load(std::memory_order_relaxed);
  do {
    for (int i = 0; i < 32; ++i) {
      if (slot.claim.generation() != seen || stop_.load(std::memory_order_acquire)) return true;
      if (!live_.load(std::memory_order_relaxed)) return false;
      BPN_PAUSE();
    }
  } while (now_ns() < deadline);
  return false;
}

// ---- regions, beginning and end ----

int Phases::open(int threads) {
  apply_restraint();
  const int allowed = restraint_.allowed(threads);
  live_.store(allowed > 1, std::memory_order_relaxed);
  return allowed;
}

void Phases::close() { live_.store(false, std::memory_order_relaxed); }

void Phases::dismiss(int workers) {
  stop_.store(true, std::memory_order_release);
  sleepers_.fetch_add(0, std::memory_order_acq_rel);  // as in run
  for (int worker = 1; worker <= workers; ++worker) wake(slots_[worker]);
}

}  // namespace bpnative
