// tokshard: from crawls to token shards.
#include "libcore/cli/end_signals.h"
#include "tools/tokshard/verbs.h"

namespace {

constexpr ballast::Verb kVerbs[] = {
    {"filter", "crawls and documents to clean documents, every refusal with its reason",
     ballast::add_filter,
     "tokshard filter --robots robots/ crawl.warc.gz -o docs.jsonl.zst\n"
     "zcat docs.jsonl.gz | tokshard filter --pii redact - | head -1\n",
     true},
    {"dedup", "documents without those, or the lines, that came before", ballast::add_dedup,
     "tokshard dedup docs.jsonl --rejects again.jsonl -o distinct.jsonl\n"
     "tokshard dedup --unit line --method bloom --capacity 1G in.jsonl -o out.jsonl\n"
     "tokshard dedup --method minhash --work near docs.jsonl -o rest.jsonl\n",
     true},
    {"quantile", "the limit of a score that keeps a share of the documents", ballast::add_quantile,
     "tokshard quantile --score quality --share top:33% docs.jsonl -o limits.json\n"},
    {"decontaminate", "documents without those that hold items of benchmarks",
     ballast::add_decontaminate,
     "tokshard decontaminate --benchmarks arc.jsonl docs.jsonl -o clean.jsonl\n", true},
    {"mix", "documents by the rates of their languages and sources", ballast::add_mix,
     "tokshard mix --rates 'language=de:0.5,source=wiki:2' docs.jsonl -o mixed.jsonl\n", true},
    {"vocab", "learn a byte-level BPE vocabulary from documents", ballast::add_vocab,
     "tokshard vocab --size 32768 docs.jsonl.zst -o tokenizer.json\n", true},
    {"encode", "documents to a shard with index, sidecar and manifest", ballast::add_encode,
     "tokshard encode --tokenizer tokenizer.json --holdout 1% docs.jsonl.zst -o web\n", true},
    {"merge", "several shards as one", ballast::add_merge,
     "tokshard merge data/web data/books -o data/all\n", true},
    {"split", "a shard in pieces, by size or by a key of its documents", ballast::add_split,
     "tokshard split --shard-tokens 100M data/web -o data/web-small\n"
     "tokshard split --by language data/web -o data/web\n",
     true},
    {"build", "crawls and documents to a shard: filter and encode in one pass", ballast::add_build,
     "tokshard build --robots robots/ --tokenizer tok.json crawl.warc.gz -o web\n"
     "tokshard build --tokenizer tok.json --parts work --task auto crawl/*.warc.gz\n",
     true},
    {"adopt", "sidecar and manifest for shards of other origin, shards of other formats",
     ballast::add_adopt,
     "tokshard adopt --tokenizer tokenizer.json megatron/web_text_document\n"
     "tokshard adopt --vocab-size 50257 --bos 50256 fineweb_train_1.bin -o web\n",
     true},
    {"export", "a shard as files of datatrove, OLMo or llm.c", ballast::add_export,
     "tokshard export --to datatrove data/web -o 000_web.ds\n", true},
    {"decode", "documents of a shard as text", ballast::add_decode,
     "tokshard decode data/web --doc 0\n"
     "tokshard decode data/web | head -1\n"},
    {"inspect", "what is in a shard", ballast::add_inspect,
     "tokshard inspect --json data/web data/web-holdout\n"},
    {"stat", "what was kept and dropped, and what shards are made of", ballast::add_stat,
     "tokshard stat filter.json dedup.json data/web\n"
     "tokshard stat --json data/web | jq 'select(.type == \"total\").shards.languages'\n"
     "tokshard stat filter.json data/web -o web.svg\n"},
    {"locate", "the documents of a run's batches, and how rare their tokens were",
     ballast::add_locate,
     "gradstat spikes --json run | tokshard locate --run run -\n"
     "tokshard locate --run run --step 120..122\n"},
    {"seen", "which steps and checkpoints of a run consumed these documents", ballast::add_seen,
     "tokshard seen --run run --ids out.jsonl\n"},
    {"verify", "is a shard what its index, sidecar and manifest say", ballast::add_verify,
     "tokshard verify --full data/web\n"},
    {"robots", "may a robot fetch these URLs", ballast::add_robots,
     "tokshard robots --agent GPTBot --robots robots.txt https://example.org/page\n"},
    {"recheck", "documents of finished shards that are excluded now", ballast::add_recheck,
     "tokshard recheck --robots robots/ data/web > out.jsonl\n"
     "tokshard recheck --takedown takedown.txt data/web -o out.jsonl.zst\n",
     true},
    {"redact", "take documents out of finished shards, with a receipt", ballast::add_redact,
     "tokshard redact --list out.jsonl data/web -o redacted\n", true},
};

}  // namespace

int main(int argc, char** argv) {
  ballast::tidy_up_on_signals();
  const ballast::Tool tool{.name = "tokshard",
                           .summary = "from crawls to token shards",
                           .verbs = kVerbs,
                           .examples = "tokshard filter crawl.warc.gz -o docs.jsonl\n"};
  return ballast::run_tool(tool, argc, argv);
}
