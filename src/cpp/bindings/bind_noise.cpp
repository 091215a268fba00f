// The random words that noise layers are made of, for tests against the published values of the generator: out [4, n],
// word w of the counters (first + i, group, step) under the seed. Used by tests alone.
#include "bindings/arrays.h"
#include "core/dispatch.h"
#include "kernels/table.h"

namespace bpnative {
namespace {

void random_words(py::array out, std::uint64_t seed, std::uint64_t step, std::uint32_t layer, std::uint32_t first,
                  std::uint32_t group, const std::string& isa) {
  std::uint32_t* words = output<std::uint32_t>(out, "out", {4, kAny});
  if (out.shape(1) % kSampleBlock != 0) fail_value("'out' must have a multiple of 16 columns");
  const int width = int_size(out.shape(1), "columns of out");
  kernel_table(isa).f32.random_words(words, first, group, {seed, step, layer}, width);
}

}  // namespace

void bind_noise(py::module_& module) {
  module.def("random_words", random_words, py::arg("out"), py::arg("seed"), py::arg("step"), py::arg("layer"),
             py::arg("first"), py::arg("group"), py::arg("isa"));
}

}  // namespace bpnative
