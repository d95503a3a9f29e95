#include "libcore/base/ascii.h"
#include "libcore/text/quality/rules.h"
#include "libcore/text/quality/word_class.h"

namespace ballast {
namespace {

constexpr std::string_view kPolicies[] = {"terms of use", "privacy policy", "cookie policy",
                                          "uses cookies", "use of cookies", "use cookies"};

struct LineShape {
  int64_t words = 0;         // between blanks
  int64_t longest_word = 0;  // characters
};
LineShape measure_line(std::string_view line, const uint32_t* masks) {
  LineShape shape;
  int64_t chars = 0;
  for (size_t at = 0; at < line.size();) {
    const TextChar c = text_char(line, at, masks);
    at += c.bytes;
    chars = (c.mask & kBlank) != 0 ? 0 : chars + 1;
    if (chars == 1) ++shape.words;
    shape.longest_word = std::max(shape.longest_word, chars);
  }
  return shape;
}

// Bytes of "[12]", "[]", "[edit]" or "[citation needed]" at `at`, 0 for none.
size_t citation_bytes(std::string_view line, size_t at, const uint32_t* masks) {
  const std::string_view rest = line.substr(at);
  for (std::string_view word : {"[edit]", "[citation needed]"}) {
    if (rest.starts_with(word)) return word.size();
  }
  size_t end = 1;
  while (end < rest.size() && rest[end] != ']') {
    const TextChar c = text_char(rest, end, masks);
    if ((c.mask & kDigit) == 0) return 0;
    end += c.bytes;
  }
  return end < rest.size() ? end + 1 : 0;
}

// The line without citations, in `buffer` if there are any.
std::string_view without_citations(std::string_view line, std::string& buffer, int64_t& citations,
                                   const uint32_t* masks) {
  size_t copied = 0;
  buffer.clear();
  for (size_t at = line.find('['); at != std::string_view::npos;) {
    const size_t size = citation_bytes(line, at, masks);
    if (size > 0) {
      buffer.append(line, copied, at - copied);
      copied = at + size;
      ++citations;
    }
    at = line.find('[', size > 0 ? copied : at + 1);
  }
  if (copied == 0) return line;
  buffer.append(line, copied);
  return buffer;
}

// Lower case as far as ASCII words can be found in it: the Kelvin sign is the one other character
// whose lower case is an ASCII letter.
void fold(std::string_view line, std::string& folded) {
  constexpr std::string_view kKelvin = "\u212A";
  folded.assign(line);
  for (char& c : folded) c = ascii_lower(c);
  size_t at = folded.find(kKelvin);
  if (at == std::string::npos) return;
  folded.resize(at);
  while (at < line.size()) {
    const bool kelvin = line.substr(at).starts_with(kKelvin);
    folded += kelvin ? 'k' : ascii_lower(line[at]);
    at += kelvin ? kKelvin.size() : 1;
  }
}

bool names_policy(std::string_view folded) {
  const auto has = [folded](std::string_view what) {
    return folded.find(what) != std::string_view::npos;
  };
  if (!has("use") && !has("policy")) return false;
  return std::any_of(std::begin(kPolicies), std::end(kPolicies), has);
}

bool ends_well(std::string_view line) {
  constexpr std::string_view kEnds = ".?!\"'";
  return !line.empty() && kEnds.find(line.back()) != std::string_view::npos &&
         !line.ends_with("...");
}

}  // namespace

QualityDrop check_c4(MeasuredText& text, const C4Limits& limits, RuleBuffers& buffers,
                     LineCounts& counts, std::string& kept) {
  const uint32_t* masks = word_masks();
  int64_t sentences = 0;
  std::string_view rest = text.text(), line;
  kept.clear();
  counts = {};
  while (next_line(rest, line, masks)) {
    ++counts.lines;
    line = strip(line, masks);
    const LineShape shape = measure_line(line, masks);
    if (limits.max_word_length &&
        static_cast<double>(shape.longest_word) > *limits.max_word_length) {
      ++counts.too_long_word;
      continue;
    }
    int64_t citations = 0;
    if (limits.remove_citations) line = without_citations(line, buffers.line, citations, masks);
    if (limits.filter_no_terminal_punct && !ends_well(line)) {
      ++counts.no_terminal_punct;
      continue;
    }
    if (limits.min_words_per_line &&
        static_cast<double>(shape.words) < *limits.min_words_per_line) {
      ++counts.too_few_words;
      continue;
    }
    fold(line, buffers.folded);
    if (limits.filter_lorem_ipsum && buffers.folded.find("lorem ipsum") != std::string::npos)
      return {"lorem_ipsum", {}, {}, counts.lines};
    if (limits.filter_javascript && buffers.folded.find("javascript") != std::string::npos) {
      ++counts.javascript;
      continue;
    }
    if (limits.filter_curly_bracket && line.find('{') != std::string_view::npos)
      return {"curly_bracket", {}, {}, counts.lines};
    if (limits.filter_policy && names_policy(buffers.folded)) {
      ++counts.policy;
      continue;
    }
    if (limits.min_num_sentences) sentences += text.count_sentences(line);
    if (counts.kept > 0) kept += '\n';
    kept += line;
    ++counts.kept;
    counts.citations += citations;
  }
  if (limits.min_num_sentences && static_cast<double>(sentences) < *limits.min_num_sentences)
    return {"too_few_sentences", static_cast<double>(sentences), limits.min_num_sentences};
  const std::string_view stripped = strip(kept, masks);
  if (stripped.size() < kept.size()) kept = std::string(stripped);
  if (kept.empty()) return {"empty", {}, {}};
  return {};
}

}  // namespace ballast
