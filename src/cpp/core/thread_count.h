// How many threads to use when nobody says, and why that many.
#ifndef BPNATIVE_CORE_THREAD_COUNT_H_
#define BPNATIVE_CORE_THREAD_COUNT_H_

#include <cstdint>
#include <string>
#include <vector>

namespace bpnative {

constexpr int kMaxThreads = 512;

int get_num_threads();
void set_num_threads(std::int64_t n);  // at least 1, or 0: back to the default
std::string num_threads_reason();      // what decided it: "physical cores", "set_num_threads", …

struct ThreadCount {
  int count;
  std::string reason;
};

// The smallest of: physical cores among `processors`, the cgroup's quota rounded down (a quota rounded up is used up
// before the period ends, and all threads stand still until the next), and BPNATIVE_NUM_THREADS, else OMP_NUM_THREADS.
ThreadCount default_thread_count(const std::vector<int>& processors, const std::string& root = "");

}  // namespace bpnative

#endif  // BPNATIVE_CORE_THREAD_COUNT_H_
