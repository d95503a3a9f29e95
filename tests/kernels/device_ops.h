// Tests of the CUDA kernels, the same in the host emulation and on a GPU: every body runs with f32
// and with bf16 activations, under every lane order and fill pattern that the emulation knows (once
// on a GPU), compares with kernels/ref in double, and must give the same bits each time.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "kernels/open_backend.h"
#include "kernels/ref/matrix.h"
#include "tests/kernels/values.h"

namespace ballast {

struct DeviceCase {
  std::string device;
  Dtype type;             // of activations
  std::string attention;  // BALLAST_ATTENTION; "": as the backend chooses
};
// "cuda bf16": gtest would print bytes, pointers among them.
inline void PrintTo(const DeviceCase& c, std::ostream* out) {
  *out << c.device << (c.type == Dtype::bf16 ? " bf16" : " f32");
}
// emu and cuda, each with f32 and bf16. A test of what this build or machine has not got is skipped
// with the reason.
std::vector<DeviceCase> device_cases();
// Those with kernels of that kind for attention.
std::vector<DeviceCase> attention_cases(const std::string& attention);
std::string name_of(const testing::TestParamInfo<DeviceCase>& info);

// How rows lie in memory: `whole`: they begin at 16 bytes, with a gap of one vector; `odd`: neither
// the first row nor any other does, so vectors do not fit.
enum class Rows : uint8_t { whole, odd };

// A matrix on the device and, as doubles, what the reference computes with. Values are exact in
// `type`. The allocation ends with the last element; gaps hold NaN.
class OpValues {
 public:
  OpValues(Backend& backend, Dtype type, Rows layout, int64_t rows, int64_t cols);
  ~OpValues();
  OpValues(OpValues&& other) noexcept;
  OpValues(const OpValues&) = delete;
  OpValues& operator=(const OpValues&) = delete;

  void fill(const std::function<double(int64_t)>& value_at);  // by row * cols + column
  Tensor tensor() const { return tensor_; }
  ref::Matrix<double> matrix() { return {wanted_.data(), rows(), cols(), cols()}; }
  int64_t rows() const { return tensor_.rows; }
  int64_t cols() const { return tensor_.cols; }
  Dtype type() const { return tensor_.dtype; }
  // What the device holds now.
  std::vector<double> download() const;
  const std::vector<double>& wanted() const { return wanted_; }

 private:
  Backend* backend_;
  Tensor tensor_;
  void* memory_;
  int64_t bytes_, lead_;  // of the allocation; before element 0
  std::vector<double> wanted_;
};

class DeviceOps : public testing::TestWithParam<DeviceCase> {
 protected:
  struct Shape {
    int64_t rows, cols;
  };
  // One element, odd ones, and ones around vectors, warps and blocks.
  static const std::vector<Shape>& shapes();

  void SetUp() override;
  Backend& device();
  Backend& device(const std::string& attention);  // the same with other attention kernels
  Rows layout() const { return layout_; }
  Dtype type() const { return GetParam().type; }

  // Runs `body` under every order, fill and layout.
  void everywhere(const std::function<void()>& body);

  // f32 or, without a type, activations. NaN until written.
  OpValues empty(int64_t rows, int64_t cols) { return {device(), type(), layout_, rows, cols}; }
  OpValues empty(int64_t rows, int64_t cols, Dtype t) { return {device(), t, layout_, rows, cols}; }
  OpValues random(int64_t rows, int64_t cols, uint64_t seed, double deviation = 1) {
    return random_of(type(), rows, cols, seed, deviation);
  }
  OpValues random_of(Dtype type, int64_t rows, int64_t cols, uint64_t seed, double deviation = 1);
  OpValues constant(Dtype type, int64_t rows, int64_t cols, double value);
  OpValues integers(const Integers& values);

  // The device's result against the reference's. An element of bf16 may be off by `roundings` unit
  // roundoffs of bf16 (2^-8 each; 1: only the result was rounded), and any by 8 unit roundoffs of
  // f32 times sqrt(n), n being the longest sum behind an element; both of the largest element, of
  // the norm, or of `floor` where terms of that size cancel.
  void check(const OpValues& values, int64_t n, double roundings = 1, double floor = 0);

 private:
  std::vector<std::vector<double>>* log_ = nullptr;
  Rows layout_ = Rows::whole;
};

}  // namespace ballast
