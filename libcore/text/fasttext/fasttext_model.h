// Supervised fastText models, .bin and quantised .ftz (format versions 11 and 12), read by
// ourselves: the library trusts every length in the file, and these files come from strangers. All
// losses (softmax, ova, ns, hs), character n-grams, word n-grams, pruned vocabularies and product
// quantisation. Labels and probabilities are the library's to float rounding, its addition of 1e-5
// to each included.
//
// A text is one line: all white space parts words, line feeds too, and the end-of-sentence word
// comes last. As in the library, "</s>" in the text ends it. Immutable once read: one model serves
// all threads, each with buffers of its own.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "libcore/base/result.h"
#include "libcore/io/file_system.h"
#include "libcore/text/fasttext/fasttext_matrix.h"

namespace ballast {

struct FastTextBuffers {
  std::vector<float> hidden, output;
  std::vector<int32_t> word_hashes;
  std::vector<float> scores;  // by label: what predict() leaves
};

struct FastTextPrediction {
  int label = -1;  // -1: the text has nothing that the model knows
  float score = 0;
};

class FastTextModel {
 public:
  // Kind corrupt on anything but a whole supervised model; nothing is allocated that the file's
  // size does not account for.
  static Result<std::unique_ptr<FastTextModel>> load(FileSystem& fs, const std::string& path);
  static Result<std::unique_ptr<FastTextModel>> read(ReadableFile& file, const std::string& path);

  const std::vector<std::string>& labels() const { return labels_; }  // "__label__en"
  // The best label; scores of all labels are left in `buffers`. The first of equal ones wins.
  FastTextPrediction predict(std::string_view text, FastTextBuffers& buffers) const;

 private:
  friend class FastTextReader;
  FastTextModel() = default;
  struct Node {
    int32_t left = -1, right = -1;
    int64_t count = 0;
  };

  class Sum;
  void add_word(std::string_view word, Sum& sum, FastTextBuffers& buffers) const;
  void add_subwords(std::string_view word, Sum& sum) const;
  void add_word_ngrams(Sum& sum, const FastTextBuffers& buffers) const;
  void score_labels(FastTextBuffers& buffers) const;
  void score_tree(FastTextBuffers& buffers) const;
  void build_tree(const std::vector<int64_t>& counts);
  int64_t row_of_hash(uint64_t bucket) const;

  enum class Loss { hs = 1, ns = 2, softmax = 3, ova = 4 };
  Loss loss_ = Loss::softmax;
  int32_t dim_ = 0, word_ngrams_ = 1, buckets_ = 0, min_chars_ = 0, max_chars_ = 0;
  int32_t word_count_ = 0;
  bool pruned_ = false;
  std::unique_ptr<char[]> text_;  // of the words, without separators
  std::unordered_map<std::string_view, int32_t> words_;
  std::vector<std::string> labels_;
  std::unordered_map<int32_t, int32_t> kept_buckets_;  // of a pruned model: bucket to row
  FastTextMatrix input_, output_;
  std::vector<Node> tree_;       // of hs; leaves first, the root last
  std::vector<float> sigmoids_;  // of ova and ns
};

}  // namespace ballast
