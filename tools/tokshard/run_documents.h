// What locate and seen share: the shards of a run, and what people know their documents by.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "libcore/cli/tool.h"
#include "libcore/io/json.h"
#include "libcore/provenance/run_data.h"
#include "libcore/shard/sidecar.h"
#include "libcore/text/tokenizer.h"

namespace ballast {

struct RunOptions {
  std::string run;
  std::vector<std::string> data;
};
void add_run_options(CLI::App& app, RunOptions& options);
// Warns of shards that are not what the run was trained on.
Result<RunData> open_run_data(const RunOptions& options);

// Sidecars of the run's sources, opened when first asked for. A source without one gives numbers
// alone, which is said once.
class DocumentNames {
 public:
  explicit DocumentNames(const RunData& run) : run_(run) {}
  // Empty fields where nothing is known.
  Result<ShardDocument> of(int source, int64_t document);
  // nullptr: the source has none.
  Result<SidecarReader*> sidecar(int source);

 private:
  const RunData& run_;
  std::map<int, std::optional<SidecarReader>> sidecars_;
};

// Keys shard, document, id, url, host of a document; absent where the sidecar does not know them.
void add_document_keys(Json& record, const RunData& run, int source, int64_t document,
                       const ShardDocument& known);
// "NAME:DOCUMENT".
std::string document_cell(const RunData& run, int source, int64_t document);
// Its URL, else its id.
std::string name_cell(const ShardDocument& known);
// With blanks behind it to so many columns of a terminal.
std::string left_cell(const std::string& text, size_t cells);

// Texts of tokens, where there is a tokenizer: that of --tokenizer, of the newest checkpoint, or
// where the first source's manifest says that it was.
class TokenTexts {
 public:
  static Result<TokenTexts> open(const RunData& run, const std::string& path);
  std::string text(int32_t id) const;  // empty: not known

 private:
  std::shared_ptr<const Tokenizer> tokenizer_;
};

}  // namespace ballast
