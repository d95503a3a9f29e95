// tokshard: from crawls to token shards.
#include "tools/tokshard/verbs.h"

namespace {

constexpr ballast::Verb kVerbs[] = {
    {"filter", "crawls and documents to clean documents, every refusal with its reason",
     ballast::add_filter,
     "tokshard filter --robots robots/ crawl.warc.gz -o docs.jsonl.zst\n"
     "zcat docs.jsonl.gz | tokshard filter --pii redact - | head -1\n",
     true},
    {"robots", "may a robot fetch these URLs", ballast::add_robots,
     "tokshard robots --agent GPTBot --robots robots.txt https://example.org/page\n"},
};

}  // namespace

int main(int argc, char** argv) {
  const ballast::Tool tool{.name = "tokshard",
                           .summary = "from crawls to token shards",
                           .verbs = kVerbs,
                           .examples = "tokshard filter crawl.warc.gz -o docs.jsonl\n"};
  return ballast::run_tool(tool, argc, argv);
}
