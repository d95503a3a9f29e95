// A linear model over the words of a text, such as a logistic regression that scikit-learn fitted
// on CountVectorizer or TfidfVectorizer: score = bias + sum of weight * x over its terms, or the
// sigmoid of that. The file is JSON (ballast-documents(5), "Linear models"). The sum runs in the
// order of the file's terms, so a score does not depend on where in a text they stand. Immutable
// once read: one model serves all threads, each with buffers of its own.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "libcore/base/result.h"
#include "libcore/io/file_system.h"
#include "libcore/text/scores/word_features.h"

namespace ballast {

struct LinearBuffers {
  WordBuffers words;
  std::vector<uint32_t> counts;  // by term; all 0 between texts
  std::vector<uint32_t> found;   // terms of the text
};

class LinearModel {
 public:
  // Kind corrupt on anything but a whole model with finite numbers.
  static Result<std::shared_ptr<const LinearModel>> load(FileSystem& fs, const std::string& path);
  static Result<std::shared_ptr<const LinearModel>> parse(std::string_view text,
                                                          const std::string& where);

  double score(std::string_view text, LinearBuffers& buffers) const;  // always finite
  size_t terms() const { return weights_.size(); }
  bool has_sigmoid() const { return sigmoid_; }

 private:
  friend class LinearReader;
  LinearModel() = default;
  void count_terms(LinearBuffers& buffers) const;
  double sum_terms(LinearBuffers& buffers) const;

  struct Hash : std::hash<std::string_view> {
    using is_transparent = void;
  };
  enum class Tf { count, log, binary };
  enum class Norm { none, l1, l2 };
  bool lower_case_ = true, sigmoid_ = true;
  int64_t min_words_ = 1, max_words_ = 1;  // of a term
  Tf tf_ = Tf::count;
  Norm norm_ = Norm::none;
  double bias_ = 0;
  std::unordered_map<std::string, uint32_t, Hash, std::equal_to<>> terms_;
  std::vector<double> weights_, idf_;  // by term; no idf: all 1
};

}  // namespace ballast
