// A 32-bit atomic that threads can sleep on: a futex on Linux, a mutex and a condition variable elsewhere. Nothing
// outside the object is used, so that a forked child can leave a pool's words behind in whatever state the fork found
// them.
#ifndef BPNATIVE_CORE_WAIT_WORD_H_
#define BPNATIVE_CORE_WAIT_WORD_H_

#include <atomic>
#include <cstdint>

#if defined(__linux__) && !defined(BPN_PORTABLE_WAIT)  // tests define it to run the other branch on Linux too
#define BPN_FUTEX 1
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>
#else
#include <condition_variable>
#include <mutex>
#endif

namespace bpnative {

class WaitWord {
 public:
  std::atomic<std::uint32_t> value{0};

  // Sleeps while the value is `expected`. May return early: callers check again.
  void wait(std::uint32_t expected) {
#ifdef BPN_FUTEX
    static_assert(sizeof(value) == sizeof(std::uint32_t), "the kernel reads the atomic as a plain 32-bit word");
    syscall(SYS_futex, &value, FUTEX_WAIT_PRIVATE, expected, nullptr, nullptr, 0);
#else
    std::unique_lock<std::mutex> lock(mutex_);
    while (value.load(std::memory_order_acquire) == expected) changed_.wait(lock);
#endif
  }

  // Wakes the one thread that sleeps here; to be called after the value was changed.
  void wake() {
#ifdef BPN_FUTEX
    syscall(SYS_futex, &value, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
#else
    {
      std::lock_guard<std::mutex> lock(mutex_);
    }  // a sleeper is before its check or in wait(), never between them
    changed_.notify_one();
#endif
  }

 private:
#ifndef BPN_FUTEX
  std::mutex mutex_;
  std::condition_variable changed_;
#endif
};

}  // namespace bpnative

#endif  // BPNATIVE_CORE_WAIT_WORD_H_
