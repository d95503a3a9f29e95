// tokshard quantile: the limit of a score that a given share of the documents keeps, by language:
// the first pass of a filter by quantiles, whose second is `filter --thresholds`.
#include <fmt/format.h>

#include <cmath>
#include <map>
#include <memory>

#include "libcore/base/thread_pool.h"
#include "libcore/base/units.h"
#include "libcore/cli/message.h"
#include "libcore/text/scores/quantiles.h"
#include "libcore/text/scores/score_plan.h"
#include "tools/tokshard/document_blocks.h"
#include "tools/tokshard/document_outputs.h"
#include "tools/tokshard/verbs.h"

namespace ballast {
namespace {

struct QuantileFlags {
  std::vector<std::string> inputs;
  std::string score, share, by = "language", on_error = "fail";
  int64_t values = 4'000'000;
};

// "top:33%" or "bottom:5%": the share to keep.
struct Share {
  bool top = true;
  double part = 0;
};

Result<Share> parse_share(const std::string& text) {
  const auto bad = [&] {
    return usage_error(fmt::format("'{}' is no share", text), "--share",
                       "top:X% or bottom:X%, X in 0..100");
  };
  const size_t colon = text.find(':');
  if (colon == std::string::npos || !text.ends_with('%')) return bad();
  const std::string side = text.substr(0, colon);
  const Result<double> percent = parse_double(text.substr(colon + 1, text.size() - colon - 2));
  if ((side != "top" && side != "bottom") || !percent.ok() || !(*percent > 0 && *percent <= 100))
    return bad();
  return Share{side == "top", *percent / 100};
}

// NAME, or NAME=KEY where the number is not under ballast.scores.
struct Source {
  std::string name, path;
};
Result<Source> parse_source(const std::string& text) {
  const size_t equals = text.find('=');
  Source source{text.substr(0, equals), {}};
  source.path = equals == std::string::npos ? "ballast.scores." + text : text.substr(equals + 1);
  ScorePlan names;
  BALLAST_TRY(names.add_score(source.name + "=metadata:" + source.path, posix_file_system()));
  return source;
}

class QuantileJob {
 public:
  QuantileJob(const QuantileFlags& flags, Source source, Share share)
      : flags_(flags), source_(std::move(source)), share_(share), all_(capacity()) {}

  Result<void> run(int threads) {
    ThreadPool pool(threads);
    DocumentBlocks blocks(flags_.inputs, flags_.on_error == "skip");
    while (true) {
      const std::vector<Document> block = BALLAST_TRY(blocks.next(pool));
      if (block.empty()) return {};
      for (const Document& document : block) BALLAST_TRY(add(document));
    }
  }

  Result<ScoreLimit> limit() const {
    if (all_.count() == 0) {
      return insufficient_error(fmt::format("no document has a score '{}'", source_.path),
                                flags_.inputs[0]);
    }
    ScoreLimit limit;
    limit.score = source_.name;
    limit.comparison = share_.top ? Comparison::at_least : Comparison::at_most;
    limit.value = all_.limit(share_.part, share_.top);
    for (const auto& [language, counter] : languages_) {
      limit.by_language[language] = counter->limit(share_.part, share_.top);
    }
    return limit;
  }

  int64_t documents() const { return all_.count(); }
  int64_t missing() const { return missing_; }
  int dropped_bits() const {
    int bits = all_.dropped_bits();
    for (const auto& [language, counter] : languages_)
      bits = std::max(bits, counter->dropped_bits());
    return bits;
  }

 private:
  static constexpr size_t kMaxLanguages = 4096;

  size_t capacity() const { return static_cast<size_t>(flags_.values); }

  Result<void> add(const Document& document) {
    const std::optional<double> value = document_number(document, source_.path);
    if (!value) {
      ++missing_;
      return {};
    }
    all_.add(*value);
    if (flags_.by == "all" || document.language.empty()) return {};
    auto& counter = languages_[document.language];
    if (languages_.size() > kMaxLanguages)
      return corrupt_error(fmt::format("over {} languages", kMaxLanguages), flags_.inputs[0]);
    if (counter == nullptr) counter = std::make_unique<QuantileCounter>(capacity());
    counter->add(*value);
    return {};
  }

  const QuantileFlags& flags_;
  Source source_;
  Share share_;
  QuantileCounter all_;
  std::map<std::string, std::unique_ptr<QuantileCounter>> languages_;
  int64_t missing_ = 0;
};

Result<int> run_quantile(const QuantileFlags& flags, const CommonOptions& common) {
  const Share share = BALLAST_TRY(parse_share(flags.share));
  Source source = BALLAST_TRY(parse_source(flags.score));
  if (flags.values < 1) return usage_error("must be 1 or more", "--values");
  BALLAST_TRY(refuse_repeated_inputs(flags.inputs));
  QuantileJob job(flags, std::move(source), share);
  BALLAST_TRY(job.run(common.threads));
  const ScoreLimit limit = BALLAST_TRY(job.limit());
  print_out(thresholds_text(limit, flags.share, job.documents(), job.dropped_bits()));
  print_note(fmt::format("{} documents with the score, {} without, {} languages", job.documents(),
                         job.missing(), limit.by_language.size()));
  return kExitDone;
}

}  // namespace

VerbRun add_quantile(CLI::App& app, const CommonOptions& common) {
  auto flags = std::make_shared<QuantileFlags>();
  path_option(
      app.add_option("input", flags->inputs, "documents, plain or compressed; '-' is stdin"))
      ->required();
  app.add_option("--score", flags->score, "NAME of a score, or NAME=KEY of a number in documents")
      ->required();
  app.add_option("--share", flags->share, "what to keep: top:33% or bottom:95%")->required();
  choice_option(app.add_option("--by", flags->by, "limits by (language)"), {"language", "all"});
  count_option(app, "--values", flags->values,
               "different values remembered exactly, for all and for each language");
  choice_option(
      app.add_option("--on-error", flags->on_error, "malformed lines; skip counts them (fail)"),
      {"fail", "skip"});
  return [flags, &common] { return run_quantile(*flags, common); };
}

}  // namespace ballast
