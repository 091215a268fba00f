// What tests of the pool have in common.
#ifndef BPNATIVE_TESTS_CPP_DAWDLE_H_
#define BPNATIVE_TESTS_CPP_DAWDLE_H_

#include <chrono>
#include <thread>

#if defined(__SANITIZE_THREAD__)
constexpr int kScale = 1;
constexpr bool kThreadSanitizer = true;
#else
constexpr int kScale = 10;
constexpr bool kThreadSanitizer = false;
#endif

// Work of uneven length, now and then with the core given away in the midst of it: that mixes the workers up.
inline void dawdle(int seed) {
  const unsigned mixed = static_cast<unsigned>(seed) * 2654435761u >> 20;
  if (mixed % 64 == 0) std::this_thread::yield();
  if (mixed % 512 == 0) std::this_thread::sleep_for(std::chrono::microseconds(50));
  for (volatile unsigned i = 0; i < mixed % 256; i = i + 1) {
  }
}

#endif  // BPNATIVE_TESTS_CPP_DAWDLE_H_
