// Callers of one network are served in turn. A forked child has the lock as it was at the fork: where another thread
// held it then, nobody is left to release it, and the child is told so instead of waiting forever. Used by nn/network.
#ifndef BPNATIVE_CORE_TURN_H_
#define BPNATIVE_CORE_TURN_H_

#include <unistd.h>

#include <atomic>
#include <mutex>

#include "core/error.h"

namespace bpnative {

class Turn {
 public:
  void lock() {
    if (!mutex_.try_lock()) {
      const pid_t holder = holder_.load(std::memory_order_relaxed);
      if (holder != 0 && holder != getpid())
        fail_value(
            "this network was in use by another thread when the process was forked: make or copy it after the fork");
      mutex_.lock();
    }
    holder_.store(getpid(), std::memory_order_relaxed);
  }
  void unlock() {
    holder_.store(0, std::memory_order_relaxed);
    mutex_.unlock();
  }

 private:
  std::mutex mutex_;
  std::atomic<pid_t> holder_{0};
};

}  // namespace bpnative

#endif  // BPNATIVE_CORE_TURN_H_
