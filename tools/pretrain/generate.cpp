// pretrain generate: continues a text with a checkpoint's model. Every token runs the whole
// sequence again (there is no cache of keys and values), in windows that double in length as the
// text grows: for looking at a model, not for serving one.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>

#include "libcore/base/hash.h"
#include "libcore/base/rng.h"
#include "libcore/cli/message.h"
#include "libcore/io/stream.h"
#include "libcore/io/utf8.h"
#include "libcore/model/sampling.h"
#include "tools/pretrain/device_option.h"
#include "tools/pretrain/inference.h"
#include "tools/pretrain/verbs.h"

namespace ballast {
namespace {

constexpr int64_t kShortestWindow = 32;

struct GenerateOptions {
  std::string checkpoint, prompt, device = "auto", weights = "trained";
  int64_t max_tokens = 64;
  SamplingOptions sampling;
};

class Generator {
 public:
  Generator(Inference& model, const Tokenizer& tokenizer, const GenerateOptions& options,
            uint64_t seed)
      : model_(model), tokenizer_(tokenizer), options_(options), seed_(seed) {}

  // Ids of BOS and the prompt.
  Result<void> start() {
    if (const auto bos = tokenizer_.bos()) ids_.push_back(*bos);
    BALLAST_TRY(Encoder(tokenizer_).encode(options_.prompt, ids_));
    if (ids_.empty())
      return usage_error("the prompt is empty and the tokenizer has no BOS", "--prompt");
    prompt_ = ids_.size();
    const int64_t most = model_.config().max_position_embeddings;
    if (static_cast<int64_t>(prompt_) > most)
      return usage_error(fmt::format("the prompt has {} tokens", prompt_), "--prompt",
                         fmt::format("the model has {} positions", most));
    return {};
  }

  // The next id; nullopt at the end of the text, of --max-tokens, or of the positions.
  Result<std::optional<int32_t>> next() {
    const auto length = static_cast<int64_t>(ids_.size());
    if (made() >= options_.max_tokens) return stop("length");
    if (length > model_.config().max_position_embeddings) return stop("positions");
    int64_t window = kShortestWindow;
    while (window < length) window *= 2;
    window = std::min(window, model_.config().max_position_embeddings);
    model_.shape(1, window);
    batch_.resize(1, window);
    std::copy(ids_.begin(), ids_.end(), batch_.tokens.begin());
    const int64_t last[] = {length - 1};
    const std::span<const float> logits = model_.logits_after(batch_, last);
    const uint64_t stream = xxh3_64("generate");
    const int32_t id = pick_token(logits, options_.sampling,
                                  random_uniform(seed_, stream, static_cast<uint64_t>(made())));
    if (id < 0) return corrupt_error("the model gives no finite logit", model_.checkpoint().path);
    if (tokenizer_.eos() == id) return stop("eos");
    ids_.push_back(id);
    return std::optional<int32_t>(id);
  }

  int64_t made() const { return static_cast<int64_t>(ids_.size() - prompt_); }
  std::span<const int32_t> continuation() const { return std::span(ids_).subspan(prompt_); }
  const std::string& why() const { return why_; }

 private:
  Result<std::optional<int32_t>> stop(const char* why) {
    why_ = why;
    return std::optional<int32_t>();
  }
  Inference& model_;
  const Tokenizer& tokenizer_;
  const GenerateOptions& options_;
  uint64_t seed_;
  std::vector<int32_t> ids_;
  size_t prompt_ = 0;
  HostBatch batch_;
  std::string why_;
};

// Whole characters only: the bytes of one may come from several tokens.
size_t whole_characters(std::string_view bytes) {
  for (size_t back = 1; back <= std::min<size_t>(3, bytes.size()); ++back) {
    const auto byte = static_cast<unsigned char>(bytes[bytes.size() - back]);
    if (byte < 0x80) break;
    if (byte < 0xC0) continue;
    const size_t length = byte >= 0xF0 ? 4 : byte >= 0xE0 ? 3 : 2;
    return back < length ? bytes.size() - back : bytes.size();
  }
  return bytes.size();
}

Result<void> check(const GenerateOptions& o) {
  if (o.max_tokens < 1) return usage_error("--max-tokens is 0", "", "accepted: 1 or more");
  if (o.sampling.temperature < 0)
    return usage_error(fmt::format("--temperature is {}", o.sampling.temperature), "",
                       "accepted: 0 or more");
  if (o.sampling.top_k < 0)
    return usage_error(fmt::format("--top-k is {}", o.sampling.top_k), "", "accepted: 0 or more");
  if (!(o.sampling.top_p > 0 && o.sampling.top_p <= 1))
    return usage_error(fmt::format("--top-p is {}", o.sampling.top_p), "",
                       "accepted: above 0, at most 1");
  return {};
}

Result<int> run_generate(GenerateOptions options, const CommonOptions& common) {
  BALLAST_TRY(check(options));
  FileSystem& fs = posix_file_system();
  if (options.prompt == "-") {
    const auto input = BALLAST_TRY(open_source(fs, "-"));
    options.prompt = BALLAST_TRY(read_all(*input, int64_t{1} << 24));
  }
  const auto model = BALLAST_TRY(
      Inference::open(fs, options.checkpoint, options.device, common.threads, options.weights));
  const Tokenizer tokenizer = BALLAST_TRY(model->tokenizer());
  Generator generator(*model, tokenizer, options, static_cast<uint64_t>(common.seed));
  BALLAST_TRY(generator.start());
  std::string waiting;  // bytes of an unfinished character
  if (!common.json) print_out(options.prompt);
  while (const auto id = BALLAST_TRY(generator.next())) {
    if (common.json) continue;
    const int32_t one[] = {*id};
    waiting += BALLAST_TRY(tokenizer.decode(one, false, false));
    const size_t whole = whole_characters(waiting);
    print_out(replace_invalid_utf8(std::string_view(waiting).substr(0, whole), nullptr));
    waiting.erase(0, whole);
    if (common.output.empty()) std::fflush(stdout);
  }
  const std::string text = replace_invalid_utf8(
      BALLAST_TRY(tokenizer.decode(generator.continuation(), false, false)), nullptr);
  if (common.json) {
    print_out(to_json_line({{"v", 1},
                            {"type", "generation"},
                            {"checkpoint", model->checkpoint().path},
                            {"step", model->checkpoint().step},
                            {"prompt", options.prompt},
                            {"text", text},
                            {"ids", std::vector<int32_t>(generator.continuation().begin(),
                                                         generator.continuation().end())},
                            {"stopped_by", generator.why()}}) +
              "\n");
    return kExitDone;
  }
  if (!waiting.empty()) print_out("\xEF\xBF\xBD");
  print_out("\n");
  if (generator.why() == "positions")
    print_note(fmt::format("stopped: the model has {} positions",
                           model->config().max_position_embeddings));
  return kExitDone;
}

}  // namespace

VerbRun add_generate(CLI::App& app, const CommonOptions& common) {
  auto o = std::make_shared<GenerateOptions>();
  path_option(app.add_option("checkpoint", o->checkpoint, "RUN, RUN@STEP, RUN@pin:NAME or a path")
                  ->required());
  app.add_option("--prompt", o->prompt, "text to continue; - is stdin");
  app.add_option("--max-tokens", o->max_tokens, "most tokens to add")->capture_default_str();
  app.add_option("--temperature", o->sampling.temperature, "0 takes the likeliest token")
      ->capture_default_str();
  app.add_option("--top-k", o->sampling.top_k, "draw from the K likeliest only (0: all)")
      ->capture_default_str();
  app.add_option("--top-p", o->sampling.top_p, "draw from the likeliest that together reach P")
      ->capture_default_str();
  choice_option(app.add_option("--weights", o->weights,
                               "the trained weights, or an average that the run kept"),
                {"trained", "swa", "ema"});
  device_option(app, o->device);
  return [o, &common] { return run_generate(*o, common); };
}

}  // namespace ballast
