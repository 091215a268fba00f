#include "core/topology.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <numeric>
#include <set>
#include <sstream>

#if defined(__linux__)
#include <sched.h>
#endif

namespace bpnative {
namespace {

std::vector<int> all_processors() {
  std::vector<int> processors(static_cast<std::size_t>(std::max(sysconf(_SC_NPROCESSORS_ONLN), 1L)));
  std::iota(processors.begin(), processors.end(), 0);
  return processors;
}

// quota / period of one group; 0 when it has none. Version 2: "150000 100000" or "max 100000"; 1: two files, -1 for
// none.
double quota_of_group(const std::string& folder, bool version_2) {
  double quota = 0.0, period = 0.0;
  if (version_2) {
    std::istringstream(read_line(folder + "/cpu.max")) >> quota >> period;
  } else {
    quota = std::atof(read_line(folder + "/cpu.cfs_quota_us").c_str());
    period = std::atof(read_line(folder + "/cpu.cfs_period_us").c_str());
  }
  return quota > 0.0 && period > 0.0 ? quota / period : 0.0;
}

bool has_cpu_controller(const std::string& controllers) {
  std::istringstream list(controllers);
  for (std::string name; std::getline(list, name, ',');) {
    if (name == "cpu") return true;
  }
  return false;
}

}  // namespace

std::string read_line(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

std::vector<int> parse_processors(const std::string& list) {
  std::vector<int> processors;
  std::istringstream ranges(list);
  for (std::string range; std::getline(ranges, range, ',');) {
    std::istringstream numbers(range);
    int first = 0, last = 0;
    char dash = 0;
    if (!(numbers >> first)) continue;
    if (!(numbers >> dash >> last)) last = first;
    for (int processor = first; processor <= last; ++processor) processors.push_back(processor);
  }
  return processors;
}

std::vector<int> allowed_processors() {
#if defined(__linux__)
  // The kernel refuses a mask that is too small for the machine, so grow it until it fits.
  for (int capacity = 1024; capacity <= 1 << 20; capacity *= 4) {
    cpu_set_t* const mask = CPU_ALLOC(static_cast<std::size_t>(capacity));
    if (mask == nullptr) break;
    const std::size_t bytes = CPU_ALLOC_SIZE(static_cast<std::size_t>(capacity));
    CPU_ZERO_S(bytes, mask);
    std::vector<int> processors;
    if (sched_getaffinity(0, bytes, mask) == 0) {
      for (int processor = 0; processor < capacity; ++processor) {
        if (CPU_ISSET_S(static_cast<std::size_t>(processor), bytes, mask)) processors.push_back(processor);
      }
    }
    CPU_FREE(mask);
    if (!processors.empty()) return processors;
  }
#endif
  return all_processors();
}

std::vector<int> online_processors(const std::string& root) {
  const std::vector<int> processors = parse_processors(read_line(root + "/sys/devices/system/cpu/online"));
  return processors.empty() ? all_processors() : processors;
}

int physical_cores(const std::vector<int>& processors, const std::string& root) {
  std::set<int> covered;  // processors whose core was counted
  int cores = 0;
  for (const int processor : processors) {
    if (covered.count(processor) != 0) continue;
    ++cores;
    const std::string folder = root + "/sys/devices/system/cpu/cpu" + std::to_string(processor) + "/topology";
    for (const int sibling : parse_processors(read_line(folder + "/thread_siblings_list"))) covered.insert(sibling);
  }
  return std::max(cores, 1);
}

double cgroup_quota(const std::string& root) {
  double smallest = 0.0;
  std::ifstream groups(root + "/proc/self/cgroup");
  // Lines "0::/path" (version 2) and "4:cpu,cpuacct:/path" (version 1). In a container the path may be the host's,
  // which does not exist here: then its parents do not either and the root group, which is the container's, decides.
  for (std::string line; std::getline(groups, line);) {
    const std::size_t first = line.find(':');
    const std::size_t second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const bool version_2 = controllers.empty();
    if (!version_2 && !has_cpu_controller(controllers)) continue;
    std::string path = line.substr(second + 1);
    for (;;) {
      if (path == "/") path.clear();
      for (const char* mount :
           version_2 ? std::vector<const char*>{""} : std::vector<const char*>{"/cpu", "/cpu,cpuacct"}) {
        const double quota = quota_of_group(root + "/sys/fs/cgroup" + mount + path, version_2);
        if (quota > 0.0 && (smallest == 0.0 || quota < smallest)) smallest = quota;
      }
      const std::size_t slash = path.rfind('/');
      if (slash == std::string::npos) break;
      path.erase(slash);
    }
  }
  return smallest;
}

}  // namespace bpnative
