// The options of verbs that ask a store of robots.txt files, and the store they name.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "libcore/cli/tool.h"
#include "libcore/text/robots_store.h"

namespace ballast {

struct RobotsFlags {
  std::string path, agents = "apertus", mode = "rfc", on_missing = "keep";
  std::string captures = "latest", on_unreachable;              // empty: by mode
  std::array<std::string, kAiSignals.size()> signals;           // keep or drop, by signal
  std::vector<std::pair<std::string, CLI::Option*>> dependent;  // that mean nothing without a path

  bool keep_missing() const { return on_missing == "keep"; }
  std::vector<AiSignal> obeyed() const;  // signals that drop what they refuse
};

// `flags` must outlive the parsing. add_robots_flags() is --robots, --agents and the reading flags:
// how sources are read, and what counts of hosts without an answer.
void add_robots_flags(CLI::App& app, RobotsFlags& flags);
CLI::Option* add_robots_path(CLI::App& app, RobotsFlags& flags);
void add_reading_flags(CLI::App& app, RobotsFlags& flags);

// --content-usage, --content-signal, --tdm, which mean nothing without --robots where no pages are
// read; of `pages` also --noai and --noimageai.
void add_signal_flags(CLI::App& app, RobotsFlags& flags, bool pages);

// Refuses unknown words, and options given without --robots.
Result<void> check_robots_flags(const RobotsFlags& flags);

// Null when there is no --robots.
Result<std::unique_ptr<RobotsStore>> open_robots(FileSystem& fs, const RobotsFlags& flags);
// For these robots instead of --agents; --robots must be there.
Result<std::unique_ptr<RobotsStore>> open_robots_for(FileSystem& fs, const RobotsFlags& flags,
                                                     std::vector<std::string> agents);

}  // namespace ballast
