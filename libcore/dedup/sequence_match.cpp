#include "libcore/dedup/sequence_match.h"

#include <algorithm>
#include <unordered_map>

namespace ballast {
namespace {

struct Span {
  int64_t a_begin, a_end, b_begin, b_end;
};

class Matcher {
 public:
  Matcher(const std::vector<uint32_t>& a, const std::vector<uint32_t>& b)
      : a_(a), now_(b.size() + 1), before_(b.size() + 1) {
    for (size_t i = 0; i < b.size(); ++i) places_[b[i]].push_back(static_cast<int64_t>(i));
  }

  MatchingRun longest(const Span& span) {
    MatchingRun best{span.a_begin, span.b_begin, 0};
    std::vector<int64_t> touched, touched_before;
    for (int64_t i = span.a_begin; i < span.a_end; ++i) {
      touched.clear();
      const auto found = places_.find(a_[static_cast<size_t>(i)]);
      if (found != places_.end()) {
        const std::vector<int64_t>& at = found->second;
        auto place = std::lower_bound(at.begin(), at.end(), span.b_begin);
        for (; place != at.end() && *place < span.b_end; ++place) {
          const auto j = static_cast<size_t>(*place);
          // Lengths of runs that end at j are kept at j + 1.
          const int64_t length = now_[j + 1] = before_[j] + 1;
          touched.push_back(*place + 1);
          if (length > best.length) best = {i - length + 1, *place - length + 1, length};
        }
      }
      for (const int64_t j : touched_before) before_[static_cast<size_t>(j)] = 0;
      touched_before.swap(touched);
      now_.swap(before_);
    }
    for (const int64_t j : touched_before) before_[static_cast<size_t>(j)] = 0;
    return best;
  }

 private:
  const std::vector<uint32_t>& a_;
  std::unordered_map<uint32_t, std::vector<int64_t>> places_;  // of b
  std::vector<int64_t> now_, before_;
};

}  // namespace

std::vector<MatchingRun> matching_runs(const std::vector<uint32_t>& a,
                                       const std::vector<uint32_t>& b) {
  Matcher matcher(a, b);
  std::vector<Span> open = {{0, static_cast<int64_t>(a.size()), 0, static_cast<int64_t>(b.size())}};
  std::vector<MatchingRun> runs;
  while (!open.empty()) {
    const Span span = open.back();
    open.pop_back();
    const MatchingRun run = matcher.longest(span);
    if (run.length == 0) continue;
    runs.push_back(run);
    const Span left = {span.a_begin, run.a, span.b_begin, run.b};
    const Span right = {run.a + run.length, span.a_end, run.b + run.length, span.b_end};
    for (const Span& side : {left, right}) {
      if (side.a_begin < side.a_end && side.b_begin < side.b_end) open.push_back(side);
    }
  }
  std::sort(runs.begin(), runs.end(),
            [](const MatchingRun& x, const MatchingRun& y) { return x.a < y.a; });
  return runs;
}

}  // namespace ballast
