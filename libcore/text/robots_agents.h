// Lists of robots to ask for, by name.
//
//   apertus         what Apertus filtered with: the names of its report (arXiv 2509.14233, appendix
//                   B) and FacebookBot, which its published code adds. `CCBot/2.0` and `CCBot/1.0`
//                   are asked for as they stand, and `*` as a robot of its own, so that a global
//                   block excludes a page even where every named robot is free.
//   apertus-report  the 14 entries of the report.
//   ai-robots       product tokens of AI crawlers and agents, training or not, as the public list
//                   ai-robots-txt/ai.robots.txt names them (its robots.txt at commit 000552c2, read
//                   22 November 2026), without spellings that differ only in case, and TongyiBot
//                   and YiyanBot, which their operators name. No `*`.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "libcore/base/result.h"

namespace ballast {

const std::vector<std::string>& apertus_agents();

// Names of lists and of robots, separated by commas, each robot once. Refuses empty names and a
// robot that is written twice.
Result<std::vector<std::string>> parse_agent_list(std::string_view text, const std::string& flag);

}  // namespace ballast
