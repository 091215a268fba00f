#include "core/dispatch.h"

#include <cstdlib>

#include "core/cpu.h"
#include "core/error.h"

// What the build compiled: BPN_ISA_LIST(X) is X(v4) X(v3) …
#define BPN_DECLARE(tag) extern "C" const bpnative::KernelTable* bpnative_kernels_##tag();
BPN_ISA_LIST(BPN_DECLARE)
#undef BPN_DECLARE

namespace bpnative {
namespace {

using Getter = const KernelTable* (*)();

Getter compiled(const std::string& wanted) {
#define BPN_COMPARE(tag) \
  if (wanted == #tag) return &bpnative_kernels_##tag;
  BPN_ISA_LIST(BPN_COMPARE)
#undef BPN_COMPARE
  return nullptr;
}

struct InstructionSet {
  const char* tag;
  const char* name;
  bool (*available)(const Cpu&);
};

// All that the source knows, best first. Another set is another line.
constexpr InstructionSet kSets[] = {
    {"v4", "x86-64-v4", [](const Cpu& cpu) { return cpu.x86_v4; }},
    {"v3", "x86-64-v3", [](const Cpu& cpu) { return cpu.x86_v3; }},
    {"v2", "x86-64-v2", [](const Cpu& cpu) { return cpu.x86_v2; }},
    {"neon", "neon", [](const Cpu& cpu) { return cpu.neon; }},
    {"portable", "portable", [](const Cpu&) { return true; }},
};

template <class Keep>
std::vector<std::string> names_where(Keep keep) {
  std::vector<std::string> names;
  for (const InstructionSet& set : kSets) {
    if (keep(set)) names.emplace_back(set.name);
  }
  return names;
}

bool usable(const InstructionSet& set) { return compiled(set.tag) != nullptr && set.available(cpu()); }

// A set by name or tag, known to be usable here.
const InstructionSet& find(const std::string& wanted, const std::string& origin) {
  const auto usable_names = [] { return join(isa_available()); };
  for (const InstructionSet& set : kSets) {
    if (wanted != set.name && wanted != set.tag) continue;
    if (compiled(set.tag) == nullptr) {
      fail_value(origin + "instruction set '" + wanted +
                 "' is not compiled into this build; available here: " + usable_names());
    }
    if (!set.available(cpu())) {
      fail_value(origin + "instruction set '" + wanted + "' needs instructions that this processor (" + cpu().name +
                 ") or its operating system does not offer; available here: " + usable_names());
    }
    return set;
  }
  std::vector<std::string> known;
  for (const InstructionSet& set : kSets) known.insert(known.end(), {set.name, set.tag});
  const std::string nearest = nearest_name(wanted, known);
  fail_value(origin + "unknown instruction set '" + wanted + "'" +
             (nearest.empty() ? "" : "; did you mean '" + nearest + "'?") + "; available here: " + usable_names());
}

const InstructionSet& choose() {
  const std::optional<std::string> requested = isa_requested();
  if (requested) return find(*requested, "BPNATIVE_ISA: ");
  for (const InstructionSet& set : kSets) {
    if (usable(set)) return set;
  }
  fail_value("this build of bpnative holds kernels for " + join(isa_compiled()) + ", and this processor (" +
             cpu().name + ") has none of these instruction sets; build bpnative from source for it");
}

const InstructionSet& chosen() {
  static const InstructionSet& set = choose();
  return set;
}

// To be called for usable sets only: even the getter is compiled with the set's instructions.
const KernelTable& table_of(const InstructionSet& set) { return *compiled(set.tag)(); }

}  // namespace

const KernelTable& kernel_table() {
  static const KernelTable& table = table_of(chosen());
  return table;
}

const KernelTable& kernel_table(const std::string& isa) {
  return isa.empty() ? kernel_table() : table_of(find(isa, ""));
}

std::vector<std::string> isa_available() { return names_where(usable); }

std::vector<std::string> isa_compiled() {
  return names_where([](const InstructionSet& set) { return compiled(set.tag) != nullptr; });
}

std::string isa_chosen() { return chosen().name; }

std::optional<std::string> isa_requested() {
  // Read once: it is to agree with the choice that was made by it.
  static const std::optional<std::string> requested = [] {
    const char* const name = std::getenv("BPNATIVE_ISA");
    return name == nullptr || *name == '\0' ? std::nullopt : std::make_optional<std::string>(name);
  }();
  return requested;
}

}  // namespace bpnative
