// A network of either element type behind one Python object, with the engines that serve predict and forward/backward.
// Shared by bind_network.cpp and bind_trainer.cpp.
#ifndef BPNATIVE_BINDINGS_ANY_NETWORK_H_
#define BPNATIVE_BINDINGS_ANY_NETWORK_H_

#include <memory>
#include <variant>

#include "bindings/arrays.h"
#include "bindings/unlocked.h"
#include "core/fp_mode.h"
#include "train/engine.h"

namespace bpnative {

template <class T>
struct NetworkOf {
  using Element = T;
  Network<T> network;
  Engine<T> predicting, keeping;

  NetworkOf(int inputs, const std::vector<LayerSettings>& layers)
      : network(inputs, layers), predicting(network, {}), keeping(network, {}) {}
};

struct AnyNetwork {
  std::variant<std::unique_ptr<NetworkOf<float>>, std::unique_ptr<NetworkOf<double>>> of;

  template <class F>
  decltype(auto) visit(F&& f) {
    return std::visit([&](auto& network) -> decltype(auto) { return f(*network); }, of);
  }
};

// Without the interpreter's lock, alone on the network, subnormals flushed: how every computation is called. The lock
// of the interpreter goes first, so that nobody who waits for the network holds it.
template <class T, class F>
decltype(auto) compute(Network<T>& network, F&& f) {
  const Unlocked unlocked;
  const std::lock_guard<Turn> alone(network.turn());
  const FlushToZero flush;
  return f();
}

}  // namespace bpnative

#endif  // BPNATIVE_BINDINGS_ANY_NETWORK_H_
