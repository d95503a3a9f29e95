#include "libcore/trace/foreign/column_map.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <map>
#include <tuple>

#include "libcore/base/ascii.h"

namespace ballast {
namespace {

// Names are compared folded (see folded()). Of the columns for one target the lowest rank counts;
// equal ranks are names between which only the user can decide.
struct KnownColumn {
  std::string_view name;
  ColumnKind kind;
  std::string_view field;  // of StepRecord
  int rank = 0;
  double scale = 1;
};

constexpr KnownColumn step_column(std::string_view name, int rank) {
  return {name, ColumnKind::step, "", rank};
}
constexpr KnownColumn field_column(std::string_view field, std::string_view name, int rank,
                                   double scale = 1) {
  return {name, ColumnKind::field, field, rank, scale};
}

constexpr KnownColumn kKnown[] = {
    // W&B's own "_step" counts calls of log(), so that a logged step goes before it.
    step_column("train_global_step", 0),
    step_column("trainer_global_step", 0),
    step_column("global_step", 1),
    step_column("optimizer_step", 1),
    step_column("train_step", 2),
    step_column("train_iter", 2),
    step_column("iteration", 3),
    step_column("iter", 3),
    step_column("num_updates", 3),
    step_column("step", 4),
    step_column("steps", 5),
    step_column("_step", 6),

    {"_timestamp", ColumnKind::unix_seconds, "", 0},
    {"wall_time", ColumnKind::unix_seconds, "", 1},
    {"timestamp", ColumnKind::unix_seconds, "", 2},
    {"time", ColumnKind::unix_seconds, "", 3},
    {"_runtime", ColumnKind::elapsed_seconds, "", 0},
    {"runtime", ColumnKind::elapsed_seconds, "", 1},
    {"elapsed_seconds", ColumnKind::elapsed_seconds, "", 1},
    {"relative_time_process", ColumnKind::elapsed_seconds, "", 2},
    {"relative_time_wall", ColumnKind::elapsed_seconds, "", 3},

    field_column("loss", "lm_loss", 0),
    field_column("loss", "train_ce_loss", 0),
    field_column("loss", "train_lm_loss", 0),
    field_column("loss", "train_cross_entropy", 0),
    field_column("loss", "train_cross_entropy_loss", 0),
    field_column("loss", "train_crossentropyloss", 0),
    field_column("loss", "loss_metrics_global_avg_loss", 0),
    field_column("loss", "train_loss", 1),
    field_column("loss", "loss_train", 1),
    field_column("loss", "training_loss", 1),
    field_column("loss", "loss_train_total", 1),
    field_column("loss", "train_loss_step", 2),
    field_column("loss", "loss", 3),
    field_column("loss_max_rank", "loss_metrics_global_max_loss", 0),
    field_column("z_loss", "train_z_loss", 0),
    field_column("z_loss", "z_loss", 1),

    field_column("grad_norm", "optim_total_grad_norm", 0),
    field_column("grad_norm", "train_grad_norm", 0),
    field_column("grad_norm", "train_gradient_norm", 0),
    field_column("grad_norm", "l2_norm_grad_global", 0),
    field_column("grad_norm", "total_grad_norm", 1),
    field_column("grad_norm", "global_grad_norm", 1),
    field_column("grad_norm", "grad_2_0_norm_total", 1),
    field_column("grad_norm", "grad_norm", 2),
    field_column("grad_norm", "gradient_norm", 2),
    field_column("grad_norm", "gradnorm", 2),
    field_column("grad_norm", "gnorm", 3),
    field_column("grad_norm", "train_gnorm", 3),
    field_column("grad_norm", "norm", 4),
    field_column("grad_norm_clipped", "grad_norm_clipped", 0),
    field_column("grad_norm_clipped", "clipped_grad_norm", 0),
    field_column("grad_norm_clipped", "grad_norm_after_clip", 0),
    field_column("param_norm", "param_norm", 0),
    field_column("param_norm", "params_norm", 0),
    field_column("param_norm", "train_param_norm", 1),
    field_column("param_norm", "weight_norm", 1),

    field_column("lr", "train_learning_rate", 0),
    field_column("lr", "train_lr", 0),
    field_column("lr", "optim_lr", 0),
    field_column("lr", "optim_lr_group_0", 1),
    field_column("lr", "optim_learning_rate_group0", 1),
    field_column("lr", "learning_rate", 2),
    field_column("lr", "lr", 3),
    field_column("lr", "lr_adamw", 4),
    field_column("lr", "lr_adam", 4),
    field_column("lr", "lr_adamw_pg1", 5),
    field_column("lr", "lr_adamw_group0", 5),
    field_column("lr", "lr_decoupledadamw_group0", 5),

    field_column("tokens", "tokens", 0),
    field_column("tokens", "train_tokens", 1),
    field_column("tokens", "tokens_seen", 1),
    field_column("tokens", "train_tokens_seen", 1),
    field_column("tokens", "consumed_tokens", 1),
    field_column("tokens", "throughput_total_tokens", 1),
    field_column("tokens", "num_input_tokens_seen", 2),
    field_column("tokens", "train_num_input_tokens_seen", 2),
    field_column("tokens", "time_token", 2),
    field_column("tokens", "total_tokens", 3),
    field_column("samples", "samples", 0),
    field_column("samples", "samples_seen", 1),
    field_column("samples", "consumed_samples", 1),
    field_column("samples", "time_sample", 2),

    field_column("skipped", "optim_step_skipped", 0),

    // Only of the whole run: what is logged per device ("tps", "tgs") has no member.
    field_column("tokens_per_s", "tokens_per_s", 0),
    field_column("tokens_per_s", "tokens_per_sec", 0),
    field_column("tokens_per_s", "tokens_per_second", 0),
    field_column("tokens_per_s", "throughput_tokens_per_sec", 1),
    field_column("mfu", "mfu", 0),
    field_column("mfu", "train_mfu", 1),
    field_column("mfu", "mfu_%", 1, 0.01),
    field_column("step_ms", "step_ms", 0),
    field_column("step_ms", "iteration_time", 1, 1000),  // Megatron's tag, in seconds

    {"lm_loss_validation", ColumnKind::eval_loss, "", 0},
    {"lm_loss_validation_ppl", ColumnKind::eval_perplexity, "", 0},
};

// Lower case; runs of separators and brackets are one "_", none at the end.
std::string folded(std::string_view name) {
  std::string out;
  for (const char c : name) {
    const bool separator = std::string_view("/._- ()[]:").find(c) != std::string_view::npos;
    if (!separator) out.push_back(ascii_lower(c));
    if (separator && (out.empty() || out.back() != '_')) out.push_back('_');
  }
  while (out.size() > 1 && out.back() == '_') out.pop_back();
  return out;
}

const StepField* step_field(std::string_view name) {
  for (const StepField& field : kStepFields)
    if (field.name == name) return &field;
  return nullptr;
}

// A step's own keys that a foreign column may stand for.
bool may_be_column(const StepField& field) {
  return field.kind != StepField::Kind::time && field.kind != StepField::Kind::sources &&
         field.name != "segment" && field.name != "step";
}

// "eval_loss", "val/loss", "eval/lm/c4_en-validation/CE loss" -> what it measures and of which set.
std::optional<ColumnTarget> eval_target(std::string_view name) {
  struct Ending {
    std::string_view text;
    ColumnKind kind;
  };
  constexpr std::string_view kStarts[] = {"evaluation", "validation", "valid", "eval", "val"};
  constexpr Ending kEnds[] = {
      {"crossentropyloss", ColumnKind::eval_loss},
      {"cross_entropy_loss", ColumnKind::eval_loss},
      {"ce_loss", ColumnKind::eval_loss},
      {"lm_loss", ColumnKind::eval_loss},
      {"loss", ColumnKind::eval_loss},
      {"perplexity", ColumnKind::eval_perplexity},
      {"ppl", ColumnKind::eval_perplexity},
  };
  const std::string fold = folded(name);
  ColumnTarget target;
  if (fold == "loss_val" || fold == "loss_eval" || fold == "loss_eval_total") {
    target.kind = ColumnKind::eval_loss;
    target.rank = 1;
    return target;
  }
  const auto* start = std::find_if(std::begin(kStarts), std::end(kStarts), [&](auto text) {
    return fold.starts_with(text) && fold.size() > text.size() && fold[text.size()] == '_';
  });
  const auto* end = std::find_if(std::begin(kEnds), std::end(kEnds), [&](const Ending& ending) {
    return fold.size() > ending.text.size() && fold.ends_with(ending.text) &&
           fold[fold.size() - ending.text.size() - 1] == '_';
  });
  if (start == std::end(kStarts) || end == std::end(kEnds)) return std::nullopt;
  target.kind = end->kind;
  // The set keeps its own spelling: what stands between the folded start and end, by characters
  // that are no separators.
  std::string_view middle = name.substr(start->size());
  const auto separator = [](char c) { return folded(std::string_view(&c, 1)) == "_"; };
  for (size_t i = end->text.size(); i > 0 && !middle.empty(); --i) {
    while (end->text[i - 1] != '_' && !middle.empty() && separator(middle.back()))
      middle.remove_suffix(1);
    if (!middle.empty()) middle.remove_suffix(1);
  }
  while (!middle.empty() && separator(middle.front())) middle.remove_prefix(1);
  while (!middle.empty() && separator(middle.back())) middle.remove_suffix(1);
  if (middle.starts_with("lm/")) middle.remove_prefix(3);
  target.set = middle;
  return target;
}

ColumnTarget known_target(std::string_view name) {
  const std::string fold = folded(name);
  for (const KnownColumn& known : kKnown)
    if (known.name == fold)
      return {known.kind, known.field.empty() ? nullptr : step_field(known.field), known.rank,
              known.scale, ""};
  if (const StepField* field = step_field(fold); field != nullptr && may_be_column(*field))
    return {ColumnKind::field, field, 0, 1, ""};
  if (std::optional<ColumnTarget> target = eval_target(name)) return *target;
  return {};
}

// What a key of --map means; unused when it is none.
ColumnTarget mapped_target(std::string_view key, std::string_view column) {
  if (key == "step") return {ColumnKind::step, nullptr, 0, 1, ""};
  if (key == "eval_loss") return {ColumnKind::eval_loss, nullptr, 0, 1, ""};
  if (key == "eval_perplexity") return {ColumnKind::eval_perplexity, nullptr, 0, 1, ""};
  const ColumnTarget known = known_target(column);
  if (key == "time") {
    const bool elapsed = known.kind == ColumnKind::elapsed_seconds;
    return {elapsed ? ColumnKind::elapsed_seconds : ColumnKind::unix_seconds, nullptr, 0, 1, ""};
  }
  const StepField* field = step_field(key);
  if (field == nullptr || !may_be_column(*field)) return {};
  return {ColumnKind::field, field, 0, known.field == field ? known.scale : 1, ""};
}

bool same_target(const ColumnTarget& a, const ColumnTarget& b) {
  return a.kind == b.kind && a.field == b.field && a.set == b.set;
}

std::string key_of(const ColumnTarget& target) {
  switch (target.kind) {
    case ColumnKind::step:
      return "step";
    case ColumnKind::unix_seconds:
    case ColumnKind::elapsed_seconds:
      return "time";
    case ColumnKind::eval_loss:
      return "eval_loss";
    case ColumnKind::eval_perplexity:
      return "eval_perplexity";
    case ColumnKind::field:
      return std::string(target.field->name);
    case ColumnKind::unused:
      break;
  }
  return "";
}

std::string listed(std::span<const std::string> names) {
  constexpr size_t kShown = 20;
  std::string text;
  for (size_t i = 0; i < std::min(names.size(), kShown); ++i)
    text += fmt::format("{}'{}'", i == 0 ? "" : ", ", names[i]);
  return text + (names.size() > kShown ? fmt::format(" and {} more", names.size() - kShown) : "");
}

int64_t rounded(double value) {
  constexpr double kLimit = 9.2e18;
  return static_cast<int64_t>(std::llround(std::clamp(value, -kLimit, kLimit)));
}

}  // namespace

Result<ColumnMap> ColumnMap::make(const ImportOptions& options) {
  for (size_t i = 0; i < options.map.size(); ++i) {
    const auto& [key, column] = options.map[i];
    const ColumnTarget target = mapped_target(key, column);
    if (target.kind == ColumnKind::unused)
      return usage_error(fmt::format("'{}' is nothing that a column can be mapped to", key),
                         "--map",
                         "step, time, eval_loss, eval_perplexity or a key of step records such as "
                         "loss, grad_norm, lr, tokens");
    for (size_t j = 0; j < i; ++j) {
      if (options.map[j].second == column)
        return usage_error(fmt::format("column '{}' is mapped twice", column), "--map");
      if (same_target(mapped_target(options.map[j].first, options.map[j].second), target))
        return usage_error(fmt::format("two columns are mapped to {}", key), "--map");
    }
  }
  ColumnMap map;
  map.options_ = options;
  return map;
}

ColumnTarget ColumnMap::target_of(std::string_view name) const {
  for (const auto& [key, column] : options_.map)
    if (column == name) return mapped_target(key, column);
  const ColumnTarget target = known_target(name);
  for (const auto& [key, column] : options_.map)
    if (same_target(mapped_target(key, column), target)) return {};
  return target;
}

Result<std::vector<ColumnTarget>> ColumnMap::resolve(std::span<const std::string> names,
                                                     std::string_view where) const {
  for (const auto& [key, column] : options_.map)
    if (std::find(names.begin(), names.end(), column) == names.end())
      return usage_error(fmt::format("no column '{}'", column), std::string(where),
                         fmt::format("it has {}", listed(names)));
  using Key = std::tuple<ColumnKind, const StepField*, std::string>;
  std::vector<ColumnTarget> targets(names.size());
  std::map<Key, size_t> best;
  std::map<Key, size_t> second;  // as good as the best, further right
  for (size_t i = 0; i < names.size(); ++i) {
    targets[i] = target_of(names[i]);
    if (targets[i].kind == ColumnKind::unused) continue;
    const Key key{targets[i].kind, targets[i].field, targets[i].set};
    const auto [found, first] = best.emplace(key, i);
    if (first) continue;
    const int rank = targets[found->second].rank;
    if (targets[i].rank == rank) second.emplace(key, i);
    const size_t worse = targets[i].rank < rank ? found->second : i;
    if (targets[i].rank < rank) {
      found->second = i;
      second.erase(key);
    }
    targets[worse].kind = ColumnKind::unused;
  }
  for (const auto& [key, i] : second) {
    const std::string target = key_of({std::get<0>(key), std::get<1>(key), 0, 1, ""});
    return usage_error(
        fmt::format("both '{}' and '{}' could be {}", names[best[key]], names[i], target),
        std::string(where), fmt::format("say which with --map {}=COLUMN", target));
  }
  return targets;
}

void set_field(StepRecord& record, const StepField& field, double value) {
  switch (field.kind) {
    case StepField::Kind::time:
      if (const std::optional<int64_t> time = time_us_of_number(value)) record.time_us = *time;
      return;
    case StepField::Kind::whole:
      if (std::isfinite(value)) record.*field.whole = rounded(value);
      return;
    case StepField::Kind::maybe_whole:
      if (std::isfinite(value)) record.*field.maybe_whole = rounded(value);
      return;
    case StepField::Kind::number:
      record.*field.number = value;
      return;
    case StepField::Kind::text:
      record.*field.text = fmt::format("{}", value);
      return;
    case StepField::Kind::flag:
      record.skipped = value != 0 && !std::isnan(value);
      return;
    case StepField::Kind::sources:
      return;
  }
}

void set_field(StepRecord& record, const StepField& field, std::string_view text) {
  if (field.kind == StepField::Kind::text) {
    (record.*field.text).assign(trim_blanks(text));
  } else if (field.kind == StepField::Kind::time) {
    if (const std::optional<int64_t> time = time_us_in(text)) record.time_us = *time;
  } else if (const std::optional<double> number = number_in(text)) {
    set_field(record, field, *number);
  } else if (field.kind == StepField::Kind::flag) {
    const std::string_view word = trim_blanks(text);
    record.skipped = ascii_equal(word, "true") || ascii_equal(word, "yes");
  }
}

void set_field(StepRecord& record, const ColumnTarget& target, double value) {
  set_field(record, *target.field, target.scale == 1 ? value : value * target.scale);
}

std::optional<double> number_in(std::string_view text) {
  text = trim_blanks(text);
  if (text.ends_with('%')) text = trim_blanks(text.substr(0, text.size() - 1));
  if (text.starts_with('+') && !text.starts_with("+-")) text.remove_prefix(1);
  if (text.empty()) return std::nullopt;
  double value = 0;
  const auto plain = std::from_chars(text.data(), text.data() + text.size(), value);
  if (plain.ptr == text.data() + text.size()) {
    if (plain.ec == std::errc()) return value;
    // Out of the range of doubles: what strtod gives.
    if (plain.ec == std::errc::result_out_of_range) {
      const std::string_view size_of = text.substr(text.front() == '-' ? 1 : 0);
      const size_t exponent = size_of.find_first_of("eE");
      const bool tiny = exponent == std::string_view::npos ? size_of.front() == '0'
                                                           : size_of[exponent + 1] == '-';
      const double size = tiny ? 0 : std::numeric_limits<double>::infinity();
      return text.front() == '-' ? -size : size;
    }
    return std::nullopt;
  }
  if (text.find(',') == std::string_view::npos) return std::nullopt;
  // Thousands: groups of three digits behind each comma, up to a point or the end.
  constexpr size_t kLongest = 64;
  std::array<char, kLongest> digits{};
  if (text.size() > kLongest) return std::nullopt;
  size_t size = 0;
  const size_t whole = std::min(text.find_first_of(".eE"), text.size());
  if (text.front() == '0') return std::nullopt;  // a decimal comma rather than thousands
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != ',') {
      digits[size++] = text[i];
      continue;
    }
    const bool grouped = i > 0 && is_ascii_digit(text[i - 1]) && i < whole && (whole - i) % 4 == 0;
    if (!grouped) return std::nullopt;
  }
  const auto joined = std::from_chars(digits.data(), digits.data() + size, value);
  if (joined.ec != std::errc() || joined.ptr != digits.data() + size) return std::nullopt;
  return value;
}

std::optional<int64_t> time_us_of_number(double seconds) {
  constexpr double kMilliseconds = 1e11;  // seconds up to the year 5138
  if (!(seconds > 0) || seconds > 1e14) return std::nullopt;
  return rounded(seconds < kMilliseconds ? seconds * 1e6 : seconds * 1e3);
}

std::optional<int64_t> time_us_in(std::string_view text) {
  text = trim_blanks(text);
  if (const std::optional<double> number = number_in(text)) return time_us_of_number(*number);
  constexpr size_t kDate = 10;
  constexpr size_t kLongest = 40;
  if (text.size() < kDate + 2 || text.size() > kLongest) return std::nullopt;
  std::array<char, kLongest + 1> time{};
  std::copy(text.begin(), text.end(), time.begin());
  size_t size = text.size();
  if (time[kDate] == ' ') time[kDate] = 'T';
  const bool zone = text.back() == 'Z' || text.find_first_of("+-", kDate) != std::string_view::npos;
  if (!zone) time[size++] = 'Z';
  const Result<int64_t> parsed = parse_time_us(std::string_view(time.data(), size));
  if (!parsed.ok()) return std::nullopt;
  return *parsed;
}

}  // namespace ballast
