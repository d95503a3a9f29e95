// Speed of Encoder over documents in memory: tokenizer_bench TOKENIZER DOCS THREADS ROUNDS, where
// DOCS is JSON lines or, unless its name ends in .jsonl, one document; it
// prints one JSON line with the seconds of each round, by the clock and of CPU time, the bytes of
// text, the tokens, and SHA-256 of the ids (int32, one document after the other).
// tokenizer_peers.py runs it beside peers.
#include <fmt/format.h>

#include <chrono>
#include <cstdlib>
#include <ctime>

#include "libcore/base/hash.h"
#include "libcore/base/thread_pool.h"
#include "libcore/io/json.h"
#include "libcore/io/stream.h"
#include "libcore/text/tokenizer.h"

namespace ballast {
namespace {

using Ids = std::vector<int32_t>;

Result<std::vector<std::string>> texts_of(const std::string& path) {
  std::vector<std::string> texts;
  if (!path.ends_with(".jsonl")) {
    texts.push_back(BALLAST_TRY(read_file(posix_file_system(), path)));
    return texts;
  }
  const auto source = BALLAST_TRY(open_source(posix_file_system(), path));
  LineReader lines(*source);
  while (const auto line = BALLAST_TRY(lines.next())) {
    const Json record = BALLAST_TRY(parse_json(*line, path));
    texts.push_back(BALLAST_TRY(string_member(record, "text", path)));
  }
  return texts;
}

// Threads keep their encoders, as the threads of `tokshard encode` do, from round to round.
double encode_all(const std::vector<std::string>& texts, std::vector<Encoder>& encoders,
                  ThreadPool& pool, std::vector<Ids>& ids) {
  const auto start = std::chrono::steady_clock::now();
  const auto count = static_cast<int64_t>(texts.size());
  const auto share =
      (count + static_cast<int64_t>(encoders.size()) - 1) / static_cast<int64_t>(encoders.size());
  pool.parallel_for(count, share, [&](int64_t begin, int64_t end) {
    Encoder& encoder = encoders[static_cast<size_t>(begin / share)];
    for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i) {
      ids[i].clear();
      if (!encoder.encode(texts[i], ids[i]).ok()) std::abort();
    }
  });
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

Result<void> run(char** argv) {
  const Tokenizer tokenizer = BALLAST_TRY(Tokenizer::load(posix_file_system(), argv[1]));
  const auto texts = BALLAST_TRY(texts_of(argv[2]));
  const int threads = std::max(1, std::atoi(argv[3]));
  ThreadPool pool(threads);
  std::vector<Encoder> encoders;
  for (int i = 0; i < threads; ++i) encoders.emplace_back(tokenizer);
  std::vector<Ids> ids(texts.size());
  Json seconds = Json::array(), cpu = Json::array();
  for (int round = 0; round < std::max(1, std::atoi(argv[4])); ++round) {
    const std::clock_t before = std::clock();
    seconds.push_back(encode_all(texts, encoders, pool, ids));
    cpu.push_back(static_cast<double>(std::clock() - before) / CLOCKS_PER_SEC);
  }
  std::string bytes;
  int64_t text_bytes = 0, tokens = 0;
  for (size_t i = 0; i < texts.size(); ++i) {
    text_bytes += static_cast<int64_t>(texts[i].size());
    tokens += static_cast<int64_t>(ids[i].size());
    bytes.append(reinterpret_cast<const char*>(ids[i].data()), ids[i].size() * sizeof(int32_t));
  }
  fmt::print("{}\n", to_json_line({{"seconds", seconds},
                                   {"cpu_seconds", cpu},
                                   {"bytes", text_bytes},
                                   {"tokens", tokens},
                                   {"sha256", sha256_hex(bytes)}}));
  return {};
}

}  // namespace
}  // namespace ballast

int main(int argc, char** argv) {
  if (argc != 5) {
    fmt::print(stderr, "usage: tokenizer_bench TOKENIZER DOCS THREADS ROUNDS\n");
    return 2;
  }
  const auto done = ballast::run(argv);
  if (!done.ok()) fmt::print(stderr, "tokenizer_bench: {}\n", done.error().message());
  return done.ok() ? 0 : 1;
}
