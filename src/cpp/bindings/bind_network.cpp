// The compiled Network: checks arrays, lets go of the interpreter's lock, makes one call. Documented in
// python/bpnative.
#include <tuple>

#include "bindings/any_network.h"
#include "bindings/rows.h"

namespace bpnative {
namespace {

using LayerTuple = std::tuple<std::string, py::dict, std::vector<int>>;

LayerSettings settings_of(const LayerTuple& layer) {
  LayerSettings settings;
  settings.kind = std::get<0>(layer);
  settings.sources = std::get<2>(layer);
  for (const auto& item : std::get<1>(layer)) {
    const std::string key = py::cast<std::string>(item.first);
    if (py::isinstance<py::str>(item.second))
      settings.names[key] = py::cast<std::string>(item.second);
    else if (py::isinstance<py::list>(item.second))
      settings.lists[key] = py::cast<std::vector<double>>(item.second);
    else
      settings.numbers[key] = py::cast<double>(item.second);
  }
  return settings;
}

std::unique_ptr<AnyNetwork> make_network(const std::string& dtype, py::ssize_t input_size,
                                         const std::vector<LayerTuple>& layers) {
  std::vector<LayerSettings> settings;
  for (const auto& layer : layers) settings.push_back(settings_of(layer));
  auto any = std::make_unique<AnyNetwork>();
  by_dtype(dtype, [&](auto zero) {
    any->of = std::make_unique<NetworkOf<decltype(zero)>>(int_size(input_size, "input_size"), settings);
  });
  return any;
}

// A writable view of a native buffer; the view keeps `owner` alive.
template <class T>
py::array view(Buffer<T>& buffer, const py::object& owner) {
  return py::array_t<T>({static_cast<py::ssize_t>(buffer.size())}, {static_cast<py::ssize_t>(sizeof(T))}, buffer.data(),
                        owner);
}

py::list list_of(const std::vector<Tensor>& tensors) {
  py::list list;
  for (const Tensor& tensor : tensors)
    list.append(py::make_tuple(tensor.layer, tensor.name, tensor.offset, py::tuple(py::cast(tensor.shape))));
  return list;
}

void predict(AnyNetwork& any, py::array out, const py::object& x) {
  any.visit([&](auto& own) {
    using T = typename std::decay_t<decltype(own)>::Element;
    const Samples<T> rows = rows_of<T>(x, own.network.inputs());
    check_elements(rows, x, own.network.inputs());
    T* to = output<T>(out, "out", {static_cast<py::ssize_t>(rows.count), own.network.outputs()});
    compute(own.network, [&] { own.predicting.predict(to, rows); });
  });
}

void forward(AnyNetwork& any, py::array out, const py::array& x, bool training) {
  any.visit([&](auto& own) {
    using T = typename std::decay_t<decltype(own)>::Element;
    const T* from = input<T>(x, "x", {kAny, own.network.inputs()});
    T* to = output<T>(out, "out", {x.shape(0), own.network.outputs()});
    const int count = int_size(x.shape(0), "the number of rows");
    if (count == 0) fail_value("forward needs at least one row");
    compute(own.network, [&] { own.keeping.forward(to, from, count, training); });
  });
}

void backward(AnyNetwork& any, const py::object& input_gradient, const py::array& output_gradient) {
  any.visit([&](auto& own) {
    using T = typename std::decay_t<decltype(own)>::Element;
    const T* from = input<T>(output_gradient, "output_gradient", {kAny, own.network.outputs()});
    const py::ssize_t rows = output_gradient.shape(0);
    T* to = optional_output<T>(input_gradient, "input_gradient", {rows, own.network.inputs()});
    const int count = int_size(rows, "the number of rows");
    compute(own.network, [&] { own.keeping.backward(to, from, count); });
  });
}

}  // namespace

void bind_network(py::module_& module) {
  module.def("activation_names", activation_names);
  module.def("loss_names", loss_names);
  module.def("optimizer_names", optimizer_names);
  module.def("layer_names", layer_names);
  py::class_<AnyNetwork>(module, "Network", py::release_gil_before_calling_cpp_dtor())
      .def(py::init(&make_network), py::arg("dtype"), py::arg("input_size"), py::arg("layers"))
      .def_property_readonly("dtype", [](AnyNetwork& any) { return any.of.index() == 0 ? "float32" : "float64"; })
      .def_property_readonly("input_size",
                             [](AnyNetwork& any) { return any.visit([](auto& own) { return own.network.inputs(); }); })
      .def_property_readonly("output_size",
                             [](AnyNetwork& any) { return any.visit([](auto& own) { return own.network.outputs(); }); })
      .def_property_readonly(
          "parameters",
          [](py::object self) {
            return self.cast<AnyNetwork&>().visit([&](auto& own) { return view(own.network.parameters(), self); });
          })
      .def_property_readonly(
          "gradients",
          [](py::object self) {
            return self.cast<AnyNetwork&>().visit([&](auto& own) { return view(own.network.gradients(), self); });
          })
      .def_property_readonly(
          "statistics",
          [](py::object self) {
            return self.cast<AnyNetwork&>().visit([&](auto& own) { return view(own.network.statistics(), self); });
          })
      .def_property_readonly(
          "tensors",
          [](AnyNetwork& any) { return any.visit([](auto& own) { return list_of(own.network.tensors()); }); })
      .def_property_readonly("statistics_tensors",
                             [](AnyNetwork& any) {
                               return any.visit([](auto& own) { return list_of(own.network.statistics_tensors()); });
                             })
      .def_property(
          "noise_seed", [](AnyNetwork& any) { return any.visit([](auto& own) { return own.network.noise_seed; }); },
          [](AnyNetwork& any, std::uint64_t seed) {
            any.visit([&](auto& own) { compute(own.network, [&] { own.network.noise_seed = seed; }); });
          })
      .def_property(
          "forwards",
          [](AnyNetwork& any) {
            return any.visit([](auto& own) { return compute(own.network, [&] { return own.network.forwards; }); });
          },
          [](AnyNetwork& any, std::int64_t count) {
            any.visit([&](auto& own) { compute(own.network, [&] { own.network.forwards = count; }); });
          })
      .def(
          "set_trainable",
          [](AnyNetwork& any, int layer, bool trainable) {
            any.visit([&](auto& own) { compute(own.network, [&] { own.network.set_trainable(layer, trainable); }); });
          },
          py::arg("layer"), py::arg("trainable"))
      .def(
          "set_l2",
          [](AnyNetwork& any, int layer, double l2) {
            any.visit([&](auto& own) { compute(own.network, [&] { own.network.set_l2(layer, l2); }); });
          },
          py::arg("layer"), py::arg("l2"))
      .def_property_readonly(
          "takes_sparse",
          [](AnyNetwork& any) {
            return any.visit([](auto& own) {
              return SparseInputs<typename std::decay_t<decltype(own)>::Element>::layer_of(own.network) >= 0;
            });
          })
      .def("predict", predict, py::arg("out"), py::arg("x"))
      .def("forward", forward, py::arg("out"), py::arg("x"), py::arg("training"))
      .def("backward", backward, py::arg("input_gradient").none(true), py::arg("output_gradient"));
}

}  // namespace bpnative
