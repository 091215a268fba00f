#include "core/error.h"

#include <algorithm>
#include <limits>
#include <new>
#include <utility>

namespace bpnative {
namespace {

// Insertions, deletions and replacements that turn a into b.
std::size_t edit_distance(const std::string& a, const std::string& b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i - 1] != b[j - 1] ? 1 : 0);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, replaced});
    }
  }
  return row[b.size()];
}

[[noreturn]] void fail_size(const char* what, std::size_t a, char sign, std::size_t b) {
  fail_value(std::string(what) + " is too large for this machine: " + std::to_string(a) + " " + sign + " " +
             std::to_string(b) + "; use smaller sizes");
}

class OutOfMemory : public std::bad_alloc {
 public:
  explicit OutOfMemory(std::string message) : message_(std::move(message)) {}
  const char* what() const noexcept override { return message_.c_str(); }

 private:
  std::string message_;
};

}  // namespace

void fail_memory(std::size_t elements, std::size_t element_bytes) {
  throw OutOfMemory("cannot allocate " + std::to_string(elements) + " numbers of " + std::to_string(element_bytes) +
                    " bytes: use a smaller network or batch");
}

void fail_value(const std::string& message) { throw std::invalid_argument(message); }
void fail_type(const std::string& message) { throw TypeError(message); }

std::size_t checked_multiply(std::size_t a, std::size_t b, const char* what) {
  if (b != 0 && a > std::numeric_limits<std::size_t>::max() / b) fail_size(what, a, '*', b);
  return a * b;
}

std::size_t checked_add(std::size_t a, std::size_t b, const char* what) {
  if (a > std::numeric_limits<std::size_t>::max() - b) fail_size(what, a, '+', b);
  return a + b;
}

std::string nearest_name(const std::string& given, const std::vector<std::string>& known) {
  std::string nearest;
  // Farther than half of what was typed is a guess that helps nobody. The limit also bounds the work.
  if (given.size() > 64) return nearest;
  std::size_t best = given.size() / 2 + 1;
  for (const std::string& name : known) {
    const std::size_t distance = edit_distance(given, name);
    if (distance < best) {
      best = distance;
      nearest = name;
    }
  }
  return nearest;
}

std::string join(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

void fail_unknown(const char* what, const std::string& given, const std::vector<std::string>& known) {
  const std::string nearest = nearest_name(given, known);
  fail_value(std::string("unknown ") + what + " '" + given + "': expected one of " + join(known) +
             (nearest.empty() ? std::string() : "; did you mean '" + nearest + "'?"));
}

}  // namespace bpnative
