// The one place that throws. Messages say what was given, what was expected and what to do.
#ifndef BPNATIVE_CORE_ERROR_H_
#define BPNATIVE_CORE_ERROR_H_

#include <cstddef>
#include <stdexcept>
#include <string>
#include <vector>

namespace bpnative {

// Becomes Python's TypeError, as std::invalid_argument becomes ValueError: the bindings translate.
class TypeError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

[[noreturn]] void fail_value(const std::string& message);
[[noreturn]] void fail_type(const std::string& message);
// Becomes MemoryError: cannot allocate 4,000,000 bytes.
[[noreturn]] void fail_memory(std::size_t elements, std::size_t element_bytes);

// a * b and a + b, or a ValueError which says that `what` (for example "number of parameters") is too large.
std::size_t checked_multiply(std::size_t a, std::size_t b, const char* what);
std::size_t checked_add(std::size_t a, std::size_t b, const char* what);

// The known name that `given` was most likely meant to be, or "" when none is near.
std::string nearest_name(const std::string& given, const std::vector<std::string>& known);

// ValueError: unknown activation 'rleu': expected one of relu, tanh; did you mean 'relu'?
[[noreturn]] void fail_unknown(const char* what, const std::string& given, const std::vector<std::string>& known);

std::string join(const std::vector<std::string>& names);

}  // namespace bpnative

#endif  // BPNATIVE_CORE_ERROR_H_
