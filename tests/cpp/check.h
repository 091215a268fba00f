// The least that a C++ test needs: CHECK counts and prints failures, report() makes them the exit code.
#ifndef BPNATIVE_TESTS_CPP_CHECK_H_
#define BPNATIVE_TESTS_CPP_CHECK_H_

#include <atomic>
#include <cstdio>
#include <string>

inline std::atomic<int> failed_checks{0};

#define CHECK(condition)                                                             \
  do {                                                                               \
    if (!(condition)) {                                                              \
      failed_checks.fetch_add(1);                                                    \
      std::fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #condition); \
    }                                                                                \
  } while (false)

// Runs the expression and gives the message of the `Error` that it throws; "" (and a failure) when it throws none.
#define MESSAGE_OF(Error, expression)      \
  [&]() -> std::string {                   \
    try {                                  \
      (void)(expression);                  \
    } catch (const Error& error) {         \
      return error.what();                 \
    }                                      \
    CHECK(!#expression " throws " #Error); \
    return "";                             \
  }()

inline bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

inline int report() {
  if (failed_checks == 0) return 0;
  std::fprintf(stderr, "%d checks failed\n", failed_checks.load());
  return 1;
}

#endif  // BPNATIVE_TESTS_CPP_CHECK_H_
