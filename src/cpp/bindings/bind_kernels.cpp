// The kernels as functions on row-major NumPy arrays: rows become slices, the same table entries run that training
// runs, and slices become rows again. `isa` names a table; "" is the chosen one. Documented in
// python/bpnative/kernels.py.
#include <algorithm>

#include "bindings/arrays.h"
#include "bindings/unlocked.h"
#include "core/dispatch.h"
#include "core/fp_mode.h"
#include "core/types.h"
#include "nn/dense.h"
#include "nn/loss.h"
#include "nn/optimizer_rule.h"
#include "nn/registry.h"

namespace bpnative {
namespace {

// A matrix [rows x features] cut into slices [features x S], one after the other, as the engine keeps them.
template <class T>
struct Sliced {
  const Kernels<T>& kernels;
  int rows, features, stride, slices;
  Buffer<T> memory;

  Sliced(const Kernels<T>& table, int row_count, int feature_count)
      : kernels(table),
        rows(row_count),
        features(feature_count),
        stride(std::max(table.panel, kSampleBlock)),
        slices(divide_up(row_count, stride)),
        memory(checked_multiply(checked_multiply(slices, stride, "rows"), features, "rows times columns")) {}

  T* slice(int i) { return memory.data() + slice_size() * i; }
  std::ptrdiff_t slice_size() const { return static_cast<std::ptrdiff_t>(stride) * features; }
  int count(int i) const { return std::min(stride, rows - i * stride); }
  int width(int i) const { return round_up(count(i), kSampleBlock); }

  SliceCall<T> call(int i) const {
    SliceCall<T> call{};
    call.kernels = &kernels, call.width = width(i), call.stride = stride;
    return call;
  }

  void from_rows(const T* x, T* panels = nullptr) {
    for (int i = 0; i < slices; ++i) {
      const std::ptrdiff_t first = static_cast<std::ptrdiff_t>(i) * stride;
      kernels.gather(slice(i), panels ? panels + first * kernels.panel : nullptr, x + first * features, nullptr,
                     features, count(i), width(i), stride, static_cast<std::ptrdiff_t>(rows) * kernels.panel);
    }
  }
  void to_rows(T* x) {
    for (int i = 0; i < slices; ++i)
      kernels.scatter(x + static_cast<std::ptrdiff_t>(i) * stride * features, slice(i), features, count(i), stride);
  }
};

template <class F>
void compute(F&& f) {
  const Unlocked unlocked;
  const FlushToZero flush;
  f();
}

void matmul(py::array out, const py::array& a, const py::array& b, const std::string& isa) {
  by_dtype(a, [&](auto zero) {
    using T = decltype(zero);
    const Kernels<T>& kernels = kernel_table(isa).of(zero);
    const T* left = input<T>(a, "a", {kAny, kAny});
    const T* right = input<T>(b, "b", {a.shape(1), kAny});
    T* to = output<T>(out, "out", {a.shape(0), b.shape(1)});
    const int rows = int_size(a.shape(0), "rows"), k = int_size(a.shape(1), "columns of a");
    const int columns = int_size(b.shape(1), "columns of b");
    compute([&] {
      // Columns of b are copied panel by panel: a tile reads past the last one, and strides of b stop mattering.
      Buffer<T> panel(checked_multiply(k, kernels.panel, "the size of b"));
      for (int column = 0; column < columns; column += kernels.panel) {
        Product<T> p{};
        p.columns = std::min(kernels.panel, columns - column);
        for (int i = 0; i < k; ++i)
          std::copy_n(right + static_cast<std::ptrdiff_t>(i) * columns + column, p.columns,
                      panel.data() + static_cast<std::ptrdiff_t>(i) * kernels.panel);
        p.c = to + column, p.c_row = columns;
        p.a = left, p.a_row = k, p.a_k = 1;
        p.b = panel.data(), p.b_k = kernels.panel;
        p.rows = rows, p.k = k, p.segment = std::max(k, 1);
        kernels.product(p);
      }
    });
  });
}

void dense_forward(py::array y, const py::array& x, const py::array& weight, const py::object& bias,
                   const std::string& activation, double parameter, const std::string& isa) {
  by_dtype(x, [&](auto zero) {
    using T = decltype(zero);
    const Kernels<T>& kernels = kernel_table(isa).of(zero);
    const T* rows = input<T>(x, "x", {kAny, kAny});
    const T* w = input<T>(weight, "weight", {kAny, x.shape(1)});
    const T* b = optional_input<T>(bias, "bias", {weight.shape(0)});
    T* to = output<T>(y, "y", {x.shape(0), weight.shape(0)});
    const int count = int_size(x.shape(0), "rows"), inputs = int_size(x.shape(1), "columns"),
              outputs = int_size(weight.shape(0), "rows of weight");
    const Applied applied{activation_of(activation), parameter};
    compute([&] {
      // The layer's parameters lie together: weight, then bias.
      const std::size_t weights = checked_multiply(outputs, inputs, "the size of weight");
      Buffer<T> parameters(weights + outputs);
      std::copy_n(w, weights, parameters.data());
      if (b) std::copy_n(b, outputs, parameters.data() + weights);
      const Dense<T> layer(inputs, outputs, b != nullptr, applied);
      Sliced<T> in(kernels, count, inputs), out(kernels, count, outputs);
      in.from_rows(rows);
      for (int i = 0; i < in.slices && outputs > 0; ++i) {
        SliceCall<T> call = in.call(i);
        call.parameters = parameters.data();
        call.x = in.slice(i), call.y = out.slice(i), call.applied = applied;
        layer.forward(call);
      }
      out.to_rows(to);
    });
  });
}

void dense_backward(const py::object& dx, py::array dw, const py::object& db, const py::array& dz, const py::array& x,
                    const py::array& weight, const std::string& input_activation, double parameter,
                    const std::string& isa) {
  by_dtype(x, [&](auto zero) {
    using T = decltype(zero);
    const Kernels<T>& kernels = kernel_table(isa).of(zero);
    const T* rows = input<T>(x, "x", {kAny, kAny});
    const T* w = input<T>(weight, "weight", {kAny, x.shape(1)});
    const T* dz_rows = input<T>(dz, "dz", {x.shape(0), weight.shape(0)});
    T* to_dx = optional_output<T>(dx, "dx", {x.shape(0), x.shape(1)});
    T* to_dw = output<T>(dw, "dw", {weight.shape(0), x.shape(1)});
    T* to_db = optional_output<T>(db, "db", {weight.shape(0)});
    const int count = int_size(x.shape(0), "rows"), inputs = int_size(x.shape(1), "columns"),
              outputs = int_size(weight.shape(0), "rows of weight");
    const Applied applied{activation_of(input_activation), parameter};
    if (keeps_slope(applied.activation))
      fail_value("the derivative of '" + input_activation +
                 "' does not follow from its output x; use 'linear' here and " +
                 "activation_derivative with its input");
    compute([&] {
      const Dense<T> layer(inputs, outputs, to_db != nullptr, {});
      Sliced<T> in(kernels, count, inputs), out(kernels, count, outputs), back(kernels, count, to_dx ? inputs : 0);
      Buffer<T> panels(checked_multiply(round_up(inputs, kernels.panel), count, "the size of x"));
      in.from_rows(rows, panels.data());
      out.from_rows(dz_rows);
      for (int i = 0; to_dx && i < in.slices; ++i) {
        SliceCall<T> call = in.call(i);
        call.parameters = w;
        call.saved = in.slice(i), call.applied = applied, call.dz = out.slice(i), call.dx = back.slice(i);
        layer.backward(call);
      }
      if (to_dx) back.to_rows(to_dx);
      RowsCall<T> call{};
      call.kernels = &kernels;
      call.rows = outputs, call.count = count;
      call.x_panels = panels.data(), call.panel_size = static_cast<std::ptrdiff_t>(count) * kernels.panel;
      call.dz = out.memory.data(), call.stride = out.stride, call.dz_slice = out.slice_size();
      call.gradient[0] = to_dw, call.gradient[1] = to_db;
      layer.gradient(call);
    });
  });
}

void activation(py::array y, const py::array& z, const std::string& name, double parameter, const std::string& isa) {
  by_dtype(z, [&](auto zero) {
    using T = decltype(zero);
    const Kernels<T>& kernels = kernel_table(isa).of(zero);
    const T* rows = input<T>(z, "z", {kAny, kAny});
    T* to = output<T>(y, "y", {z.shape(0), z.shape(1)});
    const int count = int_size(z.shape(0), "rows"), features = int_size(z.shape(1), "columns");
    const auto kernel = kernels.activations[static_cast<int>(activation_of(name))].forward;
    compute([&] {
      Sliced<T> in(kernels, count, features);
      in.from_rows(rows);
      for (int i = 0; i < in.slices && features > 0; ++i)
        kernel(in.slice(i), in.slice(i), features, in.width(i), in.stride, static_cast<T>(parameter));
      in.to_rows(to);
    });
  });
}

void activation_derivative(py::array dz, const py::array& dy, const py::array& z, const std::string& name,
                           double parameter, const std::string& isa) {
  by_dtype(z, [&](auto zero) {
    using T = decltype(zero);
    const Kernels<T>& kernels = kernel_table(isa).of(zero);
    const T* rows = input<T>(z, "z", {kAny, kAny});
    const T* dy_rows = input<T>(dy, "dy", {z.shape(0), z.shape(1)});
    T* to = output<T>(dz, "dz", {z.shape(0), z.shape(1)});
    const int count = int_size(z.shape(0), "rows"), features = int_size(z.shape(1), "columns");
    const auto& pair = kernels.activations[static_cast<int>(activation_of(name))];
    compute([&] {
      Sliced<T> saved(kernels, count, features), gradient(kernels, count, features), output(kernels, count, features);
      saved.from_rows(rows);
      gradient.from_rows(dy_rows);
      for (int i = 0; i < saved.slices && features > 0; ++i) {
        T* own = gradient.slice(i);
        if (pair.forward_keeping)
          pair.forward_keeping(output.slice(i), saved.slice(i), saved.slice(i), features, saved.width(i), saved.stride,
                               static_cast<T>(parameter));
        else
          pair.forward(saved.slice(i), saved.slice(i), features, saved.width(i), saved.stride,
                       static_cast<T>(parameter));
        pair.derivative(own, own, saved.slice(i), features, saved.width(i), saved.stride, static_cast<T>(parameter));
      }
      gradient.to_rows(to);
    });
  });
}

double loss(py::array dz, py::array losses, const py::array& z, const py::array& target,
            const py::object& sample_weight, const std::string& name, const std::string& isa) {
  return by_dtype(z, [&](auto zero) {
    using T = decltype(zero);
    const Kernels<T>& kernels = kernel_table(isa).of(zero);
    const T* rows = input<T>(z, "z", {kAny, kAny});
    const int count = int_size(z.shape(0), "rows"), outputs = int_size(z.shape(1), "columns");
    Samples<T> samples;
    samples.count = count;
    if (target.ndim() == 1)
      samples.labels = input<std::int32_t>(target, "target", {count});
    else
      samples.target = input<T>(target, "target", {count, outputs});
    samples.weight = optional_input<T>(sample_weight, "sample_weight", {count});
    T* to_dz = output<T>(dz, "dz", {count, outputs});
    T* to_losses = output<T>(losses, "losses", {count});
    const LossFunction<T> function(loss_of(name), {});
    if (samples.labels && loss_of(name) != Loss::cross_entropy) fail_value("only cross_entropy takes labels");
    for (int i = 0; samples.labels && i < count; ++i)
      if (samples.labels[i] < 0 || samples.labels[i] >= outputs)
        fail_value("labels must be from 0 to " + std::to_string(outputs - 1) + ", got " +
                   std::to_string(samples.labels[i]) + " in row " + std::to_string(i));
    if (count == 0 || outputs == 0) fail_value("a loss needs at least one row and one column");
    double sum = 0;
    compute([&] {
      Sliced<T> in(kernels, count, outputs), gradient(kernels, count, outputs);
      in.from_rows(rows);
      Buffer<T> space(checked_multiply(outputs + 3, in.stride, "a slice"));
      Buffer<double> values(count);
      T* const own = space.data();
      const std::ptrdiff_t own_targets = static_cast<std::ptrdiff_t>(outputs) * in.stride;
      const LossSpace<T> parts{own, own + own_targets, own + own_targets + in.stride,
                               own + own_targets + 2 * in.stride};
      for (int i = 0; i < in.slices; ++i)
        function.evaluate(kernels, parts, samples, 0, i * in.stride, in.count(i), count, in.slice(i), in.slice(i),
                          gradient.slice(i), values.data() + i * in.stride, outputs, in.width(i), in.stride);
      gradient.to_rows(to_dz);
      for (int i = 0; i < count; ++i) {
        sum += values[i];
        to_losses[i] = static_cast<T>(values[i]);
      }
    });
    return sum / count;
  });
}

// The states that an optimizer keeps with these settings: name and initial value.
std::vector<std::pair<std::string, double>> optimizer_states(const std::string& name,
                                                             const std::map<std::string, double>& settings) {
  std::vector<std::pair<std::string, double>> kept;
  for (const auto& state : OptimizerRule(optimizer_of(name), settings).states())
    if (state.kept) kept.emplace_back(state.name, state.initial);
  return kept;
}

// In place on flat arrays, by the same code that a Trainer's optimizer uses. states: those kept, in their order.
void optimizer_update(const std::string& name, py::array weight, const py::array& gradient,
                      std::vector<py::array> states, const std::map<std::string, double>& settings, std::int64_t step,
                      double learning_rate, const std::string& isa) {
  if (step < 1) fail_value("step counts from 1, got " + std::to_string(step));
  by_dtype(weight, [&](auto zero) {
    using T = decltype(zero);
    const Kernels<T>& kernels = kernel_table(isa).of(zero);
    const Optimizer kind = optimizer_of(name);
    OptimizerRule rule(kind, settings);
    UpdateArguments<T> p{};
    p.size = weight.size();
    p.weight = output<T>(weight, "weight", {kAny});
    p.gradient = input<T>(gradient, "gradient", {p.size});
    std::size_t slot = 0, given = 0;
    for (const auto& state : rule.states()) {
      if (state.kept && given < states.size()) p.state[slot] = output<T>(states[given], state.name.c_str(), {p.size});
      given += state.kept;
      ++slot;
    }
    if (given != states.size())
      fail_value("expected " + std::to_string(given) + " states, got " + std::to_string(states.size()));
    compute([&] {
      rule.set_step(p, step, learning_rate);
      kernels.optimizers[static_cast<int>(kind)](p);
    });
  });
}

void average_update(py::array mean, const py::array& weight, double fraction, const std::string& isa) {
  by_dtype(mean, [&](auto zero) {
    using T = decltype(zero);
    const Kernels<T>& kernels = kernel_table(isa).of(zero);
    T* to = output<T>(mean, "mean", {kAny});
    const T* from = input<T>(weight, "weight", {mean.size()});
    compute([&] { kernels.average(to, from, mean.size(), static_cast<T>(fraction)); });
  });
}

}  // namespace

void bind_kernels(py::module_& module) {
  module.def("matmul", matmul, py::arg("out"), py::arg("a"), py::arg("b"), py::arg("isa"));
  module.def("dense_forward", dense_forward, py::arg("y"), py::arg("x"), py::arg("weight"), py::arg("bias").none(true),
             py::arg("activation"), py::arg("parameter"), py::arg("isa"));
  module.def("dense_backward", dense_backward, py::arg("dx").none(true), py::arg("dw"), py::arg("db").none(true),
             py::arg("dz"), py::arg("x"), py::arg("weight"), py::arg("input_activation"), py::arg("parameter"),
             py::arg("isa"));
  module.def("activation", activation, py::arg("y"), py::arg("z"), py::arg("name"), py::arg("parameter"),
             py::arg("isa"));
  module.def("activation_derivative", activation_derivative, py::arg("dz"), py::arg("dy"), py::arg("z"),
             py::arg("name"), py::arg("parameter"), py::arg("isa"));
  module.def("loss", loss, py::arg("dz"), py::arg("losses"), py::arg("z"), py::arg("target"),
             py::arg("sample_weight").none(true), py::arg("name"), py::arg("isa"));
  module.def("optimizer_states", optimizer_states, py::arg("name"), py::arg("settings"));
  module.def("optimizer_update", optimizer_update, py::arg("name"), py::arg("weight"), py::arg("gradient"),
             py::arg("states"), py::arg("settings"), py::arg("step"), py::arg("learning_rate"), py::arg("isa"));
  module.def("average_update", average_update, py::arg("mean"), py::arg("weight"), py::arg("fraction"), py::arg("isa"));
}

}  // namespace bpnative
