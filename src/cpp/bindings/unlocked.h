// Gives the interpreter's lock away for the time of a native call.
#ifndef BPNATIVE_BINDINGS_UNLOCKED_H_
#define BPNATIVE_BINDINGS_UNLOCKED_H_

#include <pybind11/pybind11.h>
#include <unistd.h>

namespace bpnative {

// As pybind11::gil_scoped_release, but a daemon thread that comes back when the interpreter is already ending is
// harmless: up to version 3.13 CPython then ends the thread by unwinding its stack, which kills the process at the
// first destructor, or runs destructors of Python objects without the lock. Such a thread waits here for the end
// instead, as 3.14 has it.
class Unlocked {
 public:
  Unlocked() : state_(PyEval_SaveThread()) {}
  ~Unlocked() {
    try {
      PyEval_RestoreThread(state_);
    } catch (...) {
      for (;;) pause();
    }
  }
  Unlocked(const Unlocked&) = delete;
  Unlocked& operator=(const Unlocked&) = delete;

 private:
  PyThreadState* state_;
};

}  // namespace bpnative

#endif  // BPNATIVE_BINDINGS_UNLOCKED_H_
