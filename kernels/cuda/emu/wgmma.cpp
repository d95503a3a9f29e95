#include "kernels/cuda/emu/wgmma.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>

namespace ballast::emu {

namespace {

constexpr int kWarpsOfGroup = 4, kRows = 16, kInner = 16;
constexpr uint32_t kPoison = 0x7fdadbad;  // a NaN that no instruction makes
constexpr uint32_t kPattern = 1024;       // bytes until the swizzle repeats
constexpr uint32_t kRowBytes = 128, kChunkBytes = 16;

// PTX ISA, "Matrix Descriptor Format".
struct Descriptor {
  uint32_t start, leading, stride;
  explicit Descriptor(uint64_t bits)
      : start(field(bits, 0)), leading(field(bits, 16)), stride(field(bits, 32)) {
    if (bits >> 62 != 1) fail("a matrix descriptor with another swizzle than of 128 bytes");
    if ((bits >> 49 & 7) != 0 || start % kPattern >= kRowBytes) {
      fail("a matrix whose swizzle does not begin at a multiple of 1024 bytes");
    }
    if (stride % kPattern != 0) fail("a matrix descriptor's stride that breaks the swizzle");
  }
  static uint32_t field(uint64_t bits, int from) {
    return static_cast<uint32_t>(bits >> from & 0x3fff) << 4;
  }
};

// The eight elements at `address` of the unswizzled layout.
const uint16_t* chunk(uint32_t address) {
  return static_cast<const uint16_t*>(window_pointer(swizzle_128(address), kChunkBytes));
}
float float_of(uint16_t bits) { return std::bit_cast<float>(uint32_t{bits} << 16); }

// at[row][k] of `count` rows from `first`, each with its k side by side.
void read_rows(float (*at)[kInner], const Descriptor& from, int first, int count) {
  for (int r = 0; r < count; ++r) {
    const auto row = static_cast<uint32_t>(first + r);
    for (uint32_t k = 0; k < kInner; k += 8) {
      const uint16_t* values =
          chunk(from.start + row / 8 * from.stride + row % 8 * kRowBytes + k * 2);
      for (uint32_t i = 0; i < 8; ++i) at[r][k + i] = float_of(values[i]);
    }
  }
}
// The same of a matrix whose rows of 64 elements stand side by side for each k.
void read_columns(float (*at)[kInner], const Descriptor& from, int count) {
  if (count > 64 && from.leading % kPattern != 0) {
    fail("a matrix descriptor's leading offset that breaks the swizzle");
  }
  for (uint32_t k = 0; k < kInner; ++k) {
    for (uint32_t r = 0; r < static_cast<uint32_t>(count); r += 8) {
      const uint16_t* values = chunk(from.start + r / 64 * from.leading + r % 64 * 2 +
                                     k / 8 * from.stride + k % 8 * kRowBytes);
      for (uint32_t i = 0; i < 8; ++i) at[r + i][k] = float_of(values[i]);
    }
  }
}

bool covers(const std::vector<Registers>& list, const void* begin, size_t bytes) {
  const auto at = reinterpret_cast<uintptr_t>(begin);
  return std::any_of(list.begin(), list.end(), [&](const Registers& r) {
    const auto from = reinterpret_cast<uintptr_t>(r.begin);
    return from <= at && at + bytes <= from + r.bytes;
  });
}

}  // namespace

void Products::fence(int thread, std::span<const Registers> written) {
  Lane& lane = lanes_[static_cast<size_t>(thread)];
  lane.fenced.insert(lane.fenced.end(), written.begin(), written.end());
}
void Products::name(int thread, std::span<const Registers> named) {
  lanes_[static_cast<size_t>(thread)].named.assign(named.begin(), named.end());
}

void Products::note(int warp, uint64_t what) {
  Warp& w = warps_[static_cast<size_t>(warp)];
  w.history = (w.history ^ what) * 0x9e3779b97f4a7c15 + 1;
}

// What a lane's registers are when the instruction is issued.
void Products::start(int warp, int l, Product& product) {
  const Wgmma& mine = product.of_lane[l];
  Lane& lane = lane_of(warp, l);
  if (mine.a != nullptr) {
    if (!covers(lane.fenced, mine.a, sizeof(Operand))) {
      fail("wgmma of registers that no wgmma.fence names since the last wait");
    }
    std::memcpy(product.a[l].data(), mine.a, sizeof(Operand));
  }
  const auto count = static_cast<size_t>(mine.cols) / 2;
  const auto found = lane.values.find(mine.d);
  if (found != lane.values.end()) {
    if (found->second.size() != count) fail("wgmma of another shape on sums in flight");
    return;
  }
  if (!covers(lane.fenced, mine.d, count * sizeof(float))) {
    fail("wgmma into sums that no wgmma.fence names since the last wait");
  }
  lane.values[mine.d].assign(mine.d, mine.d + count);
  std::fill_n(mine.d, count, std::bit_cast<float>(kPoison));
}

void Products::issue(int warp, const unsigned char* slots) {
  Warp& w = warps_[static_cast<size_t>(warp)];
  Product product{};
  for (int l = 0; l < kWarp; ++l) {
    std::memcpy(&product.of_lane[l], slots + static_cast<size_t>(l) * kMeetingBytes, sizeof(Wgmma));
    const Wgmma &mine = product.of_lane[l], &first = product.of_lane[0];
    if (mine.a_descriptor != first.a_descriptor || mine.b_descriptor != first.b_descriptor ||
        mine.cols != first.cols || mine.add != first.add ||
        mine.b_by_columns != first.b_by_columns || (mine.a == nullptr) != (first.a == nullptr)) {
      fail("lanes of a warp issue different matrix instructions");
    }
    start(warp, l, product);
  }
  const Wgmma& first = product.of_lane[0];
  note(warp, first.a_descriptor);
  note(warp, first.b_descriptor);
  note(warp, static_cast<uint64_t>(first.cols) * 8 + (first.add ? 4 : 0) +
                 (first.b_by_columns ? 2 : 0) + (first.a == nullptr ? 1 : 0));
  w.open.push_back(product);
}

void Products::commit(int warp) {
  Warp& w = warps_[static_cast<size_t>(warp)];
  w.groups.push_back(std::move(w.open));
  w.open.clear();
}

void Products::run(int warp, const Product& product) {
  const Wgmma& all = product.of_lane[0];
  float a[kRows][kInner], b[256][kInner];
  if (all.a == nullptr) {
    read_rows(a, Descriptor(all.a_descriptor), warp % kWarpsOfGroup * kRows, kRows);
  } else {
    for (int l = 0; l < kWarp; ++l) {
      if (std::memcmp(product.of_lane[l].a, product.a[l].data(), sizeof(Operand)) != 0) {
        fail("registers of a were written before their wgmma was waited for");
      }
      for (int r = 0; r < 4; ++r) {
        const int row = l / 4 + r % 2 * 8, k = l % 4 * 2 + r / 2 * 8;
        const uint32_t pair = product.a[l][static_cast<size_t>(r)];
        a[row][k] = float_of(static_cast<uint16_t>(pair));
        a[row][k + 1] = float_of(static_cast<uint16_t>(pair >> 16));
      }
    }
  }
  const Descriptor of_b(all.b_descriptor);
  if (all.b_by_columns) {
    read_columns(b, of_b, all.cols);
  } else {
    read_rows(b, of_b, 0, all.cols);
  }
  for (int l = 0; l < kWarp; ++l) {
    std::vector<float>& d = lane_of(warp, l).values.at(product.of_lane[l].d);
    for (int i = 0; i < all.cols / 2; ++i) {
      const int row = l / 4 + i / 2 % 2 * 8, col = i / 4 * 8 + l % 4 * 2 + i % 2;
      float sum = all.add ? d[static_cast<size_t>(i)] : 0;
      for (int k = 0; k < kInner; ++k) sum += a[row][k] * b[col][k];
      d[static_cast<size_t>(i)] = sum;
    }
  }
}

bool Products::in_flight(const Warp& warp, int lane, const float* d) const {
  const auto uses = [&](const Product& p) { return p.of_lane[lane].d == d; };
  return std::any_of(warp.open.begin(), warp.open.end(), uses) ||
         std::any_of(warp.groups.begin(), warp.groups.end(), [&](const std::vector<Product>& g) {
           return std::any_of(g.begin(), g.end(), uses);
         });
}

// Named sums that are complete reach their registers.
void Products::finish(int warp, int l) {
  Lane& lane = lane_of(warp, l);
  for (auto at = lane.values.begin(); at != lane.values.end();) {
    float* const d = at->first;
    const std::vector<float>& sums = at->second;
    if (in_flight(warps_[static_cast<size_t>(warp)], l, d) ||
        !covers(lane.named, d, sums.size() * sizeof(float))) {
      ++at;
      continue;
    }
    for (size_t i = 0; i < sums.size(); ++i) {
      if (std::bit_cast<uint32_t>(d[i]) != kPoison) {
        fail("sums were written before their wgmma was waited for");
      }
    }
    std::copy(sums.begin(), sums.end(), d);
    at = lane.values.erase(at);
  }
  lane.fenced.clear();
}

void Products::wait(int warp, int left) {
  Warp& w = warps_[static_cast<size_t>(warp)];
  for (; w.groups.size() > static_cast<size_t>(left); w.groups.pop_front()) {
    for (const Product& product : w.groups.front()) run(warp, product);
  }
  for (int l = 0; l < kWarp; ++l) finish(warp, l);
}

std::string Products::unfinished() const {
  for (size_t w = 0; w < warps_.size(); ++w) {
    if (!warps_[w].open.empty() || !warps_[w].groups.empty()) {
      return fmt::format("warp {} ended with matrix instructions that it never waited for", w);
    }
    if (warps_[w].history != warps_[w / kWarpsOfGroup * kWarpsOfGroup].history) {
      return fmt::format("warps of warpgroup {} issued different instructions", w / kWarpsOfGroup);
    }
  }
  for (const Lane& lane : lanes_) {
    if (!lane.values.empty()) return "a thread ended with sums that no wait named";
  }
  return "";
}

}  // namespace ballast::emu
