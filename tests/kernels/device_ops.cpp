#include "tests/kernels/device_ops.h"

#include <bit>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <map>
#include <tuple>

#include "kernels/plugin.h"
#include "libcore/precision/half.h"

namespace ballast {

namespace {

constexpr double kRoundoffOfBf16 = 0x1p-8;

double rounded(Dtype type, double value) {
  const auto single = static_cast<float>(value);
  if (type == Dtype::bf16) return static_cast<double>(bf16_to_float(float_to_bf16(single)));
  return type == Dtype::f64 ? value : static_cast<double>(single);
}

void put(char* to, Dtype type, double value) {
  switch (type) {
    case Dtype::f64:
      std::memcpy(to, &value, 8);
      return;
    case Dtype::i32: {
      const auto integer = static_cast<int32_t>(value);
      std::memcpy(to, &integer, 4);
      return;
    }
    case Dtype::bf16: {
      const uint16_t bits = float_to_bf16(static_cast<float>(value));
      std::memcpy(to, &bits, 2);
      return;
    }
    default: {
      const auto single = static_cast<float>(value);
      std::memcpy(to, &single, 4);
    }
  }
}

double get(const char* from, Dtype type) {
  switch (type) {
    case Dtype::f64: {
      double value;
      std::memcpy(&value, from, 8);
      return value;
    }
    case Dtype::i32: {
      int32_t value;
      std::memcpy(&value, from, 4);
      return value;
    }
    case Dtype::bf16: {
      uint16_t bits;
      std::memcpy(&bits, from, 2);
      return static_cast<double>(bf16_to_float(bits));
    }
    default: {
      float value;
      std::memcpy(&value, from, 4);
      return static_cast<double>(value);
    }
  }
}

struct Setting {
  int order;
  int fill;
};
using Configure = void (*)(int order, int fill);

Configure configure_emulation() {
  const Result<void*> symbol = load_plugin_symbol("emu", "ballast_emulation_configure");
  return symbol.ok() ? reinterpret_cast<Configure>(symbol.value()) : nullptr;
}

Backend& open(const DeviceCase& wanted) {
  static std::map<std::tuple<std::string, Dtype, std::string>, std::unique_ptr<Backend>> opened;
  std::unique_ptr<Backend>& entry = opened[{wanted.device, wanted.type, wanted.attention}];
  if (entry == nullptr) {
    if (!wanted.attention.empty()) ::setenv("BALLAST_ATTENTION", wanted.attention.c_str(), 1);
    Result<std::unique_ptr<Backend>> backend =
        open_backend(wanted.device, {.threads = 2, .compute = wanted.type});
    if (!wanted.attention.empty()) ::unsetenv("BALLAST_ATTENTION");
    if (!backend.ok()) {
      ADD_FAILURE() << backend.error().message();
      std::abort();
    }
    entry = backend.take_value();
  }
  return *entry;
}

}  // namespace

std::vector<DeviceCase> device_cases() {
  ::setenv("BALLAST_PLUGIN_DIR", BALLAST_PLUGIN_DIR, 0);
  std::vector<DeviceCase> cases;
  for (const char* device : {"emu", "cuda"}) {
    for (const Dtype type : {Dtype::f32, Dtype::bf16}) cases.push_back({device, type, ""});
  }
  return cases;
}

std::vector<DeviceCase> attention_cases(const std::string& attention) {
  std::vector<DeviceCase> cases = device_cases();
  // Only bf16 has another kind.
  if (attention == "hopper")
    std::erase_if(cases, [](const DeviceCase& c) { return c.type != Dtype::bf16; });
  for (DeviceCase& c : cases) c.attention = attention;
  return cases;
}

std::string name_of(const testing::TestParamInfo<DeviceCase>& info) {
  return info.param.device + (info.param.type == Dtype::bf16 ? "_bf16" : "_f32");
}

OpValues::OpValues(Backend& backend, Dtype type, Rows layout, int64_t rows, int64_t cols)
    : backend_(&backend), wanted_(static_cast<size_t>(rows * cols), std::nan("")) {
  const int64_t size = bytes_of(type), lanes = 16 / size;
  const int64_t stride = layout == Rows::whole ? (cols + lanes - 1) / lanes * lanes + lanes
                                               : cols + (cols % 2 == 0 ? 3 : 2);
  lead_ = layout == Rows::whole ? 0 : size;
  bytes_ = lead_ + ((rows - 1) * stride + cols) * size;
  memory_ = backend.allocate(bytes_, false);
  tensor_ = {static_cast<char*>(memory_) + lead_, type, rows, cols, stride};
  if (type == Dtype::i32) std::fill(wanted_.begin(), wanted_.end(), 0);
  fill([](int64_t) { return std::nan(""); });
}

OpValues::~OpValues() {
  if (memory_ != nullptr) backend_->release(memory_);
}

OpValues::OpValues(OpValues&& other) noexcept
    : backend_(other.backend_),
      tensor_(other.tensor_),
      memory_(std::exchange(other.memory_, nullptr)),
      bytes_(other.bytes_),
      lead_(other.lead_),
      wanted_(std::move(other.wanted_)) {}

void OpValues::fill(const std::function<double(int64_t)>& value_at) {
  std::vector<char> host(static_cast<size_t>(bytes_));
  const int64_t size = bytes_of(type());
  for (int64_t at = lead_; at + size <= bytes_; at += size) {
    if (type() != Dtype::i32) put(host.data() + at, type(), std::nan(""));
  }
  for (int64_t i = 0; i < rows() * cols(); ++i) {
    const double value = type() == Dtype::i32 && std::isnan(value_at(i)) ? 0 : value_at(i);
    wanted_[static_cast<size_t>(i)] = type() == Dtype::i32 ? value : rounded(type(), value);
    put(host.data() + lead_ + (i / cols() * tensor_.stride + i % cols()) * size, type(), value);
  }
  backend_->copy_in(memory_, host.data(), bytes_, StreamId::compute);
  backend_->synchronize(backend_->record(StreamId::compute));
}

std::vector<double> OpValues::download() const {
  std::vector<char> host(static_cast<size_t>(bytes_));
  backend_->copy_out(host.data(), memory_, bytes_, StreamId::compute);
  backend_->synchronize(backend_->record(StreamId::compute));
  std::vector<double> values(wanted_.size());
  for (int64_t i = 0; i < rows() * cols(); ++i) {
    values[static_cast<size_t>(i)] =
        get(host.data() + lead_ + (i / cols() * tensor_.stride + i % cols()) * bytes_of(type()),
            type());
  }
  return values;
}

const std::vector<DeviceOps::Shape>& DeviceOps::shapes() {
  static const std::vector<Shape> list{{1, 1},   {3, 5},    {2, 16},   {7, 17},
                                       {65, 31}, {40, 384}, {5, 1024}, {300, 40}};
  return list;
}

void DeviceOps::SetUp() {
  const std::string& device = GetParam().device;
  if (!plugin_present(device)) GTEST_SKIP() << "this build has no " << device << " backend";
  if (device == "cuda" && !std::filesystem::exists("/dev/nvidiactl")) {
    GTEST_SKIP() << "no CUDA device on this machine";
  }
  if (device == "cuda" && GetParam().attention == "hopper" &&
      open({device, Dtype::bf16, ""}).description().find("sm_90") == std::string::npos) {
    GTEST_SKIP() << "this device has not compute capability 9.0";
  }
}

Backend& DeviceOps::device() { return open(GetParam()); }
Backend& DeviceOps::device(const std::string& attention) {
  return open({GetParam().device, GetParam().type, attention});
}

OpValues DeviceOps::random_of(Dtype type, int64_t rows, int64_t cols, uint64_t seed,
                              double deviation) {
  OpValues values = empty(rows, cols, type);
  values.fill(
      [&](int64_t i) { return deviation * random_normal(seed, 1, static_cast<uint64_t>(i)); });
  return values;
}

OpValues DeviceOps::constant(Dtype type, int64_t rows, int64_t cols, double value) {
  OpValues values = empty(rows, cols, type);
  values.fill([&](int64_t) { return value; });
  return values;
}

OpValues DeviceOps::integers(const Integers& values) {
  OpValues on_device(device(), Dtype::i32, Rows::whole, values.rows, values.cols);
  on_device.fill([&](int64_t i) { return values.data[static_cast<size_t>(i)]; });
  return on_device;
}

void DeviceOps::everywhere(const std::function<void()>& body) {
  constexpr Setting kSettings[] = {{0, 0xff}, {1, 0x7b}, {2, 0xff}};
  const bool emulated = GetParam().device == "emu";
  const Configure configure = emulated ? configure_emulation() : nullptr;
  std::vector<std::vector<double>> first;
  for (const Setting& setting : kSettings) {
    if (!emulated && &setting != &kSettings[0]) break;
    if (configure != nullptr) configure(setting.order, setting.fill);
    std::vector<std::vector<double>> log;
    log_ = &log;
    for (const Rows layout : {Rows::whole, Rows::odd}) {
      layout_ = layout;
      body();
    }
    log_ = nullptr;
    if (first.empty())
      first = std::move(log);
    else
      EXPECT_TRUE(first.size() == log.size());
    for (size_t i = 0; i < log.size() && i < first.size(); ++i) {
      const bool same = first[i].size() == log[i].size() &&
                        std::memcmp(first[i].data(), log[i].data(), log[i].size() * 8) == 0;
      EXPECT_TRUE(same) << "result " << i
                        << " depends on the order of lanes or on unwritten memory";
    }
    if (HasFailure()) break;
  }
  if (configure != nullptr) configure(0, 0xff);
}

void DeviceOps::check(const OpValues& values, int64_t n, double roundings, double floor) {
  const std::vector<double> got = values.download();
  if (log_ != nullptr) log_->push_back(got);
  double difference = 0, norm = 0, worst = 0, top = floor;
  for (size_t i = 0; i < got.size(); ++i) {
    const double wanted = values.wanted()[i];
    if (!std::isfinite(wanted) || !std::isfinite(got[i])) {
      ASSERT_TRUE(std::isnan(wanted) ? std::isnan(got[i]) : got[i] == wanted)
          << "element " << i << " is " << got[i] << " instead of " << wanted;
      continue;
    }
    difference += (got[i] - wanted) * (got[i] - wanted);
    norm += std::max(wanted * wanted, floor * floor);
    worst = std::max(worst, std::abs(got[i] - wanted));
    top = std::max(top, std::abs(wanted));
  }
  const double bound = 8 * kUnitRoundoff * std::sqrt(static_cast<double>(n)) +
                       (values.type() == Dtype::bf16 ? roundings * kRoundoffOfBf16 : 0);
  EXPECT_LE(std::sqrt(difference), bound * std::sqrt(norm)) << "bound " << bound;
  EXPECT_LE(worst, bound * top) << "bound " << bound << ", largest " << top;
}

}  // namespace ballast
