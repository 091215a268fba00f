#include "core/thread_count.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>

#include "core/error.h"
#include "core/topology.h"

namespace bpnative {
namespace {

std::atomic<int> chosen_by_user{0};  // 0: nobody chose

struct Default {
  pid_t process;
  ThreadCount threads;
};
std::atomic<const Default*> detected{nullptr};

// Once per process: a forked child may have been given other processors. Readers hold no lock and old values are kept,
// a few bytes a fork, so that no one can be reading what is freed.
const ThreadCount& detected_default() {
  const Default* known = detected.load(std::memory_order_acquire);
  if (known == nullptr || known->process != getpid()) {
    known = new Default{getpid(), default_thread_count(allowed_processors())};
    detected.store(known, std::memory_order_release);
  }
  return known->threads;
}

// A whole number >= 1 at the start of `text`, up to its end or the comma of OpenMP's list of levels; 0: there is none.
int parse_threads(const char* text, bool list) {
  char* end = nullptr;
  const long n = std::strtol(text, &end, 10);
  while (*end == ' ') ++end;
  if (end == text || (*end != '\0' && !(list && *end == ',')) || n < 1) return 0;
  return static_cast<int>(std::min<long>(n, kMaxThreads));
}

}  // namespace

ThreadCount default_thread_count(const std::vector<int>& processors, const std::string& root) {
  ThreadCount threads{std::min(physical_cores(processors, root), kMaxThreads), "physical cores in the affinity mask"};
  const double quota = cgroup_quota(root);
  if (quota > 0.0 && quota < threads.count) {
    char text[96];
    std::snprintf(text, sizeof text, "cgroup quota of %.2f processors, rounded down", quota);
    threads = {std::max(static_cast<int>(quota), 1), text};
  }
  const auto limit = [&](const char* name, int n) {
    if (n <= threads.count) {
      threads = {n, name};
    } else {
      threads.reason += " (" + std::string(name) + " asks for " + std::to_string(n) + ")";
    }
  };
  const char* const own = std::getenv("BPNATIVE_NUM_THREADS");
  if (own != nullptr && *own != '\0') {
    const int n = parse_threads(own, false);
    if (n == 0) {
      fail_value(std::string("BPNATIVE_NUM_THREADS is '") + own +
                 "': expected a whole number of at least 1; change or unset it");
    }
    limit("BPNATIVE_NUM_THREADS", n);
    return threads;
  }
  // Not our variable: what we cannot read there is none of our business.
  const char* const openmp = std::getenv("OMP_NUM_THREADS");
  const int n = openmp != nullptr ? parse_threads(openmp, true) : 0;
  if (n > 0) limit("OMP_NUM_THREADS", n);
  return threads;
}

int get_num_threads() {
  const int n = chosen_by_user.load(std::memory_order_relaxed);
  return n > 0 ? n : detected_default().count;
}

void set_num_threads(std::int64_t n) {
  if (n < 0 || n > kMaxThreads) {
    fail_value("expected a number of threads from 1 to " + std::to_string(kMaxThreads) +
               ", or 0 for the default, got " + std::to_string(n));
  }
  chosen_by_user.store(static_cast<int>(n), std::memory_order_relaxed);
}

std::string num_threads_reason() {
  return chosen_by_user.load(std::memory_order_relaxed) > 0 ? "set_num_threads" : detected_default().reason;
}

}  // namespace bpnative
