// pretrain eval: what a checkpoint is worth. Held-out loss, multiple choice, and how much of
// planted texts it gives back word for word. One record per question asked of it.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "libcore/base/units.h"
#include "libcore/cli/message.h"
#include "libcore/cli/terminal.h"
#include "libcore/data/choices.h"
#include "libcore/data/recall.h"
#include "libcore/io/stream.h"
#include "libcore/shard/reader.h"
#include "libcore/shard/shard_set.h"
#include "libcore/stats/ratio.h"
#include "tools/pretrain/device_option.h"
#include "tools/pretrain/held_out.h"
#include "tools/pretrain/scoring.h"
#include "tools/pretrain/verbs.h"

namespace ballast {
namespace {

constexpr int64_t kLongestLine = int64_t{1} << 24;

bool is_blank(std::string_view line) { return line.find_first_not_of(" \t\r") == line.npos; }

struct EvalOptions {
  std::string checkpoint, device = "auto", weights = "trained";
  std::vector<std::string> data, choices, canaries;
  int64_t tokens = int64_t{1} << 18;
  int64_t seq_len = 0, micro_batch = 8;
  int64_t prompt = 50, continuation = 50;
};

class Evaluation {
 public:
  Evaluation(const EvalOptions& options, const CommonOptions& common, Inference& model)
      : options_(options), common_(common), model_(model) {}

  Result<void> run() {
    for (const std::string& prefix :
         BALLAST_TRY(shard_prefixes(posix_file_system(), options_.data)))
      BALLAST_TRY(held_out(prefix));
    for (const std::string& path : options_.choices) BALLAST_TRY(choices(path));
    for (const std::string& path : options_.canaries) BALLAST_TRY(canaries(path));
    return {};
  }

 private:
  int64_t seq_len() const {
    return options_.seq_len > 0 ? options_.seq_len : model_.usual_seq_len();
  }
  Json record(const std::string& set) const {
    return {{"v", 1},
            {"type", "eval"},
            {"checkpoint", model_.checkpoint().path},
            {"hash", model_.checkpoint_hash()},
            {"step", model_.checkpoint().step},
            {"set", set}};
  }
  void print(const Json& record, const std::string& text) const {
    print_out(common_.json ? to_json_line(record) + "\n" : text);
  }

  Result<void> held_out(const std::string& prefix);
  Result<void> choices(const std::string& path);
  Result<void> canaries(const std::string& path);
  void judge(const std::string& path, std::span<const Question> questions,
             std::span<const double> scores) const;
  struct Canaries {
    std::vector<std::vector<int32_t>> prompts, truths;
    std::vector<int64_t> repeats;
  };
  Result<Canaries> read_canaries(const std::string& path);
  Result<std::vector<int32_t>> encode(const std::string& text);
  Result<ScoredIds> encode(const Choice& choice, const std::string& where);

  const EvalOptions& options_;
  const CommonOptions& common_;
  Inference& model_;
  std::optional<Tokenizer> tokenizer_;
  int64_t truncated_ = 0;  // prompts of the current file that were shortened
};

Result<void> Evaluation::held_out(const std::string& prefix) {
  const auto shard = std::make_shared<const ShardReader>(
      BALLAST_TRY(ShardReader::open_to_learn(posix_file_system(), prefix)));
  const HeldOutWindows chosen({WindowReader(shard, seq_len(), model_.config().vocab_size)},
                              options_.tokens, seq_len());
  const int64_t windows = chosen.size();
  if (windows == 0)
    return insufficient_error(
        fmt::format("{} tokens, a window needs {}", shard->total_tokens(), seq_len() + 1), prefix);
  model_.shape(options_.micro_batch, seq_len());
  ProgressLine progress;
  int64_t done = 0;
  const auto losses = [&](const HostBatch& batch) {
    progress.update(fmt::format("{}: window {} of {}", file_name(prefix), done, windows));
    done += options_.micro_batch;
    return model_.loss_rows(batch);
  };
  std::vector<WindowSum> sums(static_cast<size_t>(windows));
  BALLAST_TRY(held_out_sums(
      chosen, {.micro_batch = options_.micro_batch, .seq_len = seq_len()}, losses,
      [] { return false; }, sums));
  progress.clear();
  EvalRecord r;
  fill_in_loss(r, sums);
  if (!r.loss) return insufficient_error("no label to score", prefix);
  Json json = record(file_name(prefix));
  json["loss"] = json_number(*r.loss);
  json["perplexity"] = json_number(*r.perplexity);
  if (r.perplexity_low) {
    json["perplexity_low"] = json_number(*r.perplexity_low);
    json["perplexity_high"] = json_number(*r.perplexity_high);
  }
  json["n_tokens"] = *r.n_tokens;
  json["seq_len"] = seq_len();
  const std::string interval =
      r.perplexity_low ? fmt::format(" ({:.4g} to {:.4g})", *r.perplexity_low, *r.perplexity_high)
                       : "";
  print(json, fmt::format("{:<20} loss {:.4f}  perplexity {:.4g}{}  {} tokens\n", file_name(prefix),
                          *r.loss, *r.perplexity, interval, *r.n_tokens));
  return {};
}

Result<std::vector<int32_t>> Evaluation::encode(const std::string& text) {
  if (!tokenizer_) tokenizer_ = BALLAST_TRY(model_.tokenizer());
  std::vector<int32_t> ids;
  BALLAST_TRY(Encoder(*tokenizer_).encode(text, ids));
  return ids;
}

// The ids of a context and of one continuation, each encoded apart: the split pattern never joins a
// space to what stands before it.
Result<ScoredIds> Evaluation::encode(const Choice& choice, const std::string& where) {
  ScoredIds item;
  const std::vector<int32_t> context = BALLAST_TRY(encode(choice.context));
  const std::vector<int32_t> ending = BALLAST_TRY(encode(choice.continuation));
  if (const auto bos = tokenizer_->bos()) item.ids.push_back(*bos);
  item.ids.insert(item.ids.end(), context.begin(), context.end());
  item.prompt = item.ids.size();
  if (item.prompt == 0)
    return corrupt_error("an empty context, and the tokenizer has no BOS to begin with", where);
  item.ids.insert(item.ids.end(), ending.begin(), ending.end());
  const size_t whole = item.ids.size();
  if (!truncate_prompt(item, seq_len() + 1))
    return usage_error(fmt::format("a choice has {} tokens", ending.size()), where,
                       fmt::format("--seq-len is {}", seq_len()));
  truncated_ += item.ids.size() < whole ? 1 : 0;
  return item;
}

Result<void> Evaluation::choices(const std::string& path) {
  std::vector<ScoredIds> items;
  std::vector<Question> questions;
  truncated_ = 0;
  const auto source = BALLAST_TRY(open_source(posix_file_system(), path));
  LineReader lines(*source, kLongestLine);
  while (const auto line = BALLAST_TRY(lines.next())) {
    const std::string where = fmt::format("{}:{}", path, lines.line_number());
    if (is_blank(*line)) continue;
    questions.push_back(BALLAST_TRY(parse_question(*line, where)));
    for (const Choice& choice : questions.back().choices)
      items.push_back(BALLAST_TRY(encode(choice, where)));
  }
  if (questions.empty()) return insufficient_error("no questions", path);
  if (truncated_ > 0)
    print_note(fmt::format("{}: {} contexts lost their beginning to --seq-len", path, truncated_));
  judge(path, questions, log_likelihoods(model_, items, options_.micro_batch, seq_len()));
  return {};
}

// The answer is the choice of the highest log-likelihood, and the same per byte of it: long endings
// have more to lose.
void Evaluation::judge(const std::string& path, std::span<const Question> questions,
                       std::span<const double> scores) const {
  int64_t right = 0, right_per_byte = 0;
  for (const Question& question : questions) {
    size_t best = 0, best_per_byte = 0;
    const auto per_byte = [&](size_t i) {
      return scores[i] / static_cast<double>(question.choices[i].continuation.size() - 1);
    };
    for (size_t i = 1; i < question.choices.size(); ++i) {
      if (scores[i] > scores[best]) best = i;
      if (per_byte(i) > per_byte(best_per_byte)) best_per_byte = i;
    }
    right += static_cast<int64_t>(best) == question.label ? 1 : 0;
    right_per_byte += static_cast<int64_t>(best_per_byte) == question.label ? 1 : 0;
    scores = scores.subspan(question.choices.size());
  }
  const auto n = static_cast<int64_t>(questions.size());
  Json json = record(file_name(path));
  json["n_questions"] = n;
  json["truncated"] = truncated_;
  const auto share = [&](const std::string& name, int64_t count) {
    const Interval interval = wilson_interval(count, n);
    const double accuracy = static_cast<double>(count) / static_cast<double>(n);
    json[name] = accuracy;
    json[name + "_low"] = interval.low;
    json[name + "_high"] = interval.high;
    return fmt::format("{:.1f} % ({:.1f} to {:.1f})", 100 * accuracy, 100 * interval.low,
                       100 * interval.high);
  };
  const std::string normalised = share("accuracy_norm", right_per_byte);
  const std::string plain = share("accuracy", right);
  print(json, fmt::format("{:<20} accuracy per byte {}  plain {}  {} questions\n", file_name(path),
                          normalised, plain, n));
}

// Texts of at least --prompt-tokens and --continue-tokens, in ids, with how often each was planted.
Result<Evaluation::Canaries> Evaluation::read_canaries(const std::string& path) {
  Canaries canaries;
  const auto source = BALLAST_TRY(open_source(posix_file_system(), path));
  LineReader lines(*source, kLongestLine);
  const auto prompt = static_cast<std::ptrdiff_t>(options_.prompt);
  const auto whole = static_cast<std::ptrdiff_t>(options_.prompt + options_.continuation);
  int64_t too_short = 0;
  while (const auto line = BALLAST_TRY(lines.next())) {
    const std::string where = fmt::format("{}:{}", path, lines.line_number());
    if (is_blank(*line)) continue;
    const Json object = BALLAST_TRY(parse_json(*line, where));
    const std::string text = BALLAST_TRY(string_member(object, "text", where));
    const int64_t repeats =
        object.contains("repeats") ? BALLAST_TRY(integer_member(object, "repeats", where)) : 1;
    std::vector<int32_t> ids = BALLAST_TRY(encode(text));
    if (const auto bos = tokenizer_->bos()) ids.insert(ids.begin(), *bos);
    if (std::ssize(ids) < whole) {
      ++too_short;
      continue;
    }
    canaries.prompts.emplace_back(ids.begin(), ids.begin() + prompt);
    canaries.truths.emplace_back(ids.begin() + prompt, ids.begin() + whole);
    canaries.repeats.push_back(repeats);
  }
  if (too_short > 0)
    print_warning(fmt::format("{}: {} texts have fewer than {} tokens and are left out", path,
                              too_short, whole));
  if (canaries.prompts.empty()) return insufficient_error("no text is long enough", path);
  return canaries;
}

Result<void> Evaluation::canaries(const std::string& path) {
  const Canaries canaries = BALLAST_TRY(read_canaries(path));
  const auto found = BALLAST_TRY(
      greedy_continuations(model_, canaries.prompts, options_.continuation, options_.micro_batch));
  std::map<int64_t, RecallSummary> groups;
  for (size_t i = 0; i < found.size(); ++i)
    groups[canaries.repeats[i]].add(recall_of(found[i], canaries.truths[i]));
  for (const auto& [repeats, summary] : groups) {
    const Interval exact = wilson_interval(summary.exact, summary.texts);
    Json json = record(file_name(path));
    json["repeats"] = repeats;
    json["n_texts"] = summary.texts;
    json["exact"] = summary.exact_share();
    json["exact_low"] = exact.low;
    json["exact_high"] = exact.high;
    json["longest_run"] = summary.mean_longest_run();
    json["matching_prefix"] = summary.mean_matching_prefix();
    json["prompt_tokens"] = options_.prompt;
    json["continuation_tokens"] = options_.continuation;
    print(json, fmt::format("{:<20} repeated {:>4}: exact {:.1f} % ({:.1f} to {:.1f})  longest run "
                            "{:.1f}  matching prefix {:.1f} of {} tokens  {} texts\n",
                            file_name(path), repeats, 100 * summary.exact_share(), 100 * exact.low,
                            100 * exact.high, summary.mean_longest_run(),
                            summary.mean_matching_prefix(), options_.continuation, summary.texts));
  }
  return {};
}

Result<void> check(const EvalOptions& o, const Inference& model) {
  const int64_t most = model.config().max_position_embeddings;
  if (o.seq_len < 0 || o.seq_len > most)
    return usage_error(fmt::format("--seq-len is {}", o.seq_len), "",
                       fmt::format("accepted: 1 to {}, the model's positions", most));
  if (o.micro_batch < 1 || o.micro_batch > 4096)
    return usage_error(fmt::format("--micro-batch is {}", o.micro_batch), "",
                       "accepted: 1 to 4096");
  const bool fits = o.prompt >= 1 && o.continuation >= 1 && o.prompt + o.continuation - 1 <= most;
  if (!o.canaries.empty() && !fits)
    return usage_error(
        fmt::format("--prompt-tokens {} and --continue-tokens {}", o.prompt, o.continuation), "",
        fmt::format("each 1 or more, together at most {}", most + 1));
  if (o.tokens < 1) return usage_error("--eval-tokens is 0", "", "accepted: 1 or more");
  return {};
}

Result<int> run_eval(const EvalOptions& options, const CommonOptions& common) {
  if (options.data.empty() && options.choices.empty() && options.canaries.empty())
    return usage_error("nothing to evaluate on", "", "give --data, --choices or --canaries");
  const auto model = BALLAST_TRY(Inference::open(posix_file_system(), options.checkpoint,
                                                 options.device, common.threads, options.weights));
  BALLAST_TRY(check(options, *model));
  BALLAST_TRY(Evaluation(options, common, *model).run());
  return kExitDone;
}

}  // namespace

VerbRun add_eval(CLI::App& app, const CommonOptions& common) {
  auto o = std::make_shared<EvalOptions>();
  path_option(app.add_option("checkpoint", o->checkpoint, "RUN, RUN@STEP, RUN@pin:NAME or a path")
                  ->required());
  path_option(
      app.add_option("--data", o->data, "shard PREFIX for loss and perplexity; repeatable"));
  path_option(
      app.add_option("--choices", o->choices, "multiple-choice questions, JSON Lines; repeatable"));
  path_option(
      app.add_option("--canaries", o->canaries, "texts to be given back, JSON Lines; repeatable"));
  count_option(app, "--eval-tokens", o->tokens, "most tokens of a shard");
  app.add_option("--seq-len", o->seq_len, "tokens of a sequence (0: as in training)")
      ->capture_default_str();
  app.add_option("--micro-batch", o->micro_batch, "sequences computed at a time")
      ->capture_default_str();
  app.add_option("--prompt-tokens", o->prompt, "tokens of a canary that are given")
      ->capture_default_str();
  app.add_option("--continue-tokens", o->continuation, "tokens of a canary that are asked for")
      ->capture_default_str();
  choice_option(app.add_option("--weights", o->weights,
                               "the trained weights, or an average that the run kept"),
                {"trained", "swa", "ema"});
  device_option(app, o->device);
  return [o, &common] { return run_eval(*o, common); };
}

}  // namespace ballast
