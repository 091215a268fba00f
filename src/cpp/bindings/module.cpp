// The extension module bpnative._bpnative: one call an area. Docstrings live in Python, types in _bpnative.pyi.
#include "bindings/arrays.h"
#include "core/dispatch.h"

PYBIND11_MODULE(_bpnative, module) {
  module.attr("__version__") = BPN_VERSION;
  pybind11::register_exception_translator([](std::exception_ptr pointer) {
    try {
      if (pointer) std::rethrow_exception(pointer);
    } catch (const pybind11::cast_error& error) {  // an argument that is no number, or no network
      pybind11::set_error(PyExc_TypeError, error.what());
    } catch (const bpnative::TypeError& error) {
      pybind11::set_error(PyExc_TypeError, error.what());
    }
  });
  try {
    bpnative::kernel_table();
  } catch (const std::exception& error) {
    throw pybind11::import_error(error.what());
  }
  bpnative::bind_config(module);
  bpnative::bind_network(module);
  bpnative::bind_trainer(module);
  bpnative::bind_kernels(module);
  bpnative::bind_noise(module);
}
