// The life of the pool's workers: start, sleep, stop, fork; and what they do to the process around them.
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <thread>
#include <vector>

#include "check.h"
#include "core/contention.h"
#include "core/fp_mode.h"
#include "core/thread_pool.h"
#include "dawdle.h"

using bpnative::parallel_region;
using bpnative::Team;

namespace {

int count_threads() {
  int threads = 0;
  FILE* status = std::fopen("/proc/self/status", "r");
  if (status == nullptr) return -1;
  char line[256];
  while (std::fgets(line, sizeof line, status) != nullptr) std::sscanf(line, "Threads: %d", &threads);
  std::fclose(status);
  return threads;
}

void nothing_starts_by_itself() {
  const int before = count_threads();
  parallel_region(1, [](Team& team) { team.run(10, [](int, int) {}); });
  parallel_region(4, [](Team& team) { CHECK(team.threads() == 4); });
  CHECK(kThreadSanitizer || count_threads() == before + 3);
  bpnative::stop_threads();
  CHECK(kThreadSanitizer || count_threads() == before);
  bpnative::stop_threads();                    // again: no harm
  for (int round = 0; round < 500; ++round) {  // counted by the kernel for a moment after join(): seen once in 7,000
    parallel_region(4, [](Team& team) { team.run(8, [](int, int) {}); });
    bpnative::stop_threads();
    CHECK(kThreadSanitizer || count_threads() == before);
  }
}

void stop_while_others_work() {
  std::atomic<bool> over{false};
  std::thread stopper([&] {
    while (!over) {
      bpnative::stop_threads();
      std::this_thread::sleep_for(std::chrono::microseconds(200));
    }
  });
  std::vector<int> runs(30);
  for (int round = 0; round < 60 * kScale; ++round) {
    parallel_region(4, [&](Team& team) {
      for (int phase = 0; phase < 10; ++phase) {
        team.run(30, [&](int, int i) {
          ++runs[static_cast<std::size_t>(i)];
          dawdle(round * 300 + phase * 30 + i);
        });
      }
    });
  }
  over = true;
  stopper.join();
  for (const int r : runs) CHECK(r == 600 * kScale);
}

void workers_sleep_and_wake_within_a_region() {
  std::atomic<int> by_others{0};
  parallel_region(3, [&](Team& team) {
    for (int phase = 0; phase < 30; ++phase) {
      std::this_thread::sleep_for(std::chrono::microseconds(phase % 3 * 100));
      std::atomic<int> runs{0};
      team.run(6, [&](int worker, int) {
        std::this_thread::sleep_for(std::chrono::microseconds(100));  // the caller has to sleep, too
        by_others.fetch_add(worker > 0 ? 1 : 0);
        runs.fetch_add(1);
      });
      CHECK(runs == 6);
    }
  });
  CHECK(by_others >= 30);
}

double processor_seconds() {
  return static_cast<double>(std::clock()) / CLOCKS_PER_SEC;  // of all threads
}

void nobody_spins_outside_a_region() {
  parallel_region(4, [](Team& team) { team.run(16, [](int, int) {}); });
  const double before = processor_seconds();
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  CHECK(processor_seconds() - before < 0.05);
}

void tasks_flush_subnormals_and_the_caller_gets_its_mode_back() {
  volatile double tiny = 4e-320;
  const auto mode = bpnative::FlushToZero::read();
  std::atomic<int> seen{0};
  parallel_region(2, [&](Team& team) {
    // Both wait for each other, so that the worker does take part.
    std::atomic<int> here{0};
    team.run(2, [&](int, int) {
      here.fetch_add(1);
      for (int i = 0; i < 1'000'000 && here < 2; ++i) std::this_thread::yield();
      if (tiny * 1.0 != 0.0) seen.fetch_add(1);
    });
  });
#if defined(__x86_64__) || defined(__aarch64__)
  CHECK(seen == 0);
#endif
  CHECK(bpnative::FlushToZero::read() == mode);
  CHECK(tiny * 1.0 != 0.0);
  const auto flags = bpnative::FlushToZero::read();  // now with a trace of that product
  {
    const bpnative::FlushToZero scope;
    volatile double zero = 0.0;
    volatile double unused = 1.0 / zero;
    (void)unused;
  }
  CHECK(bpnative::FlushToZero::read() == flags);  // the division left no flag
}

void costs_are_measured_once() {
  const double hand_off = bpnative::hand_off_seconds(), wake_up = bpnative::wake_up_seconds();
  CHECK(hand_off > 1e-8 && hand_off < 1e-3 && wake_up > 1e-7 && wake_up < 1e-2);
  std::printf("hand-off %.2f us, wake-up %.1f us\n", hand_off * 1e6, wake_up * 1e6);
  const double before = processor_seconds();
  for (int i = 0; i < 1000; ++i) (void)(bpnative::hand_off_seconds() + bpnative::wake_up_seconds());
  CHECK(processor_seconds() - before < 0.05);
}

void restraint_holds_back_and_tries_again() {
  bpnative::Restraint restraint;
  CHECK(!restraint.active() && restraint.allowed(4) == 4);
  const std::int64_t spin = restraint.spin_ns();
  restraint.report(1);
  CHECK(restraint.active() && restraint.allowed(4) == 3 && restraint.allowed(1) == 1 && restraint.spin_ns() < spin);
  restraint.report(9);
  CHECK(restraint.allowed(4) == 1);
  std::this_thread::sleep_for(std::chrono::milliseconds(250));
  CHECK(restraint.allowed(4) == 4 && restraint.active());  // on trial
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  CHECK(restraint.allowed(4) == 4 && !restraint.active() && restraint.spin_ns() == spin);
}

// In a child of its own, whose exit code says how many checks failed.
template <class Body>
void in_a_child(Body body) {
  const pid_t child = fork();
  if (child == 0) {
    alarm(60);  // a child that hangs is a failure, not a hanging test
    failed_checks = 0;
    body();
    _exit(std::min(failed_checks.load(), 99));
  }
  int status = -1;
  CHECK(waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

void works_after_fork() {
  const auto use = [] {
    std::atomic<int> runs{0};
    parallel_region(3, [&](Team& team) {
      CHECK(team.threads() == 3);
      for (int phase = 0; phase < 20; ++phase) team.run(9, [&](int, int) { runs.fetch_add(1); });
    });
    CHECK(runs == 180);
  };
  use();
  for (int round = 0; round < 5; ++round) {
    in_a_child([&] {
      CHECK(count_threads() == 1);
      use();
      in_a_child(use);
      bpnative::stop_threads();
    });
    use();
  }
  bpnative::stop_threads();
  in_a_child(use);
}

void fork_ends_idle_workers() {
  parallel_region(4, [](Team& team) { team.run(8, [](int, int) {}); });
  const int before = count_threads();
  in_a_child([] {});
  CHECK(count_threads() == before - 3);
}

void works_after_a_fork_in_the_midst_of_a_region() {
  std::atomic<bool> over{false};
  std::thread busy([&] {
    while (!over) {
      parallel_region(3, [](Team& team) {
        for (int phase = 0; phase < 100; ++phase) team.run(9, [](int, int) {});
      });
    }
  });
  for (int round = 0; round < 10; ++round) {
    in_a_child([] {
      std::atomic<int> runs{0};
      parallel_region(3, [&](Team& team) { team.run(9, [&](int, int) { runs.fetch_add(1); }); });
      CHECK(runs == 9);
    });
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  over = true;
  busy.join();
}

}  // namespace

int main() {
  bpnative::contention_ignored = true;
  nothing_starts_by_itself();
  stop_while_others_work();
  workers_sleep_and_wake_within_a_region();
  nobody_spins_outside_a_region();
  tasks_flush_subnormals_and_the_caller_gets_its_mode_back();
  restraint_holds_back_and_tries_again();
  costs_are_measured_once();
  // ThreadSanitizer supports no threads in a child whose parent had some.
  if (!kThreadSanitizer) {
    works_after_fork();
    fork_ends_idle_workers();
    works_after_a_fork_in_the_midst_of_a_region();
  }
  return report();
}
