#include "tools/tokshard/redact_list.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <system_error>

#include "libcore/base/sha256.h"
#include "libcore/cli/message.h"
#include "libcore/io/stream.h"
#include "libcore/shard/exclusion.h"
#include "libcore/shard/format.h"
#include "libcore/shard/manifest.h"
#include "libcore/shard/sidecar.h"
#include "libcore/shard/verify.h"
#include "tools/tokshard/tapped_source.h"

namespace ballast {
namespace {

constexpr int64_t kMaxLine = int64_t{16} << 20;

std::string place_in(const RedactList& list, const WantedDocument& document) {
  return fmt::format("{}:{}", list.name, document.line);
}

// Ascending, and each once; kind usage when the list contradicts itself.
Result<void> settle(WantedDocuments& documents, const RedactList& list) {
  std::ranges::sort(documents, {},
                    [](const WantedDocument& one) { return std::pair(one.number, one.line); });
  size_t kept = 0;
  for (size_t i = 1; i < documents.size(); ++i) {
    const WantedDocument &one = documents[i], &last = documents[kept];
    if (one.number != last.number) {
      documents[++kept] = one;
    } else if (one.sha256 != last.sha256 || one.tokens != last.tokens) {
      return usage_error(fmt::format("the list says two things of document {}", one.number),
                         place_in(list, one), place_in(list, last));
    }
  }
  documents.resize(std::min(documents.size(), kept + 1));
  return {};
}

// Gives the shards of the list to those on the command line: by place, and what was copied or
// redacted since by name. Documents are compared later.
Result<void> assign_shards(const std::vector<std::string>& prefixes,
                           std::map<std::string, WantedDocuments>& named, RedactList& list) {
  std::map<std::string, std::string> places, names;  // -> prefix
  for (const std::string& prefix : prefixes) places[place_of(prefix)] = prefix;
  std::map<std::string, std::string> moved;  // as spelled in the list -> name
  const auto take = [&](const std::string& prefix, WantedDocuments& documents) -> Result<void> {
    WantedDocuments& own = list.shards[prefix];
    if (own.empty()) {
      own = std::move(documents);
      return {};
    }
    own.insert(own.end(), documents.begin(), documents.end());
    documents = {};
    return settle(own, list);
  };
  for (auto& [spelled, documents] : named) {
    BALLAST_TRY(settle(documents, list));
    const auto place = places.find(place_of(spelled));
    if (place == places.end())
      moved[spelled] = file_name(spelled);
    else
      BALLAST_TRY(take(place->second, documents));
  }
  for (const std::string& prefix : prefixes)
    if (!list.shards.contains(prefix)) names[file_name(prefix)] = prefix;
  for (const auto& [spelled, name] : moved) {
    const auto found = names.find(name);
    if (found == names.end())
      list.elsewhere += std::ssize(named.at(spelled));
    else
      BALLAST_TRY(take(found->second, named.at(spelled)));
  }
  return {};
}

// Damage of the sidecar would look like a list of another shard.
Result<void> check_sidecar(const std::string& prefix) {
  FileSystem& fs = posix_file_system();
  const ShardManifest manifest = BALLAST_TRY(read_manifest(fs, prefix));
  for (const OutputFile& said : manifest.outputs)
    if (file_name(said.path) == file_name(shard_docs_path(prefix)))
      BALLAST_TRY(refuse_damage(fs, prefix, said));
  return {};
}

}  // namespace

std::string place_of(const std::string& prefix) {
  std::error_code failure;
  const auto from_root = std::filesystem::absolute(prefix, failure);  // else "x" stays relative
  const auto place = std::filesystem::weakly_canonical(from_root, failure);
  return failure ? prefix : place.string();
}

Result<RedactList> read_redact_list(const std::string& path,
                                    const std::vector<std::string>& prefixes) {
  RedactList list;
  Sha256Hasher hash;
  auto raw = BALLAST_TRY(open_raw_source(posix_file_system(), path));
  const auto source =
      BALLAST_TRY(decoding_source(std::make_unique<TappedSource>(std::move(raw), [&](Bytes piece) {
        hash.update(piece);
        list.bytes += static_cast<int64_t>(piece.size());
      })));
  list.name = source->name();
  LineReader reader(*source, kMaxLine);
  std::map<std::string, WantedDocuments> named;  // by shard as the list spells it
  while (const auto line = BALLAST_TRY(reader.next())) {
    if (line->find_first_not_of(" \t\r") == line->npos) continue;
    const std::string where = fmt::format("{}:{}", source->name(), reader.line_number());
    const Exclusion one = BALLAST_TRY(parse_exclusion(*line, where));
    named[one.shard].push_back(
        {one.document, one.tokens, reader.line_number(), *parse_sha256(one.sha256)});
  }
  BALLAST_TRY(assign_shards(prefixes, named, list));
  if (list.shards.empty() && list.elsewhere > 0)
    return usage_error("no document of the list is of these shards", path,
                       "it names " + named.begin()->first);
  list.sha256 = hash.hex();
  return list;
}

Result<std::vector<int64_t>> documents_to_go(const std::string& prefix, const RedactList& list,
                                             bool compact, bool forget) {
  BALLAST_TRY(check_sidecar(prefix));
  SidecarReader sidecar = BALLAST_TRY(SidecarReader::open(posix_file_system(), prefix));
  std::vector<int64_t> documents;
  int64_t redacted = 0;
  for (const WantedDocument& one : list.shards.at(prefix)) {
    if (one.number >= sidecar.documents())
      return usage_error(
          fmt::format("the list names document {}, which '{}' does not have", one.number, prefix),
          place_in(list, one), fmt::format("{} documents", sidecar.documents()));
    const ShardDocument document = BALLAST_TRY(sidecar.read(one.number));
    if (parse_sha256(document.sha256) != one.sha256 || document.tokens != one.tokens)
      return usage_error(
          fmt::format("document {} of '{}' is another one than the list says", one.number, prefix),
          place_in(list, one), "the list was made for another shard");
    const bool named = !document.id.empty() || !document.url.empty() || !document.host.empty();
    if (document.redacted && !compact && !(forget && named)) {
      ++redacted;
    } else {
      documents.push_back(one.number);
    }
  }
  if (redacted > 0)
    print_note(fmt::format("{}: {} documents of the list were redacted before", prefix, redacted));
  return documents;
}

}  // namespace ballast
