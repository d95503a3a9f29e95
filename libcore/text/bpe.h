// Byte-level BPE: a vocabulary of byte strings and ranked merges. A piece starts as its bytes; the
// adjacent pair of lowest rank is joined first, the leftmost of equal ones, until no pair has a
// merge. That is the one sequence of tokens in which merging keeps each two neighbours apart
// (bpe_origin.h), and it is found from the left, without merging, in time linear in the piece.
// Where merges can fall in rank this does not hold, and pieces are merged, short ones by definition
// and longer ones with a heap. Immutable after build(); any thread, each with its own BpeScratch.
//
// Source: Sennrich et al., "Neural machine translation of rare words with subword units" (2016);
// the order of merges is that of Hugging Face tokenizers, or tiktoken's.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "libcore/base/result.h"
#include "libcore/text/bpe_origin.h"
#include "libcore/text/merge_table.h"
#include "libcore/text/token_table.h"
#include "libcore/text/token_trie.h"

namespace ballast {

// Buffers of one thread.
struct BpeScratch {
  std::vector<int32_t> ids, left, right;
  std::vector<uint32_t> ranks;
  std::vector<uint64_t> heap;
  std::vector<uint64_t> taken_back;  // a bit for each place in the piece
  struct Fit {
    int32_t left = -1, token = -1, fit = -1;
  };
  std::vector<Fit> fits;  // of a long piece, those asked for last
};

class BpeModel {
 public:
  // tokens[id] is the bytes of an id ("" for an id that no text may yield); merges in rank order, a
  // repeated pair takes its later rank. With ignore_merges a piece that is a token is never merged.
  // Kind corrupt when a single byte has no id.
  static Result<BpeModel> build(std::vector<std::string> tokens, std::span<const BpeMerge> merges,
                                bool ignore_merges, const std::string& where);
  // tiktoken's rule: any two tokens whose bytes together are a token can be joined, the lowest id
  // first; a piece that is a token is never merged. Of the distinct tokens all 256 bytes are there.
  static Result<BpeModel> from_ranks(std::vector<std::string> tokens, const std::string& where);

  // Appends the ids of one piece.
  void encode(std::string_view piece, BpeScratch& scratch, std::vector<int32_t>& ids) const;

 private:
  Result<void> set_tokens(std::vector<std::string> tokens, bool ignore_merges,
                          const std::string& where);
  void set_merges(MergeTable merges);
  void merge_short(std::span<int32_t> ids, BpeScratch& scratch, std::vector<int32_t>& out) const;
  void merge_by_heap(std::string_view piece, BpeScratch& scratch, std::vector<int32_t>& out) const;
  int32_t fit(int32_t left, int32_t token) const;
  void walk(std::string_view piece, BpeScratch& scratch, std::vector<int32_t>& out) const;

  std::vector<std::string> tokens_;
  std::array<int32_t, 256> byte_ids_{};
  MergeTable merges_;
  BpeOrigins origins_;    // empty when merges fall in rank
  TokenTrie beginnings_;  // of the tokens that merging makes; with origins
  TokenTable whole_;      // pieces that are never merged
};

// The 256 printable characters that stand for bytes in byte-level vocabularies: byte -> UTF-8.
const std::array<std::string, 256>& byte_level_alphabet();
// Appends the bytes that a token's text stands for; false when one of its characters is no byte.
bool append_byte_level(std::string_view token, std::string& bytes);
std::string byte_level_text(std::string_view bytes);

}  // namespace ballast
