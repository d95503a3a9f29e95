#include "libcore/text/robots_agents.h"

#include <algorithm>

#include "libcore/base/ascii.h"

namespace ballast {
namespace {

const std::vector<std::string>& report_agents() {
  static const std::vector<std::string> agents = {"AI2Bot",          "Applebot-Extended",
                                                  "Bytespider",      "CCBot",
                                                  "CCBot/2.0",       "CCBot/1.0",
                                                  "ClaudeBot",       "cohere-training-data-crawler",
                                                  "Diffbot",         "Meta-ExternalAgent",
                                                  "Google-Extended", "GPTBot",
                                                  "PanguBot",        "*"};
  return agents;
}

const std::vector<std::string>& ai_robots() {
  static const std::vector<std::string> agents = {"AddSearchBot",
                                                  "AI2Bot",
                                                  "AI2Bot-DeepResearchEval",
                                                  "Ai2Bot-Dolma",
                                                  "aiHitBot",
                                                  "AgentTimes",
                                                  "amazon-kendra",
                                                  "Amazonbot",
                                                  "AmazonBuyForMe",
                                                  "Amzn-SearchBot",
                                                  "Amzn-User",
                                                  "Andibot",
                                                  "Anomura",
                                                  "anthropic-ai",
                                                  "ApifyBot",
                                                  "ApifyWebsiteContentCrawler",
                                                  "Applebot",
                                                  "Applebot-Extended",
                                                  "Aranet-SearchBot",
                                                  "atlassian-bot",
                                                  "Awario",
                                                  "AzureAI-SearchBot",
                                                  "bedrockbot",
                                                  "bigsur.ai",
                                                  "Bravebot",
                                                  "Brightbot",
                                                  "Brightbot 1.0",
                                                  "BuddyBot",
                                                  "Bytespider",
                                                  "CCBot",
                                                  "Channel3Bot",
                                                  "ChatGLM-Spider",
                                                  "ChatGPT Agent",
                                                  "ChatGPT-User",
                                                  "Claude-Code",
                                                  "Claude-SearchBot",
                                                  "Claude-User",
                                                  "Claude-Web",
                                                  "ClaudeBot",
                                                  "Cloudflare-AutoRAG",
                                                  "CloudVertexBot",
                                                  "Code",
                                                  "cohere-ai",
                                                  "cohere-training-data-crawler",
                                                  "Cotoyogi",
                                                  "Crawl4AI",
                                                  "Crawlspace",
                                                  "Datenbank Crawler",
                                                  "DeepSeekBot",
                                                  "Devin",
                                                  "Diffbot",
                                                  "DuckAssistBot",
                                                  "Echobot Bot",
                                                  "EchoboxBot",
                                                  "ExaBot",
                                                  "FacebookBot",
                                                  "facebookexternalhit",
                                                  "Factset_spyderbot",
                                                  "FirecrawlAgent",
                                                  "FriendlyCrawler",
                                                  "Gemini-Deep-Research",
                                                  "Google-Agent",
                                                  "Google-CloudVertexBot",
                                                  "Google-Extended",
                                                  "Google-Firebase",
                                                  "Google-Gemini-CLI",
                                                  "Google-NotebookLM",
                                                  "GoogleAgent-Mariner",
                                                  "GoogleOther",
                                                  "GoogleOther-Image",
                                                  "GoogleOther-Video",
                                                  "GPTBot",
                                                  "HenkBot",
                                                  "iAskBot",
                                                  "iaskspider",
                                                  "iaskspider/2.0",
                                                  "IbouBot",
                                                  "ICC-Crawler",
                                                  "ImagesiftBot",
                                                  "imageSpider",
                                                  "img2dataset",
                                                  "ISSCyberRiskCrawler",
                                                  "kagi-fetcher",
                                                  "Kangaroo Bot",
                                                  "KlaviyoAIBot",
                                                  "KunatoCrawler",
                                                  "laion-huggingface-processor",
                                                  "LAIONDownloader",
                                                  "LCC",
                                                  "LinerBot",
                                                  "Linguee Bot",
                                                  "LinkupBot",
                                                  "Manus-User",
                                                  "Meta-ExternalAgent",
                                                  "Meta-ExternalFetcher",
                                                  "meta-webindexer",
                                                  "MistralAI-User",
                                                  "MistralAI-User/1.0",
                                                  "MyCentralAIScraperBot",
                                                  "NagetBot",
                                                  "netEstate Imprint Crawler",
                                                  "newsai",
                                                  "NotebookLM",
                                                  "NovaAct",
                                                  "OAI-SearchBot",
                                                  "omgili",
                                                  "omgilibot",
                                                  "OpenAI",
                                                  "opencode",
                                                  "Operator",
                                                  "PanguBot",
                                                  "Panscient",
                                                  "panscient.com",
                                                  "Perplexity-User",
                                                  "PerplexityBot",
                                                  "PetalBot",
                                                  "PhindBot",
                                                  "Poggio-Citations",
                                                  "Poseidon Research Crawler",
                                                  "QualifiedBot",
                                                  "QuillBot",
                                                  "quillbot.com",
                                                  "SBIntuitionsBot",
                                                  "Scrapy",
                                                  "SemrushBot-OCOB",
                                                  "SemrushBot-SWA",
                                                  "Shap-User",
                                                  "ShapBot",
                                                  "Sidetrade indexer bot",
                                                  "Spider",
                                                  "TavilyBot",
                                                  "Terra Cotta",
                                                  "TerraCotta",
                                                  "Thinkbot",
                                                  "TikTokSpider",
                                                  "Timpibot",
                                                  "TongyiBot",
                                                  "Trae",
                                                  "TwinAgent",
                                                  "VelenPublicWebCrawler",
                                                  "WARDBot",
                                                  "Webzio-Extended",
                                                  "wpbot",
                                                  "WRTNBot",
                                                  "YaK",
                                                  "YandexAdditional",
                                                  "YandexAdditionalBot",
                                                  "YiyanBot",
                                                  "YouBot",
                                                  "ZanistaBot"};
  return agents;
}

const std::vector<std::string>* find_list(std::string_view name) {
  if (name == "apertus") return &apertus_agents();
  if (name == "apertus-report") return &report_agents();
  return name == "ai-robots" ? &ai_robots() : nullptr;
}

bool has_name(const std::vector<std::string>& agents, std::string_view name) {
  return std::any_of(agents.begin(), agents.end(),
                     [&](const std::string& other) { return ascii_equal(other, name); });
}

}  // namespace

const std::vector<std::string>& apertus_agents() {
  static const std::vector<std::string> agents = [] {
    std::vector<std::string> list = report_agents();
    list.insert(std::find(list.begin(), list.end(), "Meta-ExternalAgent"), "FacebookBot");
    return list;
  }();
  return agents;
}

Result<std::vector<std::string>> parse_agent_list(std::string_view text, const std::string& flag) {
  std::vector<std::string> agents, written;
  while (true) {
    size_t comma = std::min(text.find(','), text.size());
    std::string name(trim_blanks(text.substr(0, comma)));
    if (name.empty()) return usage_error("empty robot name in the list", flag);
    if (has_name(written, name)) return usage_error("robot named twice: " + name, flag);
    written.push_back(name);
    const std::vector<std::string>* list = find_list(name);
    for (const std::string& agent : list == nullptr ? std::vector{name} : *list) {
      if (!has_name(agents, agent)) agents.push_back(agent);
    }
    if (comma == text.size()) return agents;
    text.remove_prefix(comma + 1);
  }
}

}  // namespace ballast
