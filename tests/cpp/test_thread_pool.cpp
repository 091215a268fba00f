// The thread pool: every task once, whatever the sizes, callers, exceptions and late workers. To be run under
// ThreadSanitizer as well: that is where a wrong memory order shows.
#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "check.h"
#include "core/claim.h"
#include "core/contention.h"
#include "core/thread_pool.h"
#include "dawdle.h"

using bpnative::parallel_region;
using bpnative::Team;

namespace {

// Rising offsets that cut n tasks among the threads at random, empty ranges included.
std::vector<int> random_starts(std::mt19937& random, int threads, int n) {
  std::vector<int> starts{0, n};
  for (int i = 1; i < threads; ++i) starts.push_back(static_cast<int>(random() % (static_cast<unsigned>(n) + 1)));
  std::sort(starts.begin(), starts.end());
  return starts;
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

}  // namespace

int main() {
  bpnative::contention_ignored = true;
  claims_take_each_task_once_and_only_of_their_generation();
  every_task_runs_once();
  more_tasks_than_a_claim_word_counts();
  phases_follow_each_other();
  late_workers_are_harmless();
  exceptions_reach_the_caller_once();
  a_region_within_a_region_has_one_thread();
  two_callers_at_once();
  // Once more as users have it, workers stepping back where cores are taken.
  bpnative::contention_ignored = false;
  phases_follow_each_other();
  late_workers_are_harmless();
  return report();
}
