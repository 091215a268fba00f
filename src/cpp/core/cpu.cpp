#include "core/cpu.h"

#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <vector>

#include "core/topology.h"

#if defined(__x86_64__) || defined(__i386__)
#define BPN_X86 1
#include <cpuid.h>
#endif
#if defined(__APPLE__)
#include <sys/sysctl.h>
#endif

namespace bpnative {
namespace {

#ifdef BPN_X86

struct Leaf {
  unsigned a = 0, b = 0, c = 0, d = 0;
};

Leaf cpuid(unsigned leaf, unsigned subleaf = 0) {
  Leaf r;
  __get_cpuid_count(leaf, subleaf, &r.a, &r.b, &r.c, &r.d);  // leaves zeros where the processor has no such leaf
  return r;
}

// Register sets that the operating system saves on a context switch: without that an instruction set is of no use,
// whatever the processor says.
std::uint32_t saved_by_system() {
  std::uint32_t low = 0, high = 0;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return low;
}

constexpr bool has(unsigned bits, unsigned wanted) { return (bits & wanted) == wanted; }

void detect_instructions(Cpu& cpu) {
  const Leaf basic = cpuid(1), extended = cpuid(7), amd = cpuid(0x80000001u);
  cpu.x86_v2 = has(basic.c, bit_SSE3 | bit_SSSE3 | bit_SSE4_1 | bit_SSE4_2 | bit_POPCNT | bit_CMPXCHG16B) &&
               has(amd.c, bit_LAHF_LM);
  const std::uint32_t saved = has(basic.c, bit_OSXSAVE) ? saved_by_system() : 0;
  constexpr std::uint32_t kYmm = 0x06, kZmm = 0xE6;  // SSE and AVX; these and masks, upper halves, registers 16 to 31
  cpu.x86_v3 = cpu.x86_v2 && has(saved, kYmm) && has(basic.c, bit_AVX | bit_FMA | bit_F16C | bit_MOVBE) &&
               has(extended.b, bit_AVX2 | bit_BMI | bit_BMI2) && has(amd.c, bit_LZCNT);
  cpu.x86_v4 = cpu.x86_v3 && has(saved, kZmm) &&
               has(extended.b, bit_AVX512F | bit_AVX512BW | bit_AVX512CD | bit_AVX512DQ | bit_AVX512VL);
}

std::string brand() {
  std::string name;
  for (unsigned leaf = 0x80000002u; leaf <= 0x80000004u; ++leaf) {
    const Leaf r = cpuid(leaf);
    for (const unsigned word : {r.a, r.b, r.c, r.d}) {
      for (int byte = 0; byte < 4; ++byte) name += static_cast<char>(word >> (8 * byte));
    }
  }
  return name.c_str();  // up to the first zero
}

#else

void detect_instructions(Cpu& cpu) {
#if defined(__aarch64__)
  cpu.neon = true;  // part of the architecture
#endif
  (void)cpu;
}

std::string brand() { return ""; }

#endif

std::string trimmed(const std::string& text) {
  const std::size_t first = text.find_first_not_of(" \t"), last = text.find_last_not_of(" \t");
  return first == std::string::npos ? "" : text.substr(first, last - first + 1);
}

std::string name_in_cpuinfo() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (line.rfind("model name", 0) == 0 || line.rfind("Model", 0) == 0) return line.substr(line.find(':') + 1);
  }
  return "";
}

#if defined(__APPLE__)

std::size_t system_number(const char* name) {
  std::int64_t value = 0;
  std::size_t size = sizeof value;
  return sysctlbyname(name, &value, &size, nullptr, 0) == 0 && value > 0 ? static_cast<std::size_t>(value) : 0;
}

void detect_caches(Cpu& cpu) {
  if (const std::size_t bytes = system_number("hw.l1dcachesize")) cpu.l1d_bytes = bytes;
  if (const std::size_t bytes = system_number("hw.l2cachesize")) cpu.l2_bytes = bytes;
  cpu.l3_bytes = system_number("hw.l3cachesize");
}

#else

void detect_caches(Cpu& cpu) {
  const std::string folder =
      "/sys/devices/system/cpu/cpu" + std::to_string(allowed_processors().front()) + "/cache/index";
  for (int index = 0; index < 8; ++index) {
    const std::string cache = folder + std::to_string(index);
    const std::string size = read_line(cache + "/size");  // "32K"
    if (size.empty()) break;
    if (read_line(cache + "/type") == "Instruction") continue;
    char* unit = nullptr;
    std::size_t bytes = std::strtoul(size.c_str(), &unit, 10);
    bytes <<= *unit == 'K' ? 10 : *unit == 'M' ? 20 : 0;
    const int level = std::atoi(read_line(cache + "/level").c_str());
    if (bytes == 0) continue;
    if (level == 1) cpu.l1d_bytes = bytes;
    if (level == 2) cpu.l2_bytes = bytes;
    if (level == 3) cpu.l3_bytes = bytes;
  }
}

#endif

Cpu detect() {
  Cpu cpu;
  detect_instructions(cpu);
  for (const std::string& name : {trimmed(brand()), trimmed(name_in_cpuinfo())}) {
    if (name.empty()) continue;
    cpu.name = name;
    break;
  }
  detect_caches(cpu);
  cpu.physical_cores = physical_cores(online_processors());
  return cpu;
}

}  // namespace

const Cpu& cpu() {
  static const Cpu& detected = *new Cpu(detect());  // never destroyed: threads may still ask while the process ends
  return detected;
}

}  // namespace bpnative
