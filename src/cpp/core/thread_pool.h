// Threads, as one primitive: inside a parallel region, run the tasks of a phase on all threads of the team.
//
//   parallel_region(threads, [&](Team& team) {
//     for (each step) {
//       team.run(slices, [&](int worker, int slice) { … });
//       team.run(blocks, [&](int worker, int block) { … }, starts);
//     }
//   });
//
// A phase is done when its tasks are done, never when all workers have come: the caller is worker 0 and can finish
// everything alone, so a worker that is late, asleep or robbed of its core costs nothing but its help. Workers exist
// from the first region that wants them, spin for some tens of microseconds between the phases of a live region, and
// sleep outside of one. A forked child starts with a pool of its own.
#ifndef BPNATIVE_CORE_THREAD_POOL_H_
#define BPNATIVE_CORE_THREAD_POOL_H_

#include <memory>
#include <type_traits>

#include "core/fp_mode.h"

namespace bpnative {

class Pool;

// The threads of one parallel region, seen by its caller.
class Team {
 public:
  int threads() const { return threads_; }

  // Runs task(worker, index) once for every index in [0, n_tasks), on all threads; returns when all are done. 0 <=
  // worker < threads(), and one worker runs one task at a time: what is kept by worker needs no lock. What the caller
  // wrote before is visible to the tasks, what they write is visible after. starts: threads() + 1 rising offsets from 0
  // to n_tasks; worker w owns [starts[w], starts[w + 1]), the same tasks each time, so that their data stay in its
  // cache, and then takes from the back of others' ranges. Null: equal ranges. A task's exception is rethrown here once
  // the tasks that had begun are finished; the others are skipped.
  template <class Task>
  void run(int n_tasks, Task&& task, const int* starts = nullptr) {
    if (threads_ == 1 || n_tasks <= 1) {
      for (int index = 0; index < n_tasks; ++index) task(0, index);
      return;
    }
    using Plain = std::remove_reference_t<Task>;
    run_phase(
        n_tasks, [](void* erased, int worker, int index) { (*static_cast<Plain*>(erased))(worker, index); },
        const_cast<void*>(static_cast<const void*>(std::addressof(task))), starts);
  }

 private:
  friend class Region;
  Team(Pool* pool, int threads) : pool_(pool), threads_(threads) {}
  void run_phase(int n_tasks, void (*call)(void*, int, int), void* task, const int* starts);

  Pool* pool_;
  int threads_;
};

// Holds the pool for the caller while it lives, and the floating-point mode of native code.
class Region {
 public:
  explicit Region(int threads);
  ~Region();
  Region(const Region&) = delete;
  Region& operator=(const Region&) = delete;
  Team& team() { return team_; }

 private:
  FlushToZero flush_to_zero_;
  Team team_;
};

// Calls body(team) on the calling thread with up to `threads` threads at its disposal: fewer where cores are taken by
// other programs, one where another caller's region (or an outer one of this caller) holds the pool.
template <class Body>
void parallel_region(int threads, Body&& body) {
  Region region(threads);
  body(region.team());
}

// Ends and joins the workers; the next region starts new ones. A region in progress elsewhere goes on without them.
void stop_threads();

// What it costs to have a task done by another thread, each measured at its first call, in a few milliseconds. Within a
// region, by a worker that waits for it: below about twice this much work in a phase the caller is faster alone.
double hand_off_seconds();
// In the first phase of a region, by a worker that sleeps: a region with less work than this is over before it comes.
double wake_up_seconds();

}  // namespace bpnative

#include "core/thread_count.h"

#endif  // BPNATIVE_CORE_THREAD_POOL_H_
