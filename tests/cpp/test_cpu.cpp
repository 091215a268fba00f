// Processor, threads by default, choice of kernels, and the messages of errors.
#include <stdlib.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "check.h"
#include "core/cpu.h"
#include "core/dispatch.h"
#include "core/error.h"
#include "core/thread_count.h"
#include "core/topology.h"

namespace {

using Names = std::vector<std::string>;
using std::to_string;

// A folder that stands in for the root of the file system.
class FakeRoot {
 public:
  FakeRoot() {
    path_ = (std::filesystem::temp_directory_path() / "bpnative-test-XXXXXX").string();
    CHECK(mkdtemp(path_.data()) != nullptr);
  }
  ~FakeRoot() { std::filesystem::remove_all(path_); }
  void write(const std::string& file, const std::string& text) const {
    std::filesystem::create_directories(std::filesystem::path(path_ + file).parent_path());
    std::ofstream(path_ + file) << text;
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

void error_messages() {
  using bpnative::nearest_name;
  const Names known = {"relu", "leaky_relu", "tanh", "sigmoid"};
  CHECK(nearest_name("rleu", known) == "relu" && nearest_name("Tanh", known) == "tanh");
  CHECK(nearest_name("quadratic", known).empty() && nearest_name("", known).empty());
  const std::string unknown = MESSAGE_OF(std::invalid_argument, bpnative::fail_unknown("activation", "sigmod", known));
  CHECK(contains(unknown, "'sigmod'") && contains(unknown, "relu, leaky_relu, tanh") &&
        contains(unknown, "did you mean 'sigmoid'?"));
  CHECK(contains(MESSAGE_OF(bpnative::TypeError, bpnative::fail_type("no")), "no"));

  const std::size_t half = std::size_t{1} << (8 * sizeof(std::size_t) / 2);
  CHECK(bpnative::checked_multiply(half, half - 1, "x") == half * (half - 1));
  CHECK(bpnative::checked_multiply(half, 0, "x") == 0 && bpnative::checked_multiply(0, half, "x") == 0);
  CHECK(contains(MESSAGE_OF(std::invalid_argument, bpnative::checked_multiply(half, half, "number of weights")),
                 "number of weights"));
  const std::size_t most = ~std::size_t{0};
  CHECK(bpnative::checked_add(most, 0, "x") == most);
  CHECK(contains(MESSAGE_OF(std::invalid_argument, bpnative::checked_add(most, 1, "bytes")), "bytes"));
}

void this_processor() {
  const bpnative::Cpu& cpu = bpnative::cpu();
  CHECK(!cpu.name.empty() && cpu.physical_cores >= 1);
  CHECK(cpu.l1d_bytes >= 8 << 10 && cpu.l1d_bytes <= 1 << 20 && cpu.l2_bytes >= cpu.l1d_bytes);
  CHECK((!cpu.x86_v4 || cpu.x86_v3) && (!cpu.x86_v3 || cpu.x86_v2));
#if defined(__x86_64__)
  CHECK(!cpu.neon);
  // The compiler's run-time library asks the processor too.
  CHECK(cpu.x86_v2 == (__builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("popcnt")));
  CHECK(cpu.x86_v3 == (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && cpu.x86_v2));
  CHECK(cpu.x86_v4 == (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
                       __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") && cpu.x86_v3));
#endif
  std::printf("%s: %d cores, caches of %zu, %zu and %zu KiB; kernels %s\n", cpu.name.c_str(), cpu.physical_cores,
              cpu.l1d_bytes >> 10, cpu.l2_bytes >> 10, cpu.l3_bytes >> 10,
              bpnative::join(bpnative::isa_available()).c_str());
}

void processors_and_cores() {
  CHECK((bpnative::parse_processors("0-3,8") == std::vector<int>{0, 1, 2, 3, 8}));
  CHECK((bpnative::parse_processors("5") == std::vector<int>{5}) && bpnative::parse_processors("").empty());
  CHECK(!bpnative::allowed_processors().empty());
  const FakeRoot root;
  for (int processor = 0; processor < 8; ++processor) {  // 4 cores of 2 threads
    root.write("/sys/devices/system/cpu/cpu" + to_string(processor) + "/topology/thread_siblings_list",
               to_string(processor % 4) + "," + to_string(processor % 4 + 4) + "\n");
  }
  root.write("/sys/devices/system/cpu/online", "0-7\n");
  CHECK(bpnative::online_processors(root.path()).size() == 8);
  CHECK(bpnative::physical_cores({0, 1, 2, 3, 4, 5, 6, 7}, root.path()) == 4);
  CHECK(bpnative::physical_cores({1, 5, 6}, root.path()) == 2);
  CHECK(bpnative::physical_cores({8, 9}, root.path()) == 2);  // the system says nothing of these: a core each
}

double quota(const std::string& groups, const std::vector<std::pair<std::string, std::string>>& files) {
  const FakeRoot root;
  root.write("/proc/self/cgroup", groups);
  for (const auto& [name, text] : files) root.write("/sys/fs/cgroup" + name, text);
  return bpnative::cgroup_quota(root.path());
}

void quotas() {
  CHECK(quota("", {}) == 0.0);
  CHECK(quota("0::/\n", {{"/cpu.max", "max 100000\n"}}) == 0.0);
  CHECK(quota("0::/\n", {{"/cpu.max", "150000 100000\n"}}) == 1.5);
  // Nested: the tightest of the group and its parents.
  CHECK(quota("0::/a/b\n", {{"/a/cpu.max", "200000 100000\n"}, {"/a/b/cpu.max", "400000 100000\n"}}) == 2.0);
  CHECK(quota("0::/a/b\n", {{"/a/cpu.max", "max 100000\n"}, {"/a/b/cpu.max", "50000 100000\n"}}) == 0.5);
  // The path of the host seen from within a container, where only the root group exists.
  CHECK(quota("0::/docker/0123\n", {{"/cpu.max", "300000 100000\n"}}) == 3.0);
  CHECK(quota("7:memory:/x\n4:cpu,cpuacct:/x/y\n0::/\n", {{"/cpu,cpuacct/x/cpu.cfs_quota_us", "250000\n"},
                                                          {"/cpu,cpuacct/x/cpu.cfs_period_us", "100000\n"}}) == 2.5);
  CHECK(quota("4:cpu:/\n", {{"/cpu/cpu.cfs_quota_us", "-1\n"}, {"/cpu/cpu.cfs_period_us", "100000\n"}}) == 0.0);
  CHECK(quota("3:cpuset:/\n", {{"/cpu/cpu.cfs_quota_us", "100000\n"}, {"/cpu/cpu.cfs_period_us", "100000\n"}}) == 0.0);
}

// With a quota and environment of this test's, on eight cores.
bpnative::ThreadCount threads_with(const char* limit, const char* own, const char* openmp) {
  const FakeRoot root;
  if (limit != nullptr) {
    root.write("/proc/self/cgroup", "0::/\n");
    root.write("/sys/fs/cgroup/cpu.max", limit);
  }
  own != nullptr ? setenv("BPNATIVE_NUM_THREADS", own, 1) : unsetenv("BPNATIVE_NUM_THREADS");
  openmp != nullptr ? setenv("OMP_NUM_THREADS", openmp, 1) : unsetenv("OMP_NUM_THREADS");
  return bpnative::default_thread_count({0, 1, 2, 3, 4, 5, 6, 7}, root.path());
}

void threads_by_default() {
  const auto is = [](const bpnative::ThreadCount& threads, int count, const std::string& reason) {
    if (threads.count == count && contains(threads.reason, reason)) return true;
    std::fprintf(stderr, "got %d threads: %s\n", threads.count, threads.reason.c_str());
    return false;
  };
  CHECK(is(threads_with(nullptr, nullptr, nullptr), 8, "physical cores"));
  CHECK(is(threads_with("250000 100000", nullptr, nullptr), 2, "quota of 2.50"));
  CHECK(is(threads_with("50000 100000", nullptr, nullptr), 1, "quota of 0.50"));
  CHECK(is(threads_with("900000 100000", nullptr, nullptr), 8, "physical cores"));
  CHECK(is(threads_with(nullptr, "3", "5"), 3, "BPNATIVE_NUM_THREADS"));
  CHECK(is(threads_with(nullptr, nullptr, "5"), 5, "OMP_NUM_THREADS"));
  CHECK(is(threads_with(nullptr, "", "4,2"), 4, "OMP_NUM_THREADS"));
  CHECK(is(threads_with("250000 100000", "7", nullptr), 2, "BPNATIVE_NUM_THREADS asks for 7"));
  CHECK(is(threads_with(nullptr, nullptr, "99999999999999999999"), 8, "OMP_NUM_THREADS asks for"));
  for (const char* nonsense : {"many", "0", "-2"}) CHECK(is(threads_with(nullptr, nullptr, nonsense), 8, "cores"));
  for (const char* nonsense : {"many", "0", "-2", "2x", "1.5", "4,2"}) {
    const std::string message = MESSAGE_OF(std::invalid_argument, threads_with(nullptr, nonsense, nullptr));
    CHECK(contains(message, "BPNATIVE_NUM_THREADS") && contains(message, std::string("'") + nonsense + "'"));
  }
  unsetenv("BPNATIVE_NUM_THREADS");
  unsetenv("OMP_NUM_THREADS");
}

void threads_by_choice() {
  const int before = bpnative::get_num_threads();
  CHECK(before >= 1 && !bpnative::num_threads_reason().empty());
  bpnative::set_num_threads(7);
  CHECK(bpnative::get_num_threads() == 7 && bpnative::num_threads_reason() == "set_num_threads");
  CHECK(contains(MESSAGE_OF(std::invalid_argument, bpnative::set_num_threads(-1)), "got -1"));
  CHECK(contains(MESSAGE_OF(std::invalid_argument, bpnative::set_num_threads(100'000)), "got 100000"));
  CHECK(bpnative::get_num_threads() == 7);
  bpnative::set_num_threads(0);
  CHECK(bpnative::get_num_threads() == before && bpnative::num_threads_reason() != "set_num_threads");
}

void choice_of_kernels() {
  const Names available = bpnative::isa_available(), compiled = bpnative::isa_compiled();
  CHECK(!available.empty() && bpnative::isa_chosen() == available.front() && !bpnative::isa_requested());
  CHECK(&bpnative::kernel_table("") == &bpnative::kernel_table());
  for (const std::string& name : available) {
    CHECK(std::count(compiled.begin(), compiled.end(), name) == 1);
    const std::string own_name = bpnative::kernel_table(name).name;  // or tag
    CHECK(&bpnative::kernel_table(own_name) == &bpnative::kernel_table(name));
  }
  for (const std::string& name : compiled) {
    if (std::count(available.begin(), available.end(), name) != 0) continue;
    const std::string message = MESSAGE_OF(std::invalid_argument, bpnative::kernel_table(name));
    CHECK(contains(message, "'" + name + "'") && contains(message, "does not offer") &&
          contains(message, bpnative::join(available)));
  }
  for (const char* name : {"x86-64-v9", "AVX2", "x86-64-v", "v"}) {
    const std::string message = MESSAGE_OF(std::invalid_argument, bpnative::kernel_table(name));
    CHECK(contains(message, "unknown instruction set") && contains(message, bpnative::join(available)));
  }
  CHECK(contains(MESSAGE_OF(std::invalid_argument, bpnative::kernel_table("x86-64-v9")), "did you mean"));
#if defined(__x86_64__)
  if (available.back() == "x86-64-v2") {
    CHECK(&bpnative::kernel_table("v2") == &bpnative::kernel_table("x86-64-v2"));
  }
  CHECK(contains(MESSAGE_OF(std::invalid_argument, bpnative::kernel_table("neon")), "not compiled into this build"));
#endif
}

}  // namespace

int main() {
  unsetenv("BPNATIVE_ISA");
  error_messages();
  this_processor();
  processors_and_cores();
  quotas();
  threads_by_default();
  threads_by_choice();
  choice_of_kernels();
  return report();
}
