#include "libcore/trace/foreign/megatron_line.h"

#include <cmath>
#include <cstring>
#include <limits>

#include "libcore/base/ascii.h"
#include "libcore/trace/foreign/column_map.h"
#include "libcore/trace/foreign/console.h"

namespace ballast {
namespace {

enum class Member { number, samples, tokens, batch, skipped, nans, unused };

// Names without blanks: a terminal that breaks a line eats them.
struct Field {
  std::string_view name;
  Member member;
  std::optional<double> StepRecord::*number = nullptr;
  double scale = 1;
};

constexpr Field kFields[] = {
    {"lmloss", Member::number, &StepRecord::loss},
    {"lm_loss", Member::number, &StepRecord::loss},
    {"loss", Member::number, &StepRecord::loss},
    {"gradnorm", Member::number, &StepRecord::grad_norm},
    {"grad_norm", Member::number, &StepRecord::grad_norm},
    {"learningrate", Member::number, &StepRecord::lr},
    {"lr", Member::number, &StepRecord::lr},
    {"paramsnorm", Member::number, &StepRecord::param_norm},
    {"params_norm", Member::number, &StepRecord::param_norm},
    {"z_loss", Member::number, &StepRecord::z_loss},
    {"zloss", Member::number, &StepRecord::z_loss},
    {"elapsedtimeperiteration(ms)", Member::number, &StepRecord::step_ms},
    {"elapsedtimeperiteration(s)", Member::number, &StepRecord::step_ms, 1000},
    {"tokenspersecond", Member::number, &StepRecord::tokens_per_s},
    {"consumedsamples", Member::samples},
    {"consumedtokens", Member::tokens},
    {"globalbatchsize", Member::batch},
    {"numberofskippediterations", Member::skipped},
    {"numberofnaniterations", Member::nans},
};
constexpr int kUnknown = static_cast<int>(std::size(kFields));

// `name` in lower case without blanks; too long for any that is known: empty.
std::string_view squeezed(std::string_view name, std::array<char, 40>& buffer) {
  size_t size = 0;
  for (const char c : name) {
    if (c == ' ' || c == '\t') continue;
    if (size == buffer.size()) return {};
    buffer[size++] = ascii_lower(c);
  }
  return {buffer.data(), size};
}

int find_field(std::string_view name) {
  std::array<char, 40> buffer;
  const std::string_view key = squeezed(name, buffer);
  for (int i = 0; i < kUnknown; ++i)
    if (kFields[i].name == key) return i;
  return kUnknown;
}

// Blanks within a number are where a terminal broke it.
std::optional<double> value_in(std::string_view text) {
  text = trim_blanks(text);
  double value = 0;
  if (!text.empty() && read_number(text, value) == text.size()) return value;
  return number_in(text);
}

bool is_none(std::string_view text) {
  text = trim_blanks(text);
  return text == "None" || text == "N/A" || text == "-";
}

bool store(const Field& field, std::string_view text, StepRecord& step,
           MegatronInterval& interval) {
  const std::optional<double> value = value_in(text);
  if (!value) return is_none(text);
  if (field.member == Member::number) {
    if (field.name == "loss" && step.loss) return true;  // a sum with other terms
    step.*field.number = field.scale == 1 ? *value : *value * field.scale;
    if (field.number == &StepRecord::grad_norm) interval.norm = trim_blanks(text);
    return true;
  }
  constexpr double kMost = 9.2e18;
  if (!(*value >= 0 && *value < kMost)) return false;
  const auto whole = static_cast<int64_t>(*value);
  if (field.member == Member::samples) step.samples = whole;
  if (field.member == Member::tokens) step.tokens = whole;
  if (field.member == Member::batch) interval.batch = whole;
  if (field.member == Member::skipped) interval.skipped = whole;
  if (field.member == Member::nans) interval.nans = whole;
  return true;
}

// The number behind `phrase`.
std::optional<int64_t> number_after(std::string_view line, std::string_view phrase) {
  const size_t at = line.find(phrase);
  if (at == std::string_view::npos) return std::nullopt;
  std::string_view rest = line.substr(at + phrase.size());
  return take_whole(rest);
}

// "on test set", "[hplt]", "on validation set" -> the set; the usual one has no name.
std::string set_in(std::string_view text) {
  text = trim_blanks(text);
  for (const std::string_view word : {"on ", "for ", "["})
    if (text.starts_with(word)) text.remove_prefix(word.size());
  for (const std::string_view word : {" set", " data", "]"})
    if (text.ends_with(word)) text.remove_suffix(word.size());
  text = trim_blanks(text);
  return text == "validation" || text == "val" || text == "valid" ? "" : std::string(text);
}

}  // namespace

std::optional<MegatronHead> find_megatron_head(std::string_view line, size_t from) {
  constexpr std::string_view kWord = "iteration";
  while (true) {
    if (from >= line.size()) return std::nullopt;
    const void* found =
        ::memmem(line.data() + from, line.size() - from, kWord.data(), kWord.size());
    if (found == nullptr) return std::nullopt;
    MegatronHead head;
    head.at = static_cast<size_t>(static_cast<const char*>(found) - line.data());
    from = head.at + kWord.size();
    std::string_view rest = line.substr(from);
    if (rest.empty() || rest.front() != ' ') continue;
    const std::optional<int64_t> iteration = take_whole(rest);
    if (!iteration || *iteration < 0) continue;
    rest.remove_prefix(std::min(rest.find_first_not_of(' '), rest.size()));
    if (!rest.starts_with('/')) continue;
    rest.remove_prefix(1);
    head.iteration = *iteration;
    const bool total = take_whole(rest).has_value();
    rest.remove_prefix(std::min(rest.find_first_not_of(' '), rest.size()));
    head.cut = rest.empty();
    if (!head.cut && (!total || rest.front() != '|')) continue;
    head.end = line.size() - rest.size() + (head.cut ? 0 : 1);
    return head;
  }
}

int MegatronFields::target_of(std::string_view name, size_t place,
                              std::vector<std::string>& unused) {
  if (place < kRemembered && places_[place].target >= 0 && places_[place].name == name)
    return places_[place].target;
  const int target = find_field(name);
  if (target == kUnknown) unused.emplace_back(trim_blanks(name));
  if (place < kRemembered) {
    places_[place].name = name;
    places_[place].target = target;
  }
  return target;
}

bool MegatronFields::read(std::string_view fields, StepRecord& step, MegatronInterval& interval,
                          std::vector<std::string>& unused) {
  interval = {};
  for (size_t place = 0; !fields.empty(); ++place) {
    const void* bar = std::memchr(fields.data(), '|', fields.size());
    const size_t size = bar == nullptr
                            ? fields.size()
                            : static_cast<size_t>(static_cast<const char*>(bar) - fields.data());
    const std::string_view field = fields.substr(0, size);
    fields.remove_prefix(std::min(size + 1, fields.size()));
    const size_t colon = field.rfind(':');
    if (colon == std::string_view::npos) continue;
    const int target = target_of(field.substr(0, colon), place, unused);
    if (target == kUnknown) continue;
    if (!store(kFields[target], field.substr(colon + 1), step, interval)) return false;
  }
  return true;
}

bool continues_megatron_record(std::string_view line) {
  const size_t bar = line.find('|');
  if (bar == std::string_view::npos) return false;
  const size_t colon = line.substr(0, bar).rfind(':');
  return colon != std::string_view::npos && find_field(line.substr(0, colon)) != kUnknown;
}

std::optional<EvalRecord> megatron_validation(std::string_view line, int64_t last_iteration) {
  const size_t bar = line.find('|');
  size_t at = line.find("loss at ");
  if (at == std::string_view::npos || bar == std::string_view::npos || at > bar)
    return std::nullopt;
  if (line.substr(0, at).find("valid") == std::string_view::npos &&
      line.substr(0, at).find("test") == std::string_view::npos)
    return std::nullopt;
  EvalRecord record;
  std::string_view where = line.substr(at + 8, bar - at - 8);
  if (where.starts_with("iteration")) {
    where.remove_prefix(9);
    const std::optional<int64_t> step = take_whole(where);
    if (!step || *step < 0) return std::nullopt;
    record.step = *step;
  } else if (where.starts_with("the end of training")) {
    where.remove_prefix(19);
    record.step = last_iteration;
  } else {
    return std::nullopt;
  }
  record.set = set_in(where);
  for (std::string_view rest = line.substr(bar + 1); !rest.empty();) {
    const std::string_view field = rest.substr(0, rest.find('|'));
    rest.remove_prefix(std::min(field.size() + 1, rest.size()));
    const size_t colon = field.rfind(':');
    if (colon == std::string_view::npos) continue;
    const std::string_view name = trim_blanks(field.substr(0, colon));
    const std::optional<double> value = number_in(field.substr(colon + 1));
    if (name == "lm loss value" || name == "lm_loss value") record.loss = value;
    if (name == "lm loss PPL" || name == "lm_loss PPL") record.perplexity = value;
  }
  if (!record.loss && !record.perplexity) return std::nullopt;
  return record;
}

std::optional<EventRecord> megatron_event(std::string_view line) {
  if (line.find("checkpoint") == std::string_view::npos) return std::nullopt;
  EventRecord record;
  std::optional<int64_t> step;
  if (line.find("saving checkpoint at iteration") != std::string_view::npos) {
    step = number_after(line, "saving checkpoint at iteration");
    record.event = "checkpoint";
    record.reason = "the log says that one is saved";
  } else if (line.find("successfully loaded checkpoint") != std::string_view::npos) {
    step = number_after(line, " at iteration");
    record.event = "resume";
    record.reason = "the log says that a checkpoint was loaded";
  }
  if (!step || *step < 0) return std::nullopt;
  record.step = *step;
  return record;
}

}  // namespace ballast
