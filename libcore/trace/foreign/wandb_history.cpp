#include "libcore/trace/foreign/wandb_history.h"

#include "libcore/trace/foreign/gather.h"
#include "libcore/trace/foreign/history_document.h"
#include "libcore/trace/foreign/json_pull.h"
#include "libcore/trace/foreign/rows.h"

namespace ballast {
namespace {

constexpr size_t kHead = size_t{64} << 10;
constexpr int64_t kLongestLine = int64_t{64} << 20;

enum class Shape { none, lines, document };

Result<Shape> shape_of(std::string_view head) {
  JsonPull json(head);
  JsonToken token = BALLAST_TRY(json.next());
  const bool array = token == JsonToken::begin_array;
  if (array) token = BALLAST_TRY(json.next());
  if (token != JsonToken::begin_object) return Shape::none;
  for (;;) {
    token = BALLAST_TRY(json.next());
    if (token != JsonToken::key) return Shape::none;
    const std::string key = json.text();
    token = BALLAST_TRY(json.next());
    const bool nested = token == JsonToken::begin_object || token == JsonToken::begin_array;
    if (key == "_step" && !array && nested) return Shape::document;
    if (key == "_step" && token == JsonToken::number) return array ? Shape::document : Shape::lines;
    if (key == "history" && !array && nested) return Shape::document;
    if (!BALLAST_TRY(json.skip(token))) return Shape::none;
  }
}

// One object a line.
class LinesLog final : public ForeignLog {
 public:
  LinesLog(std::unique_ptr<ByteSource> source, ColumnMap map)
      : source_(std::move(source)),
        lines_(*source_, kLongestLine),
        rows_(std::move(map), notes_),
        row_(rows_, notes_),
        json_(std::string_view()) {}

  Result<bool> next(TraceRecord& record) override {
    while (!BALLAST_TRY(rows_.pop(record))) {
      if (finished_) return false;
      const std::optional<std::string_view> line = BALLAST_TRY(lines_.next());
      finished_ = !line;
      if (finished_) rows_.finish();
      if (line && line->find_first_not_of(" \t\r") != std::string_view::npos)
        BALLAST_TRY(take(*line));
    }
    return true;
  }
  const ForeignNotes& notes() const override { return notes_; }

 private:
  Result<void> take(std::string_view line) {
    json_.reset(line);
    row_.clear();
    const JsonToken first = BALLAST_TRY(json_.next());
    std::string name;
    bool good = first == JsonToken::begin_object &&
                BALLAST_TRY(json_.numbers(first, name, [&](std::string_view key, double value) {
                  row_.add(key, value);
                }));
    good = good && BALLAST_TRY(json_.next()) == JsonToken::end;
    if (good) {
      row_.finish(0, lines_.line_number());
    } else if (json_.truncated() && !lines_.last_line_complete()) {
      notes_.truncated = true;
    } else {
      count_damaged(notes_, lines_.line_number(),
                    json_.damage().empty() ? "the line is no object" : json_.damage());
    }
    return {};
  }

  std::unique_ptr<ByteSource> source_;
  LineReader lines_;
  ForeignNotes notes_;
  Rows rows_;
  NamedRow row_;
  JsonPull json_;
  bool finished_ = false;
};

// One document, read when the first record is asked for.
class DocumentLog final : public ForeignLog {
 public:
  DocumentLog(std::unique_ptr<ByteSource> source, ColumnMap map)
      : source_(std::move(source)), rows_(std::move(map), notes_) {}

  Result<bool> next(TraceRecord& record) override {
    if (source_ != nullptr) {
      BALLAST_TRY(read_history_document(*source_, rows_, notes_));
      source_.reset();
    }
    return rows_.pop(record);
  }
  const ForeignNotes& notes() const override { return notes_; }

 private:
  std::unique_ptr<ByteSource> source_;
  ForeignNotes notes_;
  Rows rows_;
};

}  // namespace

bool looks_like_wandb_history(std::string_view head) {
  const Result<Shape> shape = shape_of(head);
  return shape.ok() && *shape != Shape::none;
}

Result<std::unique_ptr<ForeignLog>> wandb_history_log(std::unique_ptr<ByteSource> source,
                                                      const ImportOptions& options) {
  BALLAST_TRY(refuse_run_name(options, source->name()));
  ColumnMap map = BALLAST_TRY(ColumnMap::make(options));
  std::string head(kHead, '\0');
  size_t size = 0;
  for (bool ended = false; !ended && size < head.size();) {
    const size_t got = BALLAST_TRY(
        source->read({reinterpret_cast<std::byte*>(head.data()) + size, head.size() - size}));
    ended = got == 0;
    size += got;
  }
  head.resize(size);
  const Shape shape = BALLAST_TRY(shape_of(head));
  source = prefixed_source(std::move(head), std::move(source));
  if (shape == Shape::document)
    return std::unique_ptr<ForeignLog>(
        std::make_unique<DocumentLog>(std::move(source), std::move(map)));
  return std::unique_ptr<ForeignLog>(std::make_unique<LinesLog>(std::move(source), std::move(map)));
}

}  // namespace ballast
