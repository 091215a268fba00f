// Small things that every room uses: the two element types, rounding, and aligned zeroed memory.
#ifndef BPNATIVE_CORE_TYPES_H_
#define BPNATIVE_CORE_TYPES_H_

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <memory>

#include "core/error.h"

namespace bpnative {

constexpr std::size_t kAlignment = 64;

template <class N>
constexpr N round_up(N value, N multiple) {
  return (value + multiple - 1) / multiple * multiple;
}
template <class N>
constexpr N divide_up(N value, N by) {
  return (value + by - 1) / by;
}

// A flat array, aligned to a cache line and zeroed. One allocation for its whole life.
template <class T>
class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(std::size_t size) : size_(size) {
    if (size > (std::numeric_limits<std::size_t>::max() - kAlignment) / sizeof(T)) fail_memory(size, sizeof(T));
    const std::size_t bytes = round_up(size * sizeof(T), kAlignment);
    data_.reset(static_cast<T*>(std::aligned_alloc(kAlignment, bytes > 0 ? bytes : kAlignment)));
    if (!data_) fail_memory(size, sizeof(T));
    std::uninitialized_fill_n(data_.get(), size, T{});
  }

  T* data() { return data_.get(); }
  const T* data() const { return data_.get(); }
  std::size_t size() const { return size_; }
  T& operator[](std::size_t i) { return data_[i]; }
  const T& operator[](std::size_t i) const { return data_[i]; }

 private:
  struct Free {
    void operator()(T* p) const { std::free(p); }
  };
  std::unique_ptr<T[], Free> data_;
  std::size_t size_ = 0;
};

}  // namespace bpnative

#endif  // BPNATIVE_CORE_TYPES_H_
