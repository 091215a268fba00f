// The compiled Trainer: a network, a loss and an optimizer. train() runs as many minibatches as the order holds in one
// call without the interpreter's lock; Python decides how many that are. Documented in python/bpnative/trainer.py.
#include <algorithm>
#include <cmath>

#include "bindings/any_network.h"
#include "bindings/rows.h"

namespace bpnative {
namespace {

template <class T>
struct TrainerOf {
  using Element = T;
  NetworkOf<T>& own;
  std::optional<LossSpec> loss;  // none: the loss is the caller's own, who calls update()
  int targets = 0;
  OptimizerState<T> optimizer;
  Engine<T> training, evaluating;

  TrainerOf(NetworkOf<T>& network, const std::optional<LossSpec>& of_loss, const OptimizerSettings& settings)
      : own(network),
        loss(of_loss),
        targets(of_loss ? loss_numbers<T>(*of_loss, network.network.outputs()).targets : 0),
        optimizer(settings, network.network),
        training(network.network, of_loss),
        evaluating(network.network, of_loss) {}
};

struct AnyTrainer {
  py::object network;  // kept alive
  std::variant<std::unique_ptr<TrainerOf<float>>, std::unique_ptr<TrainerOf<double>>> of;

  template <class F>
  decltype(auto) visit(F&& f) {
    return std::visit([&](auto& trainer) -> decltype(auto) { return f(*trainer); }, of);
  }
};

// average: None, {"decay"} for an exponential one, or {"start", "every"}.
Averaging averaging_of(const py::object& average) {
  if (average.is_none()) return {};
  const auto settings = average.cast<std::map<std::string, double>>();
  const auto number = [&](const char* name, double least, double most) {
    const auto found = settings.find(name);
    if (found == settings.end() || !(found->second >= least && found->second <= most))
      fail_value("an average needs decay from 0 to 1, or start and every from 0 and 1 to 2^53");
    return found->second;
  };
  if (settings.count("decay")) return {true, number("decay", 0, 1), 0, 1};
  constexpr double kMost = 9007199254740992;
  const auto start = static_cast<std::int64_t>(number("start", 0, kMost));
  return {true, -1, start, static_cast<std::int64_t>(number("every", 1, kMost))};
}

std::unique_ptr<AnyTrainer> make_trainer(const py::object& network, const std::optional<std::string>& loss,
                                         const LossSettings& loss_settings, const std::string& optimizer,
                                         const std::vector<std::map<std::string, double>>& groups,
                                         const std::vector<int>& group_of_layer, const py::object& average) {
  std::optional<LossSpec> spec;
  if (loss) spec = LossSpec{loss_of(*loss), loss_settings};
  auto any = std::make_unique<AnyTrainer>();
  any->network = network;
  const OptimizerSettings settings{optimizer_of(optimizer), groups, group_of_layer, averaging_of(average)};
  network.cast<AnyNetwork&>().visit([&](auto& own) {
    using T = typename std::decay_t<decltype(own)>::Element;
    // Not while another thread trains: a buffer of averages starts as a copy of the weights.
    compute(own.network, [&] { any->of = std::make_unique<TrainerOf<T>>(own, spec, settings); });
  });
  return any;
}

// x, targets and weights of n rows, checked against the network.
template <class T>
Samples<T> samples_of(TrainerOf<T>& trainer, const py::object& x, const py::array& y, const py::object& sample_weight) {
  const Network<T>& network = trainer.own.network;
  if (!trainer.loss) fail_value("this trainer was made without a loss: it has update() alone");
  Samples<T> samples = rows_of<T>(x, network.inputs());
  const py::ssize_t rows = samples.count;
  if (y.ndim() == 1) {
    if (!takes_labels(trainer.loss->kind)) fail_value("this loss takes no labels; y must have columns");
    if (network.outputs() > 1 << 24) fail_value("labels are told apart up to 2^24 classes; give y as rows instead");
    samples.labels = input<std::int32_t>(y, "y", {rows});
  } else {
    samples.target = input<T>(y, "y", {rows, trainer.targets});
  }
  samples.weight = optional_input<T>(sample_weight, "sample_weight", {rows});
  if (samples.count == 0) fail_value("there are no rows: x has shape " + shape_text({0, network.inputs()}));
  return samples;
}

template <class T>
void check_not_swapped(const TrainerOf<T>& trainer) {
  if (trainer.optimizer.average.swapped())
    fail_value("the averaged weights are in the network: train after the block of trainer.averaged()");
}

template <class T>
const double* momentum_of(const TrainerOf<T>& trainer, const py::object& momentum, py::ssize_t steps) {
  const double* values = optional_input<double>(momentum, "momentum", {steps});
  if (values && !trainer.optimizer.takes_momentum())
    fail_value("this optimizer has no momentum that a schedule could change");
  return values;
}

StepSettings step_settings(py::ssize_t batch_size, py::ssize_t accumulate, double clip_norm, double clip_value) {
  StepSettings settings;
  settings.batch_size = int_size(batch_size, "batch_size");
  settings.accumulate = int_size(accumulate, "accumulate");
  settings.clip_norm = clip_norm, settings.clip_value = clip_value;
  if (settings.batch_size < 1 || settings.accumulate < 1)
    fail_value("batch_size and accumulate must be at least 1, got " + std::to_string(batch_size) + " and " +
               std::to_string(accumulate));
  if (!(clip_norm >= 0 && clip_value >= 0)) fail_value("clip_norm and clip_value must be at least 0 (0: no clipping)");
  return settings;
}

void check_penalty(double factor) {
  if (!(factor >= 0) || std::isinf(factor))
    fail_value("penalty must be a finite factor of at least 0, got " + std::to_string(factor));
}

void train(AnyTrainer& any, py::array losses, const py::object& outputs, const py::object& x, const py::array& y,
           const py::object& sample_weight, const py::array& order, const py::array& learning_rate,
           py::ssize_t batch_size, py::ssize_t accumulate, double clip_norm, double clip_value,
           const py::object& momentum, const py::object& penalty) {
  any.visit([&](auto& trainer) {
    using T = typename std::decay_t<decltype(trainer)>::Element;
    Network<T>& network = trainer.own.network;
    Samples<T> samples = samples_of<T>(trainer, x, y, sample_weight);
    const std::int64_t rows = samples.count;
    samples.order = input<std::int64_t>(order, "order", {kAny});
    samples.count = order.shape(0);
    for (std::int64_t i = 0; i < samples.count; ++i)
      if (samples.order[i] < 0 || samples.order[i] >= rows)
        fail_value("order must hold row numbers from 0 to " + std::to_string(rows - 1) + ", got " +
                   std::to_string(samples.order[i]));
    check_labels(samples, network.outputs());
    check_elements(samples, x, network.inputs());
    const StepSettings settings = step_settings(batch_size, accumulate, clip_norm, clip_value);
    const std::int64_t whole = std::int64_t{settings.batch_size} * settings.accumulate;
    const py::ssize_t steps = (order.shape(0) + whole - 1) / whole;
    double* loss = output<double>(losses, "losses", {steps});
    T* out = optional_output<T>(outputs, "outputs", {order.shape(0), network.outputs()});
    const int groups = trainer.optimizer.groups();
    const double* rates = groups == 1 ? input<double>(learning_rate, "learning_rate", {steps})
                                      : input<double>(learning_rate, "learning_rate", {steps, groups});
    const double* momenta = momentum_of(trainer, momentum, steps);
    const double* penalties = optional_input<double>(penalty, "penalty", {steps});
    for (py::ssize_t i = 0; penalties && i < steps; ++i) check_penalty(penalties[i]);
    compute(network, [&] {
      check_not_swapped(trainer);
      trainer.training.train(loss, out, trainer.optimizer, samples, rates, momenta, penalties, settings);
    });
  });
}

void update(AnyTrainer& any, const py::array& learning_rate, double clip_norm, double clip_value,
            const py::object& momentum, double penalty) {
  check_penalty(penalty);
  any.visit([&](auto& trainer) {
    const StepSettings settings = step_settings(1, 1, clip_norm, clip_value);
    const double* rates = input<double>(learning_rate, "learning_rate", {trainer.optimizer.groups()});
    const double* own_momentum = momentum_of(trainer, momentum, 1);
    compute(trainer.own.network, [&] {
      check_not_swapped(trainer);
      trainer.training.update(trainer.optimizer, rates, own_momentum, penalty, settings);
    });
  });
}

double penalty(AnyTrainer& any) {
  return any.visit(
      [](auto& trainer) { return compute(trainer.own.network, [&] { return trainer.training.penalty(); }); });
}

void add_penalties(AnyTrainer& any) {
  any.visit([](auto& trainer) { compute(trainer.own.network, [&] { trainer.training.add_penalties(1); }); });
}

double gradients(AnyTrainer& any, py::array gradient, const py::object& x, const py::array& y,
                 const py::object& sample_weight) {
  return any.visit([&](auto& trainer) {
    using T = typename std::decay_t<decltype(trainer)>::Element;
    const Samples<T> samples = samples_of<T>(trainer, x, y, sample_weight);
    int_size(samples.count, "the number of rows");
    check_labels(samples, trainer.own.network.outputs());
    check_elements(samples, x, trainer.own.network.inputs());
    Network<T>& network = trainer.own.network;
    const py::ssize_t size = static_cast<py::ssize_t>(network.gradients().size());
    T* out = output<T>(gradient, "gradient", {size});
    return compute(network, [&] {
      const double loss = trainer.training.gradients(samples, trainer.optimizer.step_count + 1);
      std::copy_n(network.gradients().data(), size, out);  // before another thread's call fills the buffer anew
      return loss;
    });
  });
}

double evaluate(AnyTrainer& any, const py::object& outputs, const py::object& x, const py::array& y,
                const py::object& sample_weight) {
  return any.visit([&](auto& trainer) {
    using T = typename std::decay_t<decltype(trainer)>::Element;
    Network<T>& network = trainer.own.network;
    const Samples<T> samples = samples_of<T>(trainer, x, y, sample_weight);
    int_size(samples.count, "the number of rows");
    check_labels(samples, network.outputs());
    check_elements(samples, x, network.inputs());
    T* out = optional_output<T>(outputs, "outputs", {samples.count, network.outputs()});
    return compute(network, [&] { return trainer.evaluating.evaluate(out, samples); });
  });
}

py::dict state(py::object self) {
  return self.cast<AnyTrainer&>().visit([&](auto& trainer) {
    using T = typename std::decay_t<decltype(trainer)>::Element;
    py::dict views;
    for (auto& state : trainer.optimizer.states())
      views[py::str(state.name)] =
          py::array_t<T>({static_cast<py::ssize_t>(state.values.size())}, state.values.data(), self);
    return views;
  });
}

py::object average(py::object self) {
  return self.cast<AnyTrainer&>().visit([&](auto& trainer) -> py::object {
    using T = typename std::decay_t<decltype(trainer)>::Element;
    if (!trainer.optimizer.average.on()) return py::none();
    Buffer<T>& values = trainer.optimizer.average.values();
    return py::array_t<T>({static_cast<py::ssize_t>(values.size())}, values.data(), self);
  });
}

void swap_average(AnyTrainer& any) {
  any.visit([](auto& trainer) {
    if (!trainer.optimizer.average.on()) fail_value("this trainer keeps no average of weights");
    compute(trainer.own.network, [&] { trainer.optimizer.average.swap(); });
  });
}

}  // namespace

void bind_trainer(py::module_& module) {
  py::class_<AnyTrainer>(module, "Trainer")
      .def(py::init(&make_trainer), py::arg("network"), py::arg("loss").none(true), py::arg("loss_settings"),
           py::arg("optimizer"), py::arg("groups"), py::arg("group_of_layer"), py::arg("average").none(true))
      .def_property_readonly("state", state)
      .def_property_readonly("average", average)
      .def("swap_average", swap_average)
      .def_property(
          "step_count",
          [](AnyTrainer& any) {
            return any.visit([](auto& trainer) {
              return compute(trainer.own.network, [&] { return trainer.optimizer.step_count; });
            });
          },
          [](AnyTrainer& any, std::int64_t count) {
            if (count < 0 || count > std::int64_t{1} << 53)
              fail_value("step_count must be from 0 to 2^53, got " + std::to_string(count));
            any.visit(
                [&](auto& trainer) { compute(trainer.own.network, [&] { trainer.optimizer.step_count = count; }); });
          })
      .def("train", train, py::arg("losses"), py::arg("outputs").none(true), py::arg("x"), py::arg("y"),
           py::arg("sample_weight").none(true), py::arg("order"), py::arg("learning_rate"), py::arg("batch_size"),
           py::arg("accumulate") = 1, py::arg("clip_norm") = 0.0, py::arg("clip_value") = 0.0,
           py::arg("momentum").none(true) = py::none(), py::arg("penalty").none(true) = py::none())
      .def("update", update, py::arg("learning_rate"), py::arg("clip_norm") = 0.0, py::arg("clip_value") = 0.0,
           py::arg("momentum").none(true) = py::none(), py::arg("penalty") = 1.0)
      .def("penalty", penalty)
      .def("add_penalties", add_penalties)
      .def("gradients", gradients, py::arg("gradient"), py::arg("x"), py::arg("y"), py::arg("sample_weight").none(true))
      .def("evaluate", evaluate, py::arg("outputs").none(true), py::arg("x"), py::arg("y"),
           py::arg("sample_weight").none(true));
}

}  // namespace bpnative
