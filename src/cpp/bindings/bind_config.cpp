// Threads, instruction set and processor, as Python sees them.
#include "bindings/arrays.h"
#include "bindings/unlocked.h"
#include "core/cpu.h"
#include "core/dispatch.h"
#include "core/error.h"
#include "core/fma_peak.h"
#include "core/thread_pool.h"

namespace bpnative {
namespace {

#if defined(__clang__)
constexpr const char* kCompiler = __VERSION__;
#else
constexpr const char* kCompiler = "GCC " __VERSION__;
#endif

py::dict config() {
  using namespace py::literals;
  const Cpu& processor = cpu();
  return py::dict("isa"_a = isa_chosen(), "isa_available"_a = isa_available(), "isa_compiled"_a = isa_compiled(),
                  "isa_requested"_a = isa_requested(), "threads"_a = get_num_threads(),
                  "threads_reason"_a = num_threads_reason(), "processor"_a = processor.name,
                  "cores"_a = processor.physical_cores, "l1d_bytes"_a = processor.l1d_bytes,
                  "l2_bytes"_a = processor.l2_bytes, "l3_bytes"_a = processor.l3_bytes, "compiler"_a = kCompiler,
                  "version"_a = BPN_VERSION);
}

double gigaflops(const std::string& dtype, const std::string& isa, double seconds) {
  if (dtype != "float32" && dtype != "float64") fail_unknown("dtype", dtype, {"float32", "float64"});
  if (!(seconds >= 0.0 && seconds <= 60.0)) {
    fail_value("expected seconds from 0 to 60, got " + std::to_string(seconds));
  }
  const KernelTable& table = kernel_table(isa);
  const auto chain = dtype == "float32" ? table.f32.fma_chain : table.f64.fma_chain;
  const Unlocked unlocked;
  return fma_peak(chain, seconds) * 1e-9;
}

}  // namespace

void bind_config(py::module_& module) {
  get_num_threads();  // reads the environment now, so that nonsense in it is an error of the import

  module.def("config", &config);
  module.def("get_num_threads", &get_num_threads);
  module.def("set_num_threads", &set_num_threads, py::arg("n"));
  module.def("stop_threads", &stop_threads, py::call_guard<Unlocked>());
  module.def("fma_peak", &gigaflops, py::arg("dtype"), py::arg("isa"), py::arg("seconds"));
}

}  // namespace bpnative
