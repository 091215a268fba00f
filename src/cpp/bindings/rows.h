// The rows of X as Python hands them over: an array [n x inputs]; (bytes, scale, offset); or (starts, columns, values)
// of the elements that are not zero. Callers of the private module are checked like everybody. Used by bind_network.cpp
// and bind_trainer.cpp.
#ifndef BPNATIVE_BINDINGS_ROWS_H_
#define BPNATIVE_BINDINGS_ROWS_H_

#include <string>

#include "bindings/arrays.h"
#include "nn/loss.h"

namespace bpnative {

// samples.count is the number of rows, every one of which can be read; columns are not looked at, see check_elements.
template <class T>
Samples<T> rows_of(const py::object& x, int inputs) {
  Samples<T> samples;
  if (!py::isinstance<py::tuple>(x)) {
    if (!py::isinstance<py::array>(x)) fail_type("'x' must be an array, or a tuple of three for sparse rows");
    const auto array = py::cast<py::array>(x);
    samples.x = input<T>(array, "x", {kAny, inputs});
    samples.count = array.shape(0);
    return samples;
  }
  const auto parts = py::cast<py::tuple>(x);
  if (parts.size() == 3 && py::isinstance<py::float_>(parts[1]) && py::isinstance<py::float_>(parts[2])) {
    if (!py::isinstance<py::array>(parts[0])) fail_type("bytes must come as an array");
    const auto bytes = py::cast<py::array>(parts[0]);
    samples.bytes = input<std::uint8_t>(bytes, "x", {kAny, inputs});
    samples.count = bytes.shape(0);
    samples.scale = static_cast<T>(py::cast<double>(parts[1]));
    samples.offset = static_cast<T>(py::cast<double>(parts[2]));
    return samples;
  }
  bool arrays = parts.size() == 3;
  for (const auto& part : parts) arrays = arrays && py::isinstance<py::array>(part);
  if (!arrays) fail_type("sparse rows are three arrays: starts, columns and values");
  const auto starts = py::cast<py::array>(parts[0]), columns = py::cast<py::array>(parts[1]),
             values = py::cast<py::array>(parts[2]);
  samples.starts = input<std::int64_t>(starts, "starts", {kAny});
  samples.columns = input<std::int32_t>(columns, "columns", {kAny});
  samples.values = input<T>(values, "values", {columns.shape(0)});
  samples.count = starts.shape(0) - 1;
  if (samples.count < 0) fail_value("'starts' must have one element more than there are rows");
  return samples;
}

// Labels are checked where they are used, so that a run costs what its order holds and not what the data hold.
template <class T>
void check_labels(const Samples<T>& samples, int classes) {
  if (!samples.labels) return;
  for (std::int64_t i = 0; i < samples.count; ++i) {
    const std::int32_t label = samples.labels[samples.row(i)];
    if (label < 0 || label >= classes)
      fail_value("labels must be from 0 to " + std::to_string(classes - 1) + ", got " + std::to_string(label) +
                 " in row " + std::to_string(samples.row(i)));
  }
}

// Of the rows that are used: their elements lie within the arrays, and their columns rise within the network's inputs.
template <class T>
void check_elements(const Samples<T>& samples, const py::object& x, int inputs) {
  if (!samples.elements_alone()) return;
  const std::int64_t elements = size_of(py::cast<py::array>(py::cast<py::tuple>(x)[1]), 0);
  for (std::int64_t i = 0; i < samples.count; ++i) {
    const std::int64_t row = samples.row(i), from = samples.starts[row], to = samples.starts[row + 1];
    bool right = 0 <= from && from <= to && to <= elements;
    std::int32_t before = -1;
    for (std::int64_t k = from; right && k < to; before = samples.columns[k++])
      right = samples.columns[k] > before && samples.columns[k] < inputs;
    if (!right)
      fail_value("sparse rows need columns that rise from 0 to " + std::to_string(inputs - 1) + "; row " +
                 std::to_string(row) + " has not");
  }
}

}  // namespace bpnative

#endif  // BPNATIVE_BINDINGS_ROWS_H_
