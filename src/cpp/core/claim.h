// The tasks of one worker in one phase, as one 64-bit word: | generation of the phase : 32 | begin : 16 | end : 16 |.
// Claiming is a compare-and-swap on the whole word, so a worker that wakes late from an old phase cannot take a task of
// a new one by mistake: the generation differs and it finds nothing. Whoever did claim a task keeps its phase alive
// until that task is reported finished, and may rely on everything that the phase's caller published before it.
#ifndef BPNATIVE_CORE_CLAIM_H_
#define BPNATIVE_CORE_CLAIM_H_

#include <atomic>
#include <cstdint>

namespace bpnative {

class ClaimWord {
 public:
  static constexpr int kMaxEnd = 0xFFFF;

  void publish(std::uint32_t generation, int begin, int end) {
    word_.store(pack(generation, begin, end), std::memory_order_release);
  }

  std::uint32_t generation() const { return static_cast<std::uint32_t>(word_.load(std::memory_order_acquire) >> 32); }

  // The owner takes from the front, thieves from the back: they meet only at the last task. -1: nothing left.
  int claim_front(std::uint32_t generation) { return claim<true>(generation); }
  int claim_back(std::uint32_t generation) { return claim<false>(generation); }

 private:
  static std::uint64_t pack(std::uint32_t generation, int begin, int end) {
    return static_cast<std::uint64_t>(generation) << 32 | static_cast<std::uint64_t>(begin) << 16 |
           static_cast<std::uint64_t>(end);
  }

  template <bool kFront>
  int claim(std::uint32_t generation) {
    std::uint64_t word = word_.load(std::memory_order_acquire);
    for (;;) {
      const int begin = static_cast<int>(word >> 16 & kMaxEnd), end = static_cast<int>(word & kMaxEnd);
      if (static_cast<std::uint32_t>(word >> 32) != generation || begin >= end) return -1;
      const std::uint64_t rest = kFront ? pack(generation, begin + 1, end) : pack(generation, begin, end - 1);
      if (word_.compare_exchange_weak(word, rest, std::memory_order_acq_rel, std::memory_order_acquire)) {
        return kFront ? begin : end - 1;
      }
    }
  }

  std::atomic<std::uint64_t> word_{0};
};

}  // namespace bpnative

#endif  // BPNATIVE_CORE_CLAIM_H_
