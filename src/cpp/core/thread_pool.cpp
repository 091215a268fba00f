#include "core/thread_pool.h"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>
#ifdef __linux__
#include <sched.h>
#include <sys/syscall.h>
#endif

#include <algorithm>
#include <array>
#include <atomic>
#include <mutex>
#include <thread>
#include <vector>

#include "core/phases.h"

namespace bpnative {

namespace {

// A joined thread has ended, but the kernel counts it until it has been taken off its lists, and Python (from 3.12 on)
// warns of a fork by that count.
#ifdef __linux__
pid_t kernel_id() { return static_cast<pid_t>(syscall(SYS_gettid)); }
void wait_until_uncounted(pid_t thread) {
  while (syscall(SYS_tgkill, getpid(), thread, 0) == 0) sched_yield();
}
#else
pid_t kernel_id() { return 0; }
void wait_until_uncounted(pid_t) {}
#endif

}  // namespace

// Never destroyed: a worker that is on its way to sleep may touch it at any time until the process ends.
class Pool {
 public:
  bool of_this_process() const { return process_ == getpid(); }
  bool try_enter() { return !busy_.exchange(true, std::memory_order_acquire); }
  void leave() { busy_.store(false, std::memory_order_release); }
  int open(int threads);  // after try_enter: how many threads the region gets
  void stop_workers();    // with structure() held
  std::mutex& structure() { return structure_; }
  Phases& phases() { return phases_; }

 private:
  void add_workers(int wanted);

  Phases phases_;
  std::atomic<bool> busy_{false};  // a caller has the pool
  std::mutex structure_;           // guards the threads themselves
  std::vector<std::thread> workers_;
  std::array<std::atomic<pid_t>, kMaxThreads> kernel_ids_{};  // of worker w at w
  const pid_t process_ = getpid();
};

int Pool::open(int threads) {
  threads = phases_.open(threads);
  const std::lock_guard<std::mutex> lock(structure_);
  if (static_cast<int>(workers_.size()) < threads - 1) add_workers(threads - 1);
  return std::min(threads, static_cast<int>(workers_.size()) + 1);
}

// Fewer where the system gives no more: those that there are will do.
void Pool::add_workers(int wanted) {
  // Signals are for the threads of the program; faults must stay where they happen.
  sigset_t blocked, before;
  sigfillset(&blocked);
  for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP}) sigdelset(&blocked, fault);
  pthread_sigmask(SIG_SETMASK, &blocked, &before);
  try {
    while (static_cast<int>(workers_.size()) < wanted) {
      const int worker = static_cast<int>(workers_.size()) + 1;
      workers_.emplace_back([this, worker, seen = phases_.last_seen(worker)] {
        kernel_ids_[static_cast<std::size_t>(worker)].store(kernel_id(), std::memory_order_relaxed);
        phases_.serve(worker, seen);
      });
    }
  } catch (...) {
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void Pool::stop_workers() {
  phases_.dismiss(static_cast<int>(workers_.size()));
  for (std::thread& worker : workers_) worker.join();
  for (std::size_t worker = 1; worker <= workers_.size(); ++worker) wait_until_uncounted(kernel_ids_[worker].load());
  workers_.clear();
  phases_.dismissed();
}

namespace {

std::atomic<Pool*> current_pool{nullptr};

// A process that forks with live threads is warned by Python, and rightly. Ours can end: unless someone is using them
// or this would have to wait.
void before_fork() {
  Pool* const pool = current_pool.load(std::memory_order_acquire);
  if (pool == nullptr || !pool->of_this_process() || !pool->try_enter()) return;
  const std::unique_lock<std::mutex> structure(pool->structure(), std::try_to_lock);
  if (structure.owns_lock()) pool->stop_workers();
  pool->leave();
}

// The child has none of the threads and may have half-held locks: it leaves the pool behind and makes another.
void after_fork_in_child() { current_pool.store(nullptr, std::memory_order_release); }

Pool& pool() {
  Pool* existing = current_pool.load(std::memory_order_acquire);
  // Should a child have come to be without the handler (a bare system call), the process number tells.
  if (existing != nullptr && existing->of_this_process()) return *existing;
  Pool* const fresh = new Pool;
  if (!current_pool.compare_exchange_strong(existing, fresh, std::memory_order_acq_rel)) {
    delete fresh;
    return *existing;
  }
  static std::atomic<bool> registered{false};
  if (!registered.exchange(true)) pthread_atfork(before_fork, nullptr, after_fork_in_child);
  return *fresh;
}

}  // namespace

Region::Region(int threads) : team_(nullptr, 1) {
  if (threads <= 1) return;
  Pool& shared = pool();
  if (shared.try_enter()) team_ = Team(&shared, shared.open(std::min(threads, kMaxThreads)));
}

Region::~Region() {
  if (team_.pool_ == nullptr) return;
  team_.pool_->phases().close();
  team_.pool_->leave();
}

void Team::run_phase(int n_tasks, Call call, void* task, const int* starts) {
  pool_->phases().run(threads_, n_tasks, call, task, starts);
}

void stop_threads() {
  Pool* const existing = current_pool.load(std::memory_order_acquire);
  if (existing == nullptr || !existing->of_this_process()) return;
  const std::lock_guard<std::mutex> structure(existing->structure());
  existing->stop_workers();
}

}  // namespace bpnative
