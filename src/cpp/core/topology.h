// What the system says about processors, cores and quotas. `root` stands before /proc and /sys, for tests.
#ifndef BPNATIVE_CORE_TOPOLOGY_H_
#define BPNATIVE_CORE_TOPOLOGY_H_

#include <string>
#include <vector>

namespace bpnative {

std::string read_line(const std::string& path);              // first line without its end; "" when there is none
std::vector<int> parse_processors(const std::string& list);  // "0-3,8" -> 0 1 2 3 8

std::vector<int> allowed_processors();  // in this process's affinity mask
std::vector<int> online_processors(const std::string& root = "");

// Processors that share a core count once: two floating-point threads on one core only share its multipliers.
int physical_cores(const std::vector<int>& processors, const std::string& root = "");

// Processors' worth of time that the cgroup of this process (or one above it) may use; 0: no limit.
double cgroup_quota(const std::string& root = "");

}  // namespace bpnative

#endif  // BPNATIVE_CORE_TOPOLOGY_H_
