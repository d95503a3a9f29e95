// How a score is named on a command line:
//
//   NAME=fasttext:FILE,label=LABEL[,over=text|max|first][,chunk=N]
//       the probability of a label: of the whole text (the default), the largest of its chunks, or
//       of the first chunk; chunks have at most N characters (2000) and end at white space
//   NAME=linear:FILE[,over=text|max|first][,chunk=N]
//       what a linear model says of the same
//   NAME=metadata:KEY
//       a number that the document brings; KEY is a path such as score, metadata.score or
//       ballast.scores.quality
//
// Parsing reads no file.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "libcore/base/result.h"

namespace ballast {

enum class ScoreKind { fasttext, linear, metadata };
enum class ScoreOver { text, max, first };

struct ScoreSpec {
  std::string name;
  ScoreKind kind = ScoreKind::metadata;
  std::string source;  // the file, or the key
  std::string label;   // of fastText
  ScoreOver over = ScoreOver::text;
  int64_t chunk = 2000;

  bool reads_file() const { return kind != ScoreKind::metadata; }
};

// Up to 64 letters, digits, underscores and hyphens.
bool is_score_name(std::string_view name);
Result<ScoreSpec> parse_score_spec(std::string_view spec);

}  // namespace ballast
