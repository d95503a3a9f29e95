#include "tools/gradstat/score_table.h"

#include <fmt/format.h>

#include <cmath>

#include "tools/gradstat/incident_table.h"

namespace ballast {
namespace {

std::string share(const SpikeCount& count) {
  return count.tested > 0 ? fmt::format("{:.4g} %", count.percent()) : "too few steps";
}

std::string counted(const SpikeCount& count) {
  return count.tested > 0 ? fmt::format("{} of {}", count.hits, count.tested) : "too few steps";
}

std::string share_of(const SpikeCount& count) {
  return count.tested > 0 ? fmt::format("{} ({})", share(count), counted(count)) : share(count);
}

Json count_json(const SpikeCount& count) {
  return Json{{"tested", count.tested},
              {"spikes", count.hits},
              {"percent", count.tested > 0 ? Json(count.percent()) : Json(nullptr)},
              {"nonfinite", count.nonfinite}};
}

Json llmc_json(const LlmcScore& score) {
  Json json = count_json(score.count());
  json["largest"] = std::isnan(score.largest()) ? Json(nullptr) : Json(score.largest());
  return json;
}

std::string llmc_text(const LlmcScore& score) {
  if (score.count().tested == 0) return "too few steps";
  return fmt::format("{}, largest {:.2f}", counted(score.count()), score.largest());
}

}  // namespace

std::string scores_line(const SpikeScores& s) {
  return fmt::format(
      "scores: OLMo 2 loss {}, norm {}; OLMo-core {}; llm.c z > {:g} loss {}, norm {}; jumps to "
      "{:g}x {}\n",
      share(s.olmo_loss.count()), share(s.olmo_norm.count()), counted(s.olmo_core.count()),
      s.llmc_loss.limit(), counted(s.llmc_loss.count()), counted(s.llmc_norm.count()),
      LossJumpRule::kRatio, s.jump.jumps());
}

std::string scores_table(const SpikeScores& s) {
  const auto line = [](const std::string& rule, const std::string& what, const std::string& text) {
    return fmt::format("{:<42} {:<5} {}\n", rule, what, text);
  };
  std::string text;
  const std::string olmo = fmt::format("OLMo 2, {:g} deviations of {} values",
                                       OlmoSpikeScore::kSigmas, OlmoSpikeScore::kWindow);
  text += line(olmo, "loss", share_of(s.olmo_loss.count()));
  text += line("", "norm", share_of(s.olmo_norm.count()));
  text += line(fmt::format("OLMo-core, {:g} deviations of {} values", OlmoCoreMonitor::kSigmas,
                           OlmoCoreMonitor::kWindow),
               "both", fmt::format("{} steps", counted(s.olmo_core.count())));
  text += line(
      fmt::format("llm.c, z above {:g} in a ring of {}", s.llmc_loss.limit(), LlmcScore::kWindow),
      "loss", llmc_text(s.llmc_loss));
  text += line("", "norm", llmc_text(s.llmc_norm));
  text += line(fmt::format("a jump to {:g} times within {} steps", LossJumpRule::kRatio,
                           LossJumpRule::kSpan),
               "loss",
               fmt::format("{} jumps, {} steps, largest {}", s.jump.jumps(), s.jump.steps(),
                           short_number(s.jump.largest())));
  return text;
}

Json scores_json(const SpikeScores& s) {
  Json recent = s.olmo_core.recent_percent();
  if (std::isnan(s.olmo_core.recent_percent())) recent = nullptr;
  Json core = count_json(s.olmo_core.count());
  core["recent_percent"] = recent;
  return Json{
      {"v", 1},
      {"type", "scores"},
      {"steps", s.steps},
      {"olmo2_loss", count_json(s.olmo_loss.count())},
      {"olmo2_norm", count_json(s.olmo_norm.count())},
      {"olmo_core", core},
      {"llmc_loss", llmc_json(s.llmc_loss)},
      {"llmc_norm", llmc_json(s.llmc_norm)},
      {"loss_jump",
       {{"jumps", s.jump.jumps()},
        {"steps", s.jump.steps()},
        {"largest", std::isnan(s.jump.largest()) ? Json(nullptr) : Json(s.jump.largest())}}}};
}

}  // namespace ballast
