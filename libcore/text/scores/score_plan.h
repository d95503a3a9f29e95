// Numbers that classifiers give to documents, as parse_score_spec() reads them, and the limits that
// documents must keep.
//
// A limit is one for all languages, or one by language from a thresholds file
// (ballast-documents(5)). Immutable once made; shared by threads.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libcore/base/result.h"
#include "libcore/text/document.h"
#include "libcore/text/fasttext/fasttext_model.h"
#include "libcore/text/scores/linear_model.h"
#include "libcore/text/scores/score_spec.h"

namespace ballast {

// Parts of `text` of at most `characters` code points, each ending behind white space where it has
// any; together they are the text.
std::vector<std::string_view> text_chunks(std::string_view text, int64_t characters);

// The number at a path of the document; empty: there is none.
std::optional<double> document_number(const Document& document, std::string_view path);

enum class Comparison { at_least, above, at_most, below };

struct ScoreLimit {
  std::string score;
  Comparison comparison = Comparison::at_least;
  double value = 0;                           // of languages that have none of their own
  std::map<std::string, double> by_language;  // as documents name it
  bool met_by(double score, double limit) const;
  double of(const std::string& language) const;
};

// NAME>=X, NAME>X, NAME<=X or NAME<X.
Result<ScoreLimit> parse_score_limit(std::string_view spec);

// The JSON record of a thresholds file, and the limit that it holds.
Result<ScoreLimit> parse_thresholds(std::string_view text, const std::string& where);
std::string thresholds_text(const ScoreLimit& limit, const std::string& share, int64_t documents,
                            int dropped_bits);

struct ScoreVerdict {
  std::string reason;  // empty: kept; else NAME, or NAME.missing
  double value = 0, limit = 0;
};

struct ScoreBuffers {
  FastTextBuffers fasttext;
  LinearBuffers linear;
};

class ScorePlan {
 public:
  // Models are read once each.
  Result<void> add_score(std::string_view spec, FileSystem& fs);
  // After the scores; of a score that is not among them, the document's own from an earlier run
  // (ballast.scores.NAME) counts.
  Result<void> add_limit(std::string_view spec);
  void add_limit(ScoreLimit limit) { limits_.push_back(std::move(limit)); }

  bool empty() const { return scores_.empty() && limits_.empty(); }
  // Writes the scores under "ballast.scores" and compares.
  ScoreVerdict judge(Document& document, ScoreBuffers& buffers) const;

 private:
  struct Score {
    ScoreSpec spec;
    std::shared_ptr<const FastTextModel> fasttext;
    size_t label = 0;
    std::shared_ptr<const LinearModel> linear;
  };
  Result<void> read_fasttext(FileSystem& fs, Score& score);
  Result<void> read_linear(FileSystem& fs, Score& score);
  static double ask(const Score& score, std::string_view text, ScoreBuffers& buffers);
  static std::optional<double> measure(const Score& score, const Document& document,
                                       ScoreBuffers& buffers);

  std::vector<Score> scores_;
  std::vector<ScoreLimit> limits_;
  std::map<std::string, std::shared_ptr<const FastTextModel>> fasttext_models_;
  std::map<std::string, std::shared_ptr<const LinearModel>> linear_models_;
};

}  // namespace ballast
