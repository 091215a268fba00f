// Normalize:  y = (x - mean) scale, dx = dz scale; mean and scale are statistics, which Python fits to the data.
// Embedding:  y = [numeric columns, table_1[code_1], table_2[code_2], ...]; the gradient of a row of a table is the sum
//             of dz over the samples with its code, in the order of the samples; codes have no gradient: dx = 0.
// Called by train/engine.
#include "nn/inputs.h"

#include <algorithm>

#include "nn/pass.h"

namespace bpnative {
namespace {

// Python has checked the codes; whatever else comes here (padding, NaN) reads the first row instead of foreign memory.
template <class T>
int code_of(T x, int codes) {
  return x >= 0 && x < static_cast<T>(codes) ? static_cast<int>(x) : 0;
}

}  // namespace

template <class T>
std::vector<TensorShape> Normalize<T>::statistics() const {
  const std::size_t size = this->inputs();
  return {{"mean", {size}}, {"scale", {size}}};
}
template <class T>
void Normalize<T>::forward(const SliceCall<T>& call) const {
  call.kernels->slices.affine(call.y, call.x, call.statistics, call.statistics + this->inputs(), nullptr,
                              this->inputs(), call.width, call.stride);
}
template <class T>
void Normalize<T>::backward(const SliceCall<T>& call) const {
  call.kernels->slices.affine(call.dx, call.dz, nullptr, call.statistics + this->inputs(), nullptr, this->inputs(),
                              call.width, call.stride);
  apply_derivative(call, call.dx, this->inputs());
}

template <class T>
int Embedding<T>::outputs_of(int inputs, const std::vector<Table>& tables) {
  std::int64_t outputs = inputs;
  for (const Table& table : tables) outputs += table.size - 1;
  return static_cast<int>(std::min<std::int64_t>(outputs, kMostFeatures + std::int64_t{1}));
}

template <class T>
Embedding<T>::Embedding(int inputs, std::vector<Table> tables)
    : Layer<T>(inputs, outputs_of(inputs, tables)), tables_(std::move(tables)) {
  std::vector<bool> coded(inputs, false);
  first_rows_.push_back(0);
  offsets_.push_back(0);
  for (const Table& table : tables_) {
    coded[table.column] = true;
    first_rows_.push_back(first_rows_.back() + table.codes);
    offsets_.push_back(offsets_.back() + static_cast<std::size_t>(table.codes) * table.size);
    largest_ = std::max(largest_, table.size);
  }
  for (int i = 0; i < inputs; ++i)
    if (!coded[i]) numeric_.push_back(i);
}

template <class T>
std::vector<TensorShape> Embedding<T>::tensors() const {
  std::vector<TensorShape> list;
  for (const Table& table : tables_)
    list.push_back({"table_" + std::to_string(table.column),
                    {static_cast<std::size_t>(table.codes), static_cast<std::size_t>(table.size)}});
  return list;
}

template <class T>
std::size_t Embedding<T>::offset(int row) const {
  const std::size_t table = std::upper_bound(first_rows_.begin(), first_rows_.end() - 1, row) - first_rows_.begin() - 1;
  return offsets_[table] + static_cast<std::size_t>(row - first_rows_[table]) * tables_[table].size;
}
template <class T>
Ranges Embedding<T>::ranges(int first, int rows) const {
  const std::size_t end = first + rows == gradient_rows() ? offsets_.back() : offset(first + rows);
  return {{{offset(first), end - offset(first)}, {}}};
}

template <class T>
void Embedding<T>::forward(const SliceCall<T>& call) const {
  T* y = call.y;
  for (const int column : numeric_) {
    std::copy_n(call.x + static_cast<std::ptrdiff_t>(column) * call.stride, call.width, y);
    y += call.stride;
  }
  for (std::size_t t = 0; t < tables_.size(); ++t) {
    const Table& table = tables_[t];
    const T* codes = call.x + static_cast<std::ptrdiff_t>(table.column) * call.stride;
    for (int i = 0; i < call.width; ++i) {
      const T* row =
          call.parameters + offsets_[t] + static_cast<std::size_t>(code_of(codes[i], table.codes)) * table.size;
      for (int j = 0; j < table.size; ++j) y[static_cast<std::ptrdiff_t>(j) * call.stride + i] = row[j];
    }
    y += static_cast<std::ptrdiff_t>(table.size) * call.stride;
  }
}

template <class T>
void Embedding<T>::backward(const SliceCall<T>& call) const {
  for (int i = 0; i < this->inputs(); ++i)
    std::fill_n(call.dx + static_cast<std::ptrdiff_t>(i) * call.stride, call.width, T(0));
  const T* dz = call.dz;
  for (const int column : numeric_) {
    std::copy_n(dz, call.width, call.dx + static_cast<std::ptrdiff_t>(column) * call.stride);
    dz += call.stride;
  }
  apply_derivative(call, call.dx, this->inputs());
}

template <class T>
void Embedding<T>::gradient(const RowsCall<T>& call) const {
  const Ranges own = ranges(call.first, call.rows);
  std::fill_n(call.gradient[0], own.of[0].size, T(0));
  const int panel = call.kernels->panel;
  std::ptrdiff_t output = static_cast<std::ptrdiff_t>(numeric_.size());
  for (std::size_t t = 0; t < tables_.size(); output += tables_[t].size, ++t) {
    const Table& table = tables_[t];
    const int from = std::max(call.first, first_rows_[t]), to = std::min(call.first + call.rows, first_rows_[t + 1]);
    if (from >= to) continue;
    const T* codes = call.x_panels + table.column / panel * call.panel_size + table.column % panel;
    for (int b = 0; b < call.count; ++b) {
      const int row = first_rows_[t] + code_of(codes[static_cast<std::ptrdiff_t>(b) * panel], table.codes);
      if (row < from || row >= to) continue;
      T* sum = call.gradient[0] + offset(row) - own.of[0].offset;
      const T* dz = call.dz + b / call.stride * call.dz_slice + output * call.stride + b % call.stride;
      for (int j = 0; j < table.size; ++j) sum[j] += dz[static_cast<std::ptrdiff_t>(j) * call.stride];
    }
  }
}

template class Normalize<float>;
template class Normalize<double>;
template class Embedding<float>;
template class Embedding<double>;

}  // namespace bpnative
