// What the trace tells of the steps around one incident, as the weighing of causes asks for it.
// Internal to libcore/guard. Views of a history that outlives them. One thread.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <set>
#include <string_view>
#include <vector>

#include "libcore/guard/history.h"
#include "libcore/guard/incidents.h"
#include "libcore/guard/token_evidence.h"

namespace ballast {

// One line of the run: rows in order, and which of them belong to an incident.
struct HistoryLine {
  std::vector<size_t> rows;  // of the history
  std::set<int64_t> segments;
  std::vector<uint8_t> in_incident;  // parallel to rows
  double lr_peak = 0;                // NaN: not recorded
};

// Of the data index, half-open; empty when it was not recorded.
struct DataRange {
  int64_t begin = 0, end = 0;
  bool empty() const { return begin >= end; }
  bool overlaps(const DataRange& other) const { return begin < other.end && other.begin < end; }
};

struct PlacedIncident {
  const RunIncident* incident = nullptr;
  size_t line = 0;   // of SceneGround::lines
  size_t first = 0;  // positions in it of the first abnormal step ...
  size_t onset = 0;  // ... and of the onset
  DataRange data;    // that these steps consumed
};

// The surviving line and those on which an abandoned incident lies, with all incidents.
struct SceneGround {
  SceneGround(const RunHistory& history, const std::vector<RunIncident>& incidents);
  const RunHistory& history;
  std::vector<HistoryLine> lines;
  std::vector<PlacedIncident> incidents;  // parallel to those given
  const StepRow& row(size_t line, size_t position) const {
    return history.rows[lines[line].rows[position]];
  }
  size_t position_of(size_t line, int64_t step) const;  // first at or after it

 private:
  void add_line(std::vector<size_t> rows);
  PlacedIncident place(const RunIncident& incident, size_t line) const;
};

class IncidentScene {
 public:
  // What a row says; NaN: nothing.
  using Value = double (*)(const StepRow& row);
  static constexpr int64_t kBefore = 200;  // steps

  IncidentScene(const SceneGround& ground, const PlacedIncident& placed,
                const TokenEvidence& tokens)
      : g_(ground), p_(placed), tokens_(tokens) {}

  const SceneGround& ground() const { return g_; }
  const PlacedIncident& placed() const { return p_; }
  const RunIncident& incident() const { return *p_.incident; }
  const HistoryLine& line() const { return g_.lines[p_.line]; }
  // Positions in the line: the cause must show from first() to onset().
  size_t first() const { return p_.first; }
  size_t onset() const { return p_.onset; }
  size_t size() const { return line().rows.size(); }
  const StepRow& row(size_t position) const { return g_.row(p_.line, position); }

  // Finite values of the last `count` steps before `position`, oldest first; steps of incidents
  // left out.
  std::vector<double> before(Value value, int64_t count = kBefore) const;
  std::vector<double> before(Value value, int64_t count, size_t position) const;
  // Events of these names on the line, with steps in [from, to].
  std::vector<const EventRecord*> events(std::initializer_list<std::string_view> names,
                                         int64_t from, int64_t to) const;
  const RunRecord* run() const;  // of the onset's segment
  const TokenEvidence& tokens() const { return tokens_; }

 private:
  const SceneGround& g_;
  const PlacedIncident& p_;
  const TokenEvidence& tokens_;
};

}  // namespace ballast
