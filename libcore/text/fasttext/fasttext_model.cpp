#include "libcore/text/fasttext/fasttext_model.h"

#include <algorithm>
#include <cmath>

#include "libcore/base/check.h"

namespace ballast {
namespace {

constexpr std::string_view kEndOfSentence = "</s>";
constexpr std::string_view kLabelPrefix = "__label__";
constexpr int kSigmoidSteps = 512;
constexpr float kMaxSigmoid = 8;

// FNV-1a over bytes taken as signed, as the library has it.
constexpr uint32_t kHashStart = 2166136261U;
uint32_t hash_byte(uint32_t hash, char c) {
  return (hash ^ static_cast<uint32_t>(static_cast<int8_t>(c))) * 16777619U;
}
uint32_t hash_word(std::string_view word) {
  uint32_t hash = kHashStart;
  for (char c : word) hash = hash_byte(hash, c);
  return hash;
}

bool is_space(char c) {
  return c == ' ' || c == '\n' || c == '\r' || c == '\t' || c == '\v' || c == '\f' || c == '\0';
}

// log(x) as the library takes it of probabilities.
float safe_log(float x) { return static_cast<float>(std::log(static_cast<double>(x) + 1e-5)); }

}  // namespace

// The rows of a text, added up in the library's order.
class FastTextModel::Sum {
 public:
  Sum(const FastTextMatrix& matrix, std::vector<float>& into) : matrix_(matrix), into_(into) {}
  void add(int64_t row) {
    if (row < 0) return;
    matrix_.add_row(row, into_.data());
    ++rows_;
  }
  int64_t rows() const { return rows_; }

 private:
  const FastTextMatrix& matrix_;
  std::vector<float>& into_;
  int64_t rows_ = 0;
};

int64_t FastTextModel::row_of_hash(uint64_t bucket) const {
  if (!pruned_) return int64_t{word_count_} + static_cast<int64_t>(bucket);
  const auto kept = kept_buckets_.find(static_cast<int32_t>(bucket));
  return kept == kept_buckets_.end() ? -1 : int64_t{word_count_} + kept->second;
}

// Character n-grams of "<word>" from min_chars_ to max_chars_, but no lone "<" or ">".
void FastTextModel::add_subwords(std::string_view word, Sum& sum) const {
  const size_t size = word.size() + 2;
  const auto byte = [&](size_t i) { return i == 0 ? '<' : i + 1 == size ? '>' : word[i - 1]; };
  const auto continues = [&](size_t i) { return i < size && (byte(i) & 0xC0) == 0x80; };
  for (size_t begin = 0; begin < size; ++begin) {
    if (continues(begin)) continue;
    uint32_t hash = kHashStart;
    size_t end = begin;
    for (int32_t n = 1; end < size && n <= max_chars_; ++n) {
      hash = hash_byte(hash, byte(end++));
      while (continues(end)) hash = hash_byte(hash, byte(end++));
      if (n < min_chars_ || (n == 1 && (begin == 0 || end == size))) continue;
      sum.add(row_of_hash(hash % static_cast<uint32_t>(buckets_)));
    }
  }
}

void FastTextModel::add_word(std::string_view word, Sum& sum, FastTextBuffers& buffers) const {
  const auto known = words_.find(word);
  if (known == words_.end()) {
    if (word.starts_with(kLabelPrefix)) return;
    if (word != kEndOfSentence) add_subwords(word, sum);
  } else {
    if (known->second >= word_count_) return;  // a label
    sum.add(known->second);
    if (word != kEndOfSentence) add_subwords(word, sum);
  }
  if (word_ngrams_ > 1) buffers.word_hashes.push_back(static_cast<int32_t>(hash_word(word)));
}

void FastTextModel::add_word_ngrams(Sum& sum, const FastTextBuffers& buffers) const {
  const std::vector<int32_t>& hashes = buffers.word_hashes;
  for (size_t i = 0; i < hashes.size(); ++i) {
    auto hash = static_cast<uint64_t>(int64_t{hashes[i]});
    const size_t end = std::min(hashes.size(), i + static_cast<size_t>(word_ngrams_));
    for (size_t j = i + 1; j < end; ++j) {
      hash = hash * 116049371 + static_cast<uint64_t>(int64_t{hashes[j]});
      sum.add(row_of_hash(hash % static_cast<uint64_t>(buckets_)));
    }
  }
}

FastTextPrediction FastTextModel::predict(std::string_view text, FastTextBuffers& buffers) const {
  buffers.hidden.assign(static_cast<size_t>(dim_), 0.0F);
  buffers.word_hashes.clear();
  buffers.scores.assign(labels_.size(), 0.0F);
  Sum sum(input_, buffers.hidden);
  for (size_t at = 0; at < text.size();) {
    size_t end = at;
    while (end < text.size() && !is_space(text[end])) ++end;
    const std::string_view word = text.substr(at, end - at);
    if (word == kEndOfSentence) break;  // where the library stops to read
    if (!word.empty()) add_word(word, sum, buffers);
    at = end + 1;
  }
  add_word(kEndOfSentence, sum, buffers);
  add_word_ngrams(sum, buffers);
  if (sum.rows() == 0) return {};
  const float scale = 1.0F / static_cast<float>(sum.rows());
  for (float& value : buffers.hidden) value *= scale;
  score_labels(buffers);
  const auto best = std::max_element(buffers.scores.begin(), buffers.scores.end());
  return {static_cast<int>(best - buffers.scores.begin()), *best};
}

void FastTextModel::score_labels(FastTextBuffers& buffers) const {
  if (loss_ == Loss::hs) return score_tree(buffers);
  std::vector<float>& scores = buffers.scores;
  for (size_t i = 0; i < scores.size(); ++i) {
    scores[i] = output_.dot_row(static_cast<int64_t>(i), buffers.hidden.data());
  }
  if (loss_ == Loss::softmax) {
    const float most = *std::max_element(scores.begin(), scores.end());
    float total = 0;
    for (float& score : scores) {
      score = std::exp(score - most);
      total += score;
    }
    for (float& score : scores) score /= total;
  } else {
    for (float& score : scores) {
      const bool outside = !(score >= -kMaxSigmoid && score <= kMaxSigmoid);
      const float step = (score + kMaxSigmoid) * kSigmoidSteps / kMaxSigmoid / 2;
      score = outside ? (score > 0 ? 1.0F : 0.0F) : sigmoids_[static_cast<size_t>(step)];
    }
  }
  for (float& score : scores) score = std::exp(safe_log(score));
}

// A leaf's score is the product of the choices on its way from the root.
void FastTextModel::score_tree(FastTextBuffers& buffers) const {
  const auto leaves = static_cast<int32_t>(labels_.size());
  buffers.output.assign(tree_.size(), 0.0F);  // log of the way to each node
  for (auto node = static_cast<int32_t>(tree_.size()) - 1; node >= leaves; --node) {
    const Node& inner = tree_[static_cast<size_t>(node)];
    const float way = buffers.output[static_cast<size_t>(node)];
    const float dot = output_.dot_row(node - leaves, buffers.hidden.data());
    const auto right = static_cast<float>(1.0 / (1.0 + std::exp(-static_cast<double>(dot))));
    buffers.output[static_cast<size_t>(inner.left)] =
        way + safe_log(static_cast<float>(1.0 - static_cast<double>(right)));
    buffers.output[static_cast<size_t>(inner.right)] = way + safe_log(right);
  }
  for (size_t i = 0; i < labels_.size(); ++i) buffers.scores[i] = std::exp(buffers.output[i]);
}

// Huffman's tree over labels that are sorted by falling counts; children come before parents.
void FastTextModel::build_tree(const std::vector<int64_t>& counts) {
  const size_t leaves = counts.size();
  tree_.resize(2 * leaves - 1);
  for (Node& node : tree_) node.count = int64_t{1'000'000'000'000'000};
  for (size_t i = 0; i < leaves; ++i) tree_[i].count = counts[i];
  auto leaf = static_cast<int64_t>(leaves) - 1;
  size_t inner = leaves;
  for (size_t node = leaves; node < tree_.size(); ++node) {
    int32_t least[2];
    for (int32_t& child : least) {
      const bool take_leaf =
          leaf >= 0 && tree_[static_cast<size_t>(leaf)].count < tree_[inner].count;
      child = static_cast<int32_t>(take_leaf ? static_cast<size_t>(leaf--) : inner++);
    }
    tree_[node].left = least[0];
    tree_[node].right = least[1];
    tree_[node].count =
        tree_[static_cast<size_t>(least[0])].count + tree_[static_cast<size_t>(least[1])].count;
  }
}

// Reads the parts of a file in their order, each checked before the next.
class FastTextReader {
 public:
  FastTextReader(ReadableFile& file, const std::string& path)
      : in_(file, path), model_(new FastTextModel()) {}

  Result<std::unique_ptr<FastTextModel>> run() {
    BALLAST_TRY(read_settings());
    BALLAST_TRY(read_dictionary());
    BALLAST_TRY(read_pruning());
    BALLAST_TRY(read_matrices());
    using Loss = FastTextModel::Loss;
    if (model_->loss_ == Loss::hs) {
      // A child is a node before its parent, which holds for counts that fall.
      if (!std::is_sorted(label_counts_.rbegin(), label_counts_.rend()) ||
          label_counts_.back() < 0 || label_counts_.front() > kMaxCount)
        return in_.damaged("counts of labels are out of order");
      model_->build_tree(label_counts_);
    }
    if (model_->loss_ == Loss::ova || model_->loss_ == Loss::ns) {
      for (int i = 0; i <= kSigmoidSteps; ++i) {
        const float x = static_cast<float>(i) * 2 * kMaxSigmoid / kSigmoidSteps - kMaxSigmoid;
        model_->sigmoids_.push_back(static_cast<float>(1.0 / (1.0 + std::exp(-x))));
      }
    }
    return std::move(model_);
  }

 private:
  static constexpr int64_t kMaxCount = int64_t{1} << 36;

  Result<void> read_settings() {
    constexpr int32_t kMagic = 793712314;
    if (BALLAST_TRY(in_.number<int32_t>()) != kMagic) return in_.damaged("no magic number");
    const auto version = BALLAST_TRY(in_.number<int32_t>());
    if (version != 11 && version != 12) return in_.damaged("version is neither 11 nor 12");
    int32_t settings[12];
    BALLAST_TRY(in_.bytes(settings, sizeof settings));
    BALLAST_TRY(in_.number<double>());  // sampling threshold
    const auto [dim, window, epochs, least, negatives, word_ngrams, loss, kind, buckets, min_chars,
                max_chars, rate] = settings;
    if (kind != 3) return in_.damaged("not supervised");
    if (loss < 1 || loss > 4) return in_.damaged("unknown loss");
    if (dim < 1 || dim > 1 << 16) return in_.damaged("dimension is not in 1..65536");
    const bool grams = min_chars >= 0 && max_chars >= 0 && max_chars <= 64 && word_ngrams >= 0 &&
                       word_ngrams <= 64 && buckets >= 0;
    if (!grams) return in_.damaged("impossible n-grams");
    model_->dim_ = dim;
    model_->word_ngrams_ = word_ngrams;
    model_->loss_ = static_cast<FastTextModel::Loss>(loss);
    model_->buckets_ = buckets;
    model_->min_chars_ = min_chars;
    model_->max_chars_ = version == 11 ? 0 : max_chars;  // older supervised models have none
    if (buckets == 0 && (model_->max_chars_ > 0 || word_ngrams > 1))
      return in_.damaged("n-grams without buckets");
    return {};
  }

  Result<void> read_dictionary() {
    const auto size = BALLAST_TRY(in_.number<int32_t>());
    const auto words = BALLAST_TRY(in_.number<int32_t>());
    const auto labels = BALLAST_TRY(in_.number<int32_t>());
    BALLAST_TRY(in_.number<int64_t>());  // tokens of the training set
    pruned_rows_ = BALLAST_TRY(in_.number<int64_t>());
    constexpr int64_t kLeastEntry = 10;  // "\0", count, type
    if (words < 0 || labels < 1 || int64_t{words} + labels != size ||
        size > in_.remaining() / kLeastEntry)
      return in_.damaged("impossible dictionary");
    model_->word_count_ = words;
    std::string text;
    std::vector<size_t> ends;
    for (int32_t i = 0; i < size; ++i) {
      BALLAST_TRY(read_word(text));
      const auto count = BALLAST_TRY(in_.number<int64_t>());
      const auto type = BALLAST_TRY(in_.number<int8_t>());
      if (type != (i < words ? 0 : 1)) return in_.damaged("words and labels are mixed");
      if (type == 1) label_counts_.push_back(count);
      ends.push_back(text.size());
    }
    index_words(text, ends);
    return {};
  }

  Result<void> read_word(std::string& text) {
    constexpr size_t kLongest = 1 << 16;
    const size_t begin = text.size();
    while (true) {
      const char c = BALLAST_TRY(in_.number<char>());
      if (c == '\0') return {};
      if (text.size() - begin == kLongest) return in_.damaged("a word over 64 KiB");
      text += c;
    }
  }

  void index_words(const std::string& text, const std::vector<size_t>& ends) {
    model_->text_ = std::make_unique<char[]>(text.size() + 1);
    std::copy(text.begin(), text.end(), model_->text_.get());
    model_->words_.reserve(ends.size());
    size_t begin = 0;
    for (size_t i = 0; i < ends.size(); ++i) {
      const std::string_view word(model_->text_.get() + begin, ends[i] - begin);
      model_->words_.emplace(word, static_cast<int32_t>(i));
      if (static_cast<int32_t>(i) >= model_->word_count_) model_->labels_.emplace_back(word);
      begin = ends[i];
    }
  }

  Result<void> read_pruning() {
    if (pruned_rows_ < 0) return {};
    model_->pruned_ = true;
    if (pruned_rows_ > in_.remaining() / 8) return in_.damaged("ends early");
    for (int64_t i = 0; i < pruned_rows_; ++i) {
      const auto bucket = BALLAST_TRY(in_.number<int32_t>());
      const auto row = BALLAST_TRY(in_.number<int32_t>());
      if (row < 0) return in_.damaged("impossible row");
      most_row_ = std::max<int64_t>(most_row_, row + int64_t{1});
      model_->kept_buckets_.emplace(bucket, row);
    }
    return {};
  }

  Result<void> read_matrices() {
    const bool quantised = BALLAST_TRY(in_.number<uint8_t>()) != 0;
    if (model_->pruned_ && !quantised) return in_.damaged("pruned, but not quantised");
    model_->input_ = BALLAST_TRY(FastTextMatrix::read(in_, quantised));
    const bool output = BALLAST_TRY(in_.number<uint8_t>()) != 0;
    model_->output_ = BALLAST_TRY(FastTextMatrix::read(in_, quantised && output));
    const bool hashed = model_->max_chars_ > 0 || model_->word_ngrams_ > 1;
    const int64_t rows = model_->word_count_ + (model_->pruned_ ? most_row_
                                                : hashed        ? model_->buckets_
                                                                : 0);
    if (model_->input_.rows() < rows || model_->input_.columns() != model_->dim_)
      return in_.damaged("input matrix and dictionary do not agree");
    if (model_->output_.rows() < static_cast<int64_t>(model_->labels_.size()) ||
        model_->output_.columns() != model_->dim_)
      return in_.damaged("output matrix and labels do not agree");
    if (in_.remaining() > 0) return in_.damaged("bytes behind its end");
    return {};
  }

  FastTextInput in_;
  std::unique_ptr<FastTextModel> model_;
  int64_t pruned_rows_ = -1, most_row_ = 0;
  std::vector<int64_t> label_counts_;
};

Result<std::unique_ptr<FastTextModel>> FastTextModel::read(ReadableFile& file,
                                                           const std::string& path) {
  return FastTextReader(file, path).run();
}

Result<std::unique_ptr<FastTextModel>> FastTextModel::load(FileSystem& fs,
                                                           const std::string& path) {
  std::unique_ptr<ReadableFile> file = BALLAST_TRY(fs.open_read(path));
  return read(*file, path);
}

}  // namespace ballast
