// The thread pool: every task once, whatever the sizes, callers, exceptions, forks and late workers. To be run under
// ThreadSanitizer as well: that is where a wrong memory order shows.
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cmath>
#include <mutex>
#include <random>
#include <set>
#include <stdexcept>
#include <thread>
#include <vector>

#include "check.h"
#include "core/claim.h"
#include "core/contention.h"
#include "core/thread_count.h"
#include "core/thread_pool.h"

#if defined(__SANITIZE_THREAD__)
constexpr int kScale = 1;
constexpr bool kThreadSanitizer = true;
#else
constexpr int kScale = 10;
constexpr bool kThreadSanitizer = false;
#endif

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

// Work of uneven length, now and then with the core given away in the midst of it: that mixes the workers up.
void dawdle(int seed) {
  const unsigned mixed = static_cast<unsigned>(seed) * 2654435761u >> 20;
  if (mixed % 64 == 0) std::this_thread::yield();
  if (mixed % 512 == 0) std::this_thread::sleep_for(std::chrono::microseconds(50));
  for (volatile unsigned i = 0; i < mixed % 256; i = i + 1) {
  }
}

// Rising offsets that cut n tasks among the threads at random, empty ranges included.
std::vector<int> random_starts(std::mt19937& random, int threads, int n) {
  std::vector<int> starts{0, n};
  for (int i = 1; i < threads; ++i) starts.push_back(static_cast<int>(random() % (static_cast<unsigned>(n) + 1)));
  std::sort(starts.begin(), starts.end());
  return starts;
}

void nothing_starts_by_itself() {
  const int before = count_threads();
  parallel_region(1, [](Team& team) { team.run(10, [](int, int) {}); });
  parallel_region(4, [](Team& team) { CHECK(team.threads() == 4); });
  CHECK(kThreadSanitizer || count_threads() == before + 3);
  bpnative::stop_threads();
  CHECK(kThreadSanitizer || count_threads() == before);
  bpnative::stop_threads();  // again: no harm
}

// Plain, not atomic, counters: two runs of one task, or one that is not finished when run() returns, is a data race
// too.
void every_task_runs_once() {
  std::mt19937 random(1);
  for (const int threads : {1, 2, 3, 4, 7, 16}) {
    for (const int n : {0, 1, 2, 3, 5, 16, 61, 1000}) {
      std::vector<int> runs(static_cast<std::size_t>(n));
      std::vector<int> by_worker(static_cast<std::size_t>(threads) * 32);
      const int phases = n > 100 ? 5 * kScale : 20 * kScale;
      parallel_region(threads, [&](Team& team) {
        CHECK(team.threads() == threads);
        for (int phase = 0; phase < phases; ++phase) {
          const std::vector<int> starts = random_starts(random, team.threads(), n);
          team.run(
              n,
              [&](int worker, int index) {
                CHECK(worker >= 0 && worker < team.threads() && index >= 0 && index < n);
                ++runs[static_cast<std::size_t>(index)];
                dawdle(index + phase * n);
                ++by_worker[static_cast<std::size_t>(worker) * 32];
              },
              phase % 2 == 1 ? starts.data() : nullptr);
        }
      });
      for (const int r : runs) CHECK(r == phases);
      int total = 0;
      for (const int count : by_worker) total += count;
      CHECK(total == phases * n);
    }
  }
}

void more_tasks_than_a_claim_word_counts() {
  std::mt19937 random(2);
  for (const int n : {65'535, 65'536, 131'071, 1'000'003}) {
    std::vector<char> runs(static_cast<std::size_t>(n));
    parallel_region(3, [&](Team& team) {
      const std::vector<int> starts = random_starts(random, team.threads(), n);
      team.run(n, [&](int, int index) { ++runs[static_cast<std::size_t>(index)]; });
      team.run(n, [&](int, int index) { ++runs[static_cast<std::size_t>(index)]; }, starts.data());
    });
    CHECK(std::all_of(runs.begin(), runs.end(), [](char r) { return r == 2; }));
  }
}

// Each phase reads what all workers wrote in the one before: the order between phases, without any lock.
void phases_follow_each_other() {
  constexpr int kSize = 24;
  std::array<std::uint64_t, kSize> a{}, b{};
  for (std::uint64_t i = 0; i < kSize; ++i) a[i] = i;
  std::array<std::uint64_t, kSize> expected = a, next{};
  const int phases = 2000 * kScale;
  parallel_region(3, [&](Team& team) {
    for (int phase = 0; phase < phases; ++phase) {
      team.run(kSize, [&](int, int i) {
        b[i] = a[i] * 3 + a[(i + 7) % kSize];
        dawdle(phase * kSize + i);
      });
      std::swap(a, b);
    }
  });
  for (int phase = 0; phase < phases; ++phase) {
    for (int i = 0; i < kSize; ++i) next[i] = expected[i] * 3 + expected[(i + 7) % kSize];
    expected = next;
  }
  CHECK(a == expected);
}

// Every phase has a task of its own on the stack, gone when the phase is over: a late worker must never run it.
void late_workers_are_harmless() {
  std::atomic<int> wrong{0};
  for (int round = 0; round < 200 * kScale; ++round) {
    parallel_region(2 + round % 4, [&](Team& team) {
      for (int phase = 0; phase < 5; ++phase) {
        const int tag = round * 5 + phase;
        std::atomic<int> now{tag};
        std::atomic<int> done{0};
        team.run(3 + phase, [&, tag](int, int) {
          if (now.load() != tag) wrong.fetch_add(1);
          dawdle(tag);
          done.fetch_add(1);
        });
        if (done.load() != 3 + phase) wrong.fetch_add(1);
        now.store(-1);
      }
    });
    if (round % 50 == 49) std::this_thread::sleep_for(std::chrono::microseconds(round % 300));
  }
  CHECK(wrong == 0);
}

void exceptions_reach_the_caller_once() {
  for (const int threads : {1, 2, 4}) {
    for (int round = 0; round < 20 * kScale; ++round) {
      int caught = 0;
      std::atomic<int> inside{0};
      parallel_region(threads, [&](Team& team) {
        try {
          team.run(40, [&](int, int index) {
            inside.fetch_add(1);
            if (index % 7 == round % 7) {
              inside.fetch_sub(1);
              throw std::runtime_error("task " + std::to_string(index));
            }
            inside.fetch_sub(1);
          });
        } catch (const std::runtime_error& error) {
          ++caught;
          CHECK(std::string(error.what()).rfind("task ", 0) == 0);
          CHECK(inside == 0);  // nobody is in a task any more
        }
        CHECK(caught == 1);
        std::atomic<int> runs{0};
        team.run(10, [&](int, int) { runs.fetch_add(1); });  // and the team works as before
        CHECK(runs == 10);
      });
    }
  }
  // Out of the region too, which must end properly.
  const auto leave = [] { parallel_region(2, [](Team& team) { team.run(4, [](int, int) { throw 42; }); }); };
  int caught = 0;
  try {
    leave();
  } catch (int value) {
    caught = value;
  }
  CHECK(caught == 42);
  parallel_region(2, [](Team& team) { CHECK(team.threads() == 2); });
}

void a_region_within_a_region_has_one_thread() {
  std::atomic<int> runs{0};
  parallel_region(3, [&](Team& team) {
    parallel_region(3, [&](Team& inner) { CHECK(inner.threads() == 1); });
    team.run(6, [&](int, int) {
      parallel_region(3, [&](Team& inner) {
        CHECK(inner.threads() == 1);
        inner.run(5, [&](int worker, int) {
          CHECK(worker == 0);
          runs.fetch_add(1);
        });
      });
    });
  });
  CHECK(runs == 30);
}

void two_callers_at_once() {
  std::atomic<int> shared{0};
  const auto caller = [&](int threads) {
    std::vector<int> runs(50);
    for (int round = 0; round < 100 * kScale; ++round) {
      parallel_region(threads, [&](Team& team) {
        if (team.threads() > 1) shared.fetch_add(1);
        for (int phase = 0; phase < 4; ++phase) {
          team.run(50, [&](int, int i) {
            ++runs[static_cast<std::size_t>(i)];
            dawdle(round * 200 + phase * 50 + i);
          });
        }
      });
    }
    for (const int r : runs) CHECK(r == 400 * kScale);
  };
  std::thread other(caller, 3), third(caller, 2);
  caller(2);
  other.join();
  third.join();
  CHECK(shared > 0);
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

void hand_off_is_measured_once() {
  const double seconds = bpnative::hand_off_seconds();
  CHECK(seconds > 1e-8 && seconds < 1e-3);
  std::printf("hand-off %.2f us\n", seconds * 1e6);
  const std::int64_t before = bpnative::now_ns();
  for (int i = 0; i < 100; ++i) (void)bpnative::hand_off_seconds();
  CHECK(bpnative::now_ns() - before < 50'000'000);
}

void claims_take_each_task_once_and_only_of_their_generation() {
  bpnative::ClaimWord word;
  CHECK(word.claim_front(0) == -1);
  word.publish(7, 3, 6);
  CHECK(word.generation() == 7 && word.claim_front(6) == -1 && word.claim_back(8) == -1);
  CHECK(word.claim_front(7) == 3 && word.claim_back(7) == 5 && word.claim_front(7) == 4);
  CHECK(word.claim_front(7) == -1 && word.claim_back(7) == -1);
  word.publish(0xFFFFFFFFu, 0, 0xFFFF);
  CHECK(word.claim_back(0xFFFFFFFFu) == 0xFFFE && word.claim_front(0xFFFFFFFFu) == 0);
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

}  // namespace

int main() {
  bpnative::contention_ignored = true;
  claims_take_each_task_once_and_only_of_their_generation();
  nothing_starts_by_itself();
  every_task_runs_once();
  more_tasks_than_a_claim_word_counts();
  phases_follow_each_other();
  late_workers_are_harmless();
  exceptions_reach_the_caller_once();
  a_region_within_a_region_has_one_thread();
  two_callers_at_once();
  stop_while_others_work();
  workers_sleep_and_wake_within_a_region();
  nobody_spins_outside_a_region();
  tasks_flush_subnormals_and_the_caller_gets_its_mode_back();
  restraint_holds_back_and_tries_again();
  hand_off_is_measured_once();
  // ThreadSanitizer supports no threads in a child whose parent had some.
  if (!kThreadSanitizer) {
    works_after_fork();
    fork_ends_idle_workers();
    works_after_a_fork_in_the_midst_of_a_region();
  }
  return report();
}
