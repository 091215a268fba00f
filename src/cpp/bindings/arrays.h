// Checks NumPy arrays at the border: element type, C order, shape, writability. Python has normalised them already;
// what fails here is a caller of the private module, and gets a message instead of a crash. Used by all bindings.
#ifndef BPNATIVE_BINDINGS_ARRAYS_H_
#define BPNATIVE_BINDINGS_ARRAYS_H_

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <climits>
#include <string>
#include <vector>

#include "core/error.h"

namespace bpnative {

namespace py = pybind11;

void bind_config(py::module_& module);
void bind_network(py::module_& module);
void bind_trainer(py::module_& module);
void bind_kernels(py::module_& module);
void bind_noise(py::module_& module);

constexpr py::ssize_t kAny = -1;

inline std::string shape_text(const std::vector<py::ssize_t>& shape) {
  std::string text = "(";
  for (const py::ssize_t n : shape) text += (text.size() > 1 ? ", " : "") + (n == kAny ? "any" : std::to_string(n));
  return text + (shape.size() == 1 ? ",)" : ")");
}

template <class T>
void check_array(const py::array& array, const char* name, const std::vector<py::ssize_t>& shape) {
  const std::string what = std::string("'") + name + "'";
  if (!py::dtype::of<T>().equal(array.dtype()))
    fail_type(what + " must have dtype " + py::str(py::dtype::of<T>()).cast<std::string>() + ", got " +
              py::str(array.dtype()).cast<std::string>());
  const std::vector<py::ssize_t> given(array.shape(), array.shape() + array.ndim());
  bool fits = given.size() == shape.size();
  for (std::size_t i = 0; fits && i < shape.size(); ++i) fits = shape[i] == kAny || shape[i] == given[i];
  if (!fits) fail_value(what + " must have shape " + shape_text(shape) + ", got " + shape_text(given));
  if (!(array.flags() & py::array::c_style)) fail_value(what + " must be in C order (contiguous rows)");
  if (reinterpret_cast<std::uintptr_t>(array.data()) % alignof(T) != 0) fail_value(what + " must be aligned");
}

template <class T>
const T* input(const py::array& array, const char* name, const std::vector<py::ssize_t>& shape) {
  check_array<T>(array, name, shape);
  return static_cast<const T*>(array.data());
}

template <class T>
T* output(py::array& array, const char* name, const std::vector<py::ssize_t>& shape) {
  check_array<T>(array, name, shape);
  if (!array.writeable()) fail_value(std::string("'") + name + "' must be writable");
  return static_cast<T*>(array.mutable_data());
}

// None stands for a null pointer.
template <class T>
const T* optional_input(const py::object& object, const char* name, const std::vector<py::ssize_t>& shape) {
  if (object.is_none()) return nullptr;
  return input<T>(py::cast<py::array>(object), name, shape);
}
template <class T>
T* optional_output(const py::object& object, const char* name, const std::vector<py::ssize_t>& shape) {
  if (object.is_none()) return nullptr;
  py::array array = py::cast<py::array>(object);
  return output<T>(array, name, shape);
}

inline py::ssize_t size_of(const py::array& array, int dimension) {
  return dimension < array.ndim() ? array.shape(dimension) : kAny;
}
// The kernels count in int; more rows than that must come in blocks.
inline int int_size(py::ssize_t n, const char* what) {
  constexpr py::ssize_t kMost = INT_MAX - 1024;  // sizes are rounded up on the way
  if (n < 0 || n > kMost)
    fail_value(std::string(what) + " must be from 0 to " + std::to_string(kMost) + ", got " + std::to_string(n));
  return static_cast<int>(n);
}

// Calls f with a value of the element type that the array (or the name) says.
template <class F>
decltype(auto) by_dtype(const std::string& name, F&& f) {
  if (name == "float32") return f(float{});
  if (name == "float64") return f(double{});
  fail_type("the dtype must be float32 or float64, got " + name);
}
template <class F>
decltype(auto) by_dtype(const py::array& array, F&& f) {
  return by_dtype(py::str(array.dtype()).cast<std::string>(), std::forward<F>(f));
}

}  // namespace bpnative

#endif  // BPNATIVE_BINDINGS_ARRAYS_H_
