#include "libcore/dedup/dedup_item.h"

namespace ballast {
namespace {

void note_kept(DedupItem& item) {
  Json& details = item.document.ballast;
  if (item.parts_removed > 0) {
    const auto parts = static_cast<int64_t>(item.parts.size());
    const char* unit = item.kind == PartKind::line ? "lines" : "paragraphs";
    item.document.text = join_parts(item.document.text, item.parts);
    details["dedup"][unit] = {{"found", parts}, {"kept", parts - item.parts_removed}};
  }
  if (item.cluster_size > 0) details["dedup"]["cluster_size"] = item.cluster_size;
  item.bytes_kept = static_cast<int64_t>(item.document.text.size());
}

void note_refused(DedupItem& item) {
  Json& details = item.document.ballast;
  details["dropped_by"] = item.refusal.stage;
  details["reason"] = item.refusal.reason;
  if (!item.kept_id.empty()) details["duplicate_of"] = item.kept_id;
  if (item.cluster_size > 0) details["dedup"]["cluster_size"] = item.cluster_size;
}

}  // namespace

void begin_item(DedupItem& item) {
  Document& document = item.document;
  item.bytes_in = static_cast<int64_t>(document.text.size());
  if (document.ballast.contains("dropped_by")) {
    item.refusal = kRefusedBefore;
    return;
  }
  if (document.id.empty()) document.id = default_document_id(document);
  if (document.text.empty()) item.refusal = kEmptyText;
}

void render_item(DedupItem& item) {
  if (item.refusal.stage != kRefusedBefore.stage) {
    Json& details = item.document.ballast;
    if (auto found = details.find("dedup"); found != details.end() && !found->is_object())
      details.erase(found);
    if (item.kept()) {
      note_kept(item);
    } else {
      note_refused(item);
    }
  }
  append_document(item.line, item.document);
}

}  // namespace ballast
