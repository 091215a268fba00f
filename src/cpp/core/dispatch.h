// Picks the table of kernels for this processor: the best set that is compiled in and that the processor has, unless
// BPNATIVE_ISA names another.
#ifndef BPNATIVE_CORE_DISPATCH_H_
#define BPNATIVE_CORE_DISPATCH_H_

#include <optional>
#include <string>
#include <vector>

#include "kernels/table.h"

namespace bpnative {

// Chosen at the first call and then the same for the life of the process. Throws, at that call, where BPNATIVE_ISA
// names a set that is unknown or cannot run here.
const KernelTable& kernel_table();
const KernelTable& kernel_table(const std::string& isa);  // by name ("x86-64-v3") or tag ("v3"); "": the chosen one

std::vector<std::string> isa_available();  // compiled in and usable here, best first
std::vector<std::string> isa_compiled();
std::string isa_chosen();
std::optional<std::string> isa_requested();  // what BPNATIVE_ISA says

}  // namespace bpnative

#endif  // BPNATIVE_CORE_DISPATCH_H_
