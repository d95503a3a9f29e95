// Words as datatrove's quality filters count them: cut by spaCy's rules for English (its 3.8
// tokenizer: exceptions such as "can't" and "U.S.", then affixes, URLs, infixes, then exceptions
// that affixes tore apart). Linear in the text; keeps its buffers between texts: one per thread.
// Texts are valid UTF-8 of less than 4 GiB. Nothing fails.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace ballast {

struct Word {
  uint32_t begin = 0, end = 0;  // bytes of the text
  uint32_t chars = 0;
  bool letters = false;  // it has a letter
  bool symbols = false;  // it consists of symbols alone

  std::string_view of(std::string_view text) const { return text.substr(begin, end - begin); }
};

class WordSplitter {
 public:
  // Replaces the content of `words`; blanks are no words.
  void split(std::string_view text, std::vector<Word>& words);
  // How many sentences the same rules find; 1 for an empty text, as datatrove counts it.
  int64_t count_sentences(std::string_view text);

 private:
  friend struct TornExceptions;
  struct Token {
    uint32_t begin = 0, end = 0;
    bool plain = false;  // ASCII letters only
    bool blank = false;
  };
  struct Span {
    size_t first = 0, last = 0;  // tokens, both included
  };

  void cut(std::string_view text);
  void cut_chunk(std::string_view text, uint32_t begin, uint32_t end, bool exceptions);
  bool push_exception(std::string_view text, uint32_t begin, uint32_t end);
  void push(uint32_t begin, uint32_t end) { tokens_.push_back({begin, end}); }
  void cut_core(std::string_view text, uint32_t begin, uint32_t end, bool exceptions);
  void cut_infixes(std::string_view text, uint32_t begin, uint32_t end);
  void join_exceptions(std::string_view text);
  void keep_longest_spans();

  std::vector<Token> tokens_, joined_;
  std::vector<Token> suffixes_;
  std::vector<Span> spans_, kept_;
  std::vector<bool> seen_;  // by token
};

// Whether the whole of `word` is a URL or a bare host, as the rules understand it.
bool is_url_word(std::string_view word);

}  // namespace ballast
