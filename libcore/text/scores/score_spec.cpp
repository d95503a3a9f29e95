#include "libcore/text/scores/score_spec.h"

#include <fmt/format.h>

#include <algorithm>

#include "libcore/base/ascii.h"
#include "libcore/base/units.h"
#include "libcore/io/utf8.h"

namespace ballast {
namespace {

Result<ScoreOver> parse_over(std::string_view word) {
  if (word == "text") return ScoreOver::text;
  if (word == "max") return ScoreOver::max;
  if (word == "first") return ScoreOver::first;
  return usage_error(fmt::format("unknown over '{}'", printable(word)), "--score",
                     "accepted: text, max, first");
}

// FILE may have commas, so options are taken off the end while they are any.
Result<void> read_options(std::string_view rest, ScoreSpec& spec) {
  constexpr std::string_view kNames[] = {"label=", "over=", "chunk="};
  bool given[std::size(kNames)] = {};
  for (size_t comma = rest.rfind(','); comma != rest.npos; comma = rest.rfind(',')) {
    const std::string_view option = rest.substr(comma + 1);
    const auto* known =
        std::find_if(std::begin(kNames), std::end(kNames),
                     [&](std::string_view name) { return option.starts_with(name); });
    if (known == std::end(kNames)) break;
    const std::string_view value = option.substr(known->size());
    bool& seen = given[known - std::begin(kNames)];
    if (seen) return usage_error(fmt::format("'{}' twice", *known), "--score", spec.name);
    seen = true;
    if (*known == "label=") {
      spec.label = value;
    } else if (*known == "over=") {
      spec.over = BALLAST_TRY(parse_over(value));
    } else {
      const Result<int64_t> chunk = parse_count(value);
      if (!chunk.ok() || *chunk < 1)
        return usage_error(fmt::format("chunk '{}'", printable(value)), "--score", "1 or more");
      spec.chunk = *chunk;
    }
    rest = rest.substr(0, comma);
  }
  if (given[0] && spec.kind == ScoreKind::linear)
    return usage_error("a linear model has no labels", "--score", spec.name);
  if (given[2] && spec.over == ScoreOver::text)
    return usage_error("chunk needs over=max or over=first", "--score", spec.name);
  spec.source = rest;
  return {};
}

}  // namespace

bool is_score_name(std::string_view name) {
  return !name.empty() && name.size() <= 64 && std::all_of(name.begin(), name.end(), [](char c) {
    return is_ascii_alnum(c) || c == '_' || c == '-';
  });
}

Result<ScoreSpec> parse_score_spec(std::string_view text) {
  const size_t equals = std::min(text.find('='), text.size());
  const size_t colon = text.find(':', equals);
  ScoreSpec spec;
  spec.name = text.substr(0, equals);
  if (!is_score_name(spec.name) || colon == text.npos) {
    return usage_error(fmt::format("'{}' is not NAME=KIND:...", printable(text)), "--score",
                       "kinds: fasttext, linear, metadata");
  }
  const std::string_view kind = text.substr(equals + 1, colon - equals - 1);
  const std::string_view rest = text.substr(colon + 1);
  if (kind == "fasttext" || kind == "linear") {
    spec.kind = kind == "linear" ? ScoreKind::linear : ScoreKind::fasttext;
    BALLAST_TRY(read_options(rest, spec));
  } else if (kind == "metadata") {
    spec.source = rest;
  } else {
    return usage_error(fmt::format("unknown kind '{}'", printable(kind)), "--score",
                       "accepted: fasttext:FILE,label=LABEL, linear:FILE, metadata:KEY");
  }
  if (spec.source.empty())
    return usage_error(spec.reads_file() ? "no file" : "no key", "--score", spec.name);
  if (spec.kind == ScoreKind::fasttext && spec.label.empty())
    return usage_error("fasttext:FILE needs ,label=LABEL", "--score", spec.name);
  return spec;
}

}  // namespace ballast
