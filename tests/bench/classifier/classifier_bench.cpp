// How well are spikes found and classed? Simulated runs with known incidents, and traces of real
// runs whose `inject` events are the truth (none: every alarm counts as false).
//
//   classifier_bench [--runs N] [--seed S] [--json FILE] [--persistent | TRACE...]
//
// Markdown on standard output; a JSON object per run and rule in FILE. Without traces: N runs of
// each of six kinds (60). With traces: those only. --persistent: N runs of each way in which a loss
// goes on after a jump, and when `persistent` speaks.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <map>

#include "libcore/guard/history.h"
#include "libcore/io/json.h"
#include "libcore/stats/robust.h"
#include "tests/bench/classifier/persistence.h"
#include "tests/bench/classifier/simulated_run.h"
#include "tests/bench/classifier/spike_rules.h"

namespace ballast {
namespace {

constexpr int64_t kEarly = 2;       // steps before the norm's in which an alarm is of the incident
constexpr int64_t kLate = 20;       // ... and after the onset
constexpr int64_t kJumpSpan = 100;  // after a planned jump an alarm is of the jump

struct Truth {
  int64_t onset = -1, lead = 0, over = -1;  // as in SimulatedRun
};

// What one rule did to one run.
struct Outcome {
  bool found = false;
  int64_t delay = 0;  // first alarm - onset of the loss
  int64_t false_alarms = 0;
  bool jump_alarm = false;  // within kJumpSpan of an event
  int64_t clean = 0;        // steps that belong to no incident
};

Outcome judge(const RunView& run, const Truth& truth, const AlarmRule& rule) {
  const std::vector<size_t> alarms = rule.alarms(run);
  Outcome out;
  const int64_t begin = truth.onset - truth.lead - kEarly;
  const auto inside = [&](int64_t step) {
    return truth.onset >= 0 && step >= begin && step < truth.over;
  };
  for (const int64_t step : run.steps)
    if (!inside(step)) ++out.clean;
  for (const size_t at : alarms) {
    const int64_t step = run.steps[at];
    if (inside(step)) {
      if (!out.found && step <= truth.onset + rule.late) {
        out.found = true;
        out.delay = step - truth.onset;
      }
      continue;
    }
    ++out.false_alarms;
    for (const int64_t event : run.events)
      if (step >= event && step < event + kJumpSpan) out.jump_alarm = true;
  }
  return out;
}

struct Tally {
  int64_t runs = 0, found = 0, false_alarms = 0, clean = 0, jumps = 0;
  std::vector<double> delays;
  void add(const Outcome& out) {
    ++runs;
    found += out.found ? 1 : 0;
    false_alarms += out.false_alarms;
    clean += out.clean;
    jumps += out.jump_alarm ? 1 : 0;
    if (out.found) delays.push_back(static_cast<double>(out.delay));
  }
};

std::string percent(int64_t part, int64_t whole) {
  return whole > 0
             ? fmt::format("{:.1f}", 100.0 * static_cast<double>(part) / static_cast<double>(whole))
             : "-";
}
std::string per_100k(const Tally& t) {
  return fmt::format("{:.1f}",
                     1e5 * static_cast<double>(t.false_alarms) / static_cast<double>(t.clean));
}

void print(const std::string& line) { std::fputs((line + "\n").c_str(), stdout); }

// --- simulated runs

// Types given (rows: the truth 1..3, then what is none) against types said.
struct Confusion {
  int64_t said[4][4] = {};  // [truth - 1 or 3][said - 1 or 3: missed]
  std::vector<double> lead_errors;
  int64_t overtaken = 0;  // type 2 said to be type 1 whose loss was back at the old level
};

void compare_types(const SimulatedRun& run, const std::vector<Incident>& incidents,
                   Confusion& confusion) {
  const bool has_truth = run.onset >= 0;
  const int truth = has_truth ? static_cast<int>(run.kind) - static_cast<int>(RunKind::type1) : 3;
  bool found = false;
  for (const Incident& incident : incidents) {
    const int said = static_cast<int>(incident.type) - 1;
    const int64_t begin = run.onset - run.lead - kEarly;
    const bool inside = has_truth && incident.onset >= begin && incident.onset < run.over;
    if (!inside) {
      ++confusion.said[3][said];
    } else if (!found && incident.onset <= run.onset + kLate) {
      found = true;
      ++confusion.said[truth][said];
      const double reach = run.fall + ClassifierSettings().recovery_sigmas * incident.scale;
      if (run.kind == RunKind::type2 && said == 0 && run.settled <= reach) ++confusion.overtaken;
      const int64_t lead = incident.norm_onset >= 0 ? run.onset - incident.norm_onset : 0;
      confusion.lead_errors.push_back(static_cast<double>(lead - run.lead));
    }
  }
  if (has_truth && !found) ++confusion.said[truth][3];
}

void print_types(const Confusion& c) {
  print("\n| truth | said 1 | said 2 | said 3 | missed | recall, % | precision, % |");
  print("|---|---|---|---|---|---|---|");
  for (int t = 0; t < 3; ++t) {
    int64_t truth = 0, said = 0;
    for (int k = 0; k < 4; ++k) truth += c.said[t][k];
    for (int k = 0; k < 4; ++k) said += c.said[k][t];
    print(fmt::format("| type {} | {} | {} | {} | {} | {} | {} |", t + 1, c.said[t][0],
                      c.said[t][1], c.said[t][2], c.said[t][3], percent(c.said[t][t], truth),
                      percent(c.said[t][t], said)));
  }
  print(fmt::format("| no incident | {} | {} | {} | | | |", c.said[3][0], c.said[3][1],
                    c.said[3][2]));
  print(
      fmt::format("\nOf the type 2 said to be type 1, {} of {} stayed above their course by less "
                  "than that fell "
                  "in 500 steps and 2 scales: they were back at the old level.",
                  c.overtaken, c.said[1][0]));
  double sum = 0;
  int64_t exact = 0;
  for (const double error : c.lead_errors) {
    sum += std::abs(error);
    exact += error == 0 ? 1 : 0;
  }
  const auto count = static_cast<double>(c.lead_errors.size());
  print(fmt::format(
      "\nLead of the norm, {} incidents: mean absolute error {:.2f} steps, exact in {} %.",
      c.lead_errors.size(), sum / count,
      percent(exact, static_cast<int64_t>(c.lead_errors.size()))));
}

void simulated(int64_t runs, uint64_t seed, std::ofstream& json) {
  const std::span<const AlarmRule> rules = alarm_rules();
  std::vector<std::vector<Tally>> tallies(rules.size(), std::vector<Tally>(kRunKinds));
  std::vector<std::vector<Tally>> by_noise(rules.size(), std::vector<Tally>(kNoiseKinds));
  Confusion confusion;
  for (int kind = 0; kind < kRunKinds; ++kind) {
    for (int64_t r = 0; r < runs; ++r) {
      const uint64_t own = seed * 1000003 + static_cast<uint64_t>(kind * 100000 + r);
      const int noise = static_cast<int>(r % kNoiseKinds);
      const SimulatedRun run = simulate(static_cast<RunKind>(kind), noise, own);
      const RunView view{run.steps, run.loss, run.norm, run.events};
      for (size_t k = 0; k < rules.size(); ++k) {
        const Outcome out = judge(view, {run.onset, run.lead, run.over}, rules[k]);
        tallies[k][static_cast<size_t>(kind)].add(out);
        if (kind < 2) by_noise[k][static_cast<size_t>(noise)].add(out);
        if (json.is_open())
          json << to_json_line(Json{{"rule", rules[k].name},
                                    {"kind", kRunKindNames[kind]},
                                    {"noise", kNoiseNames[noise]},
                                    {"seed", own},
                                    {"onset", run.onset},
                                    {"lead", run.lead},
                                    {"found", out.found},
                                    {"delay", out.found ? Json(out.delay) : Json(nullptr)},
                                    {"false_alarms", out.false_alarms},
                                    {"clean_steps", out.clean}})
               << "\n";
      }
      compare_types(run, classify_run(view), confusion);
    }
  }
  print(fmt::format("{} runs of {} steps, {} of each kind, seed {}.\n", runs * kRunKinds,
                    kSimulatedSteps, runs, seed));
  print(
      "| rule | type 1 found, % | type 2 | type 3 | precision, % | delay, steps | false per 100k, "
      "calm | growing norm | planned jumps alarmed, % |");
  print("|---|---|---|---|---|---|---|---|---|");
  for (size_t k = 0; k < rules.size(); ++k) {
    const std::vector<Tally>& t = tallies[k];
    int64_t found = 0, wrong = 0;
    std::vector<double> delays;
    for (const Tally& tally : t) {
      found += tally.found;
      wrong += tally.false_alarms;
      delays.insert(delays.end(), tally.delays.begin(), tally.delays.end());
    }
    print(fmt::format("| {} | {} | {} | {} | {} | {:g} | {} | {} | {} |", rules[k].name,
                      percent(t[3].found, t[3].runs), percent(t[4].found, t[4].runs),
                      percent(t[5].found, t[5].runs), percent(found, found + wrong), median(delays),
                      per_100k(t[0]), per_100k(t[1]), percent(t[2].jumps, t[2].runs)));
  }
  print("\nFalse alarms per 100k steps by noise, calm runs and growing norms:\n");
  print("| rule | white | AR(1) | heteroscedastic | heavy tails |");
  print("|---|---|---|---|---|");
  for (size_t k = 0; k < rules.size(); ++k)
    print(fmt::format("| {} | {} | {} | {} | {} |", rules[k].name, per_100k(by_noise[k][0]),
                      per_100k(by_noise[k][1]), per_100k(by_noise[k][2]),
                      per_100k(by_noise[k][3])));
  print_types(confusion);
}

// --- traces

struct Loaded {
  std::string name;
  std::vector<int64_t> steps, events;
  std::vector<double> loss, norm;
  Truth truth;
  std::string fault;  // "" without one
};

Result<Loaded> load(const std::string& path) {
  const RunHistory history = BALLAST_TRY(load_history(posix_file_system(), path, false));
  Loaded run;
  run.name = path;
  for (const size_t i : history.surviving_line()) {
    const StepRow& row = history.rows[i];
    run.steps.push_back(row.step);
    run.loss.push_back(row.loss);
    run.norm.push_back(row.norm);
  }
  for (const EventRecord& event : history.events) {
    if (restarts_statistics(event.event)) run.events.push_back(event.step);
    if (event.event != "inject") continue;
    run.fault = event.reason.substr(0, event.reason.find('@'));
    // A multiplied update shows one step later.
    run.truth.onset = event.step + (run.fault == "spike" ? 1 : 0);
    run.truth.lead = run.fault == "spike" ? 1 : 0;
    run.truth.over = run.steps.back() + 1;
  }
  return run;
}

Result<void> traces(const std::vector<std::string>& paths, std::ofstream& json) {
  const std::span<const AlarmRule> rules = alarm_rules();
  std::map<std::string, std::vector<Tally>> tallies;  // by fault
  std::vector<Tally> all(rules.size());
  int64_t steps = 0;
  for (const std::string& path : paths) {
    const Loaded run = BALLAST_TRY(load(path));
    const RunView view{run.steps, run.loss, run.norm, run.events};
    steps += static_cast<int64_t>(run.steps.size());
    std::vector<Tally>& own = tallies.try_emplace(run.fault, rules.size()).first->second;
    for (size_t k = 0; k < rules.size(); ++k) {
      const Outcome out = judge(view, run.truth, rules[k]);
      own[k].add(out);
      all[k].add(out);
      if (json.is_open())
        json << to_json_line(Json{{"rule", rules[k].name},
                                  {"trace", run.name},
                                  {"fault", run.fault},
                                  {"found", out.found},
                                  {"delay", out.found ? Json(out.delay) : Json(nullptr)},
                                  {"false_alarms", out.false_alarms},
                                  {"clean_steps", out.clean}})
             << "\n";
    }
  }
  print(fmt::format("{} traces, {} steps, of which {} are clean.\n", paths.size(), steps,
                    all[0].clean));
  std::string head = "| rule |", rule = "|---|";
  for (const auto& [fault, own] : tallies) {
    if (fault.empty()) continue;
    head += fmt::format(" {} found |", fault);
    rule += "---|";
  }
  print(head + " false alarms | per 100k steps |");
  print(rule + "---|---|");
  for (size_t k = 0; k < rules.size(); ++k) {
    std::string line = "| " + rules[k].name + " |";
    for (const auto& [fault, own] : tallies)
      if (!fault.empty()) line += fmt::format(" {} of {} |", own[k].found, own[k].runs);
    print(line + fmt::format(" {} | {} |", all[k].false_alarms, per_100k(all[k])));
  }
  return {};
}

int run(int argc, char** argv) {
  int64_t runs = 60;
  uint64_t seed = 1;
  std::ofstream json;
  bool persistent = false;
  std::vector<std::string> paths;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (word == "--runs" && i + 1 < argc) {
      runs = std::stoll(argv[++i]);
    } else if (word == "--seed" && i + 1 < argc) {
      seed = std::stoull(argv[++i]);
    } else if (word == "--json" && i + 1 < argc) {
      json.open(argv[++i]);
    } else if (word == "--persistent") {
      persistent = true;
    } else {
      paths.push_back(word);
    }
  }
  if (persistent) {
    print_persistence(runs, seed);
    return 0;
  }
  if (paths.empty()) {
    simulated(runs, seed, json);
    return 0;
  }
  const Result<void> done = traces(paths, json);
  if (!done.ok()) std::fputs((done.error().message() + "\n").c_str(), stderr);
  return done.ok() ? 0 : 1;
}

}  // namespace
}  // namespace ballast

int main(int argc, char** argv) { return ballast::run(argc, argv); }
